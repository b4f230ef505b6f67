"""Files of measured data, told apart by their columns."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from tenbin_planner.model.measurements import Measurements
from tenbin_planner.profiling import decode_tables, engine_logs, errors, latency_grids, pass_files, records, tables
from tenbin_planner.profiling.pass_files import LeftOut
from tenbin_planner.profiling.records import MeasuredRun


@dataclasses.dataclass(kw_only=True)
class Data:
    """What a set of files holds."""

    passes: list[Measurements] = dataclasses.field(default_factory=list)
    lone: list[tables.Table] = dataclasses.field(default_factory=list)
    """Records with prompts that were alone in the engine."""
    runs: list[MeasuredRun] = dataclasses.field(default_factory=list)
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)
    about: dict[str, str] = dataclasses.field(default_factory=dict)
    """What pass files say of the server."""


def read(paths: Sequence[pathlib.Path], leave_out: Sequence[tuple[float, float]] = ()) -> Data:
    """Read files.

    Args:
        paths: files, of any kind and in any order.
        leave_out: first and last second of stretches of engine logs that must not be used.

    Raises:
        DataError: with what is wrong in each of the files.
    """
    data, problems = Data(), []
    for path in paths:
        try:
            _take(tables.read(path), leave_out, data)
        except errors.DataError as error:
            problems.append(str(error))
    if problems:
        raise errors.DataError("\n".join(problems))
    return data


def _take(table: tables.Table, leave_out: Sequence[tuple[float, float]], data: Data) -> None:
    if pass_files.matches(table):
        found = pass_files.take(table)
    elif decode_tables.matches(table):
        found = decode_tables.take(table)
    elif engine_logs.matches(table):
        found = engine_logs.take(table, leave_out)
    elif latency_grids.matches(table):
        found = latency_grids.take(table)
    elif records.matches(table):
        _take_records(table, data)
        return
    else:
        raise errors.DataError(
            f"{table.path} has the columns {', '.join(table.columns)}; allowed are those of passes "
            f"({', '.join(pass_files.COLUMNS)}), of decode steps ({', '.join(decode_tables.COLUMNS)}), of an engine's "
            f"log ({', '.join(engine_logs.COLUMNS)}), of a grid of latencies ({', '.join(latency_grids.COLUMNS)}) "
            f"or of requests ({', '.join(records.COLUMNS)})"
        )
    _about(table, found, data)
    data.passes.append(found.passes)
    data.left_out += found.left_out


def _take_records(table: tables.Table, data: Data) -> None:
    if records.holds_run(table):
        data.runs.append(records.take_run(table))
        return
    data.lone.append(table)
    together = sum(kind != "single" for kind in table.columns["kind"])
    if together:
        data.left_out.append(
            LeftOut(place=f"{table.path.name}, {together} requests", why="prompts sent at once share their passes")
        )


def _about(table: tables.Table, found: pass_files.PassFile, data: Data) -> None:
    """Take what a pass file says of its server.

    Raises:
        DataError: when another file says otherwise.
    """
    own = {key: value for key, value in found.about.items() if key not in {"note", "source", "date"}}
    other = [
        f"{key} is {value!r}, and {data.about[key]!r} in another file; allowed are files of one server"
        for key, value in own.items()
        if key in data.about and data.about[key] != value and not key.startswith("api_")
    ]
    if other:
        raise errors.listed(str(table.path), other)
    data.about = {**found.about, **data.about}
