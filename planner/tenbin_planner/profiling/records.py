"""Records of requests: what was asked when, and what the client saw.

Columns: `sent, isl, osl, ttft, e2e`, seconds and tokens; `state` ("ok" for a whole answer) where some failed or were
cut off. A column `kind` tells lone prompts (`single`) from prompts sent together; without it, the file is a run of
traffic.
"""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
from numpy.typing import NDArray
from tenbin_spec.profiles import ApiServer, EngineLimits

from tenbin_planner.model import arrivals
from tenbin_planner.model.measurements import Measurements
from tenbin_planner.profiling import errors, tables

COLUMNS = ("sent", "isl", "osl", "ttft", "e2e")
LONE = "lone prompts"
LONE_TRUST = 0.005
"""They hold the API process's share, which is only assumed, and the clock of an accelerator that was idle."""
LONE_QUANTILE = 0.25
"""The first answers of a process are late, none is early."""
TIMES = tables.Range(most=1e6, may_miss=True)
RANGES = {
    "sent": tables.Range(most=1e10),
    "isl": tables.Range(least=1, most=tables.MOST_TOKENS, whole=True),
    "osl": tables.Range(least=1, most=tables.MOST_TOKENS, whole=True),
    "ttft": TIMES,
    "e2e": TIMES,
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredRun:
    """Traffic through one replica, in the order of sending; all arrays have shape (requests,)."""

    name: str
    sent_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    """Tokens asked for; the answer had as many when it is finished."""
    ttft_ms: NDArray[np.float64]
    """From sending to the first token at the client; NaN when none came."""
    e2e_ms: NDArray[np.float64]
    """From sending to the last token; NaN when none came."""
    finished: NDArray[np.bool_]

    @property
    def tpot_ms(self) -> NDArray[np.float64]:
        """(e2e - ttft) / (output tokens - 1); NaN for answers of one token."""
        gaps = np.where(self.output_tokens > 1, self.output_tokens - 1.0, np.nan)
        return (self.e2e_ms - self.ttft_ms) / gaps

    def arrivals(self) -> arrivals.Arrivals:
        """Return the requests for the simulator, in the same order."""
        return arrivals.Arrivals.of(self.sent_s, self.input_tokens, self.output_tokens)


def matches(table: tables.Table) -> bool:
    """Tell whether a table holds requests."""
    return set(COLUMNS) <= set(table.columns)


def holds_run(table: tables.Table) -> bool:
    """Tell whether the requests are a run of traffic."""
    return "kind" not in table.columns


def read_run(path: pathlib.Path) -> MeasuredRun:
    """Read a run of traffic.

    Raises:
        DataError: for a file that cannot be read or holds none, naming every cell that cannot be.
    """
    table = tables.read(path)
    if not matches(table):
        raise errors.DataError(
            f"{path} holds no run: it lacks the columns {', '.join(sorted(set(COLUMNS) - set(table.columns)))}"
        )
    if not holds_run(table):
        raise errors.DataError(f"{path} holds prompts sent one by one or all together, not a run of traffic")
    return take_run(table)


def take_run(table: tables.Table) -> MeasuredRun:
    """Return the run that a table holds.

    Raises:
        DataError: naming every cell that cannot be.
    """
    numbers = table.numbers(RANGES)
    ttft, e2e = numbers["ttft"], numbers["e2e"]
    states = table.columns.get("state")
    whole = np.array([state == "ok" for state in states]) if states is not None else ~np.isnan(e2e)
    problems = [
        f"line {table.lines[int(row)]}: ttft is {ttft[row]:g} and e2e {e2e[row]:g}; "
        "allowed for a whole answer is ttft from 0 to e2e"
        for row in np.flatnonzero(whole & ~(ttft <= e2e))
    ]
    if problems:
        raise errors.listed(str(table.path), problems)
    if not whole.any():
        raise errors.DataError(f"{table.path} has no answer that is whole")
    order = np.argsort(numbers["sent"], kind="stable")
    return MeasuredRun(
        name=table.path.name.split(".")[0].removeprefix("replay_"),
        sent_s=numbers["sent"][order],
        input_tokens=numbers["isl"].astype(np.int64)[order],
        output_tokens=numbers["osl"].astype(np.int64)[order],
        ttft_ms=1000 * ttft[order],
        e2e_ms=1000 * e2e[order],
        finished=whole[order],
    )


def lone_prompts(table: tables.Table, limits: EngineLimits, api: ApiServer) -> Measurements:
    """Return the passes of prompts that were alone in the engine: their time to first token less the API process's.

    Args:
        table: requests, of which those of the kind `single` are taken.
        limits: tells how many passes a prompt takes.
        api: what the API process adds.

    Raises:
        DataError: naming every cell that cannot be.
    """
    numbers = table.numbers(RANGES)
    states = table.columns.get("state", ["ok"] * table.rows)
    single = np.array(
        [kind == "single" and state == "ok" for kind, state in zip(table.columns["kind"], states, strict=True)]
    )
    share = api.per_request_ms + api.per_output_token_ms + api.first_token_ms
    prompts, of, ms, places = [], [], [], []
    for index, length in enumerate(np.unique(numbers["isl"][single])):
        rows = np.flatnonzero(single & (numbers["isl"] == length))
        ms.append(1000 * float(np.quantile(numbers["ttft"][rows], LONE_QUANTILE)) - share)
        places.append(f"{table.place(int(rows[0]))}, prompts of {length:.0f} tokens")
        starts = np.arange(0.0, length, limits.max_num_batched_tokens)
        prompts.append(np.stack([starts, np.minimum(length - starts, limits.max_num_batched_tokens)]))
        of.append(np.full(starts.size, index, dtype=np.int64))
    before, tokens = np.concatenate([np.zeros((2, 0)), *prompts], axis=1)
    return Measurements(
        decode_sequences=np.zeros(tokens.size),
        kv_tokens=np.zeros(tokens.size),
        prefill_tokens=tokens,
        prefill_context=tokens * (before + tokens / 2),
        of=np.concatenate([np.zeros(0, dtype=np.int64), *of]),
        ms=np.array(ms, dtype=np.float64),
        trust=np.full(len(ms), LONE_TRUST),
        kinds=(LONE,) * len(ms),
        places=tuple(places),
    )
