"""The text of a description of generated traffic: `NAME=VALUE` pairs, each checked, all problems at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from tenbin_spec import problems

from tenbin_planner.model import lengths
from tenbin_planner.traces import errors, generators

LENGTHS = ("input", "output")
DURATIONS = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_MOST_TOKENS = 1e8
_MOST_P95 = math.exp(lengths.NORMAL_P95**2 / 2)
"""Times the mean: no lognormal has more, and the percentile that was asked for would not come out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number that a description may give."""

    text: str
    default: float | None = None
    """None: it must be given."""
    least: float = 0.0
    most: float = math.inf
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.text} ({'required' if self.default is None else f'default {self.default:.15g}'})"


class Pairs:
    """What a description gives; what is wrong with it comes together in `wrong`."""

    def __init__(self, words: Iterable[str], allowed: Sequence[str]) -> None:
        self.wrong: list[str] = []
        self._given: dict[str, str] = {}
        for word in words:
            key, equals, value = (part.strip() for part in word.partition("="))
            if not equals:
                self.wrong.append(f"{word!r}: allowed is NAME=VALUE")
            elif key in self._given:
                self.wrong.append(f"{key}: given twice")
            else:
                self._given[key] = value
        self._classes = self._shares(self._given.get("classes"))
        own = [f"{name}.{class_name}" for name in LENGTHS for class_name in self._classes if class_name]
        known = [*allowed, *DURATIONS, *LENGTHS, "classes", *own]
        self.wrong += [f"{key}: {problems.unknown_key_message(key, known)}" for key in self._given if key not in known]

    def number(self, key: str, parameter: Parameter) -> float:
        """Return a number; where it is missing or wrong, a problem and the least one allowed."""
        if key not in self._given:
            if parameter.default is None:
                self.wrong.append(f"{key}: is required and missing: {parameter.text}")
            return parameter.least if parameter.default is None else parameter.default
        kind = "a whole number" if parameter.whole else "a number"
        allowed = f"{kind} from {parameter.least:.15g} to {parameter.most:.15g}"
        return self._checked(key, self._given[key], parameter.least, parameter.most, allowed, whole=parameter.whole)

    def duration_s(self) -> float:
        """Return the length of the trace in seconds."""
        given = [key for key in DURATIONS if key in self._given]
        if len(given) != 1:
            found = f"{' and '.join(given)} are given" if given else "none is given"
            self.wrong.append(f"length of the trace: {found}; allowed is one of {', '.join(DURATIONS)}")
            return 1.0
        most = 1e9 / DURATIONS[given[0]]
        allowed = f"a number above 0 and up to {most:.6g}"
        least = math.ulp(0.0)
        return self._checked(given[0], self._given[given[0]], least, most, allowed) * DURATIONS[given[0]]

    def kinds(self) -> list[generators.Kind]:
        """Return the classes with their shares and lengths."""
        common = {name: self._lengths(name) for name in LENGTHS if name in self._given}
        kinds = []
        for class_name, share in self._classes.items():
            found = {}
            for name in LENGTHS:
                own = f"{name}.{class_name}"
                found[name] = self._lengths(own) if own in self._given else common.get(name)
                if found[name] is None:
                    where = name if not class_name else f"{name} or {own}"
                    self.wrong.append(f"{where}: is required and missing: tokens as mean/p95, or one number for all")
            constant = lengths.LengthDistribution(location=0.0, scale=0.0)
            kinds.append(
                generators.Kind(
                    class_name=class_name,
                    share=share,
                    input_tokens=found["input"] or constant,
                    output_tokens=found["output"] or constant,
                )
            )
        return kinds

    def _lengths(self, key: str) -> lengths.LengthDistribution:
        allowed = (
            f"mean/p95 in tokens, or one number for all, from 1 to {_MOST_TOKENS:.15g}, "
            f"and p95 from 1 to {_MOST_P95:.2f} times the mean"
        )
        cells = self._given[key].split("/")
        numbers = [_number(cell) for cell in cells]
        mean, p95 = numbers[0], numbers[-1]
        if len(cells) > 2 or not 1 <= mean <= p95 <= min(_MOST_P95 * mean, _MOST_TOKENS):
            self.wrong.append(f"{key}: {self._given[key]!r}; allowed is {allowed}")
            mean = p95 = 1.0
        return lengths.LengthDistribution.fit_moments(mean=mean, p95=p95)

    def _shares(self, text: str | None) -> dict[str, float]:
        if text is None:
            return {"": 1.0}
        shares: dict[str, float] = {}
        for part in text.split("+"):
            name, _, share = part.partition(":")
            if not name or name in shares or not 0 < _number(share) <= 1:
                self.wrong.append(
                    f"classes: {part!r}; allowed is NAME:SHARE, each name once, shares above 0 and up to 1"
                )
            else:
                shares[name] = _number(share)
        if shares and abs(sum(shares.values()) - 1) > 0.001:
            self.wrong.append(f"classes: shares add up to {sum(shares.values()):.6g}; allowed is 1")
        return shares or {"": 1.0}

    def _checked(self, key: str, text: str, least: float, most: float, allowed: str, *, whole: bool = False) -> float:
        value = _number(text)
        if not least <= value <= most or (whole and value != math.floor(value)):
            self.wrong.append(f"{key}: {text!r}; allowed is {allowed}")
            return least
        return value


def _number(text: str) -> float:
    """Return a number, NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def refusal(text: str, wrong: Sequence[str], allowed: Mapping[str, Parameter]) -> errors.SpecError:
    """Return the error for a description with everything that is wrong with it."""
    lines = [f"  - {problem}" for problem in wrong]
    usage = [f"    {key}: {parameter}" for key, parameter in allowed.items()]
    noun = "problem" if len(wrong) == 1 else "problems"
    return errors.SpecError(
        "\n".join([f"{text} has {len(wrong)} {noun}:", *lines, "  Parameters of this shape:", *usage])
    )
