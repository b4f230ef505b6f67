"""Rows of CSV, JSON lines and Parquet as chunks of columns."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import itertools
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import errors

ROWS = 1 << 15
"""Rows of a chunk: large enough that the cost per chunk is nothing, small enough that its text is a few MB."""

Values = Sequence[object] | NDArray[np.generic]
Convert = Callable[["Chunk", str, errors.Problems], NDArray[Any]]
"""Turns a column of a chunk into numbers of shape (rows,), and puts what it cannot turn into the problems."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some rows of a file; all columns have the same length."""

    columns: Mapping[str, Values]
    line_of: Callable[[int], int]
    """Line of the file, or row of a Parquet file, that a position in the columns comes from."""
    place: str = "line"
    textual: bool = False
    """Whether numbers are written as text, as in CSV."""

    def bad(self, position: int, column: str, value: object, allowed: str) -> errors.BadValue:
        """Return the problem that a value of this chunk is."""
        line = self.line_of(position)
        return errors.BadValue(line=line, column=column, value=errors.shown(value), allowed=allowed, place=self.place)


def csv_chunks(text: IO[str], header: Sequence[str], problems: errors.Problems) -> Iterator[Chunk]:
    """Read rows below a header; rows of another width are problems, blank lines are nothing."""
    reader = csv.reader(text)
    next(row for row in reader if row)
    while True:
        start = reader.line_num
        rows = list(itertools.islice(reader, ROWS))
        if not rows:
            return
        lines: Sequence[int] = range(start + 1, start + 1 + len(rows))
        if reader.line_num - start != len(rows) or any(len(row) != len(header) for row in rows):
            rows, lines = _well_formed(rows, start, len(header), problems)
        columns = zip(*rows, strict=True) if rows else ([] for _ in header)
        yield Chunk(columns=dict(zip(header, columns, strict=True)), line_of=lines.__getitem__, textual=True)


def _well_formed(
    rows: Sequence[list[str]], start: int, width: int, problems: errors.Problems
) -> tuple[list[list[str]], list[int]]:
    """Leave out blank rows and those of another width, and say which line each of the others begins in."""
    kept, lines, bad, line = [], [], [], start + 1
    for row in rows:
        if len(row) == width:
            kept.append(row)
            lines.append(line)
        elif row:
            allowed = f"{width} cells, as in the header"
            bad.append(errors.BadValue(line=line, column="row", value=f"{len(row)} cells", allowed=allowed))
        line += 1 + sum(cell.count("\n") for cell in row)
    problems.add(bad)
    return kept, lines


def json_chunks(text: IO[str], problems: errors.Problems) -> Iterator[Chunk]:
    """Read one object a line; a key that an object lacks is None. Lines that hold no object are problems."""
    numbered = ((number, line) for number, line in enumerate(text, start=1) if not line.isspace())
    while batch := list(itertools.islice(numbered, ROWS)):
        lines, objects, bad = [], [], []
        for number, line in batch:
            try:
                value: Any = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                lines.append(number)
                objects.append(value)
            else:
                found = errors.shown(line.rstrip("\r\n"))
                bad.append(errors.BadValue(line=number, column="row", value=found, allowed="a JSON object"))
        problems.add(bad)
        yield Chunk(columns=_Keys(objects), line_of=lines.__getitem__)


class _Keys(Mapping[str, Values]):
    """Columns of JSON objects; every key exists, since objects may differ in theirs."""

    def __init__(self, objects: Sequence[Mapping[str, object]]) -> None:
        self._objects = objects

    def __getitem__(self, key: str) -> list[object]:
        return [item.get(key) for item in self._objects]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(itertools.chain.from_iterable(self._objects)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def parquet_columns(path: pathlib.Path) -> tuple[str, ...]:
    """Return the names of a Parquet file's columns.

    Raises:
        TraceError: when pyarrow is not installed or does not understand the file.
    """
    with _parquet(path) as file:
        return tuple(file.schema_arrow.names)


def parquet_chunks(path: pathlib.Path) -> Iterator[Chunk]:
    """Read a Parquet file."""
    start = 1
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            columns = {name: _array(batch.column(name)) for name in batch.schema.names}
            yield Chunk(columns=columns, line_of=range(start, start + batch.num_rows).__getitem__, place="row")
            start += batch.num_rows


def _array(column: Any) -> Values:
    array: NDArray[np.generic] = column.to_numpy(zero_copy_only=False)
    return array.tolist() if array.dtype == np.object_ else array


def _parquet(path: pathlib.Path) -> Any:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise errors.FormatError(
            f"{path} is a Parquet file, which needs pyarrow: install pyarrow, or write the trace as CSV"
        ) from error
    try:
        return parquet.ParquetFile(path)
    except importlib.import_module("pyarrow").ArrowException as error:
        raise errors.TraceError(f"{path} cannot be read: {error}") from error


def gathered(
    chunks: Iterable[Chunk],
    wanted: Mapping[str, Convert],
    problems: errors.Problems,
) -> dict[str, NDArray[Any]]:
    """Read columns of a whole file.

    Args:
        chunks: rows.
        wanted: by column, how its values become numbers.
        problems: gets the values that cannot be.

    Raises:
        RowsError: with all that is in `problems`.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}
    for chunk in chunks:
        for name, converted in wanted.items():
            parts[name].append(converted(chunk, name, problems))
    problems.raise_if_any()
    return {name: np.concatenate(found) if found else np.empty(0) for name, found in parts.items()}
