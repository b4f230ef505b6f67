"""How long answers are, learned while they run: lengths as a distribution that may change within minutes.

A mean over answers that ended is late, and low after lengths grew, since long answers have not ended yet. So what is
learned is the *hazard*: of the answers that leave a bin of tokens, the share that ended in it; the others went on
beyond it (`demand.AnswerCounts`). One that runs says what it can and no more, which is the product-limit estimate of
survival, with a declared log-normal distribution as prior.

The past is forgotten at several speeds. The slowest knows the hazard of each bin; each faster one knows by which factor
hazards of late differ from it, one factor for each doubling of tokens. What each foretold of the next exits decides
how much each counts, so a constant distribution is known well and a new one soon.

Pure: learning returns a new memory, and samples are made of the caller's uniform numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tenbin_planner.demand import progress
from tenbin_planner.model.lengths import LengthDistribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray
    from tenbin_spec.workload import Lengths

    from tenbin_planner.demand import ClassObservation

REMEMBERED = (8000.0, 2000.0, 500.0)
"""Requests after which each speed has forgotten all but 1/e, the slowest first."""
PRIOR_REQUESTS = 30.0
"""Requests that the declared distribution counts for."""
PRIOR_FADES = 100.0
"""Requests after which the declared distribution counts for half as many."""
LEAST_PRIOR = 0.5
"""Exits from a bin that the declared hazard counts for at least, where hardly any answer is declared to come to."""
PRIOR_ENDS = 4.0
"""Ends in a doubling of tokens for which the factor of the doubling before counts."""
JUDGED = 1000.0
"""Requests after which what a speed foretold counts 1/e."""
CREDIT = 0.25
"""Exponent on likelihoods: requests come in series that resemble one another, so they say less than they count."""
MOST_EVIDENCE = 30.0
"""A speed that foretold worse than this is as bad as can be, so that it can come back."""
LEAST_SCALE = 0.02
"""Least spread of a logarithm; constant lengths have this much."""
LEAST_HAZARD, MOST_HAZARD = 1e-9, 14.0
"""Of one bin; at the most, one answer of a million goes beyond it."""
FAR = 30.0
"""Score above which the normal distribution's tail is its asymptote."""
MOST = 1e9
"""Counts beyond this are not believed."""
_EDGES = progress.EDGES.astype(np.float64)
_DOUBLING = np.minimum(np.arange(progress.BINS) // progress.PER_DOUBLING, progress.BINS // progress.PER_DOUBLING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exits:
    """Answers that left each bin of late, with the past discounted; trailing zeros are left out."""

    ended: tuple[float, ...] = ()
    passed: tuple[float, ...] = ()
    evidence: float = 0.0
    """Logarithm of how well it foretold exits of late, against the best of all speeds; 0 or less."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LengthsMemory:
    """What is remembered of the lengths of one service's answers."""

    source: str = ""
    """Names the counters that were read last; others begin anew."""
    ended: tuple[int, ...] = ()
    """Highest values of the counters so far, all classes together; trailing zeros are left out."""
    passed: tuple[int, ...] = ()
    speeds: tuple[Exits, ...] = (Exits(),) * len(REMEMBERED)

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "source": self.source,
            "ended": list(self.ended),
            "passed": list(self.passed),
            "speeds": [[list(item.ended), list(item.passed), item.evidence] for item in self.speeds],
        }


def from_plain(plain: Mapping[str, Any]) -> LengthsMemory:
    """Read what `LengthsMemory.to_plain` wrote.

    Raises:
        ValueError: when it is not of this shape.
    """
    try:
        speeds = tuple(
            Exits(ended=_floats(ended), passed=_floats(passed), evidence=_number(evidence, -MOST, 0.0))
            for ended, passed, evidence in plain["speeds"]
        )
        if len(speeds) != len(REMEMBERED):
            raise ValueError(f"memory of lengths has {len(speeds)} speeds; this program has {len(REMEMBERED)}")
        return LengthsMemory(
            source=str(plain["source"]),
            ended=tuple(int(value) for value in _floats(plain["ended"])),
            passed=tuple(int(value) for value in _floats(plain["passed"])),
            speeds=speeds,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"memory of lengths is not of the shape that this program writes: {error!r}") from error


