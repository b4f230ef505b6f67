"""CSV files, packed or not, as columns of numbers; lines that start with # before the header are remarks."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import math
import pathlib
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.profiling import errors

MOST_TOKENS = 1_000_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers that a column may hold."""

    least: float = 0.0
    most: float = math.inf
    above: bool = False
    """Whether `least` itself is refused."""
    whole: bool = False
    may_miss: bool = False
    """Whether a cell may be empty; it becomes NaN."""

    def problem(self, cell: str) -> str | None:
        """Return what is wrong with a cell, None when nothing is."""
        if not cell and self.may_miss:
            return None
        number = _number(cell)
        low = number > self.least if self.above else number >= self.least
        if math.isfinite(number) and low and number <= self.most and not (self.whole and number % 1):
            return None
        return f"{cell!r}; allowed is {self}"

    def __str__(self) -> str:
        noun = "a whole number" if self.whole else "a number"
        low = f"above {self.least:,g}" if self.above else f"from {self.least:,g}"
        return f"{noun} {low}" + (f" to {self.most:,g}" if math.isfinite(self.most) else "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A file that has been read; all columns have the same length."""

    path: pathlib.Path
    remarks: tuple[str, ...]
    """Lines before the header, without their #."""
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    """Line of the file that each row is in, 1 the first."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def place(self, row: int) -> str:
        """Return where a row is, for messages."""
        return f"{self.path.name} line {self.lines[row]}"

    def numbers(self, ranges: Mapping[str, Range]) -> dict[str, NDArray[np.float64]]:
        """Return columns as numbers of shape (rows,).

        Raises:
            DataError: for missing columns, or naming every cell that is out of its range.
        """
        missing = [name for name in ranges if name not in self.columns]
        if missing:
            raise errors.DataError(f"{self.path} lacks the columns {', '.join(missing)}")
        problems = [
            f"line {line}, {name}: {problem}"
            for name, allowed in ranges.items()
            for line, cell in zip(self.lines, self.columns[name], strict=True)
            if (problem := allowed.problem(cell)) is not None
        ]
        if problems:
            raise errors.listed(str(self.path), problems)
        return {name: np.array([_number(cell) for cell in self.columns[name]], dtype=np.float64) for name in ranges}


def read(path: pathlib.Path) -> Table:
    """Read a CSV file; it is unpacked when its first bytes say that it is packed.

    Raises:
        DataError: for a file that cannot be read, is no table, has no rows, or has rows of another width.
    """
    text = _text(path)
    content = text.splitlines()
    head = next((index for index, line in enumerate(content) if line.strip() and not line.startswith("#")), None)
    if head is None:
        raise errors.DataError(f"{path} is empty; allowed are tables with a header and one row or more")
    try:
        parsed = [(head + 1 + index, row) for index, row in enumerate(csv.reader(content[head:], strict=True)) if row]
    except csv.Error as error:
        raise errors.DataError(f"{path} is no table: {error}") from error
    header = [name.strip() for name in parsed[0][1]]
    if len(set(header)) < len(header) or len(header) < 2:
        raise errors.DataError(f"{path} is no table: its header is {content[head][:100]!r}")
    rows = parsed[1:]
    wrong = [
        f"line {line}: {len(row)} cells; allowed are {len(header)}" for line, row in rows if len(row) != len(header)
    ]
    if wrong:
        raise errors.listed(str(path), wrong)
    if not rows:
        raise errors.DataError(f"{path} has no rows below its header")
    cells = zip(*(row for _, row in rows), strict=True)
    return Table(
        path=path,
        remarks=tuple(line[1:].strip() for line in content[:head] if line.startswith("#")),
        columns={name: [cell.strip() for cell in column] for name, column in zip(header, cells, strict=True)},
        lines=[line for line, _ in rows],
    )


def _text(path: pathlib.Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.DataError(f"{path} is neither text nor packed text") from error
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise errors.DataError(f"{path} cannot be unpacked: {error}") from error


def _number(cell: str) -> float:
    # Python takes 1_000 for a number; in a file it is a slip.
    if "_" in cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return math.nan
