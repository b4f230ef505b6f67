"""`tenbin profile measure`: sweeps a live server, within a bound of requests and seconds, and writes what it saw."""

from __future__ import annotations

import asyncio
import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tenbin_spec.problems import TenbinError
from tenbin_spec.profiles import EngineLimits

from tenbin_cli import refusals

if TYPE_CHECKING:
    from tenbin_planner.profiling import measure as measuring
    from tenbin_planner.profiling import measure_file, measure_rows, measure_server

EXIT_INTERRUPTED = 130
LIMITS = {
    "max_num_seqs": "vLLM's log says it at the start, or its flag --max-num-seqs",
    "max_num_batched_tokens": "vLLM's log says it at the start, or its flag --max-num-batched-tokens",
    "kv_blocks": "vLLM's metrics say it as num_gpu_blocks",
    "block_size": "vLLM's metrics say it",
    "max_model_len": "vLLM's /v1/models says it",
}

_Url = Annotated[str, typer.Option("--url", help="Server, for example http://127.0.0.1:8000. Nobody else may use it.")]
_Model = Annotated[str | None, typer.Option("--model", help="One of its models; the first when not given.")]
_Out = Annotated[pathlib.Path, typer.Option("--out", help="File to write; packed when its name ends in .gz.")]
_MaxRequests = Annotated[int, typer.Option("--max-requests", min=1, metavar="N", help="Requests to send at most.")]
_MaxSeconds = Annotated[float, typer.Option("--max-seconds", min=1, metavar="S", help="Seconds to take at most.")]
_MaxBatch = Annotated[int, typer.Option("--max-batch", min=1, metavar="N", help="Sequences to decode at once at most.")]
_Repeats = Annotated[
    int, typer.Option("--repeats", min=1, max=100, metavar="N", help="Repetitions of each lone prompt.")
]
_Passes = Annotated[
    int, typer.Option("--passes", min=4, max=1000, metavar="N", help="Passes to time at each batch size.")
]
_Accelerator = Annotated[str | None, typer.Option("--accelerator", help="What it runs on, for example H200.")]
_TensorParallel = Annotated[
    int, typer.Option("--tensor-parallel", min=1, max=64, metavar="N", help="Accelerators of the server.")
]
_Engine = Annotated[str, typer.Option("--engine", help="Name of the engine.")]
_EngineVersion = Annotated[
    str | None, typer.Option("--engine-version", help="Its version; what /version says when not given.")
]
_Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, metavar="N", help="Of the prompts; a new one each time, so that no cache knows them."
    ),
]
_ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="OPENAI_API_KEY", show_envvar=True, help="Bearer token.")
]


def _limit(name: str, text: str) -> object:
    return typer.Option(f"--{name}", min=1, max=1_000_000_000, metavar="N", help=text)


_MaxNumSeqs = Annotated[int | None, _limit("max-num-seqs", "Sequences in a batch at most.")]
_MaxNumBatchedTokens = Annotated[int | None, _limit("max-num-batched-tokens", "Tokens in a pass at most.")]
_KvBlocks = Annotated[int | None, _limit("kv-blocks", "Blocks of the KV cache; read when not given.")]
_BlockSize = Annotated[int | None, _limit("block-size", "Tokens in a block; read when not given.")]
_MaxModelLen = Annotated[int | None, _limit("max-model-len", "Tokens of a request; read when not given.")]


def measure(
    *,
    url: _Url,
    out: _Out = pathlib.Path("passes.csv"),
    model: _Model = None,
    max_num_seqs: _MaxNumSeqs = None,
    max_num_batched_tokens: _MaxNumBatchedTokens = None,
    kv_blocks: _KvBlocks = None,
    block_size: _BlockSize = None,
    max_model_len: _MaxModelLen = None,
    accelerator: _Accelerator = None,
    tensor_parallel: _TensorParallel = 1,
    engine: _Engine = "vllm",
    engine_version: _EngineVersion = None,
    max_requests: _MaxRequests = 5000,
    max_seconds: _MaxSeconds = 1800.0,
    max_batch: _MaxBatch = 1024,
    repeats: _Repeats = 5,
    passes: _Passes = 40,
    seed: _Seed = None,
    api_key: _ApiKey = None,
) -> None:
    """Time forward passes of an idle OpenAI-compatible server and write them for `tenbin profile fit`.

    It sends requests at once, lone prompts, decodes at falling batch sizes and prompts that share a pass. Ctrl-C keeps
    what was measured.

    Exit status: 0 when the sweep is whole, 1 when part of it is missing, 2 when the server cannot be measured.
    """
    # A second of imports that the other commands of `tenbin` need not wait for.
    from tenbin_planner.profiling import measure as measuring  # noqa: PLC0415
    from tenbin_planner.profiling import measure_file, measure_server  # noqa: PLC0415

    given = {
        "max_num_seqs": max_num_seqs,
        "max_num_batched_tokens": max_num_batched_tokens,
        "kv_blocks": kv_blocks,
        "block_size": block_size,
        "max_model_len": max_model_len,
    }
    bounds = measuring.Bounds(
        max_requests=max_requests, max_seconds=max_seconds, max_batch=max_batch, repeats=repeats, passes=passes
    )
    with refusals.as_usage_errors():
        if out.exists():
            raise refusals.UsageError(f"{out} exists: name another file with --out, or remove it")
    seen = measuring.Observations()
    server = measure_server.Server(url, max_requests=max_requests, seed=seed, api_key=api_key)
    run = _Run(server, bounds, given, seen)
    ended = _ended(run, model)
    measured = run.measured(
        engine=engine, engine_version=engine_version, accelerator=accelerator, tensor_parallel=tensor_parallel
    )
    if measured is None:
        raise typer.Exit(EXIT_INTERRUPTED if ended == EXIT_INTERRUPTED else refusals.EXIT_USAGE)
    with refusals.as_usage_errors(OSError):
        measure_file.write(out, measured)
    _show(measured, out, Console(highlight=False))
    raise typer.Exit(ended or (refusals.EXIT_FINDINGS if measured.notes else 0))


