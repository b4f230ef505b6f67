"""A trace and what can be done to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tenbin_planner import traces


def trace(**changes: Any) -> traces.Trace:
    columns = {
        "name": "four",
        "arrival_s": [0.0, 1.0, 2.0, 4.0],
        "input_tokens": [10, 20, 30, 40],
        "output_tokens": [1, 2, 3, 4],
        "cached_tokens": [0, 16, 0, 32],
        "classes": ["interactive", "batch"],
        "class_index": [0, 1, 0, 0],
        "tenants": ["b", "a"],
        "tenant_index": [0, 0, 1, 1],
    }
    return traces.Trace.of(**{**columns, **changes})


def test_half_the_time_doubles_the_rate_and_changes_nothing_else() -> None:
    scaled = trace().scaled_time(0.5)
    assert scaled.arrival_s.tolist() == [0.0, 0.5, 1.0, 2.0]
    assert scaled.input_tokens.tolist() == [10, 20, 30, 40]
    assert scaled.duration_s == 2.0


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_time_factors_are_refused(factor: float) -> None:
    with pytest.raises(traces.TraceError) as caught:
        trace().scaled_time(factor)
    assert str(caught.value) == f"time factor {factor:g} for four; allowed is a finite number above 0"


def test_a_window_counts_from_its_own_beginning_and_excludes_its_end() -> None:
    cut = trace().window(1.0, 4.0)
    assert cut.arrival_s.tolist() == [0.0, 1.0]
    assert cut.input_tokens.tolist() == [20, 30]
    assert cut.cached_tokens.tolist() == [16, 0]


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 9.0), (2.5, 3.0), (3.0, 1.0), (float("nan"), float("nan"))])
def test_a_window_without_requests_is_refused(start_s: float, end_s: float) -> None:
    with pytest.raises(traces.TraceError) as caught:
        trace().window(start_s, end_s)
    assert str(caught.value) == (
        f"no request of four arrives from {start_s:g} s until before {end_s:g} s; its arrivals go from 0 s to 4 s"
    )


def test_selecting_keeps_the_names_that_are_still_in_use() -> None:
    chosen = trace().select(np.array([True, False, True, True]))
    assert chosen.classes == ("interactive",)
    assert chosen.class_index.tolist() == [0, 0, 0]
    assert chosen.tenants == ("a", "b")
    assert chosen.tenant_index.tolist() == [1, 0, 0]


def test_one_class_for_all_replaces_the_classes() -> None:
    assert trace().with_class("chat").classes == ("chat",)
    assert trace().with_class("chat").class_index.tolist() == [0, 0, 0, 0]


def test_arrivals_carry_times_tokens_and_class_names() -> None:
    arrivals = trace().arrivals()
    assert arrivals.arrival_s.tolist() == [0.0, 1.0, 2.0, 4.0]
    assert arrivals.input_tokens.tolist() == [10, 20, 30, 40]
    assert arrivals.output_tokens.tolist() == [1, 2, 3, 4]
    assert arrivals.cached_tokens.tolist() == [0, 16, 0, 32]
    assert [arrivals.classes[index] for index in arrivals.class_index] == [
        "interactive",
        "batch",
        "interactive",
        "interactive",
    ]


def test_requests_out_of_order_are_sorted_with_a_note_and_equal_times_keep_their_order() -> None:
    shuffled = trace(arrival_s=[2.0, 0.0, 2.0, 1.0])
    assert shuffled.arrival_s.tolist() == [0.0, 1.0, 2.0, 2.0]
    assert shuffled.input_tokens.tolist() == [20, 40, 10, 30]
    assert shuffled.notes == ("2 of 4 requests stood behind a later one: sorted by arrival",)


def test_requests_in_order_get_no_note() -> None:
    assert trace().notes == ()


def test_the_digest_tells_requests_apart_and_ignores_the_order_of_names() -> None:
    assert trace().digest() == trace(name="other").digest()
    swapped = trace(classes=["batch", "interactive"], class_index=[1, 0, 1, 1])
    assert swapped.digest() == trace().digest()
    assert trace(output_tokens=[1, 2, 3, 5]).digest() != trace().digest()
    assert trace(classes=["interactive", "other"]).digest() != trace().digest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"arrival_s": [0, 1, float("nan"), 2]},
            "arrival_s[2] of four is nan; allowed is a finite number of 0 or more",
        ),
        ({"arrival_s": [0, -0.5, 1, 2]}, "arrival_s[1] of four is -0.5; allowed is a finite number of 0 or more"),
        ({"input_tokens": [1, 1, 1, 0]}, "input_tokens[3] of four is 0; allowed is 1 or more"),
        ({"output_tokens": [1, -7, 1, 1]}, "output_tokens[1] of four is -7; allowed is 1 or more"),
        ({"output_tokens": [1, 1, 1.5, 1]}, "output_tokens[2] of four is 1.5; allowed is a whole number"),
        ({"input_tokens": [1, 1, float("nan"), 1]}, "input_tokens[2] of four is nan; allowed is a whole number"),
        ({"input_tokens": [1, 1, 1e300, 1]}, "input_tokens[2] of four is 1e+300; allowed is a whole number"),
        (
            {"cached_tokens": [0, 20, 0, 0]},
            "cached_tokens[1] of four is 20; allowed is 0 or more and below input_tokens",
        ),
        ({"class_index": [0, 1, 2, 0]}, "class_index[2] of four is 2; allowed is 0 or more and below 2"),
    ],
)
def test_values_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(traces.TraceError) as caught:
        trace(**changes)
    assert str(caught.value) == message


def test_an_empty_trace_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^none has no request; allowed is 1 or more$"):
        traces.Trace.of(name="none", arrival_s=[], input_tokens=[], output_tokens=[])


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(traces.TraceError, match=r"^arrays of four must have one dimension and one length, not "):
        trace(output_tokens=[1, 2])


def test_describing_tells_number_time_rate_and_lengths() -> None:
    assert trace().describe() == "4 requests in 4 s (1/s), 25 tokens in and 2 out on average"