def learn(memory: LengthsMemory, seen: Iterable[ClassObservation], *, declared: Lengths) -> LengthsMemory:
    """Take note of how far answers went since the last time.

    Args:
        memory: of the service.
        seen: the service's classes at the gateway. Counters that are no whole numbers of 0 to `MOST` are passed over
            with all of their class.
        declared: output tokens as declared.

    Returns:
        What is to be remembered. Nothing is learned from counters that began at another time than those before.
    """
    known = [(item, counts) for item in seen if (counts := _usable(item)) is not None]
    if not known:
        return memory
    source = " ".join(f"{item.class_name}@{item.answers.since:.3f}" for item, _ in known if item.answers is not None)
    now = np.sum([counts for _, counts in known], axis=0)
    before = np.stack([_wide(memory.ended), _wide(memory.passed)])
    highest = now if source != memory.source else np.maximum(now, before)
    read = dataclasses.replace(
        memory, source=source, ended=_trimmed_whole(highest[0]), passed=_trimmed_whole(highest[1])
    )
    if memory.source not in ("", source):
        return read
    ended, passed = highest - before
    requests = max(float(ended.sum()), float((ended + passed).max(initial=0.0)))
    if requests <= 0:
        return read
    foretold = _hazards(memory.speeds, declared)
    evidence = [
        math.exp(-requests / JUDGED) * item.evidence
        + CREDIT * float(ended @ np.log(-np.expm1(-hazard)) - passed @ hazard)
        for item, hazard in zip(memory.speeds, foretold, strict=True)
    ]
    best = max(evidence)
    speeds = tuple(
        _with(
            item, ended=ended, passed=passed, requests=requests, span=span, evidence=max(value - best, -MOST_EVIDENCE)
        )
        for item, span, value in zip(memory.speeds, REMEMBERED, evidence, strict=True)
    )
    return dataclasses.replace(read, speeds=speeds)


