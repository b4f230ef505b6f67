"""The namespace of a stack, held to the Pod Security Standard that all of its pods keep."""

from __future__ import annotations

from tenbin_spec import contract

from tenbin._layout.manifests import Json, label_value

_MODES = ("enforce", "audit", "warn")


def manifest(*, name: str, stack: str) -> Json:
    """Return the namespace: pods that are not *restricted* are refused there."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in _MODES}
    own = {contract.LABEL_MANAGED_BY: contract.MANAGED_BY, contract.LABEL_STACK: label_value(stack)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**own, **levels}}}
