"""The simulator and its slow reference agree on every request: outcome, replica, and times to the microsecond."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.reference_simulator import cases
from support.reference_simulator import fleet as reference
from tenbin_planner.model import arrivals, capacity, fleet, lives, routing
from tenbin_spec import catalogue
from tenbin_spec.workload import Lengths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MICROSECOND_MS = 1e-3
ROUTINGS = [kind.value for kind in routing.Routing]
FREE = {"per_request_ms": 0.0, "per_output_token_ms": 0.0}
BLOCK = 30
"""Seeds in one test."""


def differences(asked: arrivals.Arrivals, replicas: Sequence[lives.ReplicaLife], **options: Any) -> list[str]:
    """Run both and return what they disagree about, one line per figure."""
    fast = fleet.simulate(asked, replicas, **options)
    slow = reference.simulate(asked, replicas, **options)
    begun = asked.arrival_s * 1000
    pairs = {
        "outcome": (fast.outcome, slow.outcome),
        "replica": (fast.replica, slow.replica),
        "first token": (begun + fast.ttft_ms, slow.first_ms),
        "last token": (begun + fast.e2e_ms, slow.last_ms),
    }
    found = []
    for name, (ours, theirs) in pairs.items():
        same = np.isclose(ours, theirs, atol=MICROSECOND_MS, rtol=0, equal_nan=True)
        found += [f"{name}[{row}] is {ours[row]}; the reference has {theirs[row]}" for row in np.flatnonzero(~same)]
    preemptions = sum(replica.preemptions for replica in slow.replicas)
    if fast.preemptions != preemptions:
        found.append(f"preemptions are {fast.preemptions}; the reference has {preemptions}")
    return found


def of_case(case: cases.Case, **options: Any) -> list[str]:
    fleet_lives = [
        lives.ReplicaLife(profile=life.profile, ready_s=life.ready_s, stop_s=life.stop_s, kill_s=life.kill_s)
        for life in case.lives
    ]
    return differences(arrivals.Arrivals.of(**case.columns), fleet_lives, **case.options, **options)


@pytest.mark.parametrize("block", range(5))
@pytest.mark.parametrize("routed", ROUTINGS)
def test_random_fleets(routed: str, block: int) -> None:
    seeds = range(BLOCK * block, BLOCK * (block + 1))
    found = {seed: of_case(cases.random_case(seed), routing=routed, seed=seed) for seed in seeds}
    assert {seed: lines for seed, lines in found.items() if lines} == {}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases.exact_cases(), st.sampled_from(ROUTINGS), st.integers(0, 2**63 - 1))
def test_fleets_in_which_much_happens_at_the_same_instant(case: cases.Case, routed: str, seed: int) -> None:
    assert of_case(case, routing=routed, seed=seed) == []


@pytest.mark.parametrize(
    ("name", "routed"), list(zip(sorted(catalogue.profiles()), itertools.cycle(ROUTINGS), strict=False))
)
def test_catalogue_profiles_under_load(name: str, routed: str) -> None:
    profile = catalogue.profiles()[name]
    rate = 12.0 if profile.limits.max_num_seqs < 100 else 60.0
    traffic = capacity.Traffic(input_tokens=Lengths(mean=600, p95=2000), output_tokens=Lengths(mean=40, p95=120))
    asked = traffic.arrivals(rate, count=150, seed=5, longest=profile.limits.max_model_len)
    assert differences(asked, lives.fixed(profile, 2), routing=routed) == []


@pytest.mark.parametrize("routed", ["least-request", "least-queued-tokens", "predicted-latency"])
def test_routers_see_a_preemption_as_soon_as_it_happens(routed: str) -> None:
    # Replica 0 runs out of blocks long before its first answer ends; a request comes every few passes.
    forward = {
        "decode_ms": [(0, 10.0), (8, 18.0)],
        "kv_ms": [(0, 0.0)],
        "prefill_ms": [(0, 0.0), (100, 10.0)],
        "per_prefill_context_ms": 0.0,
    }
    limits = {"max_num_seqs": 8, "max_num_batched_tokens": 100, "block_size": 4, "max_model_len": 60}
    small, large = (
        lives.ReplicaLife(profile=cases.profile_of(forward=forward, limits={**limits, "kv_blocks": blocks}, api=FREE))
        for blocks in (15, 100)
    )
    long_answers = [(0.0, 20, 30)] * 4 + [(0.0, 1, 40)]
    for instant in np.arange(0.01, 0.6, 0.01):
        columns = zip(*[*long_answers, (float(instant), 5, 2)], strict=True)
        assert differences(arrivals.Arrivals.of(*columns), [small, large], routing=routed) == []


EXACT = cases.profile_of(
    forward={
        "decode_ms": [(0, 8 * cases.UNIT_MS), (4, 12 * cases.UNIT_MS)],
        "kv_ms": [(0, 0.0), (16, 2 * cases.UNIT_MS), (32, 3 * cases.UNIT_MS)],
        "prefill_ms": [(0, 0.0), (64, 16 * cases.UNIT_MS)],
        "per_prefill_context_ms": 0.0,
    },
    limits={"max_num_seqs": 2, "max_num_batched_tokens": 32, "kv_blocks": 64, "block_size": 4, "max_model_len": 128},
    api=FREE,
)


def just_before_at_and_just_after(instant_s: float) -> tuple[float, float, float]:
    """Return an instant and its neighbours among the floating-point numbers."""
    return math.nextafter(instant_s, 0), instant_s, math.nextafter(instant_s, math.inf)


def test_a_request_that_comes_just_before_at_and_just_after_the_end_of_a_pass() -> None:
    alone = reference.simulate(arrivals.Arrivals.of([0.0], [8], [40]), lives.fixed(EXACT, 1))
    for ended in alone.replicas[0].done:
        for instant in just_before_at_and_just_after(ended.end_ms / 1000):
            asked = arrivals.Arrivals.of([0.0, instant], [8, 4], [40, 3])
            assert differences(asked, lives.fixed(EXACT, 1)) == []


@pytest.mark.parametrize("routed", ["least-request", "least-queued-tokens", "predicted-latency"])
@pytest.mark.parametrize("answer", [2, 3, 7, 20, 60, 100])
def test_routers_see_an_end_just_after_it_and_not_before(routed: str, answer: int) -> None:
    # Replica 0 goes on with a long answer; in replica 1 a shorter one ends. Halfway a request that is too long for the
    # engine makes the router look at both.
    first = arrivals.Arrivals.of([0.0, 0.0], [8, 8], [120, answer])
    ended_s = reference.simulate(first, lives.fixed(EXACT, 2), routing="round-robin").last_ms[1] / 1000
    chosen = []
    for instant in just_before_at_and_just_after(ended_s):
        asked = arrivals.Arrivals.of([0.0, 0.0, ended_s / 2, instant], [8, 8, 200, 8], [120, answer, 1, 1])
        assert differences(asked, lives.fixed(EXACT, 2), routing=routed) == []
        chosen.append(int(fleet.simulate(asked, lives.fixed(EXACT, 2), routing=routed).replica[3]))
    assert chosen == [0, 0, 1]
