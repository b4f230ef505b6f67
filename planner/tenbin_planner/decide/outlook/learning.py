"""Learning from arrivals: levels bin by bin, and every half minute what came of the forecasts made before.

A waiting forecast is a row: levels, the season's change and the season at each horizon, the regression's and the joint
forecast, its variance, the trust in the season, and the quantiles that are watched; `_CUTS` says where each lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.decide.outlook import experts, levels, memory, seasons, spreads

Floats = levels.Floats

_H = experts.HORIZONS_S.size
_CUTS = np.cumsum([levels.LEVELS, _H, _H, _H, _H, _H, 1])
_PER_WINDOW = experts.WINDOW_S // levels.BIN_S
_PER_SLOT = seasons.SLOT_S // levels.BIN_S
_DELAYS = ((experts.HORIZONS_S + experts.WINDOW_S / 2) / experts.WINDOW_S).astype(np.int64)
"""Windows from a forecast's making to the end of what it tells of."""
LEAST_SECONDS = 3
"""Of a bin, that must be known."""
_LEAST_KNOWN_S = 30.0
"""Before so much is seen, forecasts are not held to account."""
_LOSS_KEEP = np.exp(-experts.WINDOW_S / (3600.0 + 2 * experts.HORIZONS_S))
_LEARNING_RATE = 0.8 / np.sqrt(_DELAYS)
"""Lower for longer horizons: the windows that they span overlap, and tell the less anew."""
_MOST_LOSS = 4.0
_REGRESSION_KEEP = math.exp(-experts.WINDOW_S / (3 * 86400.0))
_FOLLOW, _FOLLOW_WEIGHT = 0.5, 1.0
"""Share of the season's change that is believed in before any has come, and how firmly."""
_RIDGE = 10.0
"""Belief of the regression in its base: squares of terms that must have been seen before they count as much."""
_MOST_BEND = 1.5
_MOST_TARGET = 2.0
_TYPICAL_VARIANCE = 0.05
"""Errors of far more variance count for little in the regression."""
SURPRISE = 2.0
"""Standard deviations from which the newest counts count more than the experts; from twice as many they alone do."""
_MOST_COUNT = 1e9


class Work:
    """A memory being worked on: its arrays, open to writing."""

    def __init__(self, before: memory.DemandMemory) -> None:
        self.arrays: dict[str, NDArray[Any]] = before.arrays()
        self.begun = before.until is not None
        self.until = before.until or 0
        self.observed_s = before.observed_s

    def close(self) -> memory.DemandMemory:
        """Return the memory."""
        return memory.of(self.arrays, until=self.until if self.begun else None, observed_s=self.observed_s)


