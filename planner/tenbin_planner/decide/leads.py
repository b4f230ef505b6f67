"""Lead times of pools, learned from starts: how long until a replica serves, and how much longer one that has begun.

Two modules behind one name: `starts` remembers what was seen of starts, `regimes` holds what a lead time may be. A
belief joins them: starts that completed, starts that ended without serving, and those that wait now, which took longer
than their age already, so that a lead time that triples is noticed while the late ones still wait.

Starts are of two kinds where the cluster tells: warm ones, whose node was there with their image, and cold ones. Each
kind has a belief of its own, which begins with what is believed after the starts of the other: they share the engine.

A start without a node waits for the cloud and not for the pool's usual way to serve. It counts as late up to the age at
which it is stuck, and that age does not follow from it: a pool that gives no nodes is closed, not believed to be slow.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.decide import regimes
from tenbin_planner.decide.observation import Warmth
from tenbin_planner.decide.starts import LeadMemory, Start, Waiting, from_plain, learn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["LeadBelief", "LeadMemory", "belief", "from_plain", "learn", "stuck_after_s"]

STUCK_AFTER_LEADS = 3.0
"""A replica that has not come after this many lead times comes no more."""
SHORTEST_STUCK_S = 60.0
WARM_SHARE = 1 / 3
"""Of a declared lead time, what a warm start takes before any was seen. An engine (vLLM 0.23, 8B model, H200) answers
88 to 105 s after its process began, without the reading of weights (measured 2026-11-23); with node, image and weights
300 s are declared where a stack says nothing (`tenbin_spec.pools.DEFAULT_LEAD_TIME_S`)."""
APART = 0.5
"""Chance that a kind of starts takes its own time, whatever the other kind takes."""
PATIENCE = 10.0
"""However late all starts are, none is waited for longer than this many of the lead times that were completed."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LeadBelief:
    """What is believed of the lead time of a pool; times are in seconds."""

    chances: NDArray[np.float64]
    """Of each regime of `regimes`; they sum to 1."""
    stuck_s: float
    """Age at which a starting replica counts as stuck."""
    by_kind: Mapping[Warmth, NDArray[np.float64]] = dataclasses.field(default_factory=dict)
    """The same chances for starts that are known to be warm or cold, where anything was seen of such."""

    def of(self, kind: Warmth) -> LeadBelief:
        """Return the belief of starts of one kind; of one that is not known, or was never seen, that of all."""
        chances = self.by_kind.get(kind)
        return self if chances is None else LeadBelief(chances=chances, stuck_s=self.stuck_s)

    @property
    def longest_s(self) -> float:
        """What half of the starts take at most of the kind that takes longer."""
        return max(self.median_s, self.of(Warmth.COLD).median_s)

    @functools.cached_property
    def survival(self) -> NDArray[np.float64]:
        """Chance that a start takes longer than each of `regimes.TIMES_S`."""
        return self.chances @ regimes.table()

    @property
    def median_s(self) -> float:
        """What half of the starts take at most."""
        return self.quantile_s(0.5)

    def quantile_s(self, share: float) -> float:
        """Return what this share of the starts takes at most.

        Raises:
            ValueError: unless 0 < share < 1.
        """
        return float(self.sample(np.array([_open_share(share)]))[0])

    def sample(self, uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return lead times of new starts, one for each number between 0 and 1; more for a higher number."""
        return regimes.times_at(self.survival, 1.0 - uniforms)

    def within(self, uniform: float) -> LeadBelief:
        """Return the belief in one possible regime, for a number between 0 and 1; a slower one for a higher number.

        Starts of one future share their regime: draw it once, then each start in it. Over all numbers the starts are
        distributed as in `sample`, but late together.
        """
        reached = np.cumsum(self.chances)
        chosen = np.zeros_like(self.chances)
        chosen[min(int(np.searchsorted(reached, uniform * reached[-1], side="right")), len(chosen) - 1)] = 1.0
        return dataclasses.replace(self, chances=chosen)

    def left_s(self, age_s: float, share: float = 0.5) -> float:
        """Return what this share of the starts that are so old already still takes at most.

        Raises:
            ValueError: unless 0 < share < 1.
        """
        return float(self.sample_left(age_s, np.array([_open_share(share)]))[0])

    def sample_left(self, age_s: float, uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a start that is so old already still takes, one for each number between 0 and 1."""
        age_s = regimes.usable_s(age_s)
        beyond = regimes.survival_at(self.survival, age_s)
        total = regimes.times_at(self.survival, beyond * (1.0 - uniforms))
        return np.maximum(total - age_s, 0.0)


def stuck_after_s(believed: LeadBelief) -> float:
    """Return the age in seconds at which a starting replica counts as stuck.

    Three lead times, and more patience while starts with a node are late together; never without end, since an engine
    that cannot start looks the same.
    """
    return believed.stuck_s


def belief(memory: LeadMemory, pool: str, prior_s: float) -> LeadBelief:
    """Return what is believed of the lead time of a pool.

    Args:
        memory: of starts, this moment's included.
        pool: as named to `learn`.
        prior_s: declared lead time, in seconds: counts like two or three starts.
    """
    prior_s = regimes.usable_s(prior_s)
    past = _after_past(memory.of(pool), prior_s)
    waiting = [item for item in memory.starting.values() if item.pool == pool]
    longest_s = max(SHORTEST_STUCK_S, PATIENCE * _median_s(past))
    seated = regimes.later_than(past, [min(item.age_s, longest_s) for item in waiting if item.is_scheduled])
    stuck_s = max(SHORTEST_STUCK_S, min(STUCK_AFTER_LEADS * _median_s(seated), longest_s))
    late = regimes.later_than(seated, [min(item.age_s, stuck_s) for item in waiting if not item.is_scheduled])
    return LeadBelief(chances=late, stuck_s=stuck_s, by_kind=dict(_kinds(memory, pool, prior_s, waiting, stuck_s)))


def _kinds(
    memory: LeadMemory, pool: str, prior_s: float, waiting: list[Waiting], stuck_s: float
) -> Iterator[tuple[Warmth, NDArray[np.float64]]]:
    """Yield the chances of each kind of which something is known: warm and cold starts once any start told its kind."""
    if not any(start.parts.kind is not Warmth.UNKNOWN for start in memory.of(pool)):
        return
    for kind, own_prior_s in ((Warmth.WARM, WARM_SHARE * prior_s), (Warmth.COLD, prior_s)):
        past = _of_kind(memory.of(pool), kind, prior_s, own_prior_s)
        ages_s = [min(item.age_s, stuck_s) for item in waiting if item.kind is kind]
        yield kind, regimes.later_than(past, ages_s)


@functools.lru_cache(maxsize=256)
def _of_kind(starts: tuple[Start, ...], kind: Warmth, prior_s: float, own_prior_s: float) -> NDArray[np.float64]:
    """Return the chances of regimes after all past starts, for one of a kind that begins now.

    The starts of the other kind come first, as a prior that may be far off (`APART`); then come its own.
    """
    others = _after_past(tuple(start for start in starts if start.parts.kind is not kind), prior_s)
    fresh = regimes.reset(regimes.usable_s(own_prior_s))
    chances = (1 - APART) * others + APART * fresh
    return _followed(chances, fresh, [start for start in starts if start.parts.kind is kind])


@functools.lru_cache(maxsize=256)
def _after_past(starts: tuple[Start, ...], prior_s: float) -> NDArray[np.float64]:
    """Return the chances of regimes after all past starts, for a start that begins now."""
    return _followed(regimes.prior(prior_s), regimes.reset(prior_s), starts)


def _followed(chances: NDArray[np.float64], fresh: NDArray[np.float64], starts: Iterable[Start]) -> NDArray[np.float64]:
    """Return the chances for the next start after these, between any two of which the regime may change."""
    for batch in _batches(starts):
        chances = regimes.changed(chances, fresh)
        for start in batch:
            chances = regimes.given(chances, start.from_s, start.until_s)
    chances = regimes.changed(chances, fresh)
    chances.flags.writeable = False
    return chances


def _batches(starts: Iterable[Start]) -> list[list[Start]]:
    """Group starts that ended in the same moment: between them the regime does not change."""
    batches: dict[float, list[Start]] = {}
    for start in starts:
        batches.setdefault(start.at, []).append(start)
    return [batches[at] for at in sorted(batches)]


def _median_s(chances: NDArray[np.float64]) -> float:
    return float(regimes.times_at(chances @ regimes.table(), np.array([0.5]))[0])


def _open_share(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; allowed is a number above 0 and below 1")
    return share
