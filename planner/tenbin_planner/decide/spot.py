"""Risk of spot pools: how often their nodes are taken back, and how many at once.

Interruptions come in batches: when a pool runs out of spare capacity, many of its nodes go within minutes. A batch
begins at some replica, and takes each other one of the pool with some chance. How often batches begin, per replica and
hour, is learned as a gamma posterior of Poisson counts; how far they reach, as a beta posterior of shares. What is seen
counts less with age, since a market changes.

Prior: AWS's Spot Instance Advisor sorts instance types by the share that is interrupted in a month, from below 5 % to
above 20 %. Accelerators are scarce, and mostly in the last class, which has no upper end: 0.003 batches per replica and
hour are about two a month. That counts like half a batch, so that what a pool does soon outweighs it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.decide.interruptions import SpotMemory, Tally, from_plain, learn

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SpotBelief", "SpotMemory", "belief", "from_plain", "learn"]

PRIOR_PER_HOUR = 0.003
PRIOR_BATCHES = 0.5
"""Batches that the prior rate counts like."""
PRIOR_TAKEN, PRIOR_LEFT = 0.5, 1.0
"""Batches that took, and that left, all other replicas, which the prior reach counts like: a third goes."""
LARGEST = 256
"""Larger fleets lose the share that a fleet of this size loses."""
LONGEST_S = 7 * 86_400.0
_MOST_BATCHES = 32
_SEEN = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpotBelief:
    """What is believed of the interruptions of a spot pool."""

    batches: float
    """Shape of the gamma distribution of the rate at which batches begin."""
    hours: float
    """Its rate: replica-hours."""
    taken: float
    """First parameter of the beta distribution of the share of other replicas that a batch takes."""
    left: float

    @property
    def reach(self) -> float:
        """Expected share of the other replicas that a batch takes."""
        return self.taken / (self.taken + self.left)

    def interruptions_per_hour(self, fleet: int = 1) -> float:
        """Return how often a replica of a fleet of this size is interrupted per hour, on average."""
        return self.batches / self.hours * (1 + (max(fleet, 1) - 1) * self.reach)

    def chances(self, fleet: int, within_s: float) -> NDArray[np.float64]:
        """Return the chance to lose each number of replicas within a time, of shape (fleet + 1,).

        Args:
            fleet: replicas on the pool now.
            within_s: seconds; what is no time counts as 0, and more than a week as a week.
        """
        fleet = max(0, fleet)
        size = min(fleet, LARGEST)
        within_s = min(within_s, LONGEST_S) if within_s > 0 else 0.0
        tabled = _chances(self, size, within_s)
        if fleet == size:
            return tabled
        found = np.zeros(fleet + 1)
        np.add.at(found, np.ceil(np.arange(size + 1) * (fleet / size)).astype(np.int64), tabled)
        return found

    def lost(self, fleet: int, within_s: float, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return replicas lost within a time, one number for each number between 0 and 1; more for a higher one."""
        reached = np.cumsum(self.chances(fleet, within_s))
        found: NDArray[np.int64] = np.minimum(np.searchsorted(reached, uniforms, side="right"), max(0, fleet))
        return found

    def at_least(self, fleet: int, within_s: float, lost: int) -> float:
        """Return the chance to lose at least so many of a fleet within a time."""
        return 1.0 if lost <= 0 else float(self.chances(fleet, within_s)[lost:].sum())

    def expected_cost_factor(self, lead_s: float, fleet: int = 1) -> float:
        """Return what an hour of serving costs over the price of an hour: each interruption pays for a start again.

        Args:
            lead_s: lead time of the pool in seconds, for which a replica costs and does not serve.
            fleet: replicas on the pool.
        """
        lead_s = min(lead_s, LONGEST_S) if lead_s > 0 else 0.0
        return 1 + self.interruptions_per_hour(fleet) * lead_s / 3600


def belief(memory: SpotMemory, pool: str) -> SpotBelief:
    """Return what is believed of the interruptions of a spot pool."""
    seen = memory.of(pool)
    taken, left = _reach(seen)
    return SpotBelief(
        batches=PRIOR_BATCHES + seen.batches + (seen.recent is not None),
        hours=PRIOR_BATCHES / PRIOR_PER_HOUR + seen.hours,
        taken=PRIOR_TAKEN + taken,
        left=PRIOR_LEFT + left,
    )


def _reach(seen: Tally) -> tuple[float, float]:
    """Return the batches that took and that left the other replicas, the one that may still grow included."""
    if seen.recent is None:
        return seen.taken, seen.left
    share = seen.recent.share
    return (seen.taken, seen.left) if share is None else (seen.taken + share, seen.left + 1 - share)


@functools.lru_cache(maxsize=256)
def _chances(believed: SpotBelief, fleet: int, within_s: float) -> NDArray[np.float64]:
    """Return the chances of each number of lost replicas: over the batches that may come, each taking of what is left.

    That fewer replicas begin fewer batches is left out, so that many losses are a little too likely.
    """
    chances = np.zeros(fleet + 1)
    alive = np.zeros(fleet + 1)
    alive[fleet] = 1.0
    step = _one_batch(fleet, believed.taken, believed.left)
    exposure = fleet * within_s / 3600
    share = exposure / (believed.hours + exposure)
    weight, total = math.exp(believed.batches * math.log1p(-share)), 0.0
    for count in range(_MOST_BATCHES):
        chances += weight * alive[::-1]
        total += weight
        if 1 - total < _SEEN:
            break
        alive = alive @ step
        weight *= share * (believed.batches + count) / (count + 1)
    chances += max(0.0, 1 - total) * alive[::-1]
    chances /= chances.sum()
    chances.flags.writeable = False
    return chances


def _one_batch(fleet: int, taken: float, left: float) -> NDArray[np.float64]:
    """Return the chance of each number of replicas left, by the number before a batch: square, of fleet + 1."""
    before, after = np.arange(fleet + 1)[:, None], np.arange(fleet + 1)[None, :]
    others, gone = before - 1, before - 1 - after
    possible = (gone >= 0) & (others >= 0)
    others, gone = np.where(possible, others, 0), np.where(possible, gone, 0)
    stay = others - gone
    logs = {name: _log_rising(value, fleet) for name, value in (("t", taken), ("l", left), ("b", taken + left))}
    ways = _log_rising(1.0, fleet)
    log_chance = ways[others] - ways[gone] - ways[stay] + logs["t"][gone] + logs["l"][stay] - logs["b"][others]
    step: NDArray[np.float64] = np.where(possible, np.exp(log_chance), 0.0)
    step[0, 0] = 1.0
    return step


def _log_rising(start: float, count: int) -> NDArray[np.float64]:
    """Return the logarithms of start (start + 1) ... (start + n - 1) for n from 0 to a count."""
    return np.concatenate([[0.0], np.cumsum(np.log(start + np.arange(count)))])
