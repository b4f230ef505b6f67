"""`tenbin profile fit`: measured data to a profile, and how far the profile is from them."""

from __future__ import annotations

import datetime
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from tenbin_local.environment import files
from tenbin_spec.profiles import ProfileKind

from tenbin_cli import refusals

if TYPE_CHECKING:
    from tenbin_planner.profiling import fitting

SHOWN = 10
"""Residuals and left out measurements that are listed one by one."""

_Data = Annotated[
    list[pathlib.Path],
    typer.Argument(help="Files of measured data: passes, decode tables, lone prompts, replays, engine logs."),
]
_Out = Annotated[pathlib.Path, typer.Option("--out", help="Profile to write, as JSON.")]
_Name = Annotated[str | None, typer.Option("--name", help="Name of the profile; that of the file when not given.")]
_Model = Annotated[str | None, typer.Option("--model", help="Model id, for example meta-llama/Llama-3.1-8B-Instruct.")]
_Accelerator = Annotated[str | None, typer.Option("--accelerator", help="Its name in the catalogue, for example H200.")]
_TensorParallel = Annotated[
    int | None, typer.Option("--tensor-parallel", min=1, max=64, metavar="N", help="Accelerators.")
]
_Engine = Annotated[str | None, typer.Option("--engine", help="Engine, for example vllm.")]
_EngineVersion = Annotated[str | None, typer.Option("--engine-version", help="Its version.")]
_Kind = Annotated[ProfileKind, typer.Option("--kind", help="Where the data come from.")]
_Source = Annotated[str | None, typer.Option("--source", help="What was measured, on what, in words.")]
_Date = Annotated[datetime.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="When it was measured.")]
_LeaveOut = Annotated[
    list[str] | None,
    typer.Option("--leave-out", metavar="FROM:TO", help="Seconds of engine logs that are not used; repeatable."),
]
_Json = Annotated[bool, typer.Option("--json", help="Write the report as JSON.")]


def _count(name: str, text: str) -> Any:
    return typer.Option(f"--{name}", min=1, max=1_000_000_000, metavar="N", help=text)


def _milliseconds(name: str, text: str) -> Any:
    return typer.Option(f"--{name}", min=0, max=1e6, metavar="MS", help=text)


_MaxNumSeqs = Annotated[int | None, _count("max-num-seqs", "Sequences in a batch at most.")]
_MaxNumBatchedTokens = Annotated[int | None, _count("max-num-batched-tokens", "Tokens in a pass at most.")]
_KvBlocks = Annotated[int | None, _count("kv-blocks", "Blocks of the KV cache.")]
_BlockSize = Annotated[int | None, _count("block-size", "Tokens in a block.")]
_MaxModelLen = Annotated[int | None, _count("max-model-len", "Tokens of prompt and answer.")]
_ApiPerRequest = Annotated[
    float | None, _milliseconds("api-per-request-ms", "What a request costs the API process, in ms.")
]
_ApiPerToken = Annotated[
    float | None, _milliseconds("api-per-output-token-ms", "What an output token costs the API process, in ms.")
]
_ApiFirstToken = Annotated[
    float | None, _milliseconds("api-first-token-ms", "What a first token takes more than a later one, in ms.")
]


def fit(
    data: _Data,
    *,
    out: _Out,
    name: _Name = None,
    model: _Model = None,
    accelerator: _Accelerator = None,
    tensor_parallel: _TensorParallel = None,
    engine: _Engine = None,
    engine_version: _EngineVersion = None,
    kind: _Kind = ProfileKind.MEASURED,
    source: _Source = None,
    date: _Date = None,
    max_num_seqs: _MaxNumSeqs = None,
    max_num_batched_tokens: _MaxNumBatchedTokens = None,
    kv_blocks: _KvBlocks = None,
    block_size: _BlockSize = None,
    max_model_len: _MaxModelLen = None,
    api_per_request_ms: _ApiPerRequest = None,
    api_per_output_token_ms: _ApiPerToken = None,
    api_first_token_ms: _ApiFirstToken = None,
    leave_out: _LeaveOut = None,
    as_json: _Json = False,
) -> None:
    """Fit a profile to measured data, write it, and report how far it is from them.

    What files of `tenbin profile measure` say of the server need not be given; an option counts more than they do.
    Data that cannot be are refused, with their rows.

    Exit status: 0 when all is well, 2 when the data are refused or something is missing.
    """
    # Scipy takes a second that the other commands of `tenbin` need not wait for.
    from tenbin_planner.profiling import fitting  # noqa: PLC0415

    console = Console(stderr=True)
    with refusals.as_usage_errors():
        about = fitting.About(
            name=name or _name_of(out),
            model=model,
            accelerator=accelerator,
            tensor_parallel=tensor_parallel,
            engine=engine,
            engine_version=engine_version,
            kind=kind,
            source=source,
            date=date.date() if date else None,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            kv_blocks=kv_blocks,
            block_size=block_size,
            max_model_len=max_model_len,
            api_per_request_ms=api_per_request_ms,
            api_per_output_token_ms=api_per_output_token_ms,
            api_first_token_ms=api_first_token_ms,
        )
        with console.status("reading") as status:
            report = fitting.fit(data, about, leave_out=_spans(leave_out or []), report=status.update)
        try:
            files.write_atomically(out, fitting.written(report.profile))
        except OSError as error:
            raise refusals.UsageError(f"--out {out} cannot be written: {error.strerror}") from error
    if as_json:
        typer.echo(json.dumps(_plain(report), indent=2))
    else:
        _show(report, out, Console(highlight=False))


