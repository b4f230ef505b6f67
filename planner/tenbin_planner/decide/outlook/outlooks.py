"""The rate of a service over the time to come, as quantiles."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np

from tenbin_planner.decide.outlook import experts, learning, levels, memory, spreads

Floats = levels.Floats

_NORMAL = statistics.NormalDist()
Z = np.arange(-4.0, 4.01, 0.25)
"""Where the law of errors is tabled, in standard deviations of the normal law."""
_SHARES = np.array([_NORMAL.cdf(float(z)) for z in Z])
_LEAST_RPS = 1e-9
_MOST_RPS = 1e9
_MOST_LOG = 25.0
_WINDOW = experts.WINDOW_S


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prior:
    """What is declared of a service's demand, believed in while little has been seen."""

    expected_rps: float
    peak_rps: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often rates lay below a quantile."""

    horizon_s: float
    share: float
    """Wanted."""
    covered: float
    """Windows whose rate lay below."""
    windows: float
    """Windows that were compared; neighbours overlap in what they tell."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """Rates in steps from now. Arrays are of shape (steps,) unless said otherwise."""

    at: float
    step_s: float
    centre: Floats
    """Requests per second, mean of each step: what experts say together, of which errors are told."""
    spread: Floats
    """Standard deviation of the logarithm of the underlying rate and `added`, counting noise apart."""
    added: float
    """Requests per second that are added to rates before their logarithms are taken; see `spreads.shift`."""
    dispersion: float
    """Variance over mean of short counts about the smooth rate, 1 or more."""
    table: Floats
    """Errors in units of `spread` at the normal quantiles `Z`, shape (steps, Z)."""
    coverage: tuple[Coverage, ...]
    """Of the 50, 90 and 99 % quantiles so far, counting noise and all, by horizon."""

    @property
    def median(self) -> Floats:
        """Return the median of the rate, requests per second."""
        return self.path(0.0)

    def path(self, z: float) -> Floats:
        """Return the rates, all at one quantile: the one at `z` standard deviations of the normal law."""
        error = np.clip(self.spread * _at(self.table, z), -_MOST_LOG, _MOST_LOG)
        return _rates((self.centre + self.added) * np.exp(error) - self.added)

    def paths(self, z: Floats) -> Floats:
        """Return a path for each z, shape (paths, steps)."""
        return np.stack([self.path(float(value)) for value in z])

    def quantile(self, ahead_s: float, share: float, *, over_s: float | None = None) -> float:
        """Return a quantile of the rate at now + `ahead_s`.

        Args:
            ahead_s: from now; beyond the last step the last step counts.
            share: between 0 and 1, exclusive.
            over_s: None: of the underlying rate; otherwise of the requests counted over so many seconds, per second.
        """
        z = _NORMAL.inv_cdf(share)
        middles = (np.arange(self.centre.size) + 0.5) * self.step_s
        error = float(np.interp(ahead_s, middles, _at(self.table, z)))
        rate = float(np.interp(ahead_s, middles, self.centre))
        variance = float(np.interp(ahead_s, middles, self.spread)) ** 2
        if over_s is not None:
            variance += float(spreads.noise(np.array(rate), np.array(self.added), self.dispersion, over_s))
        return max(0.0, (rate + self.added) * math.exp(min(math.sqrt(variance) * error, _MOST_LOG)) - self.added)


def outlook(
    remembered: memory.DemandMemory, *, at: float, horizon_s: float, step_s: float, prior: Prior | None = None
) -> Outlook | None:
    """Look ahead.

    Args:
        remembered: what was learned.
        at: now, in seconds since the epoch; what has passed since the memory's last bin counts as unknown.
        horizon_s: how far.
        step_s: length of a step.
        prior: None: nothing is declared.

    Returns:
        None when nothing is known and nothing declared.
    """
    declared, variance = _declared(prior)
    if levels.known_s(remembered.levels) <= 0 and declared is None:
        return None
    work = learning.Work(remembered)
    now = math.floor(at) // levels.BIN_S
    if work.begun and now > work.until:
        learning.pass_by(work, now - work.until)
    told = learning.Told(work.arrays, work.until, declared, variance)
    doubt = variance * 15.0 / (15.0 + levels.known_s(work.arrays["levels"])) if declared is not None else 0.0
    ahead = (np.arange(max(1, math.ceil(horizon_s / step_s))) + 0.5) * step_s
    law = spreads.law(work.arrays["residuals"])
    tables = np.stack([spreads.quantiles(row, _SHARES) for row in law])
    steps, nodes = np.log(ahead + 15.0), np.log(experts.HORIZONS_S + 15.0)
    beyond = np.maximum(ahead / experts.HORIZONS_S[-1], 1.0)
    variances = np.interp(steps, nodes, told.variance) * beyond + doubt
    return Outlook(
        at=at,
        step_s=step_s,
        centre=np.exp(np.interp(steps, nodes, np.log(told.rates))),
        added=float(told.added),
        spread=np.sqrt(variances),
        dispersion=told.dispersion,
        table=np.stack([np.interp(steps, nodes, column) for column in tables.T], axis=1),
        coverage=_coverage(remembered),
    )


def _declared(prior: Prior | None) -> tuple[float | None, float]:
    """Return the declared rate and the variance of its logarithm: the peak is as good as the 95 % quantile."""
    if prior is None or not 0 < prior.expected_rps < math.inf:
        return None, 0.5
    ratio = max(prior.peak_rps / prior.expected_rps, 1.5) if math.isfinite(prior.peak_rps) else 3.0
    return prior.expected_rps, min((math.log(ratio) / 1.64) ** 2, 4.0)


def _at(table: Floats, z: float) -> Floats:
    place = min(max((z - Z[0]) / (Z[1] - Z[0]), 0.0), Z.size - 1.0)
    low = min(int(place), Z.size - 2)
    found: Floats = table[:, low] + (place - low) * (table[:, low + 1] - table[:, low])
    return found


def _rates(rates: Floats) -> Floats:
    found: Floats = np.clip(rates, _LEAST_RPS, _MOST_RPS)
    return found


def _coverage(remembered: memory.DemandMemory) -> tuple[Coverage, ...]:
    return tuple(
        Coverage(
            horizon_s=float(horizon_s),
            share=share,
            covered=float(remembered.covered[row, column]),
            windows=float(remembered.scored[row]),
        )
        for row, horizon_s in enumerate(experts.HORIZONS_S)
        for column, share in enumerate(spreads.REPORTED)
    )