class _Run:
    """One sweep with its progress on the standard error."""

    def __init__(
        self,
        server: measure_server.Server,
        bounds: measuring.Bounds,
        given: Mapping[str, int | None],
        seen: measuring.Observations,
    ) -> None:
        self._server = server
        self._bounds = bounds
        self._given = given
        self._seen = seen
        self.identity: measure_server.Identity | None = None
        self.limits: EngineLimits | None = None

    async def run(self, model: str | None) -> None:
        from tenbin_planner.profiling import measure as measuring  # noqa: PLC0415

        async with self._server as server:
            self.identity = await server.identify(model)
            self.limits = _limits(self._given, self.identity)
            hits = await server.prefix_hits()
            with _progress() as progress:
                task = progress.add_task("", total=None, point="looking at the server")

                def report(at: measuring.Progress) -> None:
                    point = f"{at.phase.value}: {at.point} ({at.requests:,} requests so far)"
                    progress.update(task, completed=at.done, total=at.total, point=point)

                await measuring.sweep(server, self.limits, self._bounds, seen=self._seen, report=report)
            if (hit := await server.prefix_hits() - hits) > 0:
                self._seen.notes.append(f"a prefix cache saved {hit:,.0f} tokens: prompts look faster than they are")

    def measured(
        self, *, engine: str, engine_version: str | None, accelerator: str | None, tensor_parallel: int
    ) -> measure_file.Measured | None:
        """Return what has been measured so far, None when that is nothing."""
        from tenbin_planner.profiling import measure_file  # noqa: PLC0415

        seen = self._seen
        rows = seen.rows(self.limits.max_num_batched_tokens) if self.limits is not None else []
        if self.identity is None or self.limits is None or not rows:
            return None
        return measure_file.Measured(
            model=self.identity.model,
            engine=engine,
            engine_version=engine_version or self.identity.engine_version,
            accelerator=accelerator,
            tensor_parallel=tensor_parallel,
            date=datetime.datetime.now(tz=datetime.UTC).date(),
            source=f"tenbin profile measure: {seen.requests:,} requests in {seen.seconds:.0f} s",
            limits=self.limits,
            api=seen.api(),
            rows=rows,
            notes=[*seen.notes, *seen.api().notes],
        )


def _progress() -> Progress:
    return Progress(
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[point]}"),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )


def _ended(run: _Run, model: str | None) -> int:
    """Run a sweep to its end, or to an error or Ctrl-C, which are told; return the exit status that it asks for."""
    try:
        asyncio.run(run.run(model))
    except TenbinError as error:
        refusals.tell(error)
        return refusals.EXIT_FINDINGS
    except KeyboardInterrupt:
        refusals.warn("interrupted: what was measured until then is kept")
        return EXIT_INTERRUPTED
    return 0


def _limits(given: Mapping[str, int | None], identity: measure_server.Identity) -> EngineLimits:
    """Return the engine's limits: what was given, else what the server says.

    Raises:
        UsageError: naming each limit that neither says.
    """
    said = {
        "kv_blocks": identity.kv_blocks,
        "block_size": identity.block_size,
        "max_model_len": identity.max_model_len,
    }
    values = {name: given[name] or said.get(name) for name in LIMITS}
    missing = [f"  - --{name.replace('_', '-')}: {LIMITS[name]}" for name, value in values.items() if value is None]
    if missing:
        raise refusals.UsageError("\n".join(["the server does not say these limits, so give them:", *missing]))
    limits = EngineLimits.model_validate(values)
    if limits.max_num_batched_tokens < limits.max_num_seqs:
        raise refusals.UsageError(
            f"--max-num-batched-tokens is {limits.max_num_batched_tokens}; allowed is {limits.max_num_seqs} or more, "
            "as many as --max-num-seqs"
        )
    return limits


def _show(measured: measure_file.Measured, out: pathlib.Path, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("Passes", "Points", "Work", "ms per pass", "Left out"):
        table.add_column(column, justify="left" if column == "Passes" else "right")
    for kind in dict.fromkeys(row.kind for row in measured.rows):
        rows = [row for row in measured.rows if row.kind == kind]
        used = [row for row in rows if not row.note]
        table.add_row(
            kind, str(len(rows)), _work(kind, rows), _span([row.ms for row in used]), str(len(rows) - len(used))
        )
    console.print(table)
    api = measured.api
    console.print(
        f"API process: {api.per_request_ms:.2f} ms per request, {api.per_output_token_ms:.3f} ms per output token, "
        f"{api.first_token_ms:.2f} ms more for the first"
    )
    for row in measured.rows:
        if row.note:
            refusals.warn(f"{row.kind} of {_work(row.kind, [row])}: {row.note}")
    for note in measured.notes:
        refusals.warn(note)
    console.print(f"{measured.source}, written to {out}", markup=False, soft_wrap=True)
    console.print(f"Next: tenbin profile fit {out} --out profile.json", markup=False, soft_wrap=True, style="dim")


def _work(kind: str, rows: Sequence[measure_rows.MeasuredPass]) -> str:
    if kind == "decode":
        batches = [row.decode_sequences for row in rows]
        contexts = [row.kv_tokens for row in rows]
        return f"batch {_whole_span(batches)}, context {_whole_span(contexts)}"
    return f"{_whole_span([row.prefill_tokens for row in rows])} tokens"


def _whole_span(values: Sequence[float]) -> str:
    low, high = (f"{value:,.0f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}" if values else "-"
