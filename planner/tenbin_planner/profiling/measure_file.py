"""A measurement as a file: rows of passes as CSV, under lines `# key: value` that say what was measured.

The first line is `# tenbin passes 1`. A key that is missing was not known. Times are milliseconds; see
`measure_rows.MeasuredPass` for the columns.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import gzip
import io
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING

from tenbin_planner.profiling import measure_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenbin_spec.profiles import EngineLimits

    from tenbin_planner.profiling.measure_passes import ApiTimes

FIRST_LINE = "# tenbin passes 1"
COLUMNS = tuple(field.name for field in dataclasses.fields(measure_rows.MeasuredPass))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured, where and how."""

    model: str
    engine: str
    engine_version: str | None
    accelerator: str | None
    tensor_parallel: int
    date: datetime.date
    source: str
    limits: EngineLimits
    api: ApiTimes
    rows: Sequence[measure_rows.MeasuredPass]
    notes: Sequence[str] = ()
    """What is missing or doubtful, in words."""


def text(measured: Measured) -> str:
    """Return the content of the file."""
    keys: dict[str, object] = {
        "model": measured.model,
        "engine": measured.engine,
        "engine_version": measured.engine_version,
        "accelerator": measured.accelerator,
        "tensor_parallel": measured.tensor_parallel,
        "date": measured.date.isoformat(),
        "source": measured.source,
        **measured.limits.model_dump(),
        "api_per_request_ms": round(measured.api.per_request_ms, 4),
        "api_per_output_token_ms": round(measured.api.per_output_token_ms, 5),
        "api_first_token_ms": round(measured.api.first_token_ms, 4),
    }
    head = [FIRST_LINE, *(f"# {key}: {_line(value)}" for key, value in keys.items() if value is not None)]
    head += [f"# note: {_line(note)}" for note in measured.notes]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(row, name)) for name in COLUMNS] for row in measured.rows)
    return "\n".join([*head, table.getvalue()])


def write(path: pathlib.Path, measured: Measured) -> None:
    """Write the file in one step, packed when its name ends in `.gz`.

    Raises:
        OSError: when it cannot be written.
    """
    content = text(measured).encode()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    partial = pathlib.Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _line(value: object) -> str:
    return " ".join(str(value).split())


def _cell(value: object) -> object:
    return f"{value:.10g}" if isinstance(value, float) else value
