"""How the values of a column become numbers, and which are refused."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import errors, tables

LONGEST_S = 1e10
"""Latest arrival, in seconds: Unix times fit, milliseconds do not."""
MOST_TOKENS = 100_000_000
"""Largest token count; anything above is a mistake, not a prompt."""

_INSTANT = re.compile(r"((?:19|20|21)\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:\d\d)?")
_UTC = {None, "Z", "+00:00"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Number:
    """A column of numbers within bounds.

    Called with a chunk and the name of a column, it returns float64 numbers of shape (rows,); bad ones are `least`.
    """

    least: float
    most: float
    whole: bool = True
    unit: str

    def __call__(self, chunk: tables.Chunk, column: str, problems: errors.Problems) -> NDArray[np.float64]:
        """Return the numbers, and put those that cannot be into `problems`."""
        values = chunk.columns[column]
        numbers = _floats(values, textual=chunk.textual)
        with np.errstate(invalid="ignore"):
            good = np.isfinite(numbers) & (numbers >= self.least) & (numbers <= self.most)
            if self.whole:
                good &= numbers == np.floor(numbers)
        refuse(chunk, column, good, self.allowed, problems)
        return np.where(good, numbers, self.least)

    @property
    def allowed(self) -> str:
        """Say what is allowed."""
        kind = "whole number" if self.whole else "number"
        return f"a {kind} of {self.unit} from {self.least:,.15g} to {self.most:,.15g}"


SECONDS = Number(least=0, most=LONGEST_S, whole=False, unit="seconds")
TOKENS = Number(least=1, most=MOST_TOKENS, unit="tokens")
LOGGED_TOKENS = Number(least=0, most=MOST_TOKENS, unit="tokens")
"""Tokens in a log, which has failures without any."""


def refuse(chunk: tables.Chunk, column: str, good: NDArray[np.bool_], allowed: str, problems: errors.Problems) -> None:
    """Put the rows of a column that are not good into `problems`."""
    if not good.all():
        bad = np.flatnonzero(~good)
        values = chunk.columns[column]
        shown = [chunk.bad(int(row), column, _plain(values[row]), allowed) for row in bad[: errors.SHOWN]]
        problems.add(shown, bad.size)


def instants(chunk: tables.Chunk, column: str, problems: errors.Problems) -> NDArray[np.int64]:
    """Read wall times, `2023-11-16 18:15:46.6805900` with or without an offset from UTC, as ns since 1970."""
    values = _listed(chunk.columns[column])
    matches = [_INSTANT.fullmatch(value) if isinstance(value, str) else None for value in values]
    plain = [match[1] for match in matches if match is not None and match[2] in _UTC]
    if len(plain) == len(matches):
        with contextlib.suppress(ValueError):  # a month 13 fits the pattern; the rows tell which it is
            return np.array(plain, dtype="datetime64[ns]").astype(np.int64)
    found = [_instant(match) for match in matches]
    good = np.array([instant is not None for instant in found], dtype=bool)
    refuse(chunk, column, good, "a time from 1900 to 2199, as 2023-11-16 18:15:46.5", problems)
    return np.array([instant or 0 for instant in found], dtype=np.int64)


def _instant(match: re.Match[str] | None) -> int | None:
    if match is None:
        return None
    try:
        ns = int(np.datetime64(match[1], "ns").astype(np.int64))
    except ValueError:
        return None
    offset = match[2]
    minutes = 0 if offset in _UTC else int(offset[:3]) * 60 + int(offset[0] + offset[4:])
    return ns - minutes * 60_000_000_000


class Names:
    """A column of names.

    Called with a chunk and the name of a column, it returns positions in `names`, in order of first appearance.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names found so far."""
        return tuple(self._places) or ("",)

    def __call__(self, chunk: tables.Chunk, column: str, problems: errors.Problems) -> NDArray[np.int64]:
        """Return the positions; numbers are taken as their text, and nothing as an empty name."""
        del problems  # every text is a name
        places = self._places
        names = ["" if value is None else str(value).strip() for value in _listed(chunk.columns[column])]
        return np.array([places.setdefault(name, len(places)) for name in names], dtype=np.int64)


def _listed(values: tables.Values) -> Sequence[object]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _floats(values: tables.Values, *, textual: bool) -> NDArray[np.float64]:
    """Return numbers, NaN for what is none; text is a number only where `textual`."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64) if values.dtype.kind in "iuf" else np.full(values.shape, np.nan)
    try:
        if textual and "_" not in "".join(values):  # type: ignore[arg-type]  # all are text
            return np.array(values, dtype=np.float64)
        if not textual and set(map(type, values)) <= {int, float}:
            return np.array(values, dtype=np.float64)
    except (ValueError, OverflowError):
        pass
    return np.array([_float(value, textual=textual) for value in values], dtype=np.float64)


def _float(value: object, *, textual: bool) -> float:
    # Python takes 1_000 for a number; in a file it is a slip.
    if type(value) not in ({str} if textual else {int, float}) or "_" in str(value):
        return float("nan")
    try:
        return float(value)  # type: ignore[arg-type]  # text or a number
    except (ValueError, OverflowError):
        return float("nan")
