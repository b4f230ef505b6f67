"""BurstGPT (Wang et al., arXiv:2401.17644).

Columns `Timestamp` (seconds from midnight of the first day, whole in the published files), `Model`, `Request tokens`,
`Response tokens`, and others that a replay does not need. Rows without response tokens are failures. The model is the
tenant, so that the requests of one can be selected.
"""

from __future__ import annotations

import numpy as np

from tenbin_planner.traces import columns, errors, files, reader_options, tables, ticks, trace
from tenbin_planner.traces.formats import logged

NEEDED = ("Timestamp", "Model", "Request tokens", "Response tokens")


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Read a trace of BurstGPT; requests of one second are spread over it unless this is declined.

    Raises:
        TraceError: for values that cannot be.
    """
    problems = errors.Problems(str(source.path))
    models = columns.Names()
    wanted: dict[str, tables.Convert] = {
        "Timestamp": columns.SECONDS,
        "Model": models,
        "Request tokens": columns.LOGGED_TOKENS,
        "Response tokens": columns.LOGGED_TOKENS,
    }
    found = tables.gathered(source.chunks(problems), wanted, problems)
    rng = np.random.default_rng(chosen.seed)
    times, notes = ticks.spread_if_coarse(found["Timestamp"], rng, wanted=chosen.spread)
    return logged.taken(
        source,
        arrival_s=times,
        input_tokens=found["Request tokens"],
        output_tokens=found["Response tokens"],
        tenants=models.names,
        tenant_index=found["Model"],
        notes=notes,
    )
