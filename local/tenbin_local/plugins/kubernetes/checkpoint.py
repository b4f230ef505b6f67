"""The state of an object as the engine stores it.

As with the official provider, the state is the live object with three fields more: the inputs (`__inputs`), the API
version that the program asked for (`__initialApiVersion`) and the name under which its fields were applied
(`__fieldManager`).
"""

from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins import properties
from tenbin_local.plugins.kubernetes import naming, secrecy

INPUTS = "__inputs"
API_VERSION = "__initialApiVersion"
MANAGER = "__fieldManager"

MANAGER_ANNOTATION = "pulumi.com/patchFieldManager"
"""Annotation that chooses the field manager."""

_DASHED = {
    f"x_kubernetes_{name.replace('-', '_')}": f"x-kubernetes-{name}"
    for name in (
        "embedded-resource", "int-or-string", "list-map-keys", "list-type", "map-type", "preserve-unknown-fields",
        "validations",
    )
}  # fmt: skip
"""The SDK's spelling of schema extensions, and Kubernetes'."""

_UNDERSCORED = {dashed: underscored for underscored, dashed in _DASHED.items()}


def to_object(values: Mapping[str, Any]) -> dict[str, Any]:
    """Engine properties as an object of the Kubernetes API: no secret marks, keys spelt as Kubernetes does."""
    renamed: dict[str, Any] = _rename(properties.reveal(values), _DASHED)
    return renamed


def build(
    *,
    inputs: Mapping[str, Any],
    live: Mapping[str, Any],
    marked: Mapping[str, Any],
    api_version: str,
    manager: str,
) -> dict[str, Any]:
    """The state of an object.

    Args:
        inputs: The inputs without secret marks.
        live: The object that the server returned.
        marked: The inputs with secret marks, from which the state's marks are taken.
        api_version: API version that the program asked for first.
        manager: Name under which the fields were applied.
    """
    spelt: dict[str, Any] = _rename(dict(live), _UNDERSCORED)
    recorded: dict[str, Any] = _rename(dict(inputs), _UNDERSCORED)
    return {
        **secrecy.mark(spelt, marked),
        INPUTS: secrecy.mark(recorded, marked),
        API_VERSION: api_version,
        MANAGER: manager,
    }


def parse(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and the live object of a state, both as objects of the Kubernetes API."""
    plain = to_object(state)
    inputs = plain.pop(INPUTS, {})
    for key in (API_VERSION, MANAGER):
        plain.pop(key, None)
    return inputs, plain


def field_manager(inputs: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """The name to apply fields under: by annotation, as in the state, or a new random one."""
    chosen = naming.annotation(inputs, MANAGER_ANNOTATION)
    known = state.get(MANAGER)
    return chosen or (known if isinstance(known, str) else naming.unique("pulumi-kubernetes-"))


def _rename(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {names.get(key, key): _rename(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename(item, names) for item in value]
    return value
