"""Helm releases, which this stand-in records without installing anything.

No Helm repository is reachable from a local environment. The chart, version and values are kept in the state, and the
status says so; the custom resource definitions that the chart would bring must be installed otherwise.
"""

from collections.abc import Mapping
from typing import Any

TYPE = "kubernetes:helm.sh/v3:Release"

NOT_INSTALLED = "not installed (stand-in)"


def identifier(inputs: Mapping[str, Any], default_namespace: str) -> str:
    """The release's id, as Helm's own: namespace/name."""
    return f"{inputs.get('namespace') or default_namespace}/{inputs['name']}"


def outputs(inputs: Mapping[str, Any], default_namespace: str) -> dict[str, Any]:
    """The state of a recorded release; secret marks of the inputs are kept."""
    status = {
        "status": NOT_INSTALLED,
        "name": inputs["name"],
        "namespace": inputs.get("namespace") or default_namespace,
        "chart": inputs.get("chart"),
        "version": inputs.get("version"),
    }
    return {**inputs, "status": {key: value for key, value in status.items() if value is not None}}


def changed(old_inputs: Mapping[str, Any], new_inputs: Mapping[str, Any]) -> dict[str, bool]:
    """Keys of the inputs that differ, and whether the difference replaces the release."""
    return {
        key: key in ("name", "namespace")
        for key in sorted({*old_inputs, *new_inputs})
        if old_inputs.get(key) != new_inputs.get(key)
    }
