"""`tenbin profile`: engine profiles, those of the catalogue and those that you measure."""

from __future__ import annotations

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from tenbin_spec import catalogue, profiles
from tenbin_spec.profiles import EngineProfile

from tenbin_cli import profile_files, profile_fit, profile_measure, refusals

app = typer.Typer(
    no_args_is_help=True,
    help="Engine profiles: those of the catalogue, those that you measure, and how far to trust them.",
)
app.command("measure")(profile_measure.measure)
app.command("fit")(profile_fit.fit)

_Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name of the catalogue, or a file.")]
_Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command("list")
def list_profiles(as_json: _Json = False) -> None:
    """Show the catalogue: what each profile is of, where its numbers come from and how far to trust them."""
    known = catalogue.profiles().values()
    if as_json:
        typer.echo("[" + ",\n".join(profile.model_dump_json(indent=2) for profile in known) + "]")
        return
    console = Console(highlight=False)
    for profile in known:
        accelerator = profile.accelerator
        if profile.tensor_parallel > 1:
            accelerator += f" x {profile.tensor_parallel}"
        console.print(f"[bold]{profile.name}[/]  {accelerator}, {profile.kind.value}", soft_wrap=True)
        console.print(Padding(Text(_first_sentence(profile.error or "error unknown"), style="dim"), (0, 0, 0, 2)))


def _first_sentence(text: str) -> str:
    """Return the text up to its first full stop that ends a sentence.

    >>> _first_sentence("Grid: median 1.2 %, worst 11 %. Replays: more.")
    'Grid: median 1.2 %, worst 11 %'
    """
    return text.split(". ", maxsplit=1)[0].removesuffix(".")


@app.command("show")
def show_profile(name: _Name, as_json: _Json = False) -> None:
    """Show one profile: its source, its limits and what passes cost."""
    with refusals.as_usage_errors():
        profile = profile_files.find(name)
    if as_json:
        typer.echo(profile.model_dump_json(indent=2))
        return
    show(profile, Console(highlight=False))


def show(profile: EngineProfile, console: Console) -> None:
    """Print a profile."""
    console.print(f"[bold]{profile.name}[/]")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for label, text in _facts(profile).items():
        facts.add_row(label, text)
    console.print(facts)
    console.print()
    console.print(_curves(profile))


def _facts(profile: EngineProfile) -> dict[str, str]:
    limits, api = profile.limits, profile.api
    return {
        "model": profile.model,
        "accelerator": f"{profile.tensor_parallel} x {profile.accelerator}",
        "engine": f"{profile.engine} {profile.engine_version}",
        "kind": f"{profile.kind.value}, {profile.date.isoformat()}",
        "source": profile.source,
        "error": profile.error or "unknown",
        "batch": f"up to {limits.max_num_seqs:,} sequences and {limits.max_num_batched_tokens:,} tokens in a pass",
        "KV cache": f"{limits.kv_tokens:,} tokens, {limits.kv_blocks:,} blocks of {limits.block_size}",
        "length": f"{limits.max_model_len:,} tokens of prompt and answer",
        "API process": (
            f"{api.per_request_ms:g} ms per request, {api.per_output_token_ms:g} ms per output token, "
            f"{api.first_token_ms:g} ms more for the first"
        ),
    }


def _curves(profile: EngineProfile) -> Table:
    """Return the knots of the curves, ms at amounts, as the sum of which a pass takes its time."""
    forward = profile.forward
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("A pass takes", no_wrap=True)
    table.add_column("ms, at amounts")
    for label, knots in (
        ("for sequences that decode", forward.decode_ms),
        ("for context that these read", forward.kv_ms),
        ("for prompt tokens", forward.prefill_ms),
    ):
        table.add_row(label, _knots_text(knots))
    per_context = forward.per_prefill_context_ms * 1e6
    table.add_row("for context of prompts", f"{per_context:.3g} per million tokens squared")
    return table


def _knots_text(knots: tuple[profiles.Knot, ...]) -> str:
    return ", ".join(f"{milliseconds:.4g} at {amount:,}" for amount, milliseconds in knots)
