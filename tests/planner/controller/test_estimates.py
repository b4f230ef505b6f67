"""Attainment by histograms of engines: the truth lies between the bounds, and what is not known is not told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner import ports
from tenbin_planner.controller.estimates import AttainmentEstimator
from tenbin_planner.controller.histograms import Histogram
from tenbin_spec.objectives import Slo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INF = math.inf
Requests = list[tuple[int, int, int]]
"""TTFT, time per output token and end-to-end time of each request, in ms."""


def slo(**thresholds: int) -> Slo:
    return Slo.model_validate({"window": "30d", "classes": {"fast": {"target": "0.99", **thresholds}}})


def histogram(values: Sequence[float], bounds: Sequence[float] = (100, 200, 400, INF)) -> Histogram:
    counts = tuple(float(sum(value <= bound for value in values)) for bound in bounds)
    return Histogram(bounds=tuple(bounds), counts=counts)


def latencies(requests: Requests, **bounds: Sequence[float]) -> dict[str, Histogram | None]:
    names = ("ttft_ms", "tpot_ms", "e2e_ms")
    return {
        name: histogram([request[place] for request in requests], bounds.get(name, (100, 200, 400, INF)))
        for place, name in enumerate(names)
    }


def told(
    *ticks: Mapping[str, Mapping[str, Histogram | None]], agreed: Slo, every_s: float = 5.0
) -> ports.EngineAttainment | None:
    """Return the estimate after some ticks, each with the histograms by pod."""
    estimator = AttainmentEstimator()
    for number, tick in enumerate(ticks):
        estimator.learn({pod: ("chat", found) for pod, found in tick.items()}, at=1000 + number * every_s)
    return estimator.estimates({"chat": agreed}).get(("chat", "fast"))


NONE: Requests = []
GOOD, SLOW_START, SLOW = (100, 100, 300), (300, 100, 400), (100, 300, 400)


def test_one_reading_tells_nothing_and_a_quiet_minute_neither() -> None:
    first = {"a": latencies([GOOD] * 4)}
    assert told(first, agreed=slo(ttft_ms=200)) is None
    assert told(first, first, agreed=slo(ttft_ms=200)) is None


def test_a_bound_on_the_threshold_tells_the_share_of_what_came_between() -> None:
    before, after = [SLOW_START] * 7, [SLOW_START] * 8 + [GOOD] * 3
    found = told({"a": latencies(before)}, {"a": latencies(after)}, agreed=slo(ttft_ms=200))
    assert found == ports.EngineAttainment(lower=0.75, upper=0.75, requests=4.0)


def test_engines_are_weighed_by_their_requests() -> None:
    start = {pod: latencies(NONE) for pod in ("a", "b", "c")}
    end = {"a": latencies([GOOD] * 9), "b": latencies([SLOW]), "c": latencies(NONE)}
    found = told(start, end, agreed=slo(tpot_ms=200))
    assert found == ports.EngineAttainment(lower=0.9, upper=0.9, requests=10.0)


def test_two_thresholds_are_known_one_by_one() -> None:
    end = [GOOD] * 5 + [SLOW_START] * 3 + [SLOW] * 2
    found = told({"a": latencies(NONE)}, {"a": latencies(end)}, agreed=slo(ttft_ms=200, tpot_ms=200))
    assert found is not None
    assert (found.lower, found.upper) == (pytest.approx(0.5), 0.7)


def test_a_threshold_below_the_floor_of_the_buckets_may_have_been_kept_or_not() -> None:
    end = [GOOD] * 8 + [SLOW_START] * 2
    found = told({"a": latencies(NONE)}, {"a": latencies(end)}, agreed=slo(ttft_ms=50))
    assert found == ports.EngineAttainment(lower=0.0, upper=0.8, requests=10.0)


def test_a_threshold_that_no_engine_tells_of_leaves_no_lower_bound() -> None:
    start: dict[str, Histogram | None] = {**latencies(NONE), "tpot_ms": None}
    end: dict[str, Histogram | None] = {**latencies([GOOD] * 9 + [SLOW_START]), "tpot_ms": None}
    found = told({"a": start}, {"a": end}, agreed=slo(ttft_ms=200, tpot_ms=200))
    assert found == ports.EngineAttainment(lower=0.0, upper=0.9, requests=10.0)
    assert told({"a": start}, {"a": end}, agreed=slo(tpot_ms=200)) is None


def test_an_engine_that_began_anew_counts_from_nothing() -> None:
    before, after = [SLOW] * 50, [GOOD] * 4
    found = told({"a": latencies(before)}, {"a": latencies(after)}, agreed=slo(tpot_ms=200))
    assert found == ports.EngineAttainment(lower=1.0, upper=1.0, requests=4.0)


def test_only_the_last_minute_counts() -> None:
    ticks = [{"a": latencies([SLOW] * min(number, 6) + [GOOD] * number)} for number in range(19)]
    assert told(*ticks[:7], agreed=slo(tpot_ms=200)) == ports.EngineAttainment(lower=0.5, upper=0.5, requests=12.0)
    assert told(*ticks, agreed=slo(tpot_ms=200)) == ports.EngineAttainment(lower=1.0, upper=1.0, requests=12.0)


def test_an_engine_that_is_gone_is_forgotten_after_a_minute() -> None:
    ticks: list[dict[str, dict[str, Histogram | None]]] = [{"a": latencies(NONE)}, {"a": latencies([GOOD])}]
    assert told(*ticks, *([{}] * 11), agreed=slo(ttft_ms=200)) is not None
    assert told(*ticks, *([{}] * 13), agreed=slo(ttft_ms=200)) is None


def test_what_was_forgotten_is_not_told() -> None:
    estimator = AttainmentEstimator()
    estimator.learn({"a": ("chat", latencies(NONE))}, at=0.0)
    estimator.forget()
    estimator.learn({"a": ("chat", latencies([GOOD]))}, at=5.0)
    assert estimator.estimates({"chat": slo(ttft_ms=200)}) == {}


def test_a_service_is_told_of_by_its_own_engines() -> None:
    estimator = AttainmentEstimator()
    for at, requests in ((0.0, NONE), (5.0, [SLOW] * 2)):
        read = {"a": ("chat", latencies(requests)), "b": ("code", latencies([GOOD] * len(requests)))}
        estimator.learn(read, at=at)
    found = estimator.estimates({"chat": slo(tpot_ms=200), "code": slo(tpot_ms=200), "idle": slo(tpot_ms=200)})
    assert {key: item.upper for key, item in found.items()} == {("chat", "fast"): 0.0, ("code", "fast"): 1.0}


times = st.integers(0, 600)
requests_of = st.lists(st.tuples(times, times, times), max_size=12)
bounds_of = st.sets(st.integers(1, 500), max_size=4).map(lambda found: (*map(float, sorted(found)), INF))
thresholds_of = st.dictionaries(st.sampled_from(["ttft_ms", "tpot_ms", "e2e_ms"]), st.integers(1, 600), min_size=1)


@given(
    pods=st.lists(st.tuples(requests_of, requests_of), min_size=1, max_size=3),
    bounds=st.fixed_dictionaries({"ttft_ms": bounds_of, "tpot_ms": bounds_of, "e2e_ms": bounds_of}),
    thresholds=thresholds_of,
)
def test_the_true_attainment_is_between_the_bounds(
    pods: list[tuple[Requests, Requests]], bounds: dict[str, tuple[float, ...]], thresholds: dict[str, int]
) -> None:
    agreed = slo(**thresholds)
    before = {str(number): latencies(early, **bounds) for number, (early, _) in enumerate(pods)}
    after = {str(number): latencies(early + late, **bounds) for number, (early, late) in enumerate(pods)}
    found = told(before, after, agreed=agreed)
    came = [request for _, late in pods for request in late]
    if not came:
        assert found is None
        return
    objective = agreed.classes["fast"]
    good = sum(objective.is_good(ttft_ms=ttft, tpot_ms=tpot, e2e_ms=e2e) for ttft, tpot, e2e in came)
    assert found is not None
    assert found.requests == len(came)
    assert found.lower - 1e-9 <= good / len(came) <= found.upper + 1e-9
    assert 0.0 <= found.lower <= found.upper <= 1.0
