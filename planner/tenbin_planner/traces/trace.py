"""A trace: requests with times and token counts, as recorded or drawn."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tenbin_planner.model import arrivals as model_arrivals
from tenbin_planner.traces import errors

_EXACT = 2.0**53
"""Above this, floating point skips whole numbers."""
UNKNOWN = ("",)
"""Classes or tenants of a trace that says nothing about them."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Requests in the order of their arrival; all arrays have shape (requests,), and there is at least one request.

    >>> trace = Trace.of(name="two", arrival_s=[0.0, 2.0], input_tokens=[100, 300], output_tokens=[10, 30])
    >>> print(trace.describe())
    2 requests in 2 s (1/s), 200 tokens in and 20 out on average
    >>> trace.scaled_time(0.5).arrival_s.tolist()
    [0.0, 1.0]
    """

    name: str
    arrival_s: NDArray[np.float64]
    """Seconds from the start of the trace, not decreasing."""
    input_tokens: NDArray[np.int64]
    """Tokens of each prompt, 1 or more."""
    output_tokens: NDArray[np.int64]
    """Tokens of each answer, 1 or more."""
    cached_tokens: NDArray[np.int64]
    """Tokens of each prompt that a prefix cache holds, fewer than the prompt has; 0 where unknown."""
    class_index: NDArray[np.int64]
    """Position of each request's class in `classes`."""
    classes: tuple[str, ...]
    """Names in alphabetical order, each with a request; one empty name where the trace has no classes."""
    tenant_index: NDArray[np.int64]
    """Position of each request's tenant in `tenants`."""
    tenants: tuple[str, ...]
    """Names in alphabetical order, each with a request; one empty name where the trace has no tenants."""
    notes: tuple[str, ...] = ()
    """What a reader changed or left out, for people."""

    @classmethod
    def of(
        cls,
        *,
        name: str,
        arrival_s: ArrayLike,
        input_tokens: ArrayLike,
        output_tokens: ArrayLike,
        cached_tokens: ArrayLike | None = None,
        classes: Sequence[str] = UNKNOWN,
        class_index: ArrayLike | None = None,
        tenants: Sequence[str] = UNKNOWN,
        tenant_index: ArrayLike | None = None,
        notes: Iterable[str] = (),
    ) -> Trace:
        """Check and take arrays; requests that are not in the order of their arrival are sorted, with a note.

        Args:
            name: what messages and reports call it.
            arrival_s: seconds, 0 or more.
            input_tokens: tokens of each prompt, 1 or more.
            output_tokens: tokens of each answer, 1 or more.
            cached_tokens: tokens of each prompt found in a prefix cache; None: 0.
            classes: names that `class_index` points at, in any order.
            class_index: position of each request's class; None: the first.
            tenants: names that `tenant_index` points at, in any order.
            tenant_index: position of each request's tenant; None: the first.
            notes: what was changed on the way here.

        Raises:
            TraceError: for an empty trace, lengths that differ, or the first request with a value that cannot be.
        """
        times = np.asarray(arrival_s, dtype=np.float64)
        columns = {
            "input_tokens": _whole(name, "input_tokens", input_tokens),
            "output_tokens": _whole(name, "output_tokens", output_tokens),
            "cached_tokens": _whole(name, "cached_tokens", _given(cached_tokens, times.size)),
            "class_index": _whole(name, "class_index", _given(class_index, times.size)),
            "tenant_index": _whole(name, "tenant_index", _given(tenant_index, times.size)),
        }
        _check(name, times, columns, len(classes), len(tenants))
        backwards = int(np.count_nonzero(np.diff(times) < 0))
        found = tuple(notes)
        if backwards:
            order = np.argsort(times, kind="stable")
            times, columns = times[order], {key: column[order] for key, column in columns.items()}
            found += (f"{backwards:,} of {times.size:,} requests stood behind a later one: sorted by arrival",)
        columns["class_index"], class_names = _canonical(columns["class_index"], classes)
        columns["tenant_index"], tenant_names = _canonical(columns["tenant_index"], tenants)
        return cls(name=name, arrival_s=times, classes=class_names, tenants=tenant_names, notes=found, **columns)

    def __len__(self) -> int:
        return self.arrival_s.size

    @property
    def duration_s(self) -> float:
        """Time of the last arrival, in seconds."""
        return float(self.arrival_s[-1])

    def describe(self) -> str:
        """Say how many requests there are, in what time, and how long they are, in one line."""
        rate = f" ({len(self) / self.duration_s:.3g}/s)" if self.duration_s > 0 else ""
        return (
            f"{len(self):,} requests in {self.duration_s:,.6g} s{rate}, "
            f"{self.input_tokens.mean():,.0f} tokens in and {self.output_tokens.mean():,.0f} out on average"
        )

    def scaled_time(self, factor: float) -> Trace:
        """Return the trace with every arrival at `factor` times its time: 0.5 doubles the rate.

        Raises:
            TraceError: unless the factor is finite and above 0.
        """
        if not 0 < factor < math.inf:
            raise errors.TraceError(f"time factor {factor:g} for {self.name}; allowed is a finite number above 0")
        return dataclasses.replace(self, arrival_s=self.arrival_s * factor)

    def window(self, start_s: float, end_s: float) -> Trace:
        """Return the requests that arrive from `start_s` until before `end_s`, with times counted from `start_s`.

        Raises:
            TraceError: when there are none.
        """
        first, last = np.searchsorted(self.arrival_s, [start_s, end_s])
        if not first < last:
            raise errors.TraceError(
                f"no request of {self.name} arrives from {start_s:g} s until before {end_s:g} s; "
                f"its arrivals go from {self.arrival_s[0]:g} s to {self.duration_s:g} s"
            )
        chosen = self.select(np.arange(first, last))
        return dataclasses.replace(chosen, arrival_s=chosen.arrival_s - start_s)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Trace:
        """Return some of the requests.

        Args:
            rows: a mask of shape (requests,), or positions.

        Raises:
            TraceError: when none is left.
        """
        return Trace.of(
            name=self.name,
            arrival_s=self.arrival_s[rows],
            input_tokens=self.input_tokens[rows],
            output_tokens=self.output_tokens[rows],
            cached_tokens=self.cached_tokens[rows],
            classes=self.classes,
            class_index=self.class_index[rows],
            tenants=self.tenants,
            tenant_index=self.tenant_index[rows],
            notes=self.notes,
        )

    def with_class(self, name: str) -> Trace:
        """Return the trace with all requests in one class."""
        return dataclasses.replace(self, classes=(name,), class_index=np.zeros(len(self), dtype=np.int64))

    def arrivals(self) -> model_arrivals.Arrivals:
        """Return the requests as the fleet simulator takes them; tenants are left out."""
        names = self.classes[0] if len(self.classes) == 1 else np.array(self.classes)[self.class_index].tolist()
        return model_arrivals.Arrivals.of(
            self.arrival_s, self.input_tokens, self.output_tokens, names, self.cached_tokens
        )

    def digest(self) -> str:
        """Return a SHA-256 over all requests, in hexadecimal: two traces with the same one hold the same requests."""
        hashed = hashlib.sha256(repr((self.classes, self.tenants)).encode())
        tokens = (self.input_tokens, self.output_tokens, self.cached_tokens)
        for column in (self.arrival_s, *tokens, self.class_index, self.tenant_index):
            hashed.update(np.ascontiguousarray(column).tobytes())
        return hashed.hexdigest()


