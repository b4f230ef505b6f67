"""From measured times of passes to the curves of a forward pass: robust, bounded, monotone least squares.

A measurement is a time and the pass, or the several passes together, that it was taken over: sums are as good as single
passes, since the time of a pass is linear in what is looked for, the rises of each curve from knot to knot. All rises
and coefficients are at least 0, so that no curve falls. Errors are relative; single measurements that are far off lose
their weight (iteratively reweighted least squares with a soft L1 loss).

Knots lie at powers of two, where kernels and batch sizes change, from 1/64 of the largest measured amount up to that
amount, which is the last knot; one with fewer than two measurements between it and the knot before is left out. KV
tokens have one slope: reading memory costs the same for each of them. Where measurements leave a rise open, the curve
goes straight on.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize
from tenbin_spec.profiles import ForwardPass

from tenbin_planner.model import measurements as measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tenbin_planner.model.measurements import Measurements

SMALLEST_KNOT = 1 / 64
"""Of the largest amount; below, a curve is taken for straight."""
NEAR_LAST = 1.25
"""A power of two that is closer than this to the last knot is left out."""
STRAIGHTNESS = 1e-3
"""Weight of a bend, against 1 for a relative error: enough to decide what the measurements leave open, no more."""
LEAST_SCALE = 0.005
"""Relative errors up to which a measurement counts in full, however good the others are."""
ROUNDS = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Residual:
    """How far the fit is from one measurement."""

    place: str
    kind: str
    measured_ms: float
    predicted_ms: float

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.predicted_ms / self.measured_ms - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class KindError:
    """Relative errors of all measurements of one kind."""

    kind: str
    count: int
    bias: float
    """Median error, with its sign."""
    median: float
    """Median of the sizes of the errors."""
    p90: float
    worst: float
    """Largest error, with its sign."""
    worst_place: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Knots:
    """Amounts at which each curve may bend; the first is 0, the last the end of what was measured."""

    decode: NDArray[np.float64]
    kv: NDArray[np.float64]
    prefill: NDArray[np.float64]


def forward_pass(passes: Measurements) -> ForwardPass:
    """Fit the curves of a forward pass.

    Args:
        passes: measurements; they are checked first.

    Raises:
        MeasurementError: naming every measurement that cannot be, or saying what is missing.
    """
    measured.check(passes)
    knots = choose_knots(passes)
    matrix = _matrix(passes, knots)
    rises = _solve(matrix, passes, knots)
    decode, kv, prefill = _split(rises[:-1], knots)
    return ForwardPass(
        decode_ms=_curve(knots.decode, decode),
        kv_ms=_curve(knots.kv, np.concatenate([[0.0], kv])),
        prefill_ms=_curve(knots.prefill, prefill),
        per_prefill_context_ms=_rounded(rises[-1]),
    )


def predict(forward: ForwardPass, passes: Measurements) -> NDArray[np.float64]:
    """Return what a profile says to each measurement, in milliseconds, of shape (measurements,)."""
    prompts = passes.prefill_tokens > 0
    ms = _interpolate(forward.decode_ms, passes.decode_sequences) + _interpolate(forward.kv_ms, passes.kv_tokens)
    ms += prompts * (
        _interpolate(forward.prefill_ms, passes.prefill_tokens)
        + forward.per_prefill_context_ms * passes.prefill_context
    )
    sums: NDArray[np.float64] = np.bincount(passes.of, weights=ms, minlength=passes.ms.size).astype(np.float64)
    return sums


def residuals(forward: ForwardPass, passes: Measurements) -> tuple[Residual, ...]:
    """Return how far a profile is from each measurement."""
    predicted = predict(forward, passes)
    return tuple(
        Residual(place=place, kind=kind, measured_ms=float(ms), predicted_ms=float(guess))
        for place, kind, ms, guess in zip(passes.places, passes.kinds, passes.ms, predicted, strict=True)
    )


def by_kind(found: Sequence[Residual]) -> tuple[KindError, ...]:
    """Sum residuals up by the kind of their measurement, in alphabetical order."""
    kinds: dict[str, list[Residual]] = {}
    for residual in found:
        kinds.setdefault(residual.kind, []).append(residual)
    errors = []
    for kind, members in sorted(kinds.items()):
        values = np.array([residual.error for residual in members])
        worst = members[int(np.argmax(np.abs(values)))]
        errors.append(
            KindError(
                kind=kind,
                count=len(members),
                bias=float(np.median(values)),
                median=float(np.median(np.abs(values))),
                p90=float(np.quantile(np.abs(values), 0.9)),
                worst=worst.error,
                worst_place=worst.place,
            )
        )
    return tuple(errors)


def choose_knots(passes: Measurements) -> Knots:
    """Choose where the curves may bend, by the rule that the module states."""
    return Knots(
        decode=_knots(passes.decode_sequences, passes.of),
        kv=np.array([0.0, max(float(passes.kv_tokens.max()), 1.0)]),
        prefill=_knots(passes.prefill_tokens, passes.of),
    )


def _knots(amounts: NDArray[np.float64], of: NDArray[np.int64]) -> NDArray[np.float64]:
    largest = float(np.ceil(amounts.max()))
    knots = [0.0]
    if largest < 1:
        return np.array([0.0])
    power = 2.0 ** math.ceil(math.log2(max(largest * SMALLEST_KNOT, 1.0)))
    while power * NEAR_LAST < largest:
        between = np.unique(of[(amounts > knots[-1]) & (amounts <= power)])
        if between.size >= measured.LEAST_PER_KNOT:
            knots.append(power)
        power *= 2
    return np.array([*knots, largest])


def _matrix(passes: Measurements, knots: Knots) -> NDArray[np.float64]:
    """Return how often each measurement counts each rise; the last column is the prefill context."""
    prompts = (passes.prefill_tokens > 0)[:, None]
    parts = np.concatenate(
        [
            _basis(passes.decode_sequences, knots.decode),
            _basis(passes.kv_tokens, knots.kv)[:, 1:],
            _basis(passes.prefill_tokens, knots.prefill) * prompts,
            (passes.prefill_context * prompts[:, 0])[:, None],
        ],
        axis=1,
    )
    sums = np.zeros((passes.ms.size, parts.shape[1]))
    np.add.at(sums, passes.of, parts)
    return sums


def _basis(amounts: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each rise that an amount has: 1 for the value at 0, then 0 to 1 from knot to knot."""
    shares = [np.ones_like(amounts)]
    for low, high in itertools.pairwise(knots):
        shares.append(np.clip((amounts - low) / (high - low), 0.0, 1.0))
    return np.stack(shares, axis=1)


