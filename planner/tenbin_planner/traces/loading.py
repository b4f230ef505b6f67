"""A trace from a file or from a description, whichever a text names."""

from __future__ import annotations

import os

from tenbin_planner.traces import errors, files, reader_options, reading, spec, trace


def load(
    source: str | os.PathLike[str],
    *,
    reader: str = reading.AUTO,
    options: reader_options.Options | None = None,
    progress: files.Progress | None = None,
) -> trace.Trace:
    """Read a trace from a file, or draw it when `source` begins with `generate:`.

    Args:
        source: path of a file, see `reading.read`, or a description, see `spec.generate`.
        reader: name of a reader, for files only.
        options: what the reader is told, for files only; None: the defaults.
        progress: called with the bytes read so far and the size of the file.

    Raises:
        TraceError: for whatever is wrong with the file or the description.
    """
    text = os.fspath(source)
    if not spec.is_spec(text):
        return reading.read(text, reader=reader, options=options, progress=progress)
    if reader != reading.AUTO:
        raise errors.TraceError(f"{text} is drawn and not read: no reader, not even {reader!r}, is allowed with it")
    return spec.generate(text)
