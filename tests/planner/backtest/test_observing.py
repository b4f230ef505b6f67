"""The planner is told the same in virtual time as the record of the access log tells it in production."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner import demand
from tenbin_planner.backtest import faults, world
from tenbin_planner.model.results import Outcome
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.model.results import FleetResult

FAST = Objective(target=Decimal("0.99"), ttft_ms=200, tpot_ms=12)
SLOW = Objective(target=Decimal("0.9"), e2e_ms=3000)
INTERVAL_S = 15.0


def scenario(*mishaps: faults.Fault) -> Scenario:
    """Two classes on too small a fleet: some are shed, some fail, many are late."""
    rng = np.random.default_rng(5)
    count = 12_000
    trace = backtests.trace(
        np.sort(rng.uniform(0, 900, count)), classes=("fast", "slow"), class_index=rng.integers(0, 2, count)
    )
    agreed = {"objectives": {"fast": FAST, "slow": SLOW}}
    return backtests.scenario(trace, agreed=agreed, max_queued=4, grace_s={SERVICE: 0.5}, faults=mishaps)


def driven(given: Scenario) -> tuple[dict[float, demand.GatewayObservation], FleetResult, world.World]:
    """Return what is observed each 15 s while the fleet changes, and what came of all requests in the end."""
    made = world.World(given, {WORKLOAD: 2})
    seen = {}
    for number, at_s in enumerate(np.arange(0, 900, INTERVAL_S).tolist()):
        made.advance(at_s)
        made.scale(WORKLOAD, 1 + number % 4)
        seen[at_s] = made.observed_demand()
    return seen, made.finish()[SERVICE], made


def entries(result: FleetResult, made: world.World) -> list[tuple[float, demand.Started | demand.Ended]]:
    """Return what a gateway says of all requests, in the order of time."""
    kills = {item.index: item.gone_s for item in made.replicas}
    said: list[tuple[float, demand.Started | demand.Ended]] = []
    for row, outcome in enumerate(result.outcome.tolist()):
        came_s = float(result.arrivals.arrival_s[row])
        name = result.arrivals.classes[result.arrivals.class_index[row]]
        said.append((came_s, demand.Started(request=str(row), service=SERVICE, class_name=name)))
        ended = demand.Ended(
            request=str(row),
            service=SERVICE,
            class_name=name,
            outcome={
                Outcome.FINISHED: demand.Outcome.ANSWERED,
                Outcome.SHED: demand.Outcome.SHED,
                Outcome.FAILED: demand.Outcome.FAILED,
            }[Outcome(outcome)],
            is_streamed=True,
            output_tokens=int(result.arrivals.output_tokens[row]),
        )
        ended_s = came_s
        if outcome == Outcome.FINISHED:
            ended_s = came_s + float(result.e2e_ms[row]) / 1000
            ended = dataclasses.replace(ended, ttft_ms=float(result.ttft_ms[row]), e2e_ms=float(result.e2e_ms[row]))
        elif outcome == Outcome.FAILED and result.replica[row] >= 0:
            ended_s = kills[int(result.replica[row])]
        said.append((ended_s, ended))
    return sorted(said, key=lambda item: item[0])


def recorded(
    given: Scenario, said: list[tuple[float, demand.Started | demand.Ended]], at: list[float]
) -> dict[float, demand.GatewayObservation]:
    """Return what the production's record says at some instants."""
    log = demand.DemandLog()
    log.configure({SERVICE: given.document.services[SERVICE].slo})
    found, position = {}, 0
    for at_s in at:
        log.heard("gateway", at=world.EPOCH_S + at_s)
        while position < len(said) and said[position][0] < at_s:
            instant, entry = said[position]
            if isinstance(entry, demand.Started):
                log.started(entry, at=world.EPOCH_S + instant)
            else:
                log.ended(entry, at=world.EPOCH_S + instant)
            position += 1
        # A gateway says every 10 s that a request still runs, which the record would forget otherwise.
        open_ = {entry.request: entry for _, entry in said[:position] if isinstance(entry, demand.Started)}
        for _, entry in said[:position]:
            if isinstance(entry, demand.Ended):
                open_.pop(entry.request, None)
        for entry in open_.values():
            running = demand.Running(request=entry.request, service=SERVICE, class_name=entry.class_name)
            log.running(running, at=world.EPOCH_S + at_s)
        found[at_s] = log.snapshot(world.EPOCH_S + at_s)
    return found


def test_it_is_what_the_record_of_the_access_log_says() -> None:
    given = scenario()
    seen, result, made = driven(given)
    assert all(result.count(outcome) > 50 for outcome in (Outcome.FINISHED, Outcome.SHED, Outcome.FAILED))
    expected = recorded(given, entries(result, made), list(seen))
    for at_s, observed in seen.items():
        assert observed.at == expected[at_s].at
        assert observed.gateways == expected[at_s].gateways
        assert observed.classes.keys() == expected[at_s].classes.keys()
        for key, found in observed.classes.items():
            for field in dataclasses.fields(found):
                mine, theirs = getattr(found, field.name), getattr(expected[at_s].classes[key], field.name)
                if isinstance(mine, demand.Quantiles):
                    mine, theirs = dataclasses.astuple(mine), pytest.approx(dataclasses.astuple(theirs), rel=1e-6)
                assert mine == theirs, f"{field.name} of {key} at {at_s} s"


def test_silence_is_no_signal_and_what_came_meanwhile_stays_unknown() -> None:
    seen, _, _ = driven(scenario(faults.Blind(at_s=300, for_s=120)))
    assert seen[315].gateways == {"gateway": 15.0}
    assert not seen[315].is_blind
    assert seen[345].is_blind
    assert seen[405].classes[SERVICE, "fast"].cumulative == seen[300].classes[SERVICE, "fast"].cumulative
    assert seen[405].classes[SERVICE, "fast"].in_flight == seen[285].classes[SERVICE, "fast"].in_flight
    assert seen[420].gateways == {"gateway": 0.0}
    assert seen[420].classes[SERVICE, "fast"].arrivals == ()
    again = seen[450].classes[SERVICE, "fast"].arrivals
    assert (len(again), min(again) > 0) == (29, True)


def test_a_short_silence_leaves_a_hole_in_the_arrivals() -> None:
    seen, _, _ = driven(scenario(faults.Blind(at_s=300, for_s=20)))
    arrivals = seen[330].classes[SERVICE, "slow"].arrivals
    assert len(arrivals) == 329
    assert arrivals[-30:-10] == (0,) * 20
    assert min(arrivals[-10:]) > 0


def test_lengths_are_those_of_the_answers_of_the_last_five_minutes() -> None:
    given = scenario(faults.Blind(at_s=600, for_s=100))
    made = world.World(given, {WORKLOAD: 3})
    assert made.observed_lengths() == {}
    made.advance(400)
    lengths = made.observed_lengths()[SERVICE]
    finished = made.finished(SERVICE, 300)
    assert (lengths.input_tokens, lengths.output_tokens, lengths.requests) == (100.0, 100.0, finished.e2e_ms.size)
    made.advance(650)
    assert made.observed_lengths() == {}
