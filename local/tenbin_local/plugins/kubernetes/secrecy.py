"""What of an object the state keeps encrypted."""

from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins import properties


def mark(values: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values` with what is secret in `inputs` marked secret; `data` and `stringData` of a Secret always."""
    if values.get("kind") == "Secret":
        always = {key: properties.secret(values[key]) for key in ("data", "stringData") if key in values}
        return {**values, **always}
    return properties.mark_secrets(values, inputs)
