"""Writing a trace as a plain table."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pathlib
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import tables, trace


def write_csv(written: trace.Trace, path: str | os.PathLike[str]) -> None:
    """Write a trace so that reading it gives the same requests; compressed when the name ends in `.gz`.

    Columns that say nothing (no classes, no tenants, no cached tokens) are left out. Until all is written, the file has
    the ending `.part`. The same trace gives the same bytes.

    Raises:
        OSError: when the file cannot be written.
    """
    target = pathlib.Path(path)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as raw:
            if target.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as stream:
                    _write(written, stream)  # type: ignore[arg-type]  # typed as a reader, and writes
            else:
                _write(written, raw)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write(written: trace.Trace, stream: IO[bytes]) -> None:
    header = ["arrival_s", "input_tokens", "output_tokens"]
    columns: list[NDArray[np.generic]] = [written.arrival_s, written.input_tokens, written.output_tokens]
    for name, names, index in (
        ("class", written.classes, written.class_index),
        ("tenant", written.tenants, written.tenant_index),
    ):
        if names != trace.UNKNOWN:
            header.append(name)
            columns.append(np.array(names, dtype=np.object_)[index])
    if written.cached_tokens.any():
        header.append("cached_tokens")
        columns.append(written.cached_tokens)
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(header)
    for start in range(0, len(written), tables.ROWS):
        rows.writerows(zip(*(column[start : start + tables.ROWS].tolist() for column in columns), strict=True))
    text.flush()
    text.detach()
