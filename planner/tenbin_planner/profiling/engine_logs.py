"""Logs of an engine's steps: when each pass ended and what was in it; sums of passes come out, never single ones.

Columns: `t` (completion, s), `ctx_req, ctx_tok` (prompts and prompt tokens computed), `gen_req` (decodes), `wait_ms`.

The engine's main thread writes the stamps. Where it had to wait for the accelerator (`wait_ms`), a stamp is true; where
not, the thread was busy launching another pass and stamped late. So a measurement is what lies between two true stamps.
KV tokens are not in the log; they are rebuilt from the prompts and decodes before, finished sequences taking the mean
with them. After a gap they are unknown until no decode is left from before. A sum is left out when KV tokens are
unknown in it, or when the engine was idle within it: a pass without decodes that follows one that was not full was
started by a request that came late.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.model.measurements import Measurements
from tenbin_planner.profiling import pass_files, tables

COLUMNS = ("t", "ctx_req", "ctx_tok", "gen_req", "wait_ms")
TRUE_WAIT_MS = 0.5
FULL = 0.98
"""Share of the largest pass from which on a pass counts as full."""
BREAK_S = 1.0
"""Between two stamps; a longer silence is a gap in the log."""
DECODES, PROMPTS = "log decodes", "log prompts"
TRUST = {DECODES: 0.03, PROMPTS: 0.5}
"""Rebuilt amounts are less certain than those of a table."""


def matches(table: tables.Table) -> bool:
    """Tell whether a table is a log of steps."""
    return set(COLUMNS) <= set(table.columns)


def take(table: tables.Table, leave_out: Sequence[tuple[float, float]] = ()) -> pass_files.PassFile:
    """Return sums of passes.

    Args:
        table: log, in the order of time.
        leave_out: first and last second of stretches that must not be used, by the clock of `t`.

    Raises:
        DataError: naming every cell that cannot be.
    """
    counts = tables.Range(most=tables.MOST_TOKENS, whole=True)
    numbers = table.numbers(
        {
            "t": tables.Range(most=1e12),
            "ctx_req": counts,
            "ctx_tok": counts,
            "gen_req": counts,
            "wait_ms": tables.Range(),
        }
    )
    seconds, tokens, decodes = numbers["t"], numbers["ctx_tok"], numbers["gen_req"]
    apart = np.zeros(table.rows, dtype=bool)
    for first, last in leave_out:
        apart |= (seconds >= first) & (seconds <= last)
    breaks = np.concatenate([[True], np.diff(seconds) > BREAK_S]) | apart
    busy = tokens + decodes
    idle_before = (decodes == 0) & np.concatenate([[True], busy[:-1] < FULL * busy.max()])
    kv_tokens = _kv_tokens(tokens, decodes, breaks)
    spans = _spans(numbers["wait_ms"] > TRUE_WAIT_MS, breaks | idle_before | np.isnan(kv_tokens), apart)
    of, rows = _members(spans)
    context = tokens**2 / (2 * np.maximum(numbers["ctx_req"], 1))
    kinds = tuple(PROMPTS if tokens[first + 1 : last + 1].any() else DECODES for first, last in spans)
    passes = Measurements(
        decode_sequences=decodes[rows],
        kv_tokens=kv_tokens[rows],
        prefill_tokens=tokens[rows],
        prefill_context=context[rows],
        of=of,
        ms=np.array([(seconds[last] - seconds[first]) * 1000 for first, last in spans]),
        trust=np.array([TRUST[kind] for kind in kinds]),
        kinds=kinds,
        places=tuple(f"{table.place(first + 1)} to {table.lines[last]}" for first, last in spans),
    )
    left_out = [
        pass_files.LeftOut(place=f"{table.path.name} {first:g} to {last:g} s", why="left out as asked")
        for first, last in leave_out
    ]
    return pass_files.PassFile(passes=passes, left_out=tuple(left_out), about={})


def _spans(true: NDArray[np.bool_], cut: NDArray[np.bool_], apart: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return pairs of neighbouring true stamps with no cut after the first of them."""
    stamps = np.flatnonzero(true & ~apart)
    cuts = np.concatenate([[0], np.cumsum(cut)])
    return [(int(first), int(last)) for first, last in itertools.pairwise(stamps) if cuts[last + 1] == cuts[first + 1]]


def _members(spans: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each pass of each sum the sum's position and the row."""
    lengths = np.array([last - first for first, last in spans], dtype=np.int64)
    of = np.repeat(np.arange(len(spans)), lengths)
    rows = [np.arange(first + 1, last + 1) for first, last in spans]
    return of, np.concatenate([np.zeros(0, dtype=np.int64), *rows])


def _kv_tokens(
    tokens: NDArray[np.float64], decodes: NDArray[np.float64], breaks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Rebuild the tokens of context that the decodes of each pass read; NaN where they are unknown."""
    read = np.zeros(tokens.size)
    held = arriving = alive = 0.0
    for row, (prompt, batch, starts) in enumerate(zip(tokens, decodes, breaks, strict=True)):
        if starts:
            held, arriving, alive = np.nan, 0.0, batch
        if not batch:
            held = 0.0
        elif batch < alive:
            held *= batch / alive
        elif batch > alive:
            held, arriving = held + arriving, 0.0
        alive = batch
        held += batch
        read[row] = held
        arriving = arriving + prompt if batch or prompt else 0.0
    return read