@dataclasses.dataclass(frozen=True, eq=False)
class TokenLengths:
    """Distribution of the number of tokens of an answer or a prompt; at least 1, at most `progress.LONGEST`."""

    log_survival: NDArray[np.float64]
    """Shape (bins + 1,): logarithm of the share of answers longer than each of `progress.EDGES`; never rising."""

    def survival(self, tokens: ArrayLike) -> NDArray[np.float64]:
        """Return the share of answers that are longer than so many tokens, of the same shape."""
        found: NDArray[np.float64] = np.exp(self._log_survival_at(np.asarray(tokens, dtype=np.float64)))
        return found

    @property
    def mean(self) -> float:
        """Mean number of tokens."""
        share, width = np.exp(self.log_survival), np.diff(_EDGES)
        return float((width * share[:-1] - (share[:-1] - share[1:]) * (width - 1) / 2).sum())

    def mean_remaining(self, tokens: ArrayLike) -> NDArray[np.float64]:
        """Return the mean number of tokens to come of answers that have come to so many and still run."""
        have = np.clip(np.asarray(tokens, dtype=np.float64), 0, progress.LONGEST - 1)
        share, width = np.exp(self.log_survival), np.diff(_EDGES)
        area = width * share[:-1] - (share[:-1] - share[1:]) * (width - 1) / 2
        beyond = np.append(np.cumsum(area[::-1])[::-1], 0.0)
        place = np.searchsorted(_EDGES, have, side="right") - 1
        here = np.exp(self._log_survival_at(have))
        rest = _EDGES[place + 1] - have
        inside = rest * here - (here - share[place + 1]) * (rest - 1) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (inside + beyond[place + 1]) / here
        found: NDArray[np.float64] = np.maximum(np.nan_to_num(mean, nan=1.0, posinf=1.0), 1.0)
        return found

    def sample(self, uniforms: ArrayLike) -> NDArray[np.int64]:
        """Return lengths at these uniform numbers of [0, 1), of the same shape; a higher number is a longer answer."""
        return self.remaining(0, uniforms)

    def remaining(self, tokens: ArrayLike, uniforms: ArrayLike) -> NDArray[np.int64]:
        """Return how many tokens are to come of answers that have come to so many and still run; at least 1.

        Args:
            tokens: so far, 0 or more.
            uniforms: of [0, 1), of a shape that broadcasts with `tokens`; a higher number is a longer rest.
        """
        have = np.clip(np.nan_to_num(np.asarray(tokens, dtype=np.float64)), 0, progress.LONGEST)
        left = np.log1p(-np.clip(np.nan_to_num(np.asarray(uniforms, dtype=np.float64)), 0.0, 1 - 1e-12))
        target = self._log_survival_at(have) + left
        place = np.clip(np.searchsorted(-self.log_survival, -target, side="right") - 1, 0, progress.BINS - 1)
        into = -np.expm1(target - self.log_survival[place])
        leaving = -np.expm1(self.log_survival[place + 1] - self.log_survival[place])
        share = np.clip(into / np.maximum(leaving, 1e-300), 0.0, 1.0)
        total = np.ceil(_EDGES[place] + share * (_EDGES[place + 1] - _EDGES[place]))
        return np.maximum(total - have, 1.0).astype(np.int64)

    def _log_survival_at(self, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        place = np.clip(np.searchsorted(_EDGES, tokens, side="right") - 1, 0, progress.BINS - 1)
        share = np.clip((tokens - _EDGES[place]) / (_EDGES[place + 1] - _EDGES[place]), 0.0, 1.0)
        leaving = -np.expm1(self.log_survival[place + 1] - self.log_survival[place])
        found: NDArray[np.float64] = self.log_survival[place] + np.log1p(-share * np.minimum(leaving, 1 - 1e-12))
        return found


def outputs(memory: LengthsMemory, *, declared: Lengths) -> TokenLengths:
    """Return the lengths of answers that begin now; the declared ones while nothing is known."""
    survival = sum(
        weight * np.exp(-np.cumsum(hazard))
        for weight, hazard in zip(weights(memory), _hazards(memory.speeds, declared), strict=True)
    )
    # The tail is that of the slowest where all is so rare that it cannot be told from 0.
    log_survival = np.log(np.maximum(survival, 1e-300)) - 1e-9 * np.arange(1, progress.BINS + 1)
    return TokenLengths(np.concatenate([[0.0], log_survival]))


def weights(memory: LengthsMemory) -> tuple[float, ...]:
    """Return how much each speed counts, the slowest first; together 1."""
    shares = [math.exp(item.evidence) for item in memory.speeds]
    return tuple(share / sum(shares) for share in shares)


def inputs(*, declared: Lengths, mean: float | None = None) -> TokenLengths:
    """Return the lengths of prompts: of the declared shape, with the observed mean.

    Args:
        declared: input tokens as declared.
        mean: observed mean; None, or a number that cannot be one, stands for the declared mean.
    """
    if mean is None or not 1 <= mean <= progress.LONGEST:
        mean = declared.mean
    factor = mean / declared.mean
    return TokenLengths(_log_survival(declared.mean * factor, declared.p95 * factor))


def _hazards(speeds: tuple[Exits, ...], declared: Lengths) -> list[NDArray[np.float64]]:
    """Return the cumulated hazard of each bin as each speed has it, shape (bins,), above 0."""
    foretold = _log_survival(declared.mean, declared.p95)
    ended, passed = _wide(speeds[0].ended), _wide(speeds[0].passed)
    seen = float((ended + passed).max())
    counts_for = PRIOR_REQUESTS * PRIOR_FADES / (PRIOR_FADES + seen)
    weight = np.maximum(counts_for * np.exp(foretold[:-1]), LEAST_PRIOR)
    share = (ended + weight * -np.expm1(np.diff(foretold))) / (ended + passed + weight)
    slow = -np.log1p(-np.clip(share, LEAST_HAZARD, 1 - math.exp(-MOST_HAZARD)))
    found = [slow]
    for item in speeds[1:]:
        ended, passed = _wide(item.ended), _wide(item.passed)
        # Ends that the slowest expects: of those who leave a bin, half of its hazard is spared those that end there.
        expected = slow * (passed + ended / 2)
        factors = _factors(_by_doubling(ended), _by_doubling(expected))
        found.append(np.clip(slow * factors[_DOUBLING], LEAST_HAZARD, MOST_HAZARD))
    return found


def _factors(ended: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ends over expected ends by doubling; where there are few, the factor of the shorter answers before."""
    factors, before = [], 1.0
    for ends, foretold in zip(ended.tolist(), expected.tolist(), strict=True):
        before = (ends + PRIOR_ENDS * before) / (foretold + PRIOR_ENDS)
        factors.append(before)
    return np.array(factors)


@functools.lru_cache(maxsize=256)
def _log_survival(mean: float, p95: float) -> NDArray[np.float64]:
    """Return the logarithm of a log-normal's survival at each of `progress.EDGES`, strictly falling."""
    law = LengthDistribution.fit_moments(mean=mean, p95=p95)
    scale = max(law.scale, LEAST_SCALE)
    scores = ((np.log(_EDGES[1:] + 0.5) - law.location) / scale).tolist()
    hazard = np.diff([0.0, *(_log_tail(score) for score in scores)])
    whole = np.concatenate([[0.0], np.cumsum(np.clip(hazard, -MOST_HAZARD, -LEAST_HAZARD))])
    whole.setflags(write=False)
    return whole


def _log_tail(score: float) -> float:
    """Return the logarithm of the normal distribution's share above a score."""
    if score < FAR:
        return math.log(math.erfc(score / math.sqrt(2)) / 2)
    return -(score**2) / 2 - math.log(score * math.sqrt(2 * math.pi))


def _with(
    item: Exits,
    *,
    ended: NDArray[np.float64],
    passed: NDArray[np.float64],
    requests: float,
    span: float,
    evidence: float,
) -> Exits:
    """Return discounted exits with new ones, spread evenly over the requests between."""
    kept = math.exp(-requests / span)
    fresh = (1 - kept) * span / requests
    return Exits(
        ended=_trimmed(kept * _wide(item.ended) + fresh * ended),
        passed=_trimmed(kept * _wide(item.passed) + fresh * passed),
        evidence=round(evidence, 4),
    )


def _usable(item: ClassObservation) -> NDArray[np.float64] | None:
    counts = item.answers
    if counts is None or not math.isfinite(counts.since):
        return None
    if len(counts.ended) != progress.BINS or len(counts.passed) != progress.BINS:
        return None
    both = np.array([counts.ended, counts.passed], dtype=np.float64)
    return both if bool(((both >= 0) & (both <= MOST)).all()) else None


def _by_doubling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.bincount(_DOUBLING, weights=values).astype(np.float64)
    return sums


def _wide(values: tuple[float, ...]) -> NDArray[np.float64]:
    wide = np.zeros(progress.BINS)
    wide[: len(values)] = values
    return wide


def _trimmed(values: NDArray[np.float64]) -> tuple[float, ...]:
    rounded = [float(f"{value:.4g}") if value >= 1e-3 else 0.0 for value in values.tolist()]
    return tuple(rounded[: max((place + 1 for place, value in enumerate(rounded) if value), default=0)])


def _trimmed_whole(values: NDArray[np.float64]) -> tuple[int, ...]:
    used = np.flatnonzero(values)
    return tuple(values[: used[-1] + 1].astype(np.int64).tolist()) if used.size else ()


def _floats(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or len(values) > progress.BINS:
        raise TypeError(f"{type(values).__name__} where at most {progress.BINS} numbers belong")
    return tuple(_number(value, 0.0, 1e15) for value in values)


def _number(value: Any, least: float, most: float) -> float:
    number = float(value)
    if not least <= number <= most:
        raise ValueError(f"memory of lengths holds {value!r}; allowed is {least:g} to {most:g}")
    return number
