"""A small valid configuration that each test breaks in one place, and strategies of valid stacks."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from tenbin_spec.stack import Stack, parse_stack

from support import amazon

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"

_VALID: dict[str, Any] = {
    "cluster": {"kind": "existing"},
    "pools": {
        "l4": {"instance_type": "g6.xlarge", "nodes": {"max": 4}, "lead_time_s": 20},
        "l4-spot": {
            "instance_type": "g6.xlarge",
            "capacity_type": "spot",
            "nodes": {"max": 2},
            "hourly_usd": "0.36",
            "lead_time_s": 20,
        },
    },
    "services": {
        "chat": {
            "model": {"id": "meta-llama/Llama-3.1-8B-Instruct"},
            "engine": {
                "kind": "simulated",
                "image": "tenbin/simulated-engine:0.1.0",
                "max_model_len": 8192,
                "profile": PROFILE,
            },
            "pools": ["l4", "l4-spot"],
            "replicas": {"min": 1, "max": 6},
            "slo": {"window": "30d", "classes": {"interactive": {"target": "0.99", "ttft_ms": 1000, "tpot_ms": 60}}},
            "workload": {
                "requests_per_second": {"expected": 3, "peak": 12},
                "input_tokens": {"mean": 300, "p95": 900},
                "output_tokens": {"mean": 60, "p95": 160},
            },
        }
    },
    "cost": {"hourly_usd": "4.00"},
}


def plain_stack(**replacements: Any) -> dict[str, Any]:
    """Return a fresh valid configuration; a keyword `services__chat__replicas={...}` replaces that part of it."""
    configuration = copy.deepcopy(_VALID)
    for path, value in replacements.items():
        *parents, last = path.split("__")
        place = configuration
        for parent in parents:
            place = place[parent]
        place[last] = value
    return configuration


def stack(**replacements: Any) -> Stack:
    """Return a parsed valid stack, with parts replaced as in `plain_stack`."""
    return parse_stack(plain_stack(**replacements))


names = st.from_regex(r"[a-z]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
money = st.decimals(min_value=0, max_value=Decimal("99999.999999"), places=4).map(str)
thresholds = st.integers(min_value=1, max_value=86_400_000)


@st.composite
def objectives(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the plain form of an objective with one to three thresholds."""
    chosen = draw(st.sets(st.sampled_from(["ttft_ms", "tpot_ms", "e2e_ms"]), min_size=1))
    target = draw(st.decimals(min_value="0.000001", max_value="0.999999", places=6))
    return {"target": format(target, "f"), **{name: draw(thresholds) for name in sorted(chosen)}}


@st.composite
def services(draw: st.DrawFn, pools: list[str]) -> dict[str, Any]:
    """Draw the plain form of a service on some of the given pools."""
    service = plain_stack()["services"]["chat"]
    service["pools"] = draw(st.lists(st.sampled_from(pools), min_size=1, unique=True))
    classes = draw(st.dictionaries(names, objectives(), min_size=1, max_size=3))
    service["slo"] = {"window": draw(st.sampled_from(["30d", "12h", "45m"])), "classes": classes}
    service["slo"]["default_class"] = draw(st.sampled_from(sorted(classes)))
    service["slo"]["client_choice"] = draw(st.lists(st.sampled_from(sorted(classes)), unique=True))
    least = draw(st.integers(min_value=0, max_value=20))
    service["replicas"] = {"min": least, "max": least + draw(st.integers(min_value=1, max_value=50))}
    if draw(st.booleans()):
        service["replicas"]["on_demand_min"] = draw(st.integers(min_value=0, max_value=least))
    if draw(st.booleans()):
        service["cost"] = {"hourly_usd": draw(money)}
    if draw(st.booleans()):
        service["priority"] = draw(st.integers(min_value=1, max_value=100))
    return service


@st.composite
def plain_stacks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the plain form of a valid stack."""
    configuration = plain_stack()
    spot = st.fixed_dictionaries(
        {
            "instance_type": st.sampled_from(["g6.xlarge", "g6e.12xlarge", "p5en.48xlarge"]),
            "capacity_type": st.sampled_from(["spot", "on-demand", "reservation"]),
            "nodes": st.integers(min_value=1, max_value=99).map(lambda most: {"min": 0, "max": most}),
        },
        optional={"hourly_usd": money, "lead_time_s": st.integers(min_value=0, max_value=3600)},
    )
    configuration["pools"] = draw(st.dictionaries(names, spot, min_size=1, max_size=4))
    pools = sorted(configuration["pools"])
    configuration["services"] = draw(st.dictionaries(names, services(pools), min_size=1, max_size=3))
    configuration["cost"] = {"hourly_usd": draw(money)}
    if draw(st.booleans()):
        zones = draw(st.sampled_from(["ab", "cba", "abcdef"]))
        network = {"zones": [f"us-east-1{letter}" for letter in zones], "nat": draw(st.sampled_from(["zone", "none"]))}
        configuration["cluster"] = amazon.plain_cluster(
            network=network,
            version=draw(st.sampled_from(["1.34", "1.35", "1.36"])),
            deletion_protection=draw(st.booleans()),
            public_cidrs=draw(st.sampled_from([[], ["203.0.113.0/24"]])),
        )
        for pool in configuration["pools"].values():
            if pool["capacity_type"] == "reservation":
                pool["capacity_reservation"] = "cr-0123456789abcdef0"
    return configuration