def _name_of(out: pathlib.Path) -> str:
    return out.name.removesuffix(".json").lower()


def _spans(texts: Sequence[str]) -> list[tuple[float, float]]:
    spans = []
    for text in texts:
        begin, colon, end = text.partition(":")
        try:
            span = float(begin), float(end)
        except ValueError:
            span = (1.0, 0.0)
        if not colon or not span[0] < span[1]:
            raise refusals.UsageError(f"--leave-out {text!r} is not of the form FROM:TO, seconds that rise")
        spans.append(span)
    return spans


def _show(report: fitting.FitReport, out: pathlib.Path, console: Console) -> None:
    console.print(f"[bold]{report.profile.name}[/]")
    console.print()
    console.print(_kinds(report))
    console.print()
    if report.scalars:
        console.print(_scalars(report))
        console.print()
    for residual in sorted(report.residuals, key=lambda residual: -abs(residual.error))[:SHOWN]:
        if abs(residual.error) > 0.1:
            console.print(
                f"{residual.place}: {residual.kind} measured {residual.measured_ms:.2f} ms, "
                f"the profile says {residual.predicted_ms:.2f} ms ({_percent(residual.error)})",
                markup=False,
                style="yellow",
            )
    for left in report.left_out[:SHOWN]:
        console.print(f"{left.place} is left out: {left.why}", markup=False, style="yellow")
    if len(report.left_out) > SHOWN:
        console.print(f"and {len(report.left_out) - SHOWN:,} more are left out", style="yellow")
    console.print(f"Written to {out}", markup=False, soft_wrap=True)
    console.print(f"Next: tenbin validate --profile {out} RUN...", markup=False, soft_wrap=True, style="dim")


def _kinds(report: fitting.FitReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Error of")
    for column in ("Points", "Bias", "Median", "p90", "Worst"):
        table.add_column(column, justify="right")
    table.add_column("Worst at", overflow="fold")
    for kind in report.kinds:
        table.add_row(
            kind.kind,
            f"{kind.count:,}",
            _percent(kind.bias),
            f"{100 * kind.median:.1f} %",
            f"{100 * kind.p90:.1f} %",
            f"{100 * abs(kind.worst):.1f} %",
            kind.worst_place,
        )
    return table


def _scalars(report: fitting.FitReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Calibrated on replays")
    table.add_column("Value", justify="right")
    table.add_column("Allowed", justify="right")
    for scalar in report.scalars:
        style = "yellow" if scalar.at_bound else ""
        table.add_row(scalar.name, f"{scalar.value:.4g}", f"{scalar.low:g} to {scalar.high:g}", style=style)
    return table


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _plain(report: fitting.FitReport) -> Mapping[str, Any]:
    return {
        "profile": report.profile.name,
        "kinds": [
            {
                "kind": kind.kind,
                "count": kind.count,
                "bias": kind.bias,
                "median": kind.median,
                "p90": kind.p90,
                "worst": kind.worst,
                "worst_place": kind.worst_place,
            }
            for kind in report.kinds
        ],
        "residuals": [
            {
                "place": residual.place,
                "kind": residual.kind,
                "measured_ms": residual.measured_ms,
                "predicted_ms": residual.predicted_ms,
                "error": residual.error,
            }
            for residual in report.residuals
        ],
        "left_out": [{"place": left.place, "why": left.why} for left in report.left_out],
        "scalars": [
            {"name": item.name, "value": item.value, "low": item.low, "high": item.high} for item in report.scalars
        ],
    }
