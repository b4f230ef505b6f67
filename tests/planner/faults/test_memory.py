"""A planner whose memory is deleted or spoiled: what is kept of it is written again, and the rest is begun anew."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT
from support.virtual_world import World
from support.waiting import until
from tenbin_planner.decide import memory
from tenbin_planner.model import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(300)
GOOD = planning.document(planner={"interval_s": 1})
HOSTILE = (None, "x", 0, -1, -1e300, 1e15, 1e300, math.nan, math.inf, 10**400, [], [None], {}, {"a": 1})


def remembered(api: Api) -> dict[str, Any] | None:
    """Return what can be read of the planner's state; None where it is no memory with a document."""
    state = api.state()
    try:
        found = {"memory": json.loads(state["memory.json"]), "document": json.loads(state["document.json"])}
    except (KeyError, ValueError, RecursionError):
        return None
    return found if found["document"] == json.loads(GOOD.to_json()) else None


@pytest.fixture
def settled(api: Api, planner: Planner) -> Planner:
    """A planner that has brought the minimum and saved its state."""
    api.put_document(GOOD.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1 and remembered(api))
    return planner


def test_a_state_that_somebody_deletes_is_written_again_whole(api: Api, settled: Planner) -> None:
    api.delete_state()
    until(lambda: remembered(api))
    api.delete_document()
    settled.end(signal.SIGKILL)
    settled.start()
    found = until(settled.plan)
    assert found["document_revision"] == GOOD.revision
    assert found["document_problem"] == "ConfigMap tenbin-document is missing"
    assert api.told(SPOT) == 1


@pytest.mark.parametrize("spoiled", ["{nonsense", "[" * 100_000], ids=["no JSON", "JSON without end"])
def test_a_state_that_somebody_spoils_is_written_again(api: Api, settled: Planner, spoiled: str) -> None:
    api.put_state({"memory.json": spoiled, "document.json": spoiled})
    until(lambda: remembered(api))
    settled.end(signal.SIGKILL)
    api.put_state({"memory.json": spoiled, "document.json": spoiled})
    api.tell(ON_DEMAND, 2)
    settled.start()
    until(lambda: remembered(api))
    settled.wait_for_ticks(2)
    assert (api.told(SPOT), api.told(ON_DEMAND)) == (1, 2), "what runs is kept until enough has been observed again"
    _, log = settled.end(signal.SIGTERM)
    assert {line["event"] for line in log if line["level"] == "warning"} == {
        "saved state cannot be read and is begun anew"
    }


def places(plain: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value; of a list those of the first and the last."""
    if path:
        yield path
    items = (
        list(plain.items()) if isinstance(plain, dict) else list(enumerate(plain)) if isinstance(plain, list) else []
    )
    for key, value in items[:1] + items[1:][-1:] if isinstance(plain, list) else items:
        yield from places(value, (*path, key))


def test_whatever_one_value_becomes_it_is_refused_or_can_be_decided_on() -> None:
    arrivals = fleet.Arrivals.of([float(second) for second in range(60)], [300] * 60, [60] * 60, "interactive")
    made = World(planning.document(), arrivals, class_name="interactive", lead_s={"l4-spot": 20.0, "l4": 20.0})
    made.run(60, made.new_loop(), interval_s=5)
    assert made.saved is not None
    plain = json.loads(json.dumps(made.saved.to_plain()))
    read = 0
    for place in places(plain):
        for value in HOSTILE:
            spoiled = copy.deepcopy(plain)
            inner = spoiled
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            try:
                made.saved = memory.from_plain(spoiled)
            except ValueError:
                continue
            read += 1
            assert asyncio.run(made.new_loop().tick()) is not None, (place, value, made.failures)
    assert read
