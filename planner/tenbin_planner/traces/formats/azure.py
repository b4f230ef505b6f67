"""Azure's inference traces of 2023 (Patel et al., Splitwise) and 2024 (Stojkovic et al., DynamoLLM).

Columns `TIMESTAMP` (wall time with up to nine decimals, in 2024 with `+00:00`), `ContextTokens`, `GeneratedTokens`;
the last line may lack its newline. The first timestamp is second 0.
"""

from __future__ import annotations

from tenbin_planner.traces import columns, errors, files, reader_options, tables, trace
from tenbin_planner.traces.formats import logged

NEEDED = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Read a trace of Azure.

    Raises:
        TraceError: for values that cannot be.
    """
    del chosen  # nothing is drawn
    problems = errors.Problems(str(source.path))
    wanted: dict[str, tables.Convert] = {
        "TIMESTAMP": columns.instants,
        "ContextTokens": columns.LOGGED_TOKENS,
        "GeneratedTokens": columns.LOGGED_TOKENS,
    }
    found = tables.gathered(source.chunks(problems), wanted, problems)
    instants = found["TIMESTAMP"]
    return logged.taken(
        source,
        arrival_s=(instants - instants.min(initial=instants[0] if instants.size else 0)) / 1e9,
        input_tokens=found["ContextTokens"],
        output_tokens=found["GeneratedTokens"],
    )
