"""Memories made of histories, and of two memories one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.decide.outlook import learning, levels, memory, seasons

_CLOSELY_S = 2 * 86_400
"""How much of a history is gone through bin by bin; of what is older only the time of day and week counts."""


def from_history(seconds: NDArray[np.float64], *, ends_at: float) -> memory.DemandMemory:
    """Return the memory of a planner that had watched a history.

    Args:
        seconds: requests in each second, oldest first, shape (seconds,); NaN or below 0 is unknown.
        ends_at: when the last of them ended, in seconds since the epoch.
    """
    counts = np.asarray(seconds, dtype=np.float64)
    end = math.floor(ends_at)
    start = end - counts.size
    first, last = -(-start // levels.BIN_S), end // levels.BIN_S
    if last <= first:
        return memory.empty()
    counts = counts[first * levels.BIN_S - start :][: (last - first) * levels.BIN_S].reshape(-1, levels.BIN_S)
    known = (counts >= 0) & np.isfinite(counts)
    total, width = np.where(known, counts, 0.0).sum(axis=1), known.sum(axis=1)
    bins = np.minimum(total * levels.BIN_S / np.maximum(width, 1), 1e9)
    bins[width < learning.LEAST_SECONDS] = -1.0
    work = learning.Work(memory.empty())
    per_slot = seasons.SLOT_S // levels.BIN_S
    # The close look begins with a slot.
    closely = max(first, -(-(last - _CLOSELY_S // levels.BIN_S) // per_slot) * per_slot)
    if closely > first:
        _fill(work, bins[: closely - first], closely)
    learning.advance(work, closely, bins[closely - first :].tolist())
    return work.close()


def _fill(work: learning.Work, bins: NDArray[np.float64], ends: int) -> None:
    """Write the slots of bins of which the last ends with a slot."""
    per_slot = seasons.SLOT_S // levels.BIN_S
    whole = min(bins.size // per_slot, seasons.SLOTS)
    table = bins[bins.size - whole * per_slot :].reshape(whole, per_slot)
    known = (table >= 0).sum(axis=1)
    rates = np.where(table >= 0, table, 0.0).sum(axis=1) / (np.maximum(known, 1) * levels.BIN_S)
    if whole:
        work.arrays["slots"][-whole:] = np.where(known >= per_slot // 3, np.sqrt(rates), -1)
    work.begun, work.until = True, ends


def merge(saved: memory.DemandMemory, own: memory.DemandMemory | None) -> memory.DemandMemory:
    """Return what was saved, with what this planner saw itself while it did not lead.

    The one that has seen more stays, and learns the newest bins of the other.
    """
    if own is None:
        return saved
    more, less = (saved, own) if saved.observed_s >= own.observed_s else (own, saved)
    if less.until is None or (more.until is not None and less.until <= more.until):
        return more
    if more.until is None:
        return less
    work = learning.Work(more)
    first = max(more.until, less.until - memory.BINS)
    bins = less.bins[memory.BINS - (less.until - first) :]
    learning.advance(work, first, bins.astype(np.float64).tolist())
    return work.close()
