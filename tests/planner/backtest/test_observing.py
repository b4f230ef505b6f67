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
    from numpy.typing import NDArray
    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.model.results import FleetResult

FAST = Objective(target=Decimal("0.99"), ttft_ms=200, tpot_ms=12)
SLOW = Objective(target=Decimal("0.9"), e2e_ms=3000)
INTERVAL_S = 15.0
BYTES = 230
"""Of an event with one token."""


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
        )
        ended_s = came_s
        if outcome == Outcome.FINISHED:
            ended_s = came_s + float(result.e2e_ms[row]) / 1000
            ended = dataclasses.replace(
                ended,
                ttft_ms=float(result.ttft_ms[row]),
                e2e_ms=float(result.e2e_ms[row]),
                is_streamed=True,
                output_bytes=100 * BYTES,
                output_tokens=100,
            )
        elif outcome == Outcome.FAILED and result.replica[row] >= 0:
            ended_s = kills[int(result.replica[row])]
            said_last = still_runs(row, ended_s, result)
            ended = dataclasses.replace(ended, is_streamed=True, output_bytes=said_last.output_bytes)
        said.append((ended_s, ended))
    return sorted(said, key=lambda item: item[0])


def open_at(
    at_s: float, said: list[tuple[float, demand.Started | demand.Ended]], result: FleetResult
) -> NDArray[np.bool_]:
    is_open = result.arrivals.arrival_s < at_s
    is_open[[int(entry.request) for _, entry in said if isinstance(entry, demand.Ended)]] = False
    return is_open


def still_runs(row: int, at_s: float, result: FleetResult) -> demand.Running:
    """Return what a gateway says of a request in flight: the bytes of an answer that came in even steps."""
    age_ms = (at_s - float(result.arrivals.arrival_s[row])) * 1000
    ttft_ms, e2e_ms = float(result.ttft_ms[row]), float(result.e2e_ms[row])
    tokens = 0
    if ttft_ms <= age_ms:
        pace_ms = (e2e_ms - ttft_ms) / 99 if e2e_ms > ttft_ms else 10.0
        tokens = 1 + int((age_ms - ttft_ms) / pace_ms)
    return demand.Running(
        request=str(row),
        service=SERVICE,
        class_name=result.arrivals.classes[result.arrivals.class_index[row]],
        is_streamed=True,
        output_bytes=tokens * BYTES,
        age_ms=age_ms,
        ttft_ms=ttft_ms if tokens else None,
    )


def recorded(
    given: Scenario, said: list[tuple[float, demand.Started | demand.Ended]], at: list[float], result: FleetResult
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
        for row in np.flatnonzero(open_at(at_s, said[:position], result)).tolist():
            log.running(still_runs(row, at_s, result), at=world.EPOCH_S + at_s)
        found[at_s] = log.snapshot(world.EPOCH_S + at_s)
    return found


def test_it_is_what_the_record_of_the_access_log_says() -> None:
    given = scenario()
    seen, result, made = driven(given)
    assert all(result.count(outcome) > 50 for outcome in (Outcome.FINISHED, Outcome.SHED, Outcome.FAILED))
    expected = recorded(given, entries(result, made), list(seen), result)
    for at_s, observed in seen.items():
        assert observed.at == expected[at_s].at
        assert observed.gateways == expected[at_s].gateways
        assert observed.classes.keys() == expected[at_s].classes.keys()
        for key, found in observed.classes.items():
            for field in dataclasses.fields(found):
                if field.name in ("running", "answers"):
                    continue
                mine, theirs = getattr(found, field.name), getattr(expected[at_s].classes[key], field.name)
                if isinstance(mine, demand.Quantiles):
                    mine, theirs = dataclasses.astuple(mine), pytest.approx(dataclasses.astuple(theirs), rel=1e-6)
                assert mine == theirs, f"{field.name} of {key} at {at_s} s"


def test_running_requests_and_ends_are_those_of_the_record_to_within_the_bytes_of_a_few_tokens() -> None:
    given = scenario()
    seen, result, made = driven(given)
    expected = recorded(given, entries(result, made), list(seen), result)
    for at_s, observed in seen.items():
        for key, found in observed.classes.items():
            mine, theirs = found.running, expected[at_s].classes[key].running
            assert mine.count == theirs.count == found.in_flight
            assert mine.age_s == pytest.approx(theirs.age_s, abs=1e-5)
            assert mine.output_tokens == pytest.approx(theirs.output_tokens, abs=4)
            counts, record = found.answers, expected[at_s].classes[key].answers
            assert counts is not None
            assert record is not None
            assert (counts.since, counts.ended) == (record.since, record.ended)
            # What failed between two looks is known to the one as of its last look, to the other as of its end.
            assert counts.passed == pytest.approx(record.passed, rel=0.02, abs=4)


def test_what_runs_has_brought_the_tokens_of_its_passes_and_never_says_how_many_will_come() -> None:
    made = world.World(backtests.scenario(backtests.trace([0.0, 1.0, 9.0], output_tokens=400)), {WORKLOAD: 1})
    made.advance(2.0)
    found = made.observed_demand().classes[SERVICE, "default"]
    assert found.running.count == 2
    assert found.running.age_s == (2.0, 1.0)
    assert found.running.output_tokens == pytest.approx((198, 98), abs=3)
    made.advance(4.5)
    found = made.observed_demand().classes[SERVICE, "default"]
    assert found.running.age_s == (3.5,)
    assert found.answers is not None
    assert sum(found.answers.ended) == 1
    assert found.answers.passed[0] == 2


def test_progress_is_that_of_when_it_was_last_heard_of() -> None:
    given = backtests.scenario(
        backtests.trace([0.0, 10.0], output_tokens=4000), faults=(faults.Blind(at_s=15, for_s=60),)
    )
    made = world.World(given, {WORKLOAD: 1})
    made.advance(14.0)
    before = made.observed_demand().classes[SERVICE, "default"]
    made.advance(44.0)
    meanwhile = made.observed_demand().classes[SERVICE, "default"]
    assert meanwhile.answers == before.answers
    assert [meanwhile.running.count, meanwhile.running.output_tokens] == [2, before.running.output_tokens]
    made.advance(80.0)
    after = made.observed_demand().classes[SERVICE, "default"]
    assert after.running.count == 0
    assert after.answers is not None
    assert sum(after.answers.ended) == 0
    assert before.answers is not None
    assert after.answers.passed == before.answers.passed


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
    seen, _, _ = driven(scenario(faults.Blind(at_s=300, for_s=10)))
    arrivals = seen[330].classes[SERVICE, "slow"].arrivals
    assert len(arrivals) == 329
    assert arrivals[-30:-20] == (0,) * 10
    assert min(arrivals[-20:]) > 0


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
