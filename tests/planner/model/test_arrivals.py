"""Requests as arrays: put in order, and refused with the row that is wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tenbin_planner.model.arrivals import Arrivals


def test_arrivals_are_put_in_order_and_keep_their_lengths() -> None:
    arrivals = Arrivals.of([3.0, 1.0, 2.0], [30, 10, 20], [3, 1, 2], ["c", "a", "b"], [2, 0, 1])
    assert arrivals.arrival_s.tolist() == [1.0, 2.0, 3.0]
    assert (arrivals.input_tokens.tolist(), arrivals.output_tokens.tolist()) == ([10, 20, 30], [1, 2, 3])
    assert arrivals.cached_tokens.tolist() == [0, 1, 2]
    assert [arrivals.classes[index] for index in arrivals.class_index] == ["a", "b", "c"]


def test_requests_of_one_instant_keep_their_order() -> None:
    arrivals = Arrivals.of([1.0, 0.0, 1.0, 1.0, 0.0], [1, 2, 3, 4, 5], [1] * 5)
    assert arrivals.input_tokens.tolist() == [2, 5, 1, 3, 4]


def test_one_class_and_one_number_of_cached_tokens_may_stand_for_all() -> None:
    arrivals = Arrivals.of([0.0, 1.0], [10, 20], [1, 1], "chat", 5)
    assert (arrivals.classes, arrivals.class_index.tolist()) == (("chat",), [0, 0])
    assert arrivals.cached_tokens.tolist() == [5, 5]


def test_there_may_be_no_arrivals() -> None:
    assert len(Arrivals.of([], [], [])) == 0


def test_what_was_given_is_not_changed_with_the_arrivals() -> None:
    times = np.array([0.0, 1.0])
    arrivals = Arrivals.of(times, [1, 1], [1, 1])
    times[0] = 9.0
    assert arrivals.arrival_s.tolist() == [0.0, 1.0]


WHOLE = "a whole number from 1 to 1000000000"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0.0, -1.0], [1, 1], [1, 1]), "arrival_s[1] is -1.0; allowed is a number from 0 to 10000000000"),
        (([math.nan], [1], [1]), "arrival_s[0] is nan; allowed is a number from 0 to 10000000000"),
        (([math.inf], [1], [1]), "arrival_s[0] is inf; allowed is a number from 0 to 10000000000"),
        (
            ([0.0], [0], [1]),
            (
                f"input_tokens[0] is 0; allowed is {WHOLE}; "
                "cached_tokens[0] is 0; allowed is a whole number of 0 or more, below the input tokens"
            ),
        ),
        (([1e11], [1], [1]), "arrival_s[0] is 100000000000.0; allowed is a number from 0 to 10000000000"),
        (([0.0], [1], [None]), f"output_tokens[0] is None; allowed is {WHOLE}"),
        (([0.0], [1], [2.5]), f"output_tokens[0] is 2.5; allowed is {WHOLE}"),
        (([0.0], [1], [math.inf]), f"output_tokens[0] is inf; allowed is {WHOLE}"),
        (([0.0], [10**9 + 1], [1]), f"input_tokens[0] is 1000000001; allowed is {WHOLE}"),
        (
            ([0.0, 0.0], [3, 3], [1, 1], "", [2, 3]),
            "cached_tokens[1] is 3; allowed is a whole number of 0 or more, below the input tokens",
        ),
        (
            ([0.0], [3], [1], "", -1),
            "cached_tokens[0] is -1; allowed is a whole number of 0 or more, below the input tokens",
        ),
        (
            ([math.nan, 0.0], [5, math.nan], [1, -3]),
            (
                "arrival_s[0] is nan; allowed is a number from 0 to 10000000000; "
                f"input_tokens[1] is nan; allowed is {WHOLE}; output_tokens[1] is -3; allowed is {WHOLE}; "
                "cached_tokens[1] is 0; allowed is a whole number of 0 or more, below the input tokens"
            ),
        ),
        (
            ([0.0], [1, 1], [1]),
            (
                "arrays must have one dimension and one length, not "
                "{'arrival_s': 1, 'input_tokens': 2, 'output_tokens': 1, 'cached_tokens': 1, 'class': 1}"
            ),
        ),
        (
            ([[0.0]], [[1]], [[1]]),
            (
                "arrays must have one dimension and one length, not "
                "{'arrival_s': 1, 'input_tokens': 1, 'output_tokens': 1, 'cached_tokens': 1, 'class': 1}"
            ),
        ),
        (
            ([0.0, 1.0], [1, 1], [1, 1], ["a"]),
            (
                "arrays must have one dimension and one length, not "
                "{'arrival_s': 2, 'input_tokens': 2, 'output_tokens': 2, 'cached_tokens': 2, 'class': 1}"
            ),
        ),
    ],
)
def test_hostile_columns_are_refused(columns: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Arrivals.of(*columns)
    assert str(caught.value) == message
