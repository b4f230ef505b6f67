"""What logs of services have in common: failures without tokens, and times that may come from a coarse clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import errors, files, trace


def taken(
    source: files.Source,
    *,
    arrival_s: NDArray[np.float64],
    input_tokens: NDArray[np.float64],
    output_tokens: NDArray[np.float64],
    cached_tokens: NDArray[np.int64] | None = None,
    tenants: tuple[str, ...] = trace.UNKNOWN,
    tenant_index: NDArray[np.int64] | None = None,
    notes: tuple[str, ...] = (),
) -> trace.Trace:
    """Make a trace of a log's columns, without the requests that have no tokens.

    Args:
        source: the file.
        arrival_s: seconds.
        input_tokens: tokens of each prompt; a request with 0 never got anywhere.
        output_tokens: tokens of each answer; a request with 0 failed.
        cached_tokens: see `trace.Trace.of`.
        tenants: see `trace.Trace.of`.
        tenant_index: see `trace.Trace.of`.
        notes: what was changed on the way here.

    Raises:
        TraceError: when no request is left.
    """
    kept = (input_tokens > 0) & (output_tokens > 0)
    dropped = int(np.count_nonzero(~kept))
    if dropped == kept.size:
        reason = f": each of its {dropped:,} rows has 0 input or output tokens" if dropped else ""
        raise errors.TraceError(f"{source.path} has no request that could be replayed{reason}")
    if dropped:
        notes += (f"{dropped:,} of {kept.size:,} rows without input or output tokens, failures, are left out",)
    return trace.Trace.of(
        name=source.name,
        arrival_s=arrival_s[kept],
        input_tokens=input_tokens[kept],
        output_tokens=output_tokens[kept],
        cached_tokens=None if cached_tokens is None else cached_tokens[kept],
        tenants=tenants,
        tenant_index=None if tenant_index is None else tenant_index[kept],
        notes=notes,
    )
