"""A file with a trace: what it is, and its columns chunk by chunk, so that memory holds numbers and not text.

Compressed or not is told by the first bytes, not by the name.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import enum
import gzip
import io
import json
import pathlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, cast

from tenbin_planner.traces import errors, tables

_HEAD_BYTES = 1 << 20
Progress = Callable[[int, int], None]
"""Called with the bytes of the file read so far and its size, for tables as they are read."""


class Layout(enum.Enum):
    """How a file holds its columns."""

    CSV = "CSV"
    PARQUET = "Parquet"
    JSON_LINES = "JSON lines"
    TAR = "tar archive"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A file that has been looked at."""

    path: pathlib.Path
    layout: Layout
    columns: tuple[str, ...]
    """Header of a table, keys of the first JSON line, kinds of members of an archive."""
    progress: Progress | None = None

    @property
    def name(self) -> str:
        """Name of the file without its endings."""
        return self.path.name.split(".")[0] or self.path.name

    def chunks(self, problems: errors.Problems) -> Iterator[tables.Chunk]:
        """Return the file's rows, some ten thousand at a time, with what is wrong with their form in `problems`."""
        if self.layout is Layout.PARQUET:
            yield from tables.parquet_chunks(self.path)
            return
        with self.path.open("rb") as raw, _decompressed(raw) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            if self.layout is Layout.JSON_LINES:
                found = tables.json_chunks(text, problems)
            else:
                found = tables.csv_chunks(text, self.columns, problems)
            for chunk in found:
                yield chunk
                if self.progress is not None:
                    self.progress(raw.tell(), self.path.stat().st_size)

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file, decompressed."""
        with self.path.open("rb") as raw, _decompressed(raw) as stream:
            yield stream


@contextlib.contextmanager
def _decompressed(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    start = stream.read(2)
    stream.seek(0)
    if start == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=stream) as inner:
            yield cast("IO[bytes]", inner)
    else:
        yield stream


def look(path: pathlib.Path, progress: Progress | None = None) -> Source:
    """Find out how a file holds its columns, and which.

    Raises:
        TraceError: for a file that is empty, no text, or not what its first bytes promise.
    """
    with path.open("rb") as raw, _decompressed(raw) as stream:
        head = stream.read(_HEAD_BYTES)
    if head[:4] == b"PAR1":
        return Source(path=path, layout=Layout.PARQUET, columns=tables.parquet_columns(path), progress=progress)
    if head[257:262] == b"ustar":
        return Source(path=path, layout=Layout.TAR, columns=_kinds(path), progress=progress)
    text = head.decode("utf-8-sig", errors="ignore" if len(head) == _HEAD_BYTES else "strict")
    if not text.strip():
        raise errors.TraceError(f"{path} is empty; a trace has one request or more")
    if "\0" in text:
        raise errors.FormatError(f"{path} is neither text nor Parquet nor an archive that a reader knows")
    layout = Layout.JSON_LINES if text.lstrip()[0] in "{[" else Layout.CSV
    columns = _keys(path, text) if layout is Layout.JSON_LINES else _header(path, text)
    return Source(path=path, layout=layout, columns=columns, progress=progress)


def _header(path: pathlib.Path, text: str) -> tuple[str, ...]:
    header = next(row for row in csv.reader(io.StringIO(text, newline="")) if row)
    names = tuple(name.strip() for name in header)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise errors.FormatError(f"{path} has columns of the same name: {', '.join(map(errors.shown, twice))}")
    return names


def _keys(path: pathlib.Path, text: str) -> tuple[str, ...]:
    line = next(line for line in text.splitlines() if line.strip())
    try:
        first = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise errors.FormatError(f"{path} looks like JSON, and its first line is none: {errors.shown(line)}") from error
    if not isinstance(first, dict):
        raise errors.FormatError(f"{path} is JSON without an object a line: {errors.shown(line)}")
    return tuple(first)


def _kinds(path: pathlib.Path) -> tuple[str, ...]:
    """Return what follows the last hyphen in the names of an archive's files: `trace.csv` of `chunk-1-trace.csv`."""
    with tarfile.open(path) as archive:
        names = [pathlib.PurePosixPath(member.name).name for member in archive if member.isfile()]
    return tuple(sorted({name.rsplit("-", 1)[-1] for name in names}))


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Turn what can go wrong with a file's bytes into a TraceError that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise errors.FormatError(f"{path} is not UTF-8 text: byte {found:#04x}, {error.reason}") from error
    except OSError as error:
        raise errors.TraceError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error, tarfile.TarError, csv.Error) as error:
        raise errors.TraceError(f"{path} cannot be read: {error}") from error
