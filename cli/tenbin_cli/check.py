"""`tenbin check`: validates stack files without Pulumi and shows what each agrees on."""

from __future__ import annotations

import datetime
import json
import pathlib
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from tenbin_local.stack_files import StackFile, read_stack_file, stack_file_path, stack_names
from tenbin_spec import checks, cost, words
from tenbin_spec.placements import Placement, placements
from tenbin_spec.pools import Pool
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.quantities import money_text
from tenbin_spec.schema import stack_file_schema

EXIT_FINDINGS = 1
EXIT_ERRORS = 2

_Stacks = Annotated[list[str] | None, typer.Argument(help="Stacks to check; all in the folder when none is named.")]
_Folder = Annotated[pathlib.Path, typer.Option("--folder", help="Folder of the files Pulumi.<stack>.yaml.")]
_Schema = Annotated[bool, typer.Option("--schema", help="Write the JSON schema of stack files and end.")]
_Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
_Today = Annotated[
    datetime.datetime | None,
    typer.Option("--today", formats=["%Y-%m-%d"], help="Day on which the age of prices is judged; today when absent."),
]


def check(
    stacks: _Stacks = None,
    folder: _Folder = pathlib.Path("stacks"),
    schema: _Schema = False,
    as_json: _Json = False,
    today: _Today = None,
) -> None:
    """Validate stack files and show SLO, replicas, pools and price of each.

    Exit status: 0 when all is well or only doubtful (warnings), 1 with findings (it can be built but breaks the
    agreement), 2 with errors.
    """
    if schema:
        typer.echo(json.dumps(stack_file_schema(), indent=2))
        return
    names = stacks or stack_names(folder)
    if not names:
        typer.echo(f"{folder} holds no file Pulumi.<stack>.yaml. Name the folder with --folder.", err=True)
        raise typer.Exit(EXIT_ERRORS)
    files, errors = _read(folder, names)
    day = (today or datetime.datetime.now(tz=datetime.UTC)).date()
    found = {file.name: checks.findings(file.stack, day) for file in files}
    if as_json:
        typer.echo(json.dumps(_plain(files, errors, found), indent=2))
    else:
        _show(files, errors, found)
    if errors:
        raise typer.Exit(EXIT_ERRORS)
    if any(_breaches(found)):
        raise typer.Exit(EXIT_FINDINGS)


def _read(folder: pathlib.Path, names: list[str]) -> tuple[list[StackFile], list[ConfigurationError]]:
    files, errors = [], []
    for name in names:
        try:
            files.append(read_stack_file(stack_file_path(folder, name)))
        except ConfigurationError as error:
            errors.append(error)
    return files, errors


def _show(
    files: list[StackFile], errors: list[ConfigurationError], found: dict[str, tuple[checks.Finding, ...]]
) -> None:
    console = Console()
    for file in files:
        console.print(_table(file))
        for finding in found[file.name]:
            label = "warning" if finding.level is checks.Level.WARNING else "finding"
            console.print(f"  {label}: {finding}", style="yellow", markup=False, highlight=False)
    for error in errors:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
    warnings = sum(map(len, found.values())) - len(_breaches(found))
    verdict = _verdict(len(files) + len(errors), len(errors), len(_breaches(found)), warnings)
    console.print(verdict, style="bold", highlight=False)


def _breaches(found: dict[str, tuple[checks.Finding, ...]]) -> list[checks.Finding]:
    return [item for own in found.values() for item in own if item.level is checks.Level.BREACH]


def _verdict(stacks: int, errors: int, findings: int, warnings: int) -> str:
    noun = "stack" if stacks == 1 else "stacks"
    doubt = f" {warnings} {'warning' if warnings == 1 else 'warnings'}." if warnings else ""
    if not errors and not findings:
        return f"{stacks} {noun} checked, all keep the agreement.{doubt}"
    return f"{stacks} {noun} checked: {errors} with errors, {findings} findings.{doubt}"


def _table(file: StackFile) -> Table:
    stack = file.stack
    hourly = cost.stack_range(stack)
    cap = stack.cost.hourly_usd
    title = f"{file.name}: {_range(hourly, cap)} USD per hour, cap {money_text(cap)}"
    table = Table(title=title, title_justify="left", title_style="bold", show_lines=True)
    for column in ("Service", "SLO", "Replicas, pools and USD per hour"):
        table.add_column(column)
    for name, service in stack.services.items():
        fleet = f"{service.replicas.min} to {service.replicas.max}, {_range(cost.service_range(stack, name), cap)}"
        pools = [
            _pool_text(placement, stack.pools[placement.pool])
            for placement in placements(stack)
            if placement.service == name
        ]
        model = service.model.id.replace("/", "/\n", 1)
        table.add_row(f"{name}\n{model}", words.slo_text(service.slo), "\n".join([fleet, *pools]))
    return table


def _pool_text(placement: Placement, pool: Pool) -> str:
    price = "unknown" if placement.hourly_usd is None else money_text(placement.hourly_usd)
    return f"{placement.pool}: up to {placement.max_replicas} at {price}, {pool.instance_type} {pool.capacity_type}"


def _range(hourly: cost.HourlyRange, cap: Decimal) -> str:
    capped = hourly.capped(cap)
    return " to ".join(
        "unknown" if amount is None else money_text(amount) for amount in (capped.minimum, capped.maximum)
    )


def _plain(
    files: list[StackFile], errors: list[ConfigurationError], found: dict[str, tuple[checks.Finding, ...]]
) -> dict[str, object]:
    return {
        "stacks": {
            file.name: {
                "findings": [
                    {
                        "id": item.id,
                        "level": item.level,
                        "path": item.path,
                        "message": item.message,
                        "repair": item.repair,
                    }
                    for item in found[file.name]
                ],
                "hourly_usd": {
                    "minimum": _amount(cost.stack_range(file.stack).minimum),
                    "maximum": _amount(cost.stack_range(file.stack).capped(file.stack.cost.hourly_usd).maximum),
                },
            }
            for file in files
        },
        "errors": {
            error.source: [{"path": item.path, "message": item.message} for item in error.problems] for error in errors
        },
    }


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else money_text(value)
