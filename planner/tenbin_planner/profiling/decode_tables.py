"""Tables of decode steps by batch and context: time of one pass in which so many sequences decode.

Columns: `batch`, `mean_ctx` (tokens of context of each sequence, on average), and `engine_step_p50_ms` (between two
steps in the engine's log) or `client_itl_p50_ms` (between two tokens at the client); the engine's own wins. A row with
a note that starts with "not valid" or "client side only" is left out: there the client's times are not the engine's.
"""

from __future__ import annotations

import numpy as np

from tenbin_planner.model.measurements import Measurements
from tenbin_planner.profiling import pass_files, tables

COLUMNS = ("batch", "mean_ctx", "client_itl_p50_ms")
UNUSABLE = ("not valid", "client side only")
TIMES = tables.Range(above=True, most=1e6, may_miss=True)


def matches(table: tables.Table) -> bool:
    """Tell whether a table holds decode steps."""
    return set(COLUMNS) <= set(table.columns)


def take(table: tables.Table) -> pass_files.PassFile:
    """Return the passes of a table.

    Raises:
        DataError: naming every cell that cannot be.
    """
    ranges = {
        "batch": tables.Range(least=1, most=1e6, whole=True),
        "mean_ctx": tables.Range(least=1, most=tables.MOST_TOKENS),
        "client_itl_p50_ms": TIMES,
    }
    if "engine_step_p50_ms" in table.columns:
        ranges["engine_step_p50_ms"] = TIMES
    numbers = table.numbers(ranges)
    client = numbers["client_itl_p50_ms"]
    engine = numbers.get("engine_step_p50_ms", np.full_like(client, np.nan))
    ms = np.where(np.isnan(engine), client, engine)
    notes = table.columns.get("note", [""] * table.rows)
    why = [
        note if note.startswith(UNUSABLE) else "no time" if np.isnan(time) else ""
        for note, time in zip(notes, ms, strict=True)
    ]
    used = np.array([not reason for reason in why])
    batch = numbers["batch"][used]
    rows = np.flatnonzero(used)
    passes = Measurements(
        decode_sequences=batch,
        kv_tokens=batch * numbers["mean_ctx"][used],
        prefill_tokens=np.zeros(rows.size),
        prefill_context=np.zeros(rows.size),
        of=np.arange(rows.size),
        ms=ms[used],
        trust=np.ones(rows.size),
        kinds=("decode",) * rows.size,
        places=tuple(table.place(int(row)) for row in rows),
    )
    left_out = tuple(pass_files.LeftOut(place=table.place(row), why=reason) for row, reason in enumerate(why) if reason)
    return pass_files.PassFile(passes=passes, left_out=left_out, about={})
