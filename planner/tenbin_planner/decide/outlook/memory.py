"""What a forecaster carries from one tick to the next; arrays of fixed shape, so bounded, and written down as text."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.decide.outlook import experts, levels, seasons, spreads

VERSION = 1
BINS = 360
"""Bins remembered one by one: half an hour."""
ORIGINS = 31
"""Forecasts that wait for what came of them: as many as are made until the longest horizon has passed."""
NO_ORIGIN = -(2**62)
_MOST_LOG = 300.0
"""Of the numbers of a waiting forecast."""
_HORIZONS = experts.HORIZONS_S.size
ROW = levels.LEVELS + 5 * _HORIZONS + 1 + _HORIZONS * len(spreads.REPORTED)
"""Numbers of a waiting forecast; see `learning`."""

_SHAPES: Mapping[str, tuple[tuple[int, ...], str]] = {
    "bins": ((BINS,), "<f4"),
    "slots": ((seasons.SLOTS,), "<f2"),
    "slot": ((2,), "<f8"),
    "levels": ((levels.SIZE,), "<f8"),
    "origins": ((ORIGINS,), "<i8"),
    "rows": ((ORIGINS, ROW), "<f4"),
    "losses": ((_HORIZONS, experts.COUNT), "<f8"),
    "gram": ((_HORIZONS, experts.TERMS, experts.TERMS), "<f8"),
    "moments": ((_HORIZONS, experts.TERMS), "<f8"),
    "scales": ((2, spreads.PACES, _HORIZONS), "<f8"),
    "residuals": ((_HORIZONS, spreads.BUCKETS), "<f8"),
    "covered": ((_HORIZONS, len(spreads.REPORTED)), "<f8"),
    "scored": ((_HORIZONS,), "<f8"),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DemandMemory:
    """What is remembered of a service's demand. Arrays are not to be written to."""

    until: int | None = None
    """Number of the first bin of `levels.BIN_S` since the epoch that has not been taken in; None before any has."""
    observed_s: float = 0.0
    """Seconds of known demand that were taken in, of all time."""
    bins: NDArray[np.float32]
    """Arrivals in the newest bins, oldest first; below 0 is unknown."""
    slots: NDArray[np.float16]
    """Square roots of the rates in slots of `seasons.SLOT_S`, oldest first, to the last whole one; below 0 unknown."""
    slot: NDArray[np.float64]
    """Arrivals in the slot that has begun, and of how many bins they are known."""
    levels: NDArray[np.float64]
    """See `levels`."""
    origins: NDArray[np.int64]
    """When each waiting forecast was made, in `experts.WINDOW_S` since the epoch; `NO_ORIGIN` is none."""
    rows: NDArray[np.float32]
    """Waiting forecasts, see `learning`."""
    losses: NDArray[np.float64]
    """Of each expert of late, by horizon."""
    gram: NDArray[np.float64]
    moments: NDArray[np.float64]
    """Of the regression, by horizon: weighted sums of products of terms, and of terms and targets."""
    scales: NDArray[np.float64]
    """Sums and weights of squared errors beyond noise, by pace of forgetting and horizon."""
    residuals: NDArray[np.float64]
    """Histogram of standardised errors by horizon."""
    covered: NDArray[np.float64]
    """Windows whose rate lay below the forecast's quantile, by horizon and share of `spreads.REPORTED`."""
    scored: NDArray[np.float64]
    """Windows that were compared, by horizon."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DemandMemory) and self.to_plain() == other.to_plain()

    __hash__ = None  # type: ignore[assignment]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays by name, free to be written to."""
        return {name: getattr(self, name).copy() for name in _SHAPES}

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON: arrays as base64 of little-endian numbers."""
        text = {
            name: base64.b64encode(np.ascontiguousarray(getattr(self, name), dtype=kind).tobytes()).decode()
            for name, (_, kind) in _SHAPES.items()
        }
        return {"version": VERSION, "until": self.until, "observed_s": self.observed_s, **text}


def empty() -> DemandMemory:
    """Return the memory of one that has seen nothing."""
    arrays = {name: np.zeros(shape, dtype=kind) for name, (shape, kind) in _SHAPES.items()}
    arrays["bins"][:] = -1
    arrays["slots"][:] = -1
    arrays["levels"][:] = levels.new()
    arrays["origins"][:] = NO_ORIGIN
    return of(arrays, until=None, observed_s=0.0)


def of(arrays: Mapping[str, NDArray[Any]], *, until: int | None, observed_s: float) -> DemandMemory:
    """Return a memory of these arrays, which are closed to writing."""
    for array in arrays.values():
        array.flags.writeable = False
    return DemandMemory(until=until, observed_s=observed_s, **arrays)


def from_plain(plain: Mapping[str, Any]) -> DemandMemory:
    """Read what `DemandMemory.to_plain` wrote.

    Raises:
        ValueError: when it is of another version, not of this shape, or holds numbers that are not finite.
    """
    try:
        if plain["version"] != VERSION:
            raise ValueError(f"memory of demand is of version {plain['version']!r}; this program reads {VERSION}")
        arrays = {name: _array(name, plain[name]) for name in _SHAPES}
        until, observed_s = plain["until"], float(plain["observed_s"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"memory of demand is not of the shape that this program writes: {error!r}") from error
    if not (until is None or (isinstance(until, int) and abs(until) < 2**53)) or not 0 <= observed_s < math.inf:
        raise ValueError(f"memory of demand ends at {until!r} after {observed_s!r} s; allowed are finite numbers")
    _check(arrays)
    return of(arrays, until=until, observed_s=observed_s)


def _array(name: str, text: str) -> NDArray[Any]:
    shape, kind = _SHAPES[name]
    raw = np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
    if raw.size != np.prod(shape) or not np.isfinite(raw).all():
        raise ValueError(f"memory of demand: {name} is not {shape} finite numbers")
    return raw.reshape(shape).copy()


def _check(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers that no learning gives, of which forecasts would not be finite.

    Raises:
        ValueError: when there are any.
    """
    amounts = ("slot", "losses", "residuals", "covered", "scored")
    below = [name for name in amounts if (arrays[name] < 0).any()]
    below += ["scales"] if (arrays["scales"][1] < 0).any() else []
    below += ["levels"] if (arrays["levels"][:-1] < 0).any() or (arrays["levels"][levels.DOUBTS] <= 0).any() else []
    if below:
        raise ValueError(f"memory of demand: {below[0]} holds numbers below 0")
    if (np.abs(arrays["rows"]) > _MOST_LOG).any():
        raise ValueError(f"memory of demand: rows holds logarithms beyond {_MOST_LOG:g}")
    if any(np.linalg.eigvalsh(gram).min() < -1e-6 * max(1.0, float(np.abs(gram).max())) for gram in arrays["gram"]):
        raise ValueError("memory of demand: gram is no sum of squares")
