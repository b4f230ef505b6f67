"""What a run came to, as plain values that are written and read again: a suite goes on where it was left.

A record is what one task found out, under the task's key and with a digest of all that it depends on; one whose digest
is another is made anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import typing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import tenbin_spec

import tenbin_planner
from tenbin_planner.backtest.hull import Hull, Point
from tenbin_planner.backtest.scores import Score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest.fixed_fleets import Fleets

Record = dict[str, Any]

_PLANNERS_OWN = ("controller/", "decide/", "demand/", "loop.py", "ports.py")
"""Sources that only the planner's own runs depend on."""
_NOBODYS = ("backtest/suite/", "backtest/scenario_file.py", "backtest/jobs.py")
"""Sources that no run depends on; of the suite's own, laws and cells are in the digest of a cell."""
_LAWS = ("backtest/suite/laws.py", "backtest/suite/recorded.py", "backtest/suite/cells.py")


def plain_score(score: Score) -> Record:
    """Return a score as plain values."""
    return {
        field.name: _plain(getattr(score, field.name)) for field in dataclasses.fields(score) if field.name != "trace"
    }


def score_of(plain: Mapping[str, Any], *, trace: str) -> Score:
    """Return the score that was written."""
    exact = {"usd", "peak_hourly_usd"}
    found: dict[str, Any] = {key: Decimal(value) if key in exact else value for key, value in plain.items()}
    for key in ("usd_by_service", "usd_by_pool"):
        found[key] = {name: Decimal(value) for name, value in plain[key].items()}
    return Score(trace=trace, **found)


def plain_fleets(fleets: Fleets) -> Record:
    """Return constant fleets as plain values: points of all, and the score of the one to beat.

    That is the cheapest that reaches the target, or the one that comes nearest.
    """
    reaching = [count for count, item in fleets.scores.items() if item.is_target_met]
    cheapest = min(reaching, key=lambda count: fleets.scores[count].usd, default=None)
    best = cheapest or max(fleets.scores, key=lambda count: fleets.scores[count].attainment)
    return {
        "smallest": cheapest,
        "replicas": best,
        "score": plain_score(fleets.scores[best]),
        "points": [[item.attainment, str(item.usd), count] for count, item in fleets.scores.items()],
    }


def hull_of(plain: Mapping[str, Any]) -> Hull:
    """Return the hull of constant fleets that were written."""
    return Hull.of(Point(share, Decimal(usd), count) for share, usd, count in plain["points"])


def sources(*, of_planner: bool) -> str:
    """Return a SHA-256 of the sources that runs depend on, in hexadecimal.

    Args:
        of_planner: whether it is the planner that runs; others do not depend on its decisions.
    """
    hashed = hashlib.sha256()
    for package in (tenbin_planner, tenbin_spec):
        folder = pathlib.Path(typing.cast("str", package.__file__)).parent
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.json")]):
            name = path.relative_to(folder).as_posix()
            is_left_out = name.startswith(_NOBODYS) and name not in _LAWS
            if is_left_out or (not of_planner and name.startswith(_PLANNERS_OWN)):
                continue
            hashed.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
