"""The reference program, run on the local stack's own file."""

from __future__ import annotations

import json
import pathlib
import runpy
from typing import Any

import pulumi
import pytest
from ruamel.yaml import YAML
from support.registered import Registrations, register

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "infra" / "__main__.py"


def configuration() -> dict[str, str]:
    """Return the local stack's configuration as the engine hands it over: JSON texts, keys sorted."""
    file = YAML(typ="safe", pure=True).load((ROOT / "stacks" / "Pulumi.local.yaml").read_text(encoding="utf-8"))
    return {key: json.dumps(value, sort_keys=True) for key, value in file["config"].items()}


def run(values: dict[str, str]) -> Registrations:
    def program() -> Any:
        runpy.run_path(str(PROGRAM), run_name="__main__")

    return register(program, configuration=values)


def test_the_local_stack_builds_a_platform() -> None:
    found = run(configuration())
    assert found.messages == []
    assert found.one("Platform::platform").parent == ""
    assert found.one("Deployment::platform-chat-serve-l4-spot").inputs["metadata"]["name"] == "chat-serve-l4-spot"


def test_a_misspelt_key_is_refused_although_the_engine_knows_any() -> None:
    values = {**configuration(), "tenbin:costs": '{"hourly_usd": "1"}', "kubernetes:context": "other"}
    with pytest.raises(pulumi.RunError) as caught:
        run(values)
    assert str(caught.value) == (
        "configuration of stack test has 1 problem:\n"
        "  - tenbin:costs: unknown key; did you mean 'cost'? Allowed here: cluster, cost, gateway, guard, "
        "images, observability, planner, pools, prices, review, services"
    )


def test_a_value_that_is_no_mapping_is_named() -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run({**configuration(), "tenbin:planner": "fast"})
    assert str(caught.value) == (
        "configuration of stack test has 1 problem:\n  - tenbin:planner: 'fast' is not a mapping of keys to values"
    )


def test_the_program_stays_short() -> None:
    assert len(PROGRAM.read_text(encoding="utf-8").splitlines()) < 60
