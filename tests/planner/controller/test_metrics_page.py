"""Engine pages of several versions of vLLM, and pages that are none."""

from __future__ import annotations

import math

import pytest
from tenbin_planner.controller import metrics_page
from tenbin_planner.controller.adapters import ADAPTERS, VLLM
from tenbin_spec.engines import EngineKind

NEWEST = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 12.0
vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 9.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 7.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="deferred"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.4375
vllm:generation_tokens_total{engine="0",model_name="m"} 35219.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.795e+09
vllm:request_prompt_tokens_bucket{engine="0",le="1.0",model_name="m"} 0.0
vllm:request_prompt_tokens_sum{engine="0",model_name="m"} 90000.0
vllm:request_prompt_tokens_count{engine="0",model_name="m"} 300.0
vllm:request_generation_tokens_sum{engine="0",model_name="m"} 18000.0
vllm:request_generation_tokens_count{engine="0",model_name="m"} 300.0
vllm:iteration_tokens_total_sum{engine="0",model_name="m"} 5.0
"""
OLD = """\
vllm:num_requests_running{model_name="m"} 3.0
vllm:num_requests_waiting{model_name="m"} 1.0
vllm:gpu_cache_usage_perc{model_name="m"} 0.25
vllm:request_success_total{finished_reason="stop",model_name="m"} 40.0
vllm:request_success_total{finished_reason="length",model_name="m"} 2.0
"""


def test_the_newest_names_are_read() -> None:
    assert metrics_page.read(NEWEST, VLLM) == {
        "running": 12.0,
        "waiting": 7.0,
        "kv_usage": 0.4375,
        "input_tokens": 90000.0,
        "output_tokens": 18000.0,
        "finished": 300.0,
        "generated": 35219.0,
    }


def test_older_names_are_read_where_newer_ones_are_absent() -> None:
    found = metrics_page.read(OLD, VLLM)
    assert (found["running"], found["waiting"], found["kv_usage"], found["finished"]) == (3.0, 1.0, 0.25, 42.0)


def test_both_names_of_a_renamed_metric_count_once() -> None:
    page = 'vllm:gpu_cache_usage_perc{m="a"} 0.9\nvllm:kv_cache_usage_perc{m="a"} 0.5\n'
    assert metrics_page.read(page, VLLM)["kv_usage"] == 0.5


def test_what_a_page_does_not_have_is_absent_and_not_zero() -> None:
    assert set(metrics_page.read("", VLLM).values()) == {None}


def test_ranks_of_one_engine_are_added_and_shares_averaged() -> None:
    page = (
        'vllm:num_requests_running{engine="0"} 3\nvllm:num_requests_running{engine="1"} 5\n'
        'vllm:kv_cache_usage_perc{engine="0"} 0.2\nvllm:kv_cache_usage_perc{engine="1"} 0.6\n'
    )
    found = metrics_page.read(page, VLLM)
    assert (found["running"], found["kv_usage"]) == (8.0, pytest.approx(0.4))


def test_labels_may_hold_anything() -> None:
    page = 'vllm:num_requests_running{model_name="a } b, \\"c\\"{",engine="0"} 4 1795556700000\n'
    assert metrics_page.read(page, VLLM)["running"] == 4.0


def test_numbers_are_handed_on_as_they_are() -> None:
    page = "vllm:num_requests_running NaN\nvllm:num_requests_waiting +Inf\n"
    found = metrics_page.read(page, VLLM)
    assert math.isnan(found["running"] or 0.0)
    assert found["waiting"] == math.inf


@pytest.mark.parametrize(
    "page",
    [
        "<html><body>502 Bad Gateway</body></html>",
        "vllm:num_requests_running",
        "vllm:num_requests_running{engine=",
        "vllm:num_requests_running twelve",
        "vllm:num_requests_running 1 2 3",
        "\x00\x01\x02",
        "{" * 10_000,
    ],
)
def test_garbage_says_nothing(page: str) -> None:
    assert metrics_page.read(page, VLLM)["running"] is None


def test_a_page_of_many_thousand_lines_is_read_quickly_by_skipping_them() -> None:
    page = "".join(f'vllm:e2e_request_latency_seconds_bucket{{le="{line}"}} 1\n' for line in range(20_000)) + NEWEST
    assert metrics_page.read(page, VLLM)["running"] == 12.0


def test_every_engine_kind_has_an_adapter() -> None:
    assert set(ADAPTERS) == set(EngineKind)
