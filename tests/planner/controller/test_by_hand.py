"""Annotations of a workload: what is followed, and what is refused in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.controller import by_hand
from tenbin_planner.decide.observation import ByHand

PAUSED, LEAST, MOST = "tenbin.dev/paused", "tenbin.dev/replicas-min", "tenbin.dev/replicas-max"


def test_nothing_said_is_nothing_set() -> None:
    assert by_hand.read("w", {"other": "1"}) == ByHand()


def test_what_is_said_is_followed() -> None:
    assert by_hand.read("w", {PAUSED: "true"}) == ByHand(is_paused=True)
    assert by_hand.read("w", {PAUSED: "false", LEAST: "2", MOST: "5"}) == ByHand(least=2, most=5)
    assert by_hand.read("w", {MOST: "0"}) == ByHand(most=0)


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "", "1e3", "999999999", "\u0662", " 2"])
def test_a_count_that_is_none_is_told_and_the_rest_holds(text: str) -> None:
    found = by_hand.read("w", {LEAST: text, PAUSED: "true"})
    assert (found.is_paused, found.least) == (True, 0)
    assert found.problems == (f"w: annotation {LEAST} is {text!r}; allowed is a whole number from 0 to 100000",)


def test_bounds_that_cross_and_an_unclear_pause_are_told() -> None:
    found = by_hand.read("w", {LEAST: "5", MOST: "2", PAUSED: "yes"})
    assert (found.is_paused, found.least, found.most) == (False, 0, None)
    assert found.problems == (
        f"w: annotation {PAUSED} is 'yes'; allowed is true or false",
        f"w: annotation {LEAST} is 5, above {MOST}, 2",
    )


@given(st.dictionaries(st.sampled_from([PAUSED, LEAST, MOST]), st.text()))
def test_no_text_does_harm(annotations: dict[str, str]) -> None:
    found = by_hand.read("w", annotations)
    assert 0 <= found.least <= by_hand.MOST
    assert found.most is None or found.least <= found.most
