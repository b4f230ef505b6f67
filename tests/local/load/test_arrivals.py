"""Drawn requests: the right number at the right time, the declared lengths, nothing beyond the bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.traffic import document
from tenbin_local.load import arrivals, shape

CHAT = document().services["chat"]


def drawn(
    text: str = shape.DEFAULT, *, rate: float = 10.0, seed: int = 0, mix: dict[str, float] | None = None
) -> list[arrivals.PlannedRequest]:
    return arrivals.draw(
        shape.parse(text), rate=rate, workload=CHAT.workload, mix=mix or {"interactive": 1.0}, longest=8192, seed=seed
    )


@settings(max_examples=25)
@given(st.integers(min_value=0, max_value=10_000), st.sampled_from([shape.DEFAULT, "30s@0-4,5s@0,30s@2", "50s@3"]))
def test_each_stretch_holds_as_many_as_the_rate_asks_for(seed: int, text: str) -> None:
    whole = shape.parse(text)
    times = np.array(arrivals.thinned(whole, 20.0, np.random.default_rng(seed)))
    assert (np.diff(times) >= 0).all()
    start_s = 0.0
    for segment in whole.segments:
        end_s = start_s + segment.duration_s
        found, expected = int(((times >= start_s) & (times < end_s)).sum()), 20 * segment.area
        assert abs(found - expected) <= 6 * math.sqrt(expected)
        start_s = end_s
    assert times.max() < whole.duration_s


def test_same_seed_same_requests_and_another_seed_others() -> None:
    assert drawn(seed=1) == drawn(seed=1)
    assert drawn(seed=1) != drawn(seed=2)


def test_another_mix_leaves_times_and_lengths_alone() -> None:
    alone, mixed = drawn(), drawn(mix={"interactive": 0.5, "batch": 0.5})
    assert [(each.arrival_s, each.input_tokens, each.output_tokens) for each in alone] == [
        (each.arrival_s, each.input_tokens, each.output_tokens) for each in mixed
    ]
    share = sum(each.request_class == "batch" for each in mixed) / len(mixed)
    assert share == pytest.approx(0.5, abs=0.03)


def test_lengths_follow_the_declared_workload() -> None:
    requests = drawn("300s@10", rate=5.0)
    for tokens, declared in (
        ([each.input_tokens for each in requests], CHAT.workload.input_tokens),
        ([each.output_tokens for each in requests], CHAT.workload.output_tokens),
    ):
        assert np.mean(tokens) == pytest.approx(declared.mean, rel=0.05)
        assert np.percentile(tokens, 95) == pytest.approx(declared.p95, rel=0.05)


def test_prompt_and_answer_fit_the_engine_together() -> None:
    requests = arrivals.draw(
        shape.parse("10s@1"), rate=100, workload=CHAT.workload, mix={"interactive": 1}, longest=64, seed=0
    )
    assert max(each.input_tokens + each.output_tokens for each in requests) == 64
    assert min(min(each.input_tokens, each.output_tokens) for each in requests) >= 1


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (0.0, "--rate 0: allowed is a number above 0"),
        (math.nan, "--rate nan: allowed is a number above 0"),
        (math.inf, "--rate inf: allowed is a number above 0"),
        (126.0, "the peak is 504 requests per second; allowed is 500 at most"),
    ],
)
def test_refuses_rates_without_bounds(rate: float, message: str) -> None:
    with pytest.raises(shape.UsageError) as caught:
        drawn(rate=rate)
    assert str(caught.value) == message


def test_refuses_too_many_requests() -> None:
    with pytest.raises(shape.UsageError) as caught:
        drawn("1h@1".replace("1h", "60m"), rate=30)
    assert str(caught.value) == "108000 requests are expected; allowed is 100000 at most"


def test_one_in_ten_requests_is_of_another_class_by_default() -> None:
    assert arrivals.class_mix(CHAT.slo) == pytest.approx({"interactive": 0.9, "batch": 0.1})
    assert arrivals.class_mix(CHAT.slo, only="batch") == {"batch": 1.0}
    assert arrivals.class_mix(CHAT.slo, text="interactive=3, batch=1") == {"interactive": 3.0, "batch": 1.0}


@pytest.mark.parametrize(
    ("only", "text", "message"),
    [
        ("fast", None, "--class: 'fast' is no class that clients may choose. Allowed: batch, interactive"),
        (None, "fast=1", "--class-mix: 'fast' is no class that clients may choose. Allowed: batch, interactive"),
        (None, "batch", "--class-mix: 'batch' is no class with a weight above 0, for example interactive=0.9"),
        (None, "batch=-1", "--class-mix: 'batch=-1' is no class with a weight above 0, for example interactive=0.9"),
        (None, "batch=nan", "--class-mix: 'batch=nan' is no class with a weight above 0, for example interactive=0.9"),
        ("batch", "batch=1", "--class and --class-mix: allowed is one of them"),
    ],
)
def test_refuses_classes_that_nobody_may_choose(only: str | None, text: str | None, message: str) -> None:
    with pytest.raises(shape.UsageError) as caught:
        arrivals.class_mix(CHAT.slo, only=only, text=text)
    assert str(caught.value) == message
