"""Requests on their way to a fleet."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Arrivals:
    """Requests in the order of their arrival; all arrays have shape (requests,)."""

    arrival_s: NDArray[np.float64]
    """Seconds, not decreasing."""
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64]
    """Tokens of the prompt whose keys and values the engine already has (prefix cache), fewer than `input_tokens`."""
    class_index: NDArray[np.int64]
    """Position of each request's class in `classes`."""
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        arrival_s: ArrayLike,
        input_tokens: ArrayLike,
        output_tokens: ArrayLike,
        request_class: Sequence[str] | str = "",
        cached_tokens: ArrayLike = 0,
    ) -> Arrivals:
        """Check and take arrays; requests are put into the order of their arrival.

        Args:
            arrival_s: seconds from any origin, 0 to 10^10.
            input_tokens: tokens of each prompt, 1 or more.
            output_tokens: tokens of each answer, 1 or more.
            request_class: name of each request's class, or one name for all.
            cached_tokens: tokens of each prompt that need no computing, or one number for all.

        Raises:
            ValueError: naming, for each array, the first row that is out of its range, or arrays whose lengths differ.
        """
        times = np.asarray(arrival_s, dtype=np.float64)
        names = [request_class] * times.size if isinstance(request_class, str) else list(request_class)
        cached = np.asarray(cached_tokens)
        columns = {
            "input_tokens": np.asarray(input_tokens),
            "output_tokens": np.asarray(output_tokens),
            "cached_tokens": np.full(times.shape, cached) if cached.ndim == 0 else cached,
        }
        sizes = {
            "arrival_s": times.size,
            **{name: column.size for name, column in columns.items()},
            "class": len(names),
        }
        if times.ndim != 1 or len(set(sizes.values())) > 1:
            raise ValueError(f"arrays must have one dimension and one length, not {sizes}")
        problems = [
            *_bad_row("arrival_s", times, (times >= 0) & (times <= LATEST_S), "a number from 0 to 10000000000"),
            *_bad_row("input_tokens", columns["input_tokens"], _whole(columns["input_tokens"], 1), WHOLE),
            *_bad_row("output_tokens", columns["output_tokens"], _whole(columns["output_tokens"], 1), WHOLE),
            *_bad_row(
                "cached_tokens",
                columns["cached_tokens"],
                _whole(columns["cached_tokens"], 0)
                & (columns["cached_tokens"].astype(np.float64) < columns["input_tokens"].astype(np.float64)),
                "a whole number of 0 or more, below the input tokens",
            ),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        classes = tuple(sorted(set(names)))
        order = np.argsort(times, kind="stable")
        position = {name: index for index, name in enumerate(classes)}
        return cls(
            arrival_s=times[order],
            input_tokens=columns["input_tokens"].astype(np.int64)[order],
            output_tokens=columns["output_tokens"].astype(np.int64)[order],
            cached_tokens=columns["cached_tokens"].astype(np.int64)[order],
            class_index=np.array([position[name] for name in names], dtype=np.int64)[order],
            classes=classes,
        )

    def __len__(self) -> int:
        return self.arrival_s.size


LATEST_S = 1e10
"""Beyond, a double tells no microseconds apart."""
WHOLE = "a whole number from 1 to 1000000000"


def _whole(column: NDArray[np.generic], least: int) -> NDArray[np.bool_]:
    numbers = column.astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole: NDArray[np.bool_] = (numbers >= least) & (numbers <= 1e9) & (numbers == np.floor(numbers))
    return whole


def _bad_row(name: str, column: NDArray[np.generic], good: NDArray[np.bool_], allowed: str) -> list[str]:
    if good.all():
        return []
    row = int(np.argmin(good))
    return [f"{name}[{row}] is {column[row]}; allowed is {allowed}"]
