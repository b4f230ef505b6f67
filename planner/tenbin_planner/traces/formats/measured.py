"""Replays against a real engine: `due` and `sent` in seconds, `isl` and `osl` in tokens, and what came of each request.

A request arrives when it was sent, which is what the engine saw; tokens are those that were asked for, since an answer
that was cut off would have been longer.
"""

from __future__ import annotations

from tenbin_planner.traces import columns, errors, files, reader_options, tables, trace
from tenbin_planner.traces.formats import logged

NEEDED = ("due", "sent", "isl", "osl")
EXCLUDED = ("rep",)
"""A file of repetitions starts its clock anew with each: it is a series of measurements, not a trace."""


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Read the requests of a measured replay.

    Raises:
        TraceError: for values that cannot be.
    """
    del chosen  # nothing is drawn
    problems = errors.Problems(str(source.path))
    wanted: dict[str, tables.Convert] = {
        "sent": columns.SECONDS,
        "isl": columns.LOGGED_TOKENS,
        "osl": columns.LOGGED_TOKENS,
    }
    found = tables.gathered(source.chunks(problems), wanted, problems)
    return logged.taken(source, arrival_s=found["sent"], input_tokens=found["isl"], output_tokens=found["osl"])
