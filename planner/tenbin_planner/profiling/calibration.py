"""The few numbers that only traffic tells, chosen on recorded runs with the simulator.

Passes measured one by one miss three things that a loaded server shows: its clock falls under the heat of prompts, the
sequences of a batch have contexts of different lengths (a batch takes as long as its longest, so a token of context
costs more than in a grid of equal ones), and the API process in front. So four scalars are chosen, each within bounds
and held near where it starts by a prior: a factor on prompts, a factor on KV tokens, and the API process's time per
request and for a first token. Everything else stays as fitted.

What is made small: the errors of 15 figures per run (TTFT, TPOT and E2E at five percentiles), each divided by how much
the figure moves when all step times do, so that a run near saturation, where 1 % of step time moves the median by 17 %,
does not outweigh the others (Gauss-Newton with central differences and a soft L1 loss). A replay jumps a little when a
request just makes or misses a pass; the loss is a mean over several small factors on all step times, and does not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from tenbin_spec.profiles import ApiServer, EngineProfile, ForwardPass

from tenbin_planner.profiling import validation
from tenbin_planner.profiling.records import MeasuredRun

PERCENTILES = (25, 50, 75, 90, 99)
TOLERANCE = {"ttft": 0.02, "tpot": 0.015, "e2e": 0.015}
"""Errors, in units of step time, that weigh 1: what machines of one kind differ by."""
PROBE = 0.03
"""Change of all step times by which a figure's sensitivity is taken."""
SHIFTS = tuple(1 + 0.005 * step for step in range(-6, 7))
"""Factors on all step times that the loss is a mean over: within 3 %, as machines of one kind are."""
DIFFERENCE = 0.5
"""Half the step of a central difference, in units of the prior: large, since figures of a replay jump a little."""
ROUNDS = 8
SHORTER = (1.0, 0.5, 0.25)
"""Lengths of a step that are tried until the loss falls."""
LEAST_FALL = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scalar:
    """One number that is chosen."""

    name: str
    value: float
    low: float
    high: float
    prior: float
    """How far it may be from its start at the cost of one tolerance of one figure."""

    @property
    def at_bound(self) -> bool:
        """Whether it would go further if it might."""
        return not self.low < self.value < self.high


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A profile that suits its runs."""

    profile: EngineProfile
    scalars: tuple[Scalar, ...]


def start(api: ApiServer) -> tuple[Scalar, ...]:
    """Return the scalars before calibration, around the API process's assumed times."""
    request, first = api.per_request_ms, api.first_token_ms
    return (
        Scalar(name="prefill factor", value=1.0, low=0.8, high=1.3, prior=0.03),
        Scalar(name="kv factor", value=1.0, low=0.8, high=2.0, prior=0.15),
        Scalar(name="api per request ms", value=request, low=0.0, high=4 * request + 4, prior=0.1 + 0.15 * request),
        Scalar(name="api first token ms", value=first, low=0.0, high=4 * first + 4, prior=0.1 + 0.3 * first),
    )


def apply(profile: EngineProfile, values: Sequence[float] | NDArray[np.float64]) -> EngineProfile:
    """Return a profile with the scalars' values, in the order of `start`."""
    prefill, kv, request, first = (float(value) for value in values)
    forward, api = profile.forward, profile.api

    def times(curve: tuple[tuple[int, float], ...], factor: float) -> tuple[tuple[int, float], ...]:
        return tuple((amount, float(f"{ms * factor:.5g}")) for amount, ms in curve)

    return profile.model_copy(
        update={
            "forward": ForwardPass(
                decode_ms=forward.decode_ms,
                kv_ms=times(forward.kv_ms, kv),
                prefill_ms=times(forward.prefill_ms, prefill),
                per_prefill_context_ms=float(f"{forward.per_prefill_context_ms * prefill:.5g}"),
            ),
            "api": ApiServer(
                per_request_ms=round(request, 3),
                per_output_token_ms=api.per_output_token_ms,
                first_token_ms=round(first, 3),
            ),
        }
    )


