"""The tables of all engines on pages of several versions, and each trap of their names."""

from __future__ import annotations

import dataclasses
import math
import pathlib

import pytest
from tenbin_planner.controller import histograms, metrics_page
from tenbin_planner.controller.adapters import (
    ADAPTERS,
    DYNAMO_FRONTEND,
    NIM,
    SGLANG,
    TABLES,
    TENSORRT_LLM,
    VLLM,
    Adapter,
    MetricType,
    Series,
    Unit,
)
from tenbin_spec.engines import EngineKind

PAGES = pathlib.Path(__file__).parent / "pages"
NUMBERS = (
    *("running", "waiting", "kv_usage", "input_tokens", "output_tokens", "finished", "generated"),
    *("prefix_queried", "prefix_hit"),
)


def page(name: str) -> str:
    return (PAGES / name).read_text()


def within(name: str, adapter: Adapter, latency: str, threshold_ms: float) -> histograms.ShareWithin | None:
    """Return the share since the engine started; None where the page lacks the histogram."""
    found = metrics_page.read_latencies(page(name), adapter)[latency]
    if found is None:
        return None
    nothing = dataclasses.replace(found, counts=(0.0,) * len(found.counts))
    share = histograms.share_within(nothing, found, threshold=threshold_ms)
    assert isinstance(share, histograms.ShareWithin)
    return share


@pytest.mark.parametrize(
    ("name", "adapter", "expected"),
    [
        ("vllm-0.9.txt", VLLM, (3, 1, 0.25, 4000, 2400, 42, 2500, 4096, 1024)),
        ("vllm-0.23.txt", VLLM, (638, 0, 0.8426653682965848, 5253396, 753499, 3839, 1051861, 5726576, 0)),
        ("vllm-0.33.txt", VLLM, (20, 5, 0.375, 8000, 1000, 10, 1200, 10000, 4000)),
        ("sglang-0.5.txt", SGLANG, (12, 3, 0.4, 5000, 1200, 24, 1500, 5000, 1250)),
        ("tensorrt-llm-1.2.txt", TENSORRT_LLM, (None, None, None, None, None, 40, None, None, None)),
        ("tensorrt-llm-1.3.txt", TENSORRT_LLM, (9, 2, 0.625, 6000, 1500, 15, 1500, 6000, 1800)),
        ("nim-1.txt", NIM, (4, 1, 0.125, 3000, 900, 10, 950, None, None)),
        ("nim-2.txt", NIM, (6, 2, 0.75, 2000, 400, 5, 450, 2000, 500)),
        ("dynamo-frontend-1.6.txt", DYNAMO_FRONTEND, (20, 3, None, 8000, 4000, 20, 4300, 8000, 1600)),
    ],
)
def test_every_version_is_read(name: str, adapter: Adapter, expected: tuple[float | None, ...]) -> None:
    found = metrics_page.read(page(name), adapter)
    assert found == dict(zip(NUMBERS, expected, strict=True))


@pytest.mark.parametrize(
    ("name", "adapter", "latency", "threshold_ms", "share"),
    [
        ("vllm-0.9.txt", VLLM, "ttft_ms", 1000, 40 / 42),
        ("vllm-0.9.txt", VLLM, "itl_ms", 25, 2300 / 2358),
        ("vllm-0.9.txt", VLLM, "e2e_ms", 300, 5 / 42),
        ("vllm-0.23.txt", VLLM, "ttft_ms", 500, 2462 / 4476),
        ("vllm-0.23.txt", VLLM, "tpot_ms", 50, 2246 / 3839),
        ("vllm-0.23.txt", VLLM, "itl_ms", 50, 851302 / 1047385),
        ("vllm-0.23.txt", VLLM, "e2e_ms", 30_000, 3502 / 3839),
        ("vllm-0.33.txt", VLLM, "ttft_ms", 250, 6 / 10),
        ("vllm-0.33.txt", VLLM, "tpot_ms", 40, 1),
        ("sglang-0.5.txt", SGLANG, "ttft_ms", 200, 22 / 24),
        ("sglang-0.5.txt", SGLANG, "tpot_ms", 20, 23 / 24),
        ("sglang-0.5.txt", SGLANG, "itl_ms", 20, 1100 / 1176),
        ("sglang-0.5.txt", SGLANG, "e2e_ms", 100, 0),
        ("tensorrt-llm-1.2.txt", TENSORRT_LLM, "ttft_ms", 100, 32 / 40),
        ("tensorrt-llm-1.2.txt", TENSORRT_LLM, "tpot_ms", 25, 38 / 40),
        ("tensorrt-llm-1.3.txt", TENSORRT_LLM, "ttft_ms", 250, 14 / 15),
        ("tensorrt-llm-1.3.txt", TENSORRT_LLM, "tpot_ms", 25, 1),
        ("tensorrt-llm-1.3.txt", TENSORRT_LLM, "e2e_ms", 2500, 11 / 15),
        ("nim-1.txt", NIM, "ttft_ms", 500, 8 / 10),
        ("nim-1.txt", NIM, "itl_ms", 50, 880 / 890),
        ("nim-2.txt", NIM, "ttft_ms", 300, 1),
        ("dynamo-frontend-1.6.txt", DYNAMO_FRONTEND, "ttft_ms", 220, 17 / 20),
        ("dynamo-frontend-1.6.txt", DYNAMO_FRONTEND, "itl_ms", 13, 3900 / 3980),
        ("dynamo-frontend-1.6.txt", DYNAMO_FRONTEND, "e2e_ms", 4000, 18 / 20),
    ],
)
def test_the_share_at_a_bucket_bound_is_exact(
    name: str, adapter: Adapter, latency: str, threshold_ms: float, share: float
) -> None:
    found = within(name, adapter, latency, threshold_ms)
    assert found is not None
    assert (found.is_exact, found.lower, found.floor) == (True, pytest.approx(share), threshold_ms)


