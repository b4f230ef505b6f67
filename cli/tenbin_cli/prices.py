"""`tenbin prices`: what nodes cost, how old each price is, and the prices of today from AWS."""

from __future__ import annotations

import datetime
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from tenbin_spec import catalogue
from tenbin_spec.catalogue import prices as price_books
from tenbin_spec.catalogue.prices import AutoModeShare, FixedPrice, FixedPrices, PriceBook, PriceList
from tenbin_spec.price_files import DEFAULT_NAME
from tenbin_spec.quantities import money_text

from tenbin_cli import aws_prices, price_changes, price_store, refusals

EXIT_NOTHING = 1

app = typer.Typer(no_args_is_help=True, help="Prices of nodes: show them with their age, or ask AWS for today's.")

_Today = Annotated[
    datetime.datetime | None,
    typer.Option("--today", formats=["%Y-%m-%d"], help="Day on which the age of prices is judged; today when absent."),
]
_File = Annotated[pathlib.Path, typer.Option("--file", help="Price file that counts before the catalogue, if there.")]


@app.command("refresh")
def refresh(
    region: Annotated[str, typer.Option("--region", help="Region of AWS, for example us-east-1.")],
    out: Annotated[pathlib.Path, typer.Option("--out", help="Price file to bring up to date.")] = pathlib.Path(
        DEFAULT_NAME
    ),
    yes: Annotated[bool, typer.Option("--yes", help="Write without a question.")] = False,
) -> None:
    """Ask AWS for today's prices of a region, show what changes, and write the price file.

    Everything is asked before anything is written; when a call fails the file stays as it was. Other regions in the
    file stay. Stacks use it with `tenbin:prices: {file: prices.json}`.

    Exit status: 0 written, 1 not written since nobody agreed, 2 AWS refuses or the input is wrong.
    """
    console, errors = Console(highlight=False), refusals.error_console()
    with refusals.as_usage_errors():
        if not out.absolute().parent.is_dir():
            raise refusals.UsageError(f"--out {out} cannot be written: there is no folder {out.parent}")
        seen = price_store.load(out)
        with errors.status("asking AWS") as status:
            now = datetime.datetime.now(tz=datetime.UTC)
            answer = aws_prices.ask(region, now, lambda what: status.update(f"asking AWS for {what}"))
        _show_changes(console, seen, answer, region)
        if not yes and not typer.confirm(f"Write {out}? (--yes writes without this question)", err=True):
            raise typer.Exit(EXIT_NOTHING)
        is_new = not out.exists()
        price_store.replace(out, seen=seen, lists=answer.lists)
    count = sum(len(item.hourly_usd) for item in answer.lists)
    console.print(f"{out}: {count} prices of {region}, of {now.date()}.", markup=False)
    if is_new:
        hint = f"Stacks use it with tenbin:prices: {{file: {out}}}, named from the folder of Pulumi.yaml."
        console.print(hint, markup=False)


def _show_changes(console: Console, seen: PriceBook, answer: aws_prices.Answer, region: str) -> None:
    for text in answer.differences:
        refusals.warn(text)
    if answer.not_offered:
        console.print(f"Not offered in {region}: {', '.join(answer.not_offered)}.", style="dim")
    before, after = _counting(seen), _counting(seen.with_lists(answer.lists))
    found = price_changes.changes(before, after, region)
    if found:
        console.print(price_changes.table(found, region))
    else:
        console.print(f"No price of {region} has changed.")


@app.command("show")
def show(
    region: Annotated[str | None, typer.Option("--region", help="One region; all of them when absent.")] = None,
    file: _File = pathlib.Path(DEFAULT_NAME),
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    today: _Today = None,
) -> None:
    """Show the prices that count, with their day and age: those of the price file, then those of the catalogue.

    Exit status: 0, 1 when no price is known, 2 when the price file cannot be read.
    """
    with refusals.as_usage_errors():
        own = price_store.load(file)
    day = (today or datetime.datetime.now(tz=datetime.UTC)).date()
    lists = [item for item in _counting(own) if region in {None, item.region}]
    regions = {item.region: item for item in (*catalogue.price_book().fixed, *own.fixed)}
    fixed = [item for name, item in sorted(regions.items()) if region in {None, name}]
    if as_json:
        typer.echo(json.dumps(_plain(lists, fixed, day), indent=2))
    else:
        _draw(lists, fixed, day)
    if not lists:
        where = "" if region is None else f" of {region}: tenbin prices refresh --region {region} asks AWS"
        refusals.error_console().print(f"no price is known{where}", markup=False)
        raise typer.Exit(EXIT_NOTHING)


def _counting(own: PriceBook) -> list[PriceList]:
    """Return the lists that count: a project's own, and of the catalogue's what those do not have."""
    lists = list(own.lists)
    for item in catalogue.price_book().lists:
        known = {name for other in own.lists if other.key == item.key for name in other.hourly_usd}
        left = {name: price for name, price in item.hourly_usd.items() if name not in known}
        if left:
            lists.append(item.model_copy(update={"hourly_usd": left}))
    return sorted(lists, key=lambda item: item.key)


def _draw(lists: Sequence[PriceList], regions: Sequence[FixedPrices], day: datetime.date) -> None:
    console = Console(highlight=False)
    for item in lists:
        age = (day - item.date).days
        table = Table(title=f"{item.region}, {item.capacity_type}", title_justify="left", title_style="bold")
        table.add_column("Instance type")
        table.add_column("Accelerators")
        table.add_column("USD per hour", justify="right")
        for name, price in sorted(item.hourly_usd.items()):
            instance = catalogue.instances().get(name)
            what = f"{instance.accelerator} x {instance.accelerators}" if instance else ""
            table.add_row(name, what, money_text(price))
        console.print(table)
        console.print(f"of {item.date}, {age} days ago; {item.source}\n", style=_style(item.date, day))
    for fixed in regions:
        console.print(f"{fixed.region}, besides nodes", style="bold")
        for text, style in _fixed_texts(fixed, day):
            console.print(f"  {text}", style=style)


def _fixed_texts(fixed: FixedPrices, day: datetime.date) -> Iterator[tuple[str, str]]:
    for name, price in fixed:
        if isinstance(price, FixedPrice | AutoModeShare):
            amount = f"{money_text(price.usd)} USD" if isinstance(price, FixedPrice) else f"{price.share} of on-demand"
            yield f"{name}: {amount}, of {price.date}", _style(price.date, day)
    for name, node in (fixed.node_hour or {}).items():
        yield f"node_hour of {name}: {money_text(node.usd)} USD, of {node.date}", _style(node.date, day)


def _style(date: datetime.date, day: datetime.date) -> str:
    return "yellow" if price_books.is_stale(date, day) else "dim"


def _plain(lists: Sequence[PriceList], regions: Sequence[FixedPrices], day: datetime.date) -> dict[str, object]:
    return {
        "lists": [
            {
                **item.model_dump(mode="json"),
                "age_days": (day - item.date).days,
                "is_stale": price_books.is_stale(item.date, day),
            }
            for item in lists
        ],
        "fixed": [item.model_dump(mode="json") for item in regions],
    }