def calibrate(
    profile: EngineProfile, runs: Sequence[MeasuredRun], report: Callable[[str], None] = lambda _: None
) -> Calibrated:
    """Choose the scalars.

    Args:
        profile: as fitted from passes.
        runs: recorded traffic through one replica; at least one.
        report: called once per round, with words.
    """
    scalars = start(profile.api)
    search = _Search(profile, runs, scalars)
    values = search.start
    loss, errors = search.loss(values)
    for number in range(1, ROUNDS + 1):
        report(f"round {number} of at most {ROUNDS}")
        step = search.step(values, errors)
        for length in SHORTER:
            tried = np.clip(values + length * step, search.low, search.high)
            new_loss, new_errors = search.loss(tried)
            if new_loss < loss - LEAST_FALL:
                break
        else:
            break
        values, loss, errors = tried, new_loss, new_errors
    chosen = tuple(
        dataclasses.replace(scalar, value=float(value)) for scalar, value in zip(scalars, values, strict=True)
    )
    return Calibrated(profile=apply(profile, values), scalars=chosen)


class _Search:
    def __init__(self, profile: EngineProfile, runs: Sequence[MeasuredRun], scalars: Sequence[Scalar]) -> None:
        self._profile = profile
        self._runs = runs
        self.start = np.array([scalar.value for scalar in scalars])
        self.low = np.array([scalar.low for scalar in scalars])
        self.high = np.array([scalar.high for scalar in scalars])
        self._prior = np.array([scalar.prior for scalar in scalars])
        self._measured = np.concatenate([_figures(run.finished, run.ttft_ms, run.tpot_ms, run.e2e_ms) for run in runs])
        slower, faster = (
            np.log(self._figures(validation.scaled(profile, factor))) for factor in (1 + PROBE, 1 - PROBE)
        )
        moved = np.abs(slower - faster) / math.log((1 + PROBE) / (1 - PROBE))
        tolerances = np.repeat([TOLERANCE[metric] for metric in validation.METRICS], len(PERCENTILES))
        self._weights = np.concatenate([np.full(len(SHIFTS) * moved.size, 1 / len(SHIFTS)), np.ones(len(scalars))])
        self._unit = np.tile(tolerances, len(runs)) * np.maximum(np.nan_to_num(moved, nan=1.0), 1.0)

    def loss(self, values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the soft L1 loss and the errors it is made of, those of the prior last."""
        profile = apply(self._profile, values)
        errors = [np.log(self._figures(validation.scaled(profile, shift)) / self._measured) for shift in SHIFTS]
        known = [np.nan_to_num(own / self._unit) for own in errors]
        found = np.concatenate([*known, (values - self.start) / self._prior])
        return float(np.sum(self._weights * 2 * (np.sqrt(1 + found**2) - 1))), found

    def step(self, values: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the step to where the errors, taken as linear, are least."""
        columns = []
        for index, width in enumerate(DIFFERENCE * self._prior):
            ends = np.clip([values[index] - width, values[index] + width], self.low[index], self.high[index])
            low, high = (self.loss(_with(values, index, end))[1] for end in ends)
            columns.append((high - low) / (ends[1] - ends[0]))
        weights = np.sqrt(self._weights) * (1 + errors**2) ** -0.25
        slopes = np.stack(columns, axis=1) * weights[:, None]
        step: NDArray[np.float64] = np.linalg.lstsq(slopes, -errors * weights, rcond=None)[0]
        return step

    def _figures(self, profile: EngineProfile) -> NDArray[np.float64]:
        parts = []
        for run in self._runs:
            result = validation.replay(profile, run)
            parts.append(_figures(run.finished, result.ttft_ms, result.tpot_ms, result.e2e_ms))
        return np.concatenate(parts)


def _figures(finished: NDArray[np.bool_], *times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the percentiles of each kind of time; NaN where no request has one."""
    parts = []
    for own in times:
        known = own[finished & ~np.isnan(own)]
        parts.append(np.percentile(known, PERCENTILES) if known.size else np.full(len(PERCENTILES), np.nan))
    return np.maximum(np.concatenate(parts), 1e-3)


def _with(values: NDArray[np.float64], index: int, value: float) -> NDArray[np.float64]:
    changed = values.copy()
    changed[index] = value
    return changed
