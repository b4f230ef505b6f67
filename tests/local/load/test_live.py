"""The live view says all that a person wants to know while waiting."""

from __future__ import annotations

import io
from decimal import Decimal

from rich.console import Console
from tenbin_local.load import live
from tenbin_local.load.fleet import PoolCount
from tenbin_local.load.summary import ClassTally, Percentiles

FIGURES = live.Figures(
    elapsed_s=75.4,
    duration_s=300.0,
    phase="2/5 rising x1 to x4",
    target_rate=5.6,
    sent_rate=5.21,
    sent=250,
    planned=1962,
    in_flight=9,
    errors={"http-503": 2},
    ttft=Percentiles(p50=95.2, p90=160.0, p99=320.7),
    tpot=None,
    classes={
        "interactive": live.ClassFigures(
            target=0.99, so_far=ClassTally(good=225, total=227), last_30_s=ClassTally(good=97, total=100)
        ),
        "batch": live.ClassFigures(target=0.95, so_far=ClassTally(), last_30_s=ClassTally()),
    },
    pools={"l4-spot": PoolCount(ready=2), "l4": PoolCount(starting=1, draining=1)},
    hourly_usd=Decimal("2.3296"),
    usd=Decimal("0.01234"),
    decision="forecast: 7.1/s expected in 25 s",
    problems=("the planner does not answer: timeout",),
)


def test_the_table_has_every_figure() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(live.table(FIGURES))
    rows = [" ".join(line.split()) for line in console.export_text().splitlines()]
    for row in (
        "time 1:15 of 5:00, 2/5 rising x1 to x4",
        "rate 5.2/s sent, 5.6/s wanted",
        "requests 250 of 1962 sent, 9 in flight, 2 http-503",
        "TTFT p50 95 ms, p99 321 ms (last 10 s)",
        "TPOT -",
        "money 2.33 USD per hour now, 0.0123 USD so far",
        "planner forecast: 7.1/s expected in 25 s",
        "problem the planner does not answer: timeout",
        "interactive 99 % 99.11 % 97.00 % 227",
        "batch 95 % - - 0",
        "l4-spot 2 0 0",
        "l4 0 1 1",
    ):
        assert row in rows


def test_a_line_says_the_same_in_short() -> None:
    assert live.line(FIGURES) == (
        "1:15 2/5 rising x1 to x4: 5.2/s of 5.6/s, 9 in flight, TTFT p99 321 ms, TPOT p99 -, "
        "good: interactive 99.11 %; replicas: l4-spot 2 ready, l4 0 ready + 1 starting + 1 draining; "
        "2.33 USD per hour now, 0.0123 USD so far; forecast: 7.1/s expected in 25 s"
    )