def _solve(matrix: NDArray[np.float64], passes: Measurements, knots: Knots) -> NDArray[np.float64]:
    """Return the rises, at least 0, that make the loss least."""
    counts = {kind: passes.kinds.count(kind) for kind in set(passes.kinds)}
    shares = np.array([1 / math.sqrt(counts[kind]) for kind in passes.kinds])
    bends = _bends(knots, float(np.median(passes.ms)))
    scales = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    weights = np.sqrt(passes.trust) * shares
    rises = np.zeros(matrix.shape[1])
    robust, sizes = np.ones(passes.ms.size), passes.ms
    for _ in range(ROUNDS):
        rows = weights * robust / sizes
        left = np.concatenate([matrix * rows[:, None], bends]) / scales
        right = np.concatenate([passes.ms * rows, np.zeros(len(bends))])
        before, rises = rises, optimize.nnls(left, right, maxiter=200 * matrix.shape[1])[0] / scales
        if np.allclose(rises, before, rtol=1e-6, atol=1e-12):
            break
        sizes = np.maximum(matrix @ rises, passes.ms)
        errors = np.abs(matrix @ rises - passes.ms) / sizes
        scale = max(2 * float(np.median(errors)), LEAST_SCALE)
        robust = (1 + (errors / scale) ** 2) ** -0.25
    return rises


def _bends(knots: Knots, typical_ms: float) -> NDArray[np.float64]:
    """Return rows that are 0 where a curve goes straight on from one rise to the next."""
    width = knots.decode.size + knots.kv.size - 1 + knots.prefill.size + 1
    rows = []
    for first, positions in ((0, knots.decode), (knots.decode.size + knots.kv.size - 1, knots.prefill)):
        steps = np.diff(positions)
        for index in range(1, steps.size):
            row = np.zeros(width)
            row[first + index] = -1 / steps[index - 1]
            row[first + index + 1] = 1 / steps[index]
            rows.append(row * STRAIGHTNESS * steps[index] / typical_ms)
    return np.array(rows).reshape(-1, width)


def _split(
    rises: NDArray[np.float64], knots: Knots
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    kv = knots.decode.size
    prefill = kv + knots.kv.size - 1
    return rises[:kv], rises[kv:prefill], rises[prefill:]


def _curve(positions: NDArray[np.float64], rises: NDArray[np.float64]) -> tuple[tuple[int, float], ...]:
    values = np.cumsum(rises)
    return tuple((int(amount), _rounded(float(ms))) for amount, ms in zip(positions, values, strict=True))


def _rounded(value: float) -> float:
    """Return five significant digits: rounding keeps the order, so no curve falls by it."""
    return float(f"{value:.5g}")


def _interpolate(curve: Sequence[tuple[int, float]], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    positions, values = np.array(curve, dtype=np.float64).T
    ms: NDArray[np.float64] = np.interp(amounts, positions, values)
    if positions.size > 1:
        slope = (values[-1] - values[-2]) / (positions[-1] - positions[-2])
        ms += np.maximum(amounts - positions[-1], 0.0) * slope
    return ms
