"""Reading a trace: which reader takes a file, found by its columns."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable

from tenbin_planner.traces import errors, files, reader_options, trace
from tenbin_planner.traces.formats import azure, burstgpt, measured, mooncake, plain, servegen, servegen_pool

AUTO = "auto"

_TABLE = frozenset({files.Layout.CSV, files.Layout.PARQUET})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader:
    """One file format."""

    name: str
    layouts: frozenset[files.Layout]
    needed: tuple[str, ...]
    """Columns, keys or members that a file must have."""
    optional: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    """Columns that make it another kind of file."""
    takes: frozenset[str] = frozenset()
    """Options that only this reader honours."""
    read: Callable[[files.Source, reader_options.Options], trace.Trace]

    @property
    def wants(self) -> str:
        """Say in one line what a file of this format looks like."""
        layouts = " or ".join(layout.value for layout in files.Layout if layout in self.layouts)
        optional = f", with or without {', '.join(self.optional)}" if self.optional else ""
        excluded = f", not {', '.join(self.excluded)}" if self.excluded else ""
        return f"{layouts} with {', '.join(self.needed)}{optional}{excluded}"

    def fits(self, source: files.Source) -> bool:
        """Tell whether a file has what this reader needs."""
        names = set(source.columns)
        return source.layout in self.layouts and names >= set(self.needed) and not names & set(self.excluded)


READERS = {
    reader.name: reader
    for reader in (
        Reader(name="plain", layouts=_TABLE, needed=plain.NEEDED, optional=plain.OPTIONAL, read=plain.read),
        Reader(name="azure", layouts=frozenset({files.Layout.CSV}), needed=azure.NEEDED, read=azure.read),
        Reader(name="burstgpt", layouts=_TABLE, needed=burstgpt.NEEDED, read=burstgpt.read),
        Reader(
            name="mooncake",
            layouts=frozenset({files.Layout.JSON_LINES}),
            needed=mooncake.NEEDED,
            optional=("hash_ids",),
            excluded=mooncake.EXCLUDED,
            takes=frozenset({"prefix_cache_blocks"}),
            read=mooncake.read,
        ),
        Reader(name="servegen", layouts=_TABLE, needed=servegen.NEEDED, optional=("client",), read=servegen.read),
        Reader(
            name="servegen-pool",
            layouts=frozenset({files.Layout.TAR}),
            needed=servegen_pool.NEEDED,
            takes=frozenset({"scale", "day"}),
            read=servegen_pool.read,
        ),
        Reader(name="measured", layouts=_TABLE, needed=measured.NEEDED, excluded=measured.EXCLUDED, read=measured.read),
    )
}
"""All readers by name; no file fits two of them."""


def read(
    path: str | os.PathLike[str],
    *,
    reader: str = AUTO,
    options: reader_options.Options | None = None,
    progress: files.Progress | None = None,
) -> trace.Trace:
    """Read a trace from a file.

    Args:
        path: the file, compressed with gzip or not.
        reader: name of one of `READERS`, or `auto`: the one that fits the file's columns.
        options: what the reader is told; None: the defaults.
        progress: called now and then with the bytes read so far and the size of the file.

    Raises:
        TraceError: when the file cannot be read; when no reader or not the named one fits it, with its columns and what
            each reader wants; when values cannot be, with the first of these and their lines; for options that
            the reader does not honour.
    """
    if reader != AUTO and reader not in READERS:
        raise errors.FormatError(f"no reader is called {reader!r}. Allowed: {AUTO}, {', '.join(READERS)}")
    wanted = options or reader_options.Options()
    with files.reading(pathlib.Path(path)):
        source = files.look(pathlib.Path(path), progress)
        found = _fitting(source, reader)
        _refuse_options(source, found, wanted)
        return _noted(found.read(source, wanted))


def _noted(found: trace.Trace) -> trace.Trace:
    """Say so when a trace idles for longer than it lasts: its clock began somewhere else."""
    first_s = float(found.arrival_s[0])
    if first_s <= max(found.duration_s - first_s, 1.0):
        return found
    note = f"the first request comes only at {first_s:,.15g} s; times are left as they are"
    return dataclasses.replace(found, notes=(*found.notes, note))


def _fitting(source: files.Source, name: str) -> Reader:
    candidates = list(READERS.values()) if name == AUTO else [READERS[name]]
    for reader in candidates:
        if reader.fits(source):
            return reader
    columns = ", ".join(errors.shown(column) for column in source.columns[:20])
    more = f" and {len(source.columns) - 20} more" if len(source.columns) > 20 else ""
    lines = "\n".join(f"  - {reader.name}: {reader.wants}" for reader in candidates)
    nobody = "no reader takes it" if name == AUTO else f"reader {name} does not take it"
    raise errors.FormatError(
        f"{source.path} is {source.layout.value} with {columns}{more}: {nobody}. Allowed:\n{lines}"
    )


def _refuse_options(source: files.Source, reader: Reader, chosen: reader_options.Options) -> None:
    """Refuse an option that would change nothing."""
    honoured = {other.name: other.takes for other in READERS.values()}
    for option in sorted(chosen.set_by_hand() & frozenset().union(*honoured.values()) - reader.takes):
        takers = ", ".join(name for name, taken in honoured.items() if option in taken)
        raise errors.TraceError(
            f"{option} says nothing about {source.path}, which reader {reader.name} takes; "
            f"allowed is {option} with {takers}"
        )
