"""A schedule made better by trial: replicas added or taken away over a stretch of time, and kept where that pays.

What a change does is over soon after it, so one replay of a trace judges many changes, each by what its surroundings
cost: dollars, and misses at a price. The price follows the share of good requests towards what is wanted. The same
schedule and numbers give the same result.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tenbin_planner.backtest.replays import Replay

LENGTHS = (1, 2, 3, 5, 8, 13, 21, 34)
"""Minutes over which a replica is added or taken away."""
STRICT = 1 / 3
"""Where all that seems to pay does not pay together, only changes are kept that gain this share of the best."""
STEEP = 0.3
"""By what power of the misses over those allowed the price of a miss moves at a trial."""
LARGEST, CALMER = 0.3, 10
"""By what share it moves at most, and the trials after which that has halved."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What a schedule may be."""

    least: int
    most: int
    before: int
    """Minutes before a change in which it costs: a lead time."""
    after: int
    """Minutes after it in which it shows: the end of answers."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Improved:
    """The cheapest schedule that reached what was wanted, else the one with the best attainment."""

    counts: NDArray[np.int64]
    replay: Replay
    miss_usd: float
    """The price of a miss at the end."""


def improve(
    play: Callable[[NDArray[np.int64]], Replay],
    counts: NDArray[np.int64],
    limits: Limits,
    *,
    miss_usd: float,
    target: float,
    trials: int,
    seed: int = 0,
) -> Improved:
    """Improve a schedule.

    Args:
        play: replays one.
        counts: replicas by minute, shape (minutes,).
        limits: what it may be.
        miss_usd: price of a missed request to begin with.
        target: share of good requests that is wanted.
        trials: replays of changes.
        seed: of what is tried.
    """
    rng = np.random.default_rng(seed)
    present, now = counts, play(counts)
    best = Improved(counts=present, replay=now, miss_usd=miss_usd)
    for trial in range(trials):
        blocks = _blocks(rng, present, limits)
        made = play(_changed(present, blocks, limits))
        gain = now.usd_by_minute - made.usd_by_minute + miss_usd * (now.missed - made.missed)
        worth = [float(gain[max(block.first - limits.before, 0) : block.stop + limits.after].sum()) for block in blocks]
        for least in (0.0, STRICT * max([*worth, 0.0])):
            kept = [block for block, usd in zip(blocks, worth, strict=True) if usd > least]
            if not kept:
                break
            merged = _changed(present, kept, limits)
            then = play(merged)
            if _cost(then, miss_usd) < _cost(now, miss_usd):
                present, now = merged, then
                break
        if _rank(now, target) < _rank(best.replay, target):
            best = Improved(counts=present, replay=now, miss_usd=miss_usd)
        over = (1 - now.attainment) / max(1 - target, 1e-9)
        largest = 1 + LARGEST / (1 + trial / CALMER)
        miss_usd *= min(max(max(over, 1e-9) ** STEEP, 1 / largest), largest)
    return dataclasses.replace(best, miss_usd=miss_usd)


def _cost(made: Replay, miss_usd: float) -> float:
    return made.usd + miss_usd * float(made.missed.sum())


def _changed(counts: NDArray[np.int64], blocks: Sequence[_Block], limits: Limits) -> NDArray[np.int64]:
    changed = counts.copy()
    for block in blocks:
        changed[block.first : block.stop] += block.more
    return np.clip(changed, limits.least, limits.most)


def _rank(made: Replay, target: float) -> tuple[float, float]:
    """Return what is smaller for the better of two replays."""
    return (0.0, made.usd) if made.attainment >= target else (1.0, -made.attainment)


@dataclasses.dataclass(frozen=True)
class _Block:
    first: int
    stop: int
    more: int


def _blocks(rng: np.random.Generator, counts: NDArray[np.int64], limits: Limits) -> list[_Block]:
    """Choose stretches, far enough apart, and whether each gets one replica more or one less.

    Some lie at the steps of the schedule, on one side or the other, or go from one step to the next, some anywhere.
    """
    steps = np.append(np.flatnonzero(np.diff(counts)) + 1, counts.size)
    apart = limits.before + limits.after
    blocks, free = [], int(rng.integers(0, 2 * apart + 1))
    while free < counts.size:
        length, kind = int(rng.choice(LENGTHS)), int(rng.integers(0, 4))
        begin = free
        place = int(np.searchsorted(steps, free))
        if kind < 3 and place < steps.size - 1:
            begin = int(steps[place])
            if kind == 1 and begin - length >= free:
                begin -= length
            elif kind == 2:
                length = int(steps[place + 1]) - begin
        stop = min(begin + length, counts.size)
        if stop > begin:
            blocks.append(_Block(begin, stop, int(rng.choice((-1, 1)))))
        free = stop + apart + int(rng.integers(0, 4))
    return blocks