def advance(work: Work, first: int, counts: Sequence[float]) -> None:
    """Take in bins in place.

    Args:
        work: what is worked on.
        first: number of the first bin since the epoch; bins that were taken in before are passed over.
        counts: requests in each bin; below 0 is unknown.
    """
    if not work.begun:
        work.begun, work.until = True, first
    if first > work.until:
        pass_by(work, first - work.until)
    arrays = work.arrays
    state, window = arrays["levels"], arrays["bins"][-_PER_WINDOW:].tolist()
    taken: list[float] = []
    for count in counts[work.until - first :]:
        taken.append(count)
        window.append(count)
        if count >= 0:
            levels.add(state, count)
            arrays["slot"] += (count, 1)
            work.observed_s += levels.BIN_S
        else:
            levels.skip(state, 1)
        work.until += 1
        if work.until % _PER_SLOT == 0:
            _end_slot(arrays)
        if work.until % _PER_WINDOW == 0:
            recent = window[-_PER_WINDOW:]
            if min(recent) >= 0:
                _score(arrays, work.until // _PER_WINDOW, sum(recent))
            _wait(work)
    if taken:
        arrays["bins"] = np.concatenate([arrays["bins"], np.array(taken, dtype=np.float32)])[-memory.BINS :]


def pass_by(work: Work, bins: int) -> None:
    """Let bins pass of which nothing is known."""
    arrays = work.arrays
    levels.skip(arrays["levels"], bins)
    ended = (work.until + bins) // _PER_SLOT - work.until // _PER_SLOT
    for _ in range(min(ended, seasons.SLOTS)):
        _end_slot(arrays)
    kept = arrays["bins"][min(bins, memory.BINS) :]
    arrays["bins"] = np.concatenate([kept, np.full(memory.BINS - kept.size, -1, dtype=np.float32)])
    work.until += bins


def _end_slot(arrays: dict[str, NDArray[Any]]) -> None:
    count, known = arrays["slot"].tolist()
    slots = arrays["slots"]
    slots[:-1] = slots[1:]
    slots[-1] = math.sqrt(count / (known * levels.BIN_S)) if known >= _PER_SLOT // 3 else -1
    arrays["slot"][:] = 0


class Told:
    """Forecasts made at one instant, by horizon: what experts know, what they say together, and how sure that is."""

    def __init__(
        self, arrays: dict[str, NDArray[Any]], until: int, prior_rps: float | None = None, prior_variance: float = 0.5
    ) -> None:
        self.logs = levels.logs(arrays["levels"], prior_rps=prior_rps, prior_variance=prior_variance)
        self.change, self.season, self.trust = season_at(arrays["slots"], until)
        known = experts.terms(self.logs, self.change, self.season, self.trust)
        ridge = _RIDGE * np.eye(experts.TERMS)
        factors = np.linalg.solve(arrays["gram"] + ridge, arrays["moments"][..., None])[..., 0]
        bend = np.clip((factors * known).sum(axis=1), -_MOST_BEND, _MOST_BEND)
        self.regression = self.logs[experts.BASE] + bend
        followed = follow(arrays) * self.change
        said = experts.told(
            self.logs, self.change, self.season, self.trust, followed=followed, regression=self.regression
        )
        self.added = spreads.shift(self.logs)
        said = spreads.shifted(said, self.added)
        weights = weigh(arrays["losses"])
        joint = (weights * said).sum(axis=1)
        joint += self._surprise(arrays, joint[0]) * (np.log(np.exp(self.logs[0]) + self.added) - joint)
        self.between = (weights * (said - joint[:, None]) ** 2).sum(axis=1)
        self.rates = np.maximum(np.exp(joint) - self.added, 1e-9)
        self.dispersion = levels.dispersion(arrays["levels"])
        self.variance = spreads.variance(arrays["scales"], self.between)
        self.variance += spreads.level_noise(self.rates, self.added, self.dispersion)

    def _surprise(self, arrays: dict[str, NDArray[Any]], joint: float) -> float:
        """Return how far what just came is beyond what has been told of the near, from 0 to 1.

        A rate that leaves all that was learned has changed its law: the newest counts alone tell of it.
        """
        variance = float(spreads.variance(arrays["scales"], np.zeros(_H))[0])
        rate = np.maximum(np.exp(joint) - self.added, 0.0)
        variance += float(spreads.noise(rate, self.added, levels.dispersion(arrays["levels"])))
        away = math.log(math.exp(float(self.logs[0])) + float(self.added)) - joint
        return float(min(max((abs(away) / math.sqrt(variance) - SURPRISE) / SURPRISE, 0.0), 1.0))


def weigh(losses: Floats) -> Floats:
    """Return the weight of each expert, shape (horizons, experts)."""
    weights = np.exp(losses.min(axis=1, keepdims=True) - losses)
    found: Floats = weights / weights.sum(axis=1, keepdims=True)
    return found


def follow(arrays: dict[str, NDArray[Any]]) -> Floats:
    """Return how much of the season's change comes true, from 0 to 1, by horizon.

    Learned over days, since seasons show in a few hours of a day only.
    """
    came, told = arrays["moments"][:, -2], arrays["gram"][:, -2, -2]
    found: Floats = np.clip((came + _FOLLOW_WEIGHT * _FOLLOW) / (told + _FOLLOW_WEIGHT), 0.0, 1.0)
    return found


def season_at(slots: NDArray[np.float16], until: int) -> tuple[Floats, Floats, float]:
    """Return the season's change until each horizon, shrunk, the season there, and the trust in it."""
    if not (slots[: -seasons.SLOTS_A_DAY + 4] >= 0).any():
        return np.zeros(_H), np.zeros(_H), 0.0
    # Slots are points at their middles; the first is the one before that in which now lies.
    inside = (until % _PER_SLOT) / _PER_SLOT
    course, trusts = seasons.course(slots, -1)
    places = inside + 0.5 + np.concatenate([[0.0], experts.HORIZONS_S]) / seasons.SLOT_S
    trust = float(trusts.min())
    if trust <= 0:
        return np.zeros(_H), np.zeros(_H), 0.0
    values = np.interp(places, np.arange(course.size), course)
    change = np.clip(trust * (values[1:] - values[0]), -1.5, 1.5)
    return change, values[1:], trust


def _wait(work: Work) -> None:
    """Make a forecast and let it wait."""
    arrays, number = work.arrays, work.until // _PER_WINDOW
    place = number % memory.ORIGINS
    if levels.known_s(arrays["levels"]) < _LEAST_KNOWN_S:
        arrays["origins"][place] = memory.NO_ORIGIN
        return
    told = Told(arrays, work.until)
    spread = np.sqrt(told.variance + spreads.noise(told.rates, told.added, told.dispersion))
    law = spreads.law(arrays["residuals"])
    shares = np.array(spreads.REPORTED)
    watched = np.stack([spreads.quantiles(law[index], shares) * spread[index] for index in range(_H)])
    arrays["rows"][place] = np.concatenate(
        [
            told.logs,
            told.change,
            told.season,
            told.regression,
            np.log(told.rates + told.added),
            told.variance - told.between,
            [told.trust],
            (np.log(told.rates + told.added)[:, None] + watched).ravel(),
        ]
    )
    arrays["origins"][place] = number


def _score(arrays: dict[str, NDArray[Any]], number: int, count: float) -> None:
    """Compare what came in the window that ends now with what was told of it."""
    places = (number - _DELAYS) % memory.ORIGINS
    at = np.flatnonzero(arrays["origins"][places] == number - _DELAYS)
    if not at.size:
        return
    rows = arrays["rows"][places[at]].astype(np.float64)
    logs, change, season, regression, joint, variance, trust, watched = np.split(rows, _CUTS, axis=1)
    own = np.arange(at.size)
    added = spreads.shift(logs)
    seen = np.log(count / experts.WINDOW_S + added)
    dispersion = levels.dispersion(arrays["levels"])
    followed = follow(arrays) * change
    said = experts.told(logs, change, season, trust, followed=followed, regression=regression)[own, at]
    said = spreads.shifted(said, added[:, None])
    mean, apart = joint[own, at], variance[own, at]
    rates = np.maximum(np.exp(mean) - added, 0.0)
    noise = spreads.noise(rates, added, dispersion)
    weights = weigh(arrays["losses"])[at]
    between = (weights * (said - mean[:, None]) ** 2).sum(axis=1)
    total = np.maximum(apart + between + noise, 1e-6)
    error = seen - mean
    # Quantiles and scale first, of the forecast as it was made.
    spreads.add_residual(arrays["residuals"], at, error / np.sqrt(total))
    limits = watched.reshape(at.size, _H, -1)[own, at]
    arrays["covered"][at] += seen[:, None] <= limits
    arrays["scored"][at] += 1
    explained = noise + spreads.level_noise(rates, added, dispersion) + between
    spreads.add_scale(arrays["scales"], at, error**2, total, explained)
    loss = np.minimum((seen[:, None] - said) ** 2 / (2 * total[:, None]), _MOST_LOSS)
    keep = _LOSS_KEEP[at, None]
    arrays["losses"][at] = keep * arrays["losses"][at] + _LEARNING_RATE[at, None] * (
        loss - loss.min(axis=1, keepdims=True)
    )
    known = experts.terms(logs, change, season, trust)[own, at]
    base = np.log(np.exp(logs[:, experts.BASE]) + 0.5 / experts.WINDOW_S)
    target = np.clip(math.log((count + 0.5) / experts.WINDOW_S) - base, -_MOST_TARGET, _MOST_TARGET)
    weight = _TYPICAL_VARIANCE / (_TYPICAL_VARIANCE + total)
    arrays["gram"][at] = _REGRESSION_KEEP * arrays["gram"][at] + weight[:, None, None] * (
        known[:, :, None] * known[:, None, :]
    )
    arrays["moments"][at] = _REGRESSION_KEEP * arrays["moments"][at] + (weight * target)[:, None] * known


def learn(before: memory.DemandMemory, arrivals: Sequence[int | None], *, until: float) -> memory.DemandMemory:
    """Take in the seconds of late.

    Args:
        before: what is remembered; bins that it has taken in are passed over, so to learn twice is to learn once.
        arrivals: requests in each whole second, the last of which ended at floor(`until`); None is unknown.
        until: instant until which arrivals are known, in seconds since the epoch.

    Returns:
        The memory with all bins that have ended; the same object when none has.
    """
    end = math.floor(until)
    start = end - len(arrivals)
    first = -(-start // levels.BIN_S)
    if before.until is not None:
        first = max(first, before.until)
    starts = range(first * levels.BIN_S - start, len(arrivals) - levels.BIN_S + 1, levels.BIN_S)
    counts = [_bin(arrivals[begin : begin + levels.BIN_S]) for begin in starts]
    if not counts:
        return before
    work = Work(before)
    advance(work, first, counts)
    return work.close()


def _bin(seconds: Sequence[int | None]) -> float:
    """Return the requests of a bin of which most seconds are known, -1 otherwise."""
    known = [value for value in seconds if value is not None and value >= 0]
    if len(known) == levels.BIN_S:
        return min(float(sum(known)), _MOST_COUNT)
    return min(sum(known) * levels.BIN_S / len(known), _MOST_COUNT) if len(known) >= LEAST_SECONDS else -1.0