@pytest.mark.parametrize(
    ("name", "adapter", "latency", "threshold_ms", "upper"),
    [
        ("vllm-0.23.txt", VLLM, "itl_ms", 5, 181894 / 1047385),
        ("vllm-0.23.txt", VLLM, "e2e_ms", 200, 250 / 3839),
        ("sglang-0.5.txt", SGLANG, "ttft_ms", 50, 16 / 24),
    ],
)
def test_below_the_floor_of_the_buckets_nothing_is_certain(
    name: str, adapter: Adapter, latency: str, threshold_ms: float, upper: float
) -> None:
    found = within(name, adapter, latency, threshold_ms)
    assert found is not None
    assert (found.floor, found.lower, found.upper) == (None, 0.0, pytest.approx(upper))


@pytest.mark.parametrize(
    ("name", "adapter"),
    [("vllm-0.9.txt", VLLM), ("nim-1.txt", NIM), ("dynamo-frontend-1.6.txt", DYNAMO_FRONTEND)],
)
def test_times_between_tokens_do_not_pass_for_means_of_requests(name: str, adapter: Adapter) -> None:
    found = metrics_page.read_latencies(page(name), adapter)
    assert found["itl_ms"] is not None
    assert found["tpot_ms"] is None


def test_only_requests_that_wait_for_capacity_wait() -> None:
    deferred = 'vllm:num_requests_waiting 9\nvllm:num_requests_waiting_by_reason{reason="deferred"} 9\n'
    told = deferred + 'vllm:num_requests_waiting_by_reason{reason="capacity"} 0\n'
    assert metrics_page.read(told, VLLM)["waiting"] == 0.0
    assert metrics_page.read(deferred, VLLM)["waiting"] == 9.0


def test_a_share_named_percent_is_not_divided() -> None:
    assert metrics_page.read("vllm:kv_cache_usage_perc 1\n", VLLM)["kv_usage"] == 1.0
    assert metrics_page.read("gpu_cache_usage_perc 0.5\n", NIM)["kv_usage"] == 0.5


def test_a_histogram_with_the_name_of_a_counter_is_none() -> None:
    table = dataclasses.replace(
        VLLM,
        generated=dataclasses.replace(
            VLLM.generated,
            candidates=(
                Series(name="vllm:iteration_tokens_total", type=MetricType.COUNTER),
                *VLLM.generated.candidates,
            ),
        ),
    )
    lies = (
        "# TYPE vllm:iteration_tokens_total histogram\nvllm:iteration_tokens_total 7\nvllm:generation_tokens_total 3\n"
    )
    assert metrics_page.read(lies, table)["generated"] == 3.0


def test_prefix_hits_are_tokens_as_the_prompts_are() -> None:
    for name, adapter in TABLES.items():
        assert {adapter.prefix_queried.unit, adapter.prefix_hit.unit} == {Unit.TOKENS}, name


def test_the_statistics_of_tensorrt_llm_are_never_taken_from_it() -> None:
    assert TENSORRT_LLM.paths == ("/prometheus/metrics",)
    assert set(metrics_page.read(page("tensorrt-llm-statistics.json"), TENSORRT_LLM).values()) == {None}


def test_unprefixed_names_of_another_engine_say_nothing() -> None:
    for adapter in (VLLM, SGLANG, DYNAMO_FRONTEND):
        for name in ("nim-1.txt", "tensorrt-llm-1.2.txt"):
            assert set(metrics_page.read(page(name), adapter).values()) == {None}
            assert set(metrics_page.read_latencies(page(name), adapter).values()) == {None}


def test_tensor_parallel_ranks_are_one_engine_and_data_parallel_ranks_are_several() -> None:
    copies = "".join(f'sglang:num_running_reqs{{tp_rank="{rank}"}} 6\n' for rank in range(8))
    assert metrics_page.read(copies, SGLANG)["running"] == 6.0
    several = "".join(f'sglang:num_running_reqs{{dp_rank="{rank}",tp_rank="{rank}"}} 6\n' for rank in range(8))
    assert metrics_page.read(several, SGLANG)["running"] == 48.0


def test_the_fullest_of_equal_ranks_counts() -> None:
    uneven = "".join(
        f'sglang:token_usage{{tp_rank="{rank}"}} {share}\n' for rank, share in enumerate(("NaN", 0.9, 0.2))
    )
    assert metrics_page.read(uneven, SGLANG)["kv_usage"] == 0.9
    unknown = 'sglang:token_usage{tp_rank="0"} NaN\n'
    assert math.isnan(metrics_page.read(unknown, SGLANG)["kv_usage"] or 0.0)


def test_answers_of_sglang_count_when_they_are_made_where_it_tells() -> None:
    finished = "sglang:generation_tokens_total 5\n"
    assert metrics_page.read(finished, SGLANG)["generated"] == 5.0
    made = finished + 'sglang:realtime_tokens_total{mode="decode"} 8\n'
    assert metrics_page.read(made, SGLANG)["generated"] == 8.0


def test_every_engine_kind_has_an_adapter_and_every_adapter_a_table() -> None:
    assert set(ADAPTERS) == set(EngineKind)
    assert all(adapter in TABLES.values() for adapter in ADAPTERS.values())


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_names_each_series_once_and_by_absolute_paths(name: str) -> None:
    adapter = TABLES[name]
    assert all(path.startswith("/") for path in adapter.paths)
    for item in (*adapter.quantities().values(), *adapter.latencies().values()):
        names = [series.name for series in item.candidates]
        assert len(names) == len(set(names))
