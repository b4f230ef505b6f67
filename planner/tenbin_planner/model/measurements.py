"""Measured times of forward passes, and which of them cannot be."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from tenbin_spec.problems import TenbinError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

LEAST_PER_KNOT = 2
"""Measurements between two knots."""
SHOWN = 10
"""Problems that a message lists; the others are counted."""
MOST = 1e9
"""Largest amount of anything in a pass."""


class MeasurementError(TenbinError, ValueError):
    """Measurements that cannot be, or too few of them; the message names all, and `problems` has them one by one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = [f"  - {problem}" for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  - and {len(self.problems) - SHOWN:,} more")
        noun = "problem" if len(self.problems) == 1 else "problems"
        super().__init__("\n".join([f"the measurements have {len(self.problems):,} {noun}:", *lines]))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """Times, each over one pass or over several passes together.

    Arrays of passes have the shape (passes,), those of measurements the shape (measurements,).
    """

    decode_sequences: NDArray[np.float64]
    """By pass: sequences that decode one token each; means may be fractions."""
    kv_tokens: NDArray[np.float64]
    """By pass: tokens of context that the decodes read together."""
    prefill_tokens: NDArray[np.float64]
    """By pass: prompt tokens computed."""
    prefill_context: NDArray[np.float64]
    """By pass: sum over chunks of tokens * (tokens computed before + tokens / 2)."""
    of: NDArray[np.int64]
    """By pass: position of the measurement that it belongs to."""
    ms: NDArray[np.float64]
    """Time that all passes of a measurement took together."""
    trust: NDArray[np.float64]
    """Weight of a measurement; all of a kind together weigh as much as all of another kind of the same trust."""
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    """Where a measurement comes from, for messages: a file and a line."""

    @classmethod
    def joined(cls, parts: Iterable[Measurements]) -> Measurements:
        """Return the measurements of several sources as one."""
        members = list(parts)
        starts = np.cumsum([0, *(part.ms.size for part in members)])

        def column(name: str) -> NDArray[np.float64]:
            return np.concatenate([np.zeros(0), *(getattr(part, name) for part in members)])

        return cls(
            **{
                name: column(name)
                for name in ("decode_sequences", "kv_tokens", "prefill_tokens", "prefill_context", "ms", "trust")
            },
            of=np.concatenate(
                [np.zeros(0, dtype=np.int64), *(part.of + start for part, start in zip(members, starts, strict=False))]
            ),
            kinds=tuple(kind for part in members for kind in part.kinds),
            places=tuple(place for part in members for place in part.places),
        )


def check(passes: Measurements) -> None:
    """Refuse measurements that cannot be, and sets of them from which no curve follows.

    Raises:
        MeasurementError: naming every measurement, its value and what is allowed.
    """
    problems = [*_bad_times(passes), *_bad_amounts(passes)]
    if not problems:
        problems = list(_missing(passes))
    if problems:
        raise MeasurementError(problems)


def _bad_times(passes: Measurements) -> Iterator[str]:
    good = np.isfinite(passes.ms) & (passes.ms > 0) & (passes.ms < MOST)
    for index in np.flatnonzero(~good):
        yield f"{passes.places[index]}: ms is {passes.ms[index]:g}; allowed are numbers above 0"
    present = np.bincount(passes.of, minlength=passes.ms.size) > 0
    for index in np.flatnonzero(~present):
        yield f"{passes.places[index]}: no pass belongs to this time; allowed are one or more"


def _bad_amounts(passes: Measurements) -> Iterator[str]:
    for name in ("decode_sequences", "kv_tokens", "prefill_tokens", "prefill_context"):
        amounts = getattr(passes, name)
        most = MOST**2 if name == "prefill_context" else MOST
        with np.errstate(invalid="ignore"):
            good = np.isfinite(amounts) & (amounts >= 0) & (amounts <= most)
        for index in np.flatnonzero(~good):
            place = passes.places[passes.of[index]]
            yield f"{place}: {name} is {amounts[index]:g}; allowed are numbers from 0 to {most:g}"
    decodes, tokens = passes.decode_sequences, passes.prefill_tokens
    rules = (
        ((decodes == 0) & (tokens == 0), "computes nothing; allowed are decode_sequences or prefill_tokens above 0"),
        (passes.kv_tokens < decodes, "reads fewer KV tokens than it has decode sequences; each reads one or more"),
        ((decodes == 0) & (passes.kv_tokens > 0), "reads KV tokens without a decode sequence"),
        (passes.prefill_context < tokens / 2, "has a prefill context below half its prefill tokens; each token is one"),
        ((tokens == 0) & (passes.prefill_context > 0), "has a prefill context without prefill tokens"),
    )
    for broken, words in rules:
        for index in np.flatnonzero(broken):
            yield f"{passes.places[passes.of[index]]}: a pass {words}"


def _missing(passes: Measurements) -> Iterator[str]:
    """Yield what more is needed to tell the parts of a pass apart."""
    decoding = (passes.decode_sequences > 0) & (passes.prefill_tokens == 0)
    sequences, tokens = passes.decode_sequences[decoding], passes.kv_tokens[decoding]
    batches = np.unique(sequences)
    if batches.size < LEAST_PER_KNOT:
        yield f"passes that only decode are of {batches.size} batch sizes; needed are 2 or more"
    elif (
        np.linalg.matrix_rank(np.stack([np.ones_like(tokens), sequences / sequences.max(), tokens / tokens.max()])) < 3
    ):
        yield (
            "batch size and KV tokens of the passes that only decode rise together; "
            "needed is a batch size at two lengths of context or more"
        )
    prompts = np.unique(passes.prefill_tokens[passes.prefill_tokens > 0])
    if prompts.size < LEAST_PER_KNOT:
        yield f"passes that compute prompts are of {prompts.size} sizes; needed are 2 or more"
