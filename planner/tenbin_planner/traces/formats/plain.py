"""Plain tables: `arrival_s,input_tokens,output_tokens`, with `class`, `tenant` and `cached_tokens` if there are any."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import columns, errors, files, reader_options, tables, trace

NEEDED = ("arrival_s", "input_tokens", "output_tokens")
OPTIONAL = ("class", "tenant", "cached_tokens")


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Read a plain table; columns that it does not know are left out, with a note.

    Raises:
        TraceError: for values that cannot be.
    """
    del chosen  # nothing is drawn
    problems = errors.Problems(str(source.path))
    classes, tenants = columns.Names(), columns.Names()
    possible: dict[str, tables.Convert] = {
        "arrival_s": columns.SECONDS,
        "input_tokens": columns.TOKENS,
        "output_tokens": columns.TOKENS,
        "class": classes,
        "tenant": tenants,
        "cached_tokens": _Cached(**dataclasses.asdict(columns.LOGGED_TOKENS)),
    }
    wanted = {column: convert for column, convert in possible.items() if column in source.columns}
    found = tables.gathered(source.chunks(problems), wanted, problems)
    unknown = [column for column in source.columns if column not in (*NEEDED, *OPTIONAL)]
    notes = [f"columns left out: {', '.join(unknown)}"] if unknown else []
    return trace.Trace.of(
        name=source.name,
        arrival_s=found["arrival_s"],
        input_tokens=found["input_tokens"],
        output_tokens=found["output_tokens"],
        cached_tokens=found.get("cached_tokens"),
        classes=classes.names,
        class_index=found.get("class"),
        tenants=tenants.names,
        tenant_index=found.get("tenant"),
        notes=notes,
    )


class _Cached(columns.Number):
    """Tokens found in a prefix cache: fewer than the prompt has, since an engine computes at least its last one."""

    def __call__(self, chunk: tables.Chunk, column: str, problems: errors.Problems) -> NDArray[np.float64]:
        numbers = super().__call__(chunk, column, problems)
        prompts = columns.TOKENS(chunk, "input_tokens", errors.Problems(""))
        columns.refuse(chunk, column, (numbers < prompts) | (numbers == 0), "fewer than input_tokens", problems)
        return numbers
