"""Request files drawn from ServeGen (Xiang et al., arXiv:2505.09999), and synthetic files of the same columns.

Columns `t_s`, `prompt_tokens`, `output_tokens`, and `client`, which becomes the tenant, where there is one.
"""

from __future__ import annotations

from tenbin_planner.traces import columns, errors, files, reader_options, tables, trace
from tenbin_planner.traces.formats import logged

NEEDED = ("t_s", "prompt_tokens", "output_tokens")


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Read a file of requests.

    Raises:
        TraceError: for values that cannot be.
    """
    del chosen  # nothing is drawn
    problems = errors.Problems(str(source.path))
    clients = columns.Names()
    wanted: dict[str, tables.Convert] = {
        "t_s": columns.SECONDS,
        "prompt_tokens": columns.LOGGED_TOKENS,
        "output_tokens": columns.LOGGED_TOKENS,
    }
    if "client" in source.columns:
        wanted["client"] = clients
    found = tables.gathered(source.chunks(problems), wanted, problems)
    return logged.taken(
        source,
        arrival_s=found["t_s"],
        input_tokens=found["prompt_tokens"],
        output_tokens=found["output_tokens"],
        tenants=clients.names,
        tenant_index=found.get("client"),
    )
