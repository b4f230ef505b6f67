"""Files of passes, as `tenbin profile measure` writes them (`measure_file`): one pass a row, and what was measured.

A row with a note is not fitted; the note says why. A column that a file of another origin lacks is 0 or empty; needed
are `decode_sequences, kv_tokens, prefill_tokens, prefill_context, ms`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tenbin_planner.model.measurements import Measurements
from tenbin_planner.profiling import tables

COLUMNS = ("decode_sequences", "kv_tokens", "prefill_tokens", "prefill_context", "ms")
_AMOUNTS = tables.Range(most=tables.MOST_TOKENS)
RANGES = {
    "decode_sequences": _AMOUNTS,
    "kv_tokens": _AMOUNTS,
    "prefill_tokens": _AMOUNTS,
    "prefill_context": tables.Range(most=tables.MOST_TOKENS**2),
    "ms": tables.Range(above=True, most=1e9),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A measurement that is not used."""

    place: str
    why: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PassFile:
    """Passes, and what the file says of the server they were measured on."""

    passes: Measurements
    left_out: tuple[LeftOut, ...]
    about: Mapping[str, str]
    """Values by key, as `measure_file` names them."""


def matches(table: tables.Table) -> bool:
    """Tell whether a table holds passes."""
    return set(COLUMNS) <= set(table.columns)


def take(table: tables.Table) -> PassFile:
    """Return the passes of a table.

    Raises:
        DataError: naming every cell that cannot be.
    """
    notes = table.columns.get("note", [""] * table.rows)
    used = [row for row in range(table.rows) if not notes[row]]
    kept = dataclasses.replace(
        table,
        columns={name: [cells[row] for row in used] for name, cells in table.columns.items()},
        lines=[table.lines[row] for row in used],
    )
    numbers = kept.numbers(RANGES)
    kinds = kept.columns.get("kind", ["pass"] * kept.rows)
    passes = Measurements(
        **numbers,
        of=np.arange(kept.rows),
        trust=np.ones(kept.rows),
        kinds=tuple(kind or "pass" for kind in kinds),
        places=tuple(kept.place(row) for row in range(kept.rows)),
    )
    left_out = tuple(LeftOut(place=table.place(row), why=note) for row, note in enumerate(notes) if note)
    about = dict(remark.split(": ", 1) for remark in table.remarks if ": " in remark)
    return PassFile(passes=passes, left_out=left_out, about=about)
