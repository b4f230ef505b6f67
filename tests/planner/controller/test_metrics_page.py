"""Reading pages line by line, and pages that are none."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.controller import histograms, metrics_page
from tenbin_planner.controller.adapters import SGLANG, TABLES, VLLM, MetricType, Series

NAMES = sorted(
    {
        series.name + suffix
        for adapter in TABLES.values()
        for item in (*adapter.quantities().values(), *adapter.latencies().values())
        for series in item.candidates
        for suffix in ("", "_bucket")
    }
)
labels = st.dictionaries(
    st.sampled_from(["le", "engine", "tp_rank", "dp_rank", "priority", "reason", "mode", 'q"', "x"]),
    st.sampled_from(["", "0", "1", "0.1", "+Inf", "-Inf", "NaN", "capacity", "decode", "1e400", 'a"b', "}", "{", "#"]),
    max_size=3,
)
values = st.one_of(st.floats().map(repr), st.sampled_from(["1e400", "-1", "+Inf", "", "x", "1 2", "1 2 3", "0x1"]))


def line(name: str, tags: dict[str, str], value: str) -> str:
    written = ",".join(f'{key}="{tag}"' for key, tag in tags.items())
    return f"{name}{{{written}}} {value}"


samples = st.builds(line, st.sampled_from(NAMES), labels, values)
types = st.builds(
    "# TYPE {} {}".format, st.sampled_from(NAMES), st.sampled_from(["gauge", "counter", "histogram", "untyped", "x"])
)
pages = st.lists(st.one_of(samples, types, st.text(max_size=20)), max_size=30).map("\n".join)


def running(page: str) -> float | None:
    return metrics_page.read(page, VLLM)["running"]


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


def test_ranks_are_added_whatever_their_order_and_size() -> None:
    ranks = [f'vllm:num_requests_running{{engine="{value}"}} {value}' for value in ("1e16", "1", "-1e16", "1")]
    assert len({running("\n".join(lines)) for lines in itertools.permutations(ranks)}) == 1
    huge = "".join(f'vllm:num_requests_running{{engine="{rank}"}} 1e308\n' for rank in range(2))
    assert running(huge) == math.inf


def test_sums_and_counts_have_the_type_of_their_histogram() -> None:
    page = (
        "# TYPE vllm:request_generation_tokens histogram\n"
        "vllm:request_generation_tokens_sum 90\nvllm:request_generation_tokens_count 3\n"
    )
    found = metrics_page.read(page, VLLM)
    assert (found["output_tokens"], found["finished"]) == (90.0, 3.0)
    other = metrics_page.read(page.replace("histogram", "summary"), VLLM)
    assert (other["output_tokens"], other["finished"]) == (None, None)


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
        "vllm:num_requests_running" + "{" * 2_000_000,
        "vllm:num_requests_running{" + "a" * 2_000_000 + "} 1",
        "vllm:num_requests_running{" + 'a="' * 600_000 + "} 1",
        'vllm:num_requests_running{a="' + "\\" * 2_000_001 + '"} 1',
        "vllm:num_requests_running" + " " * 2_000_000,
    ],
)
def test_garbage_says_nothing(page: str) -> None:
    assert metrics_page.read(page, VLLM)["running"] is None


def test_a_page_of_many_thousand_lines_is_read_quickly_by_skipping_them() -> None:
    page = "".join(f'vllm:other_seconds_bucket{{le="{line}"}} 1\n' for line in range(20_000))
    assert running(f"{page}vllm:num_requests_running 12\n") == 12.0


@pytest.mark.parametrize(
    "text",
    [
        'vllm:num_requests_running{engine="0"} 4 1795556700000',
        'vllm:num_requests_running{engine="0"} 4 # {trace_id="a"} 0.67',
        'vllm:num_requests_running { engine = "0" , } 4',
        "vllm:num_requests_running\t4\r",
        'vllm:num_requests_running{a="}",b="# 9"} 4.0e0',
    ],
)
def test_a_line_may_have_every_form_of_the_format(text: str) -> None:
    assert running(f"{text}\n") == 4.0


@pytest.mark.parametrize(("declared", "expected"), [("gauge", 4.0), ("untyped", 4.0), ("counter", None)])
def test_a_metric_of_another_type_is_another_metric(declared: str, expected: float | None) -> None:
    assert running(f"# TYPE vllm:num_requests_running {declared}\nvllm:num_requests_running 4\n") == expected


def test_a_series_must_have_the_labels_of_its_candidate_and_a_missing_label_is_empty() -> None:
    page = 'sglang:num_queue_reqs{priority="3"} 2\n'
    assert metrics_page.read(page, SGLANG)["waiting"] is None
    assert metrics_page.read(f"{page}sglang:num_queue_reqs 5\n", SGLANG)["waiting"] == 5.0


def test_the_unit_of_an_engine_becomes_ours_by_the_scale_of_its_series() -> None:
    percent = Series(name="usage_percent", type=MetricType.GAUGE, scale=0.01)
    table = dataclasses.replace(VLLM, kv_usage=dataclasses.replace(VLLM.kv_usage, candidates=(percent,)))
    page = 'usage_percent{engine="0"} 50\nusage_percent{engine="1"} 100\n'
    assert metrics_page.read(page, table)["kv_usage"] == 0.75


def test_buckets_of_all_ranks_are_added_by_their_bounds_in_milliseconds() -> None:
    page = "".join(
        f'vllm:time_to_first_token_seconds_bucket{{engine="{rank}",le="{bound}"}} {count}\n'
        for rank in (0, 1)
        for bound, count in (("+Inf", 5), ("0.57", 3), ("1", 4))
    )
    found = metrics_page.read_latencies(page, VLLM)["ttft_ms"]
    assert found == histograms.Histogram(bounds=(570.0, 1000.0, math.inf), counts=(6.0, 8.0, 10.0))


def test_a_bucket_that_only_some_ranks_have_does_not_count() -> None:
    page = (
        'vllm:time_to_first_token_seconds_bucket{engine="0",le="1"} 3\n'
        'vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf"} 4\n'
        'vllm:time_to_first_token_seconds_bucket{engine="1",le="+Inf"} 2\n'
        'vllm:time_to_first_token_seconds_bucket{engine="1",le="one"} 2\n'
        'vllm:time_to_first_token_seconds_bucket{engine="1",le="NaN"} 2\n'
        'vllm:time_to_first_token_seconds_bucket{engine="1"} 2\n'
    )
    found = metrics_page.read_latencies(page, VLLM)["ttft_ms"]
    assert found == histograms.Histogram(bounds=(math.inf,), counts=(6.0,))


@pytest.mark.parametrize("milliseconds", [1, 57, 290, 1001, 35_001, 7_680_000])
def test_a_bound_in_seconds_is_the_whole_millisecond_that_it_was_written_for(milliseconds: int) -> None:
    page = f'vllm:e2e_request_latency_seconds_bucket{{le="{milliseconds / 1000}"}} 1\n'
    found = metrics_page.read_latencies(page, VLLM)["e2e_ms"]
    assert found == histograms.Histogram(bounds=(float(milliseconds),), counts=(1.0,))


@given(page=pages)
def test_no_page_breaks_the_reader(page: str) -> None:
    for adapter in TABLES.values():
        found = metrics_page.read(page, adapter)
        assert found.keys() == adapter.quantities().keys()
        for histogram in metrics_page.read_latencies(page, adapter).values():
            if histogram is not None:
                assert list(histogram.bounds) == sorted(set(histogram.bounds))
                histograms.share_within(histogram, histogram, threshold=100.0)


@given(lines=st.lists(samples, max_size=20), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_lines_means_nothing(lines: list[str], shuffle: random.Random) -> None:
    shuffled = list(lines)
    shuffle.shuffle(shuffled)
    for adapter in TABLES.values():
        one, other = (metrics_page.read("\n".join(page), adapter) for page in (lines, shuffled))
        assert repr(one) == repr(other)
        one_histograms, other_histograms = (
            metrics_page.read_latencies("\n".join(page), adapter) for page in (lines, shuffled)
        )
        assert repr(one_histograms) == repr(other_histograms)
