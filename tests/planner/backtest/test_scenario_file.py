"""Scenario files: everything that a scenario holds, and everything that is wrong with one at once."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tenbin_planner.backtest import faults, scenario_file
from tenbin_planner.backtest.nodes import Billing
from tenbin_planner.model.lives import LeadTime, SpotMarket
from tenbin_planner.model.routing import Routing
from tenbin_spec.problems import ConfigurationError

OWN: dict[str, Any] = {
    "profile": "p",
    "price": "4.50",
    "slo": {"default": {"target": "0.99", "ttft_ms": 1000}},
    "traces": {"service": "day.csv"},
}
PRICE = (
    'price: 4.5 is a number where a string belongs: put it in quotes, for example "30.00" '
    "(an amount of USD of 0 or more with at most 6 decimals)"
)
KEYS = sorted(scenario_file.ScenarioFile.model_fields)
STACK: dict[str, Any] = {"stack": "dev", "traces": {"chat": "day.csv"}}


def problems(plain: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        scenario_file.parse(plain, "day.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_short_file_is_a_scenario_without_any_conditions() -> None:
    conditions = scenario_file.parse(OWN).conditions()
    assert (conditions.pop("billing"), conditions.pop("routing")) == (Billing.REPLICA, Routing.LEAST_REQUEST)
    assert not any(conditions.values())


def test_conditions_are_those_of_a_scenario() -> None:
    found = scenario_file.parse(
        STACK
        | {
            "leads": {"l4": {"median_s": 180, "p95_s": 240}, "spot": {"median_s": 60}},
            "spot": {"spot": {"reclaims_per_hour": 0.5, "reclaim_share": [0.2, 1], "drought_s": [60, 600]}},
            "faults": [
                {"kind": "blind", "at_s": 10, "for_s": 20},
                {"kind": "loss", "at_s": 10, "share": 0.5, "evicted_s": 60},
                {"kind": "slow-starts", "at_s": 10, "factor": 3},
                {"kind": "slow-starts", "at_s": 10, "factor": 3, "for_s": 5, "pool": "l4"},
                {"kind": "no-nodes", "at_s": 10, "for_s": 20, "pool": "l4"},
            ],
            "billing": "node",
            "routing": "random",
            "initial": {"chat-serve-l4": 3},
            "max_queued": 0,
        }
    ).conditions()
    assert found["leads"] == {"l4": LeadTime(median_s=180, p95_s=240), "spot": LeadTime(median_s=60, p95_s=60)}
    assert found["spot"] == {
        "spot": SpotMarket(reclaims_per_hour=0.5, reclaim_share=(0.2, 1.0), drought_s=(60.0, 600.0))
    }
    assert found["faults"] == (
        faults.Blind(at_s=10, for_s=20),
        faults.Loss(at_s=10, share=0.5, evicted_s=60),
        faults.SlowStarts(at_s=10, factor=3),
        faults.SlowStarts(at_s=10, factor=3, for_s=5, pool="l4"),
        faults.NoNodes(at_s=10, for_s=20, pool="l4"),
    )
    assert (found["billing"], found["routing"]) == (Billing.NODE, Routing.RANDOM)
    assert (found["initial"], found["max_queued"]) == ({"chat-serve-l4": 3}, 0)


def test_there_is_a_kind_for_each_fault() -> None:
    assert len(scenario_file.KINDS) == len(faults.Fault.__args__)


def test_everything_that_is_wrong_is_told_at_once_with_its_place() -> None:
    assert problems(
        OWN
        | {
            "price": 4.5,
            "spott": {},
            "leads": {"pool": {"median_s": 180, "p95_s": 10}},
            "spot": {"pool": {"reclaim_share": [0.9, 0.1]}, "other": {"notice_s": -1, "drought_s": [1]}},
            "faults": [
                {"kind": "los", "at_s": 3},
                {"kind": "loss", "at_s": "3", "share": 2, "at": 1},
                {"kind": "no-nodes", "at_s": 1, "for_s": math.nan},
                4,
            ],
            "billing": "nodes",
            "class_mix": {"A b": 0.5},
            "duration_s": True,
            "initial": {"a": 1.5},
        }
    ) == [
        "billing: 'nodes' is not allowed. Allowed: 'replica', 'node'",
        "class_mix.A b: 'A b' is not a name of at most 24 lower case letters, digits and dashes, for example 'chat-8b'",
        "duration_s: True: input should be a valid number",
        "faults[0]: needs a kind. Allowed: blind, loss, slow-starts, no-nodes",
        "faults[1].at: unknown key; did you mean 'at_s'? Allowed here: at_s, evicted_s, kind, noticed_s, share",
        "faults[1].at_s: '3': input should be a valid number",
        "faults[1].share: 2: input should be less than or equal to 1",
        "faults[2].for_s: nan: input should be a finite number",
        "faults[2].pool: is required and missing",
        "faults[3]: needs a kind. Allowed: blind, loss, slow-starts, no-nodes",
        "initial.a: 1.5 is not a whole number",
        "leads.pool: p95_s 10 is below median_s 180: allowed is that or more",
        PRICE,
        "spot.other.drought_s[1]: is required and missing",
        "spot.other.notice_s: -1: input should be greater than or equal to 0",
        "spot.pool: reclaim_share falls from 0.9 to 0.1: allowed is the least, then the most",
        f"spott: unknown key; did you mean 'spot'? Allowed here: {', '.join(KEYS)}",
    ]


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        (
            {"traces": {"service": "x"}, "slo": None},
            [
                f"{key}: is required and missing: a scenario needs stack, or profile, price and slo"
                for key in ("price", "profile", "slo")
            ],
        ),
        (
            STACK | {"price": "1.00", "replicas": {"min": 1, "max": 2}},
            [
                f"{key}: stands beside stack, which says this itself: allowed is one or the other"
                for key in ("price", "replicas")
            ],
        ),
        (
            OWN | {"replicas": {"min": 1, "max": 2, "on_demand_min": 1}},
            ["replicas.on_demand_min: 1: allowed is 0, there is one pool"],
        ),
        ({**STACK, "traces": {}}, ["traces: {}: dictionary should have at least 1 item after validation, not 0"]),
        (None, ["file: holds no mapping of keys to values"]),
        ([1], ["file: holds no mapping of keys to values"]),
    ],
)
def test_what_does_not_go_together_is_told(plain: object, expected: list[str]) -> None:
    assert problems(plain) == expected


TIMES = st.floats(0, 1e6)
RISING = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
BY_POOL = st.dictionaries(st.sampled_from(["l4", "spot"]), TIMES)
FAULTS = st.one_of(
    st.fixed_dictionaries({"kind": st.just("blind"), "at_s": TIMES, "for_s": TIMES}),
    st.fixed_dictionaries({"kind": st.just("loss"), "at_s": TIMES, "share": st.floats(0, 1)}),
    st.fixed_dictionaries({"kind": st.just("slow-starts"), "at_s": TIMES, "factor": st.floats(0, 9)}),
    st.fixed_dictionaries({"kind": st.just("no-nodes"), "at_s": TIMES, "for_s": TIMES, "pool": st.just("l4")}),
)
MARKETS = st.fixed_dictionaries({}, optional={"reclaim_share": RISING, "drought_s": RISING, "notice_s": TIMES})


@settings(max_examples=50, deadline=None)
@given(
    st.fixed_dictionaries(
        {"stack": st.just("dev"), "traces": st.just({"chat": "day.csv"})},
        optional={
            "faults": st.lists(FAULTS, max_size=4),
            "spot": st.dictionaries(st.sampled_from(["l4", "spot"]), MARKETS),
            "leads": st.dictionaries(st.just("l4"), st.fixed_dictionaries({"median_s": TIMES})),
            "billing": st.sampled_from(["node", "replica"]),
            "node_lead_s": BY_POOL,
            "minimum_billed_s": BY_POOL,
            "max_queued": st.integers(0, 100),
            "duration_s": st.floats(1, 1e6),
            "initial": st.dictionaries(st.just("chat-serve-l4"), st.integers(0, 9)),
        },
    )
)
def test_what_is_written_reads_as_it_was(plain: dict[str, Any]) -> None:
    first = scenario_file.parse(plain)
    stream = io.StringIO()
    # What is missing in the first place is left out: a stack stands alone.
    YAML(typ="safe", pure=True).dump(first.model_dump(mode="json", exclude_unset=True), stream)
    again = scenario_file.parse(YAML(typ="safe", pure=True).load(stream.getvalue()))
    assert again == first
    assert again.conditions() == first.conditions()


def test_the_schema_names_every_key() -> None:
    found = json.loads(json.dumps(scenario_file.schema()))
    assert set(found["properties"]) == set(scenario_file.ScenarioFile.model_fields)
    assert all("description" in part or "$ref" in part for name, part in found["properties"].items() if name != "slo")
    assert found["additionalProperties"] is False
