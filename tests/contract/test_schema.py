"""Component package: what programs of other languages are generated from, and what they build."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest
import tenbin
from support import amazon, component_package, golden, stacks
from support.registered import register

EVIDENT = {
    "classes",
    "cost",
    "engine",
    "image",
    "inputTokens",
    "max",
    "mean",
    "min",
    "model",
    "nodes",
    "outputTokens",
    "p95",
    "pickerImage",
    "replicas",
    "requestsPerSecond",
    "slo",
    "workload",
}
"""Fields whose type says all there is to say."""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return component_package.schema()


def test_schema_is_as_recorded(schema: dict[str, Any]) -> None:
    recorded = {**schema, "version": "0.0.0"}
    golden.check("schema.json", json.dumps(recorded, indent=2, sort_keys=True) + "\n")


def test_package_has_the_version_of_the_distribution(schema: dict[str, Any]) -> None:
    assert schema["version"] == version("tenbin")


def test_plain_arguments_are_plain_and_those_of_other_resources_are_not(schema: dict[str, Any]) -> None:
    inputs = schema["resources"]["tenbin:index:Gateway"]["inputProperties"]
    assert inputs["services"]["plain"] is True
    assert "plain" not in inputs["pickerAddress"]


def test_every_field_that_is_not_self_evident_is_documented(schema: dict[str, Any]) -> None:
    for name, kind in schema["types"].items():
        for field, definition in kind["properties"].items():
            assert field in EVIDENT or definition.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("cluster", ["existing", "eks"])
def test_a_program_of_another_language_builds_what_a_python_program_builds(cluster: str) -> None:
    configuration = stacks.plain_stack()
    if cluster == "eks":
        configuration["cluster"] = amazon.plain_cluster(
            addons={"coredns": "v1.14.3-eksbuild.3"}, system_nodes={"nodes": {"min": 1, "max": 2}}
        )
        for pool in configuration["pools"].values():
            pool["region"] = "eu-west-1"
    args: Any = configuration
    found = register(lambda: tenbin.Platform("platform", args))
    built = component_package.built_over_the_wire(configuration)
    assert built == {item.key: item.inputs for item in found.resources}