def _given(column: ArrayLike | None, size: int) -> ArrayLike:
    return np.zeros(size, dtype=np.int64) if column is None else column


def _whole(name: str, key: str, column: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(column)
    if array.dtype.kind not in "iu":
        numbers = array.astype(np.float64)
        with np.errstate(invalid="ignore"):
            good = (np.abs(numbers) < _EXACT) & (numbers == np.floor(numbers))
        _refuse(name, key, array, good, "a whole number")
    return array.astype(np.int64)


def _check(
    name: str, times: NDArray[np.float64], columns: dict[str, NDArray[np.int64]], classes: int, tenants: int
) -> None:
    sizes = {"arrival_s": times.shape, **{key: column.shape for key, column in columns.items()}}
    if times.ndim != 1 or len(set(sizes.values())) > 1:
        raise errors.TraceError(f"arrays of {name} must have one dimension and one length, not {sizes}")
    if not times.size:
        raise errors.TraceError(f"{name} has no request; allowed is 1 or more")
    most = np.iinfo(np.int64).max
    _refuse(name, "arrival_s", times, np.isfinite(times) & (times >= 0), "a finite number of 0 or more")
    for key, least, above, allowed in (
        ("input_tokens", 1, most, "1 or more"),
        ("output_tokens", 1, most, "1 or more"),
        ("cached_tokens", 0, columns["input_tokens"], "0 or more and below input_tokens"),
        ("class_index", 0, classes, f"0 or more and below {classes}"),
        ("tenant_index", 0, tenants, f"0 or more and below {tenants}"),
    ):
        _refuse(name, key, columns[key], (columns[key] >= least) & (columns[key] < above), allowed)


def _refuse(name: str, key: str, column: NDArray[Any], good: NDArray[np.bool_], allowed: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise errors.TraceError(f"{key}[{row}] of {name} is {column[row]}; allowed is {allowed}")


def _canonical(index: NDArray[np.int64], names: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Put names into alphabetical order and leave out those without a request."""
    used = np.bincount(index, minlength=len(names)) > 0
    kept = sorted({name for name, is_used in zip(names, used, strict=True) if is_used})
    place = {name: position for position, name in enumerate(kept)}
    return np.array([place.get(name, 0) for name in names], dtype=np.int64)[index], tuple(kept)
