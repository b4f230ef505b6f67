"""Grids of latencies as NVIDIA's AIConfigurator predicts them: one prompt alone, or a batch of equal decodes.

Columns: `model, system, backend, backend_version, tp, phase, context_tokens, batch, latency_ms`. In the phase `prefill`
the latency is that of one pass over `context_tokens` prompt tokens, in `decode` that of one pass in which `batch`
sequences with `context_tokens` of context each decode. Prompts sent together are left out: the grid does not say how
their passes were cut. A grid of several configurations is refused: keep the rows of one. A row with a `note` is not
fitted; the note says why.
"""

from __future__ import annotations

import numpy as np

from tenbin_planner.model.measurements import Measurements
from tenbin_planner.profiling import errors, pass_files, tables

CONFIGURATION = ("model", "system", "backend", "backend_version", "tp")
COLUMNS = (*CONFIGURATION, "phase", "context_tokens", "batch", "latency_ms")
PHASES = ("decode", "prefill")
TOGETHER = "prompts sent at once share their passes"
RANGES = {
    "tp": tables.Range(least=1, most=64, whole=True),
    "context_tokens": tables.Range(least=1, most=tables.MOST_TOKENS, whole=True),
    "batch": tables.Range(least=1, most=1e6, whole=True),
    "latency_ms": tables.Range(above=True, most=1e6),
}
ACCELERATORS = {
    "a100_sxm": "A100-80GB",
    "b200_sxm": "B200",
    "b300_sxm": "B300",
    "h100_sxm": "H100",
    "h200_sxm": "H200",
    "l40s": "L40S",
}
"""Names in the catalogue by those of the grid's systems."""


def matches(table: tables.Table) -> bool:
    """Tell whether a table is a grid of latencies."""
    return set(COLUMNS) <= set(table.columns)


def take(table: tables.Table) -> pass_files.PassFile:
    """Return the passes of a grid.

    Raises:
        DataError: naming every cell that cannot be, or the configurations when there are several.
    """
    numbers = table.numbers(RANGES)
    about = _about(table)
    prefill = np.array([phase == "prefill" for phase in table.columns["phase"]])
    notes = table.columns.get("note", [""] * table.rows)
    together = prefill & (numbers["batch"] > 1)
    why = [note or (TOGETHER if shared else "") for note, shared in zip(notes, together, strict=True)]
    used = np.array([not reason for reason in why])
    rows, prompts = np.flatnonzero(used), prefill[used]
    tokens, batch = numbers["context_tokens"][used], numbers["batch"][used]
    passes = Measurements(
        decode_sequences=np.where(prompts, 0.0, batch),
        kv_tokens=np.where(prompts, 0.0, batch * tokens),
        prefill_tokens=np.where(prompts, tokens, 0.0),
        prefill_context=np.where(prompts, tokens**2 / 2, 0.0),
        of=np.arange(rows.size),
        ms=numbers["latency_ms"][used],
        trust=np.ones(rows.size),
        kinds=tuple(table.columns["phase"][int(row)] for row in rows),
        places=tuple(table.place(int(row)) for row in rows),
    )
    left_out = tuple(pass_files.LeftOut(place=table.place(row), why=reason) for row, reason in enumerate(why) if reason)
    return pass_files.PassFile(passes=passes, left_out=left_out, about=about)


def _about(table: tables.Table) -> dict[str, str]:
    """Return what the one configuration of a grid says of its engine.

    Raises:
        DataError: for phases of another name, or several configurations.
    """
    problems = [
        f"line {line}, phase: {phase!r}; allowed are {' and '.join(PHASES)}"
        for line, phase in zip(table.lines, table.columns["phase"], strict=True)
        if phase not in PHASES
    ]
    found = sorted({tuple(table.columns[name][row] for name in CONFIGURATION) for row in range(table.rows)})
    if len(found) > 1:
        problems += [
            f"rows of {', '.join(f'{name} {value}' for name, value in zip(CONFIGURATION, values, strict=True))}; "
            "allowed is one configuration in a file"
            for values in found
        ]
    if problems:
        raise errors.listed(str(table.path), problems)
    model, system, engine, version, tensor_parallel = found[0]
    about = {"model": model, "engine": engine, "engine_version": version, "tensor_parallel": tensor_parallel}
    if system in ACCELERATORS:
        about["accelerator"] = ACCELERATORS[system]
    return about
