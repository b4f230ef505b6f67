"""Bucket edges against the thresholds of an SLO."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis
from hypothesis import strategies as st
from support import stacks
from tenbin._layout import buckets
from tenbin_spec.objectives import Slo

FAMILIES = {"ttft_ms": "time_to_first_token", "tpot_ms": "inter_token_latency", "e2e_ms": "request_latency"}


@hypothesis.given(st.dictionaries(stacks.names, stacks.objectives(), min_size=1, max_size=4))
def test_edges_contain_each_threshold_and_rise_strictly(classes: dict[str, dict[str, Any]]) -> None:
    slo = Slo.model_validate({"window": "30d", "classes": classes, "default_class": min(classes)})
    found = buckets.custom(slo)
    for objective in classes.values():
        for threshold, family in FAMILIES.items():
            if threshold in objective:
                assert objective[threshold] / 1000 in found[family]
    for family, edges in found.items():
        assert all(low < high for low, high in itertools.pairwise(edges))
        assert set(buckets.DEFAULTS[family]) <= set(edges)


def slo(**thresholds: int) -> Slo:
    return Slo.model_validate({"window": "30d", "classes": {"chat": {"target": "0.99", **thresholds}}})


def test_usual_thresholds_share_one_set_of_edges_so_that_engines_need_no_restart() -> None:
    usual = [
        slo(ttft_ms=1000),
        slo(ttft_ms=800, tpot_ms=40),
        slo(ttft_ms=200, tpot_ms=60, e2e_ms=45_000),
        slo(e2e_ms=60_000),
    ]
    assert all(buckets.custom(item) == buckets.custom(usual[0]) for item in usual)


def test_an_unusual_threshold_adds_its_own_edge() -> None:
    plain, own = buckets.custom(slo(ttft_ms=1000)), buckets.custom(slo(ttft_ms=730))
    assert set(own["time_to_first_token"]) - set(plain["time_to_first_token"]) == {0.73}
