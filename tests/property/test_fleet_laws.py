"""Laws of the fleet simulator on small random fleets whose arithmetic is exact, so that equal means the same bytes."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference_simulator import cases
from tenbin_planner.model import arrivals, fleet, lives, results, routing, simulation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

Outcome = results.Outcome
ROUTINGS = st.sampled_from([kind.value for kind in routing.Routing])
COLUMNS = ("outcome", "replica", "ttft_ms", "tpot_ms", "e2e_ms")
instants = st.integers(0, 2000).map(lambda units: units / 1024)


def lives_of(case: cases.Case) -> list[lives.ReplicaLife]:
    return [
        lives.ReplicaLife(profile=life.profile, ready_s=life.ready_s, stop_s=life.stop_s, kill_s=life.kill_s)
        for life in case.lives
    ]


def run(case: cases.Case, **options: Any) -> results.FleetResult:
    return fleet.simulate(arrivals.Arrivals.of(**case.columns), lives_of(case), **{**case.options, **options})


def simulation_of(case: cases.Case, routed: str) -> simulation.FleetSimulation:
    service = simulation.Service(
        routing=routing.Routing(routed),
        max_queued=case.options["max_queued"],
        max_queued_tokens=case.options["max_queued_tokens"],
    )
    return simulation.FleetSimulation(arrivals.Arrivals.of(**case.columns), lives_of(case), service)


def contents(result: results.FleetResult, rows: Sequence[int] | slice = slice(None)) -> dict[str, bytes]:
    return {name: getattr(result, name)[rows].tobytes() for name in COLUMNS}


@given(cases.exact_cases(), ROUTINGS)
def test_every_request_is_finished_shed_failed_or_in_flight(case: cases.Case, routed: str) -> None:
    result = run(case, routing=routed)
    assert sum(result.count(outcome) for outcome in Outcome) == len(case.rows)
    finished, nowhere = result.outcome == Outcome.FINISHED, result.replica == -1
    assert np.isfinite(result.e2e_ms).tolist() == finished.tolist()
    assert np.isfinite(result.ttft_ms[finished]).all()
    assert not np.isfinite(result.ttft_ms[result.outcome == Outcome.SHED]).any()
    assert set(result.outcome[nowhere].tolist()) <= {Outcome.FAILED, Outcome.IN_FLIGHT}
    if case.options["until_s"] == math.inf:
        assert result.count(Outcome.IN_FLIGHT) == 0


@given(cases.exact_cases(), ROUTINGS, st.integers(0, 2**63 - 1))
def test_the_same_seed_gives_the_same_bytes(case: cases.Case, routed: str, seed: int) -> None:
    one, other = (run(case, routing=routed, seed=seed) for _ in range(2))
    assert contents(one) == contents(other)
    assert (one.events, one.preemptions) == (other.events, other.preemptions)


@given(cases.exact_cases(), ROUTINGS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: cases.Case, routed: str, random: Any) -> None:
    rows = list({row[0]: row for row in case.rows}.values())
    shuffled = random.sample(rows, len(rows))
    one, other = (run(dataclasses.replace(case, rows=given_rows), routing=routed) for given_rows in (rows, shuffled))
    assert contents(one) == contents(other)


@given(cases.exact_cases(), ROUTINGS, st.lists(instants, max_size=6))
def test_a_run_in_pieces_is_the_run_in_one_go(case: cases.Case, routed: str, cuts: list[float]) -> None:
    whole, pieces = simulation_of(case, routed), simulation_of(case, routed)
    for cut in sorted(cuts):
        pieces.advance(cut)
    for fleet_simulation in (whole, pieces):
        fleet_simulation.advance(math.inf)
    assert contents(whole.result()) == contents(pieces.result())
    assert whole.result().preemptions == pieces.result().preemptions


@given(st.integers(0, 10_000), ROUTINGS, st.lists(st.floats(0, 4), max_size=6))
def test_a_run_in_pieces_is_the_run_in_one_go_but_for_rounding(seed: int, routed: str, cuts: list[float]) -> None:
    case = cases.random_case(seed)
    whole, pieces = simulation_of(case, routed), simulation_of(case, routed)
    for cut in sorted(cuts):
        pieces.advance(cut)
    for fleet_simulation in (whole, pieces):
        fleet_simulation.advance(math.inf)
    one, other = whole.result(), pieces.result()
    assert (one.outcome.tolist(), one.replica.tolist()) == (other.outcome.tolist(), other.replica.tolist())
    for name in ("ttft_ms", "e2e_ms"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-6)


@given(cases.exact_cases(), ROUTINGS, instants)
def test_a_copy_and_its_original_go_on_alike_and_apart(case: cases.Case, routed: str, cut: float) -> None:
    original, alone = simulation_of(case, routed), simulation_of(case, routed)
    original.advance(cut)
    before = contents(original.result())
    copied = original.copy()
    copied.advance(math.inf)
    assert contents(original.result()) == before
    original.advance(math.inf)
    alone.advance(math.inf)
    assert contents(copied.result()) == contents(original.result()) == contents(alone.result())


@given(cases.exact_cases(), ROUTINGS, instants)
def test_what_comes_later_does_not_change_what_was(case: cases.Case, routed: str, cut: float) -> None:
    early = [row for row in case.rows if row[0] < cut]
    options = {"routing": routed, "until_s": min(cut, case.options["until_s"])}
    known = run(dataclasses.replace(case, rows=early), **options)
    assert contents(run(case, **options), slice(len(early))) == contents(known)


@given(cases.exact_cases(lives=False), ROUTINGS, st.integers(1, 5000))
def test_only_differences_of_time_matter(case: cases.Case, routed: str, units: int) -> None:
    later = dataclasses.replace(case, rows=[(row[0] + units / 1024, *row[1:]) for row in case.rows])
    assert contents(run(case, routing=routed)) == contents(run(later, routing=routed))


@given(cases.exact_cases(), ROUTINGS)
def test_each_replica_does_what_it_would_do_with_its_requests_alone(case: cases.Case, routed: str) -> None:
    together = run(case, routing=routed)
    ordered = sorted(case.rows, key=lambda row: row[0])
    for index, life in enumerate(case.lives):
        mine = np.flatnonzero(together.replica == index)
        share = dataclasses.replace(case, rows=[ordered[row] for row in mine], lives=[life])
        alone = run(share)
        for name in ("outcome", "ttft_ms", "e2e_ms"):
            assert getattr(alone, name).tobytes() == getattr(together, name)[mine].tobytes()


@given(cases.exact_cases(), ROUTINGS)
def test_no_token_comes_before_its_request_has_been_computed(case: cases.Case, routed: str) -> None:
    result = run(case, routing=routed)
    for row in np.flatnonzero(np.isfinite(result.ttft_ms)):
        profile = case.lives[result.replica[row]].profile
        api, forward = profile.api, profile.forward
        delivered_ms = result.ttft_ms[row] - api.first_token_ms
        first_pass_ms = forward.decode_ms[0][1] + forward.kv_ms[0][1] + forward.prefill_ms[0][1]
        assert delivered_ms >= api.per_request_ms + first_pass_ms + api.per_output_token_ms
        if result.outcome[row] == Outcome.FINISHED:
            gaps = result.arrivals.output_tokens[row] - 1
            assert result.e2e_ms[row] >= result.ttft_ms[row]
            assert result.e2e_ms[row] >= delivered_ms + gaps * api.per_output_token_ms


@settings(max_examples=200)
@given(cases.exact_cases(replicas=1, lives=False, queues=False))
def test_one_replica_without_preemptions_gives_first_tokens_in_the_order_of_arrival(case: cases.Case) -> None:
    profile = case.lives[0].profile
    roomy = profile.model_copy(update={"limits": profile.limits.model_copy(update={"kv_blocks": 10_000})})
    result = run(dataclasses.replace(case, lives=[cases.Life(profile=roomy)]))
    assert result.preemptions == 0
    served = np.isfinite(result.ttft_ms)
    first_ms = (result.arrivals.arrival_s * 1000 + result.ttft_ms)[served]
    assert (np.diff(first_ms) >= 0).all()


@given(cases.exact_cases(replicas=1, lives=False, queues=False, requests=1), st.sampled_from([1.0, 1.25, 2.0, 8.0]))
def test_a_lone_request_never_ends_earlier_on_a_slower_engine(case: cases.Case, factor: float) -> None:
    profile = case.lives[0].profile
    slower = profile.model_copy(update={"forward": profile.forward.scaled(factor)})
    fast, slow = (run(dataclasses.replace(case, lives=[cases.Life(profile=engine)])) for engine in (profile, slower))
    if fast.outcome[0] == Outcome.FINISHED:
        assert slow.ttft_ms[0] >= fast.ttft_ms[0]
        assert slow.e2e_ms[0] >= fast.e2e_ms[0]


@given(cases.exact_cases(), ROUTINGS, st.lists(instants, min_size=1, max_size=12))
def test_caches_are_never_more_than_full_and_empty_in_the_end(
    case: cases.Case, routed: str, looks: list[float]
) -> None:
    case = dataclasses.replace(case, lives=[dataclasses.replace(life, kill_s=math.inf) for life in case.lives])
    looked = simulation_of(case, routed)
    for instant in sorted(looks):
        looked.advance(instant)
        assert (looked.kv_usage >= 0).all()
        assert (looked.kv_usage <= 1).all()
        assert (looked.queued <= looked.in_flight).all()
    looked.advance(math.inf)
    assert looked.in_flight.tolist() == looked.queued.tolist() == [0] * len(case.lives)
    assert np.abs(looked.kv_usage).max() < 1e-12


@given(cases.exact_cases(queues=False), ROUTINGS, st.integers(0, 6), st.integers(0, 200))
def test_queues_are_never_longer_than_their_limits(
    case: cases.Case, routed: str, max_queued: int, max_queued_tokens: int
) -> None:
    case = dataclasses.replace(case, options={"max_queued": max_queued, "max_queued_tokens": max_queued_tokens})
    looked = simulation_of(case, routed)
    for row in sorted({row[0] for row in case.rows}):
        looked.advance(math.nextafter(row, math.inf))
        if looked.result().preemptions == 0:
            assert (looked.queued <= max_queued).all()
