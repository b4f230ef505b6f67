"""A fleet: each request, when it arrives, goes to a replica that takes requests then, and ends as one outcome."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from support.reference_simulator.replica import Replica, Request
from support.reference_simulator.routing import Router

if TYPE_CHECKING:
    from collections.abc import Sequence

FINISHED, SHED, FAILED, IN_FLIGHT = range(4)


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of each request, in the order of arrival."""

    outcome: list[int]
    replica: list[int]
    """Position of the replica that got it; -1 for none."""
    first_ms: list[float]
    """When the first token reached the client; NaN when none did."""
    last_ms: list[float]
    """When the last one did; NaN unless finished."""
    replicas: list[Replica]


def simulate(
    arrivals: Any,
    lives: Sequence[Any],
    *,
    routing: str = "least-request",
    seed: int = 0,
    max_queued: int | None = None,
    max_queued_tokens: int | None = None,
    until_s: float = math.inf,
    expected_output_tokens: float = 256.0,
) -> Result:
    """Send requests through a fleet; the arguments are those of the planner's `fleet.simulate`."""
    replicas = [Replica(life.profile, max_queued=max_queued, max_queued_tokens=max_queued_tokens) for life in lives]
    ends_ms = [min(life.kill_s, until_s) * 1000 for life in lives]
    router = Router(routing, seed, expected_output_tokens)
    requests = requests_of(arrivals)
    outcome = [IN_FLIGHT] * len(requests)
    chosen = [-1] * len(requests)
    for request, arrival_s in zip(requests, arrivals.arrival_s.tolist(), strict=True):
        if arrival_s >= until_s:
            break
        for replica, end_ms in zip(replicas, ends_ms, strict=True):
            run(replica, min(request.arrival_ms, end_ms))
        ready = [index for index, life in enumerate(lives) if takes(life, arrival_s)]
        if not ready:
            outcome[request.row] = FAILED
            continue
        index = router.choose(ready, replicas, request)
        chosen[request.row] = index
        if request.input_tokens + request.output_tokens > lives[index].profile.limits.max_model_len:
            outcome[request.row] = FAILED
        elif not replicas[index].offer(request):
            outcome[request.row] = SHED
    for replica, end_ms in zip(replicas, ends_ms, strict=True):
        run(replica, end_ms)
    settle(requests, outcome, chosen, lives, until_s)
    times = [(request.first_ms, request.last_ms) for request in requests]
    return Result(outcome, chosen, [first for first, _ in times], [last for _, last in times], replicas)


def requests_of(arrivals: Any) -> list[Request]:
    """Return the rows of arrivals."""
    columns = (arrivals.input_tokens, arrivals.output_tokens, arrivals.cached_tokens)
    rows = zip(arrivals.arrival_s.tolist(), *(column.tolist() for column in columns), strict=True)
    return [
        Request(
            row=row,
            arrival_ms=arrival_s * 1000,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
        )
        for row, (arrival_s, input_tokens, output_tokens, cached_tokens) in enumerate(rows)
    ]


def takes(life: Any, second: float) -> bool:
    """Tell whether the router sends a replica requests now."""
    return bool(life.ready_s <= second < min(life.stop_s, life.kill_s))


def run(replica: Replica, until_ms: float) -> None:
    """Do all passes that end before an instant."""
    while replica.next_ms() < until_ms:
        replica.turn()


def settle(
    requests: list[Request], outcome: list[int], chosen: list[int], lives: Sequence[Any], until_s: float
) -> None:
    """Take from each request what had not reached its client when its replica died or the simulation ended."""
    for row, request in enumerate(requests):
        if chosen[row] == -1 or outcome[row] != IN_FLIGHT:
            continue
        kill_s = lives[chosen[row]].kill_s
        end_ms = min(kill_s, until_s) * 1000
        if request.first_ms >= end_ms:
            request.first_ms = math.nan
        if request.last_ms >= end_ms:
            request.last_ms = math.nan
        if not math.isnan(request.last_ms):
            outcome[row] = FINISHED
        elif kill_s <= until_s and kill_s < math.inf:
            outcome[row] = FAILED
