"""The shape that every Deployment of a stack has."""

from __future__ import annotations

from tenbin._layout.manifests import Json

_OLD_REVISIONS = 3
"""Kept, so that `kubectl rollout undo` works without filling the namespace."""


def surging() -> Json:
    """Return a roll-out that starts the new pod before it stops the old one."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def in_place() -> Json:
    """Return a roll-out for where two pods cannot be ready side by side: the old one stops first."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def deployment(
    *,
    metadata: Json,
    selector: dict[str, str],
    replicas: int,
    strategy: Json,
    pod: Json,
    pod_annotations: dict[str, str],
    progress_deadline_s: int = 600,
) -> Json:
    """Return a Deployment whose pods carry its own labels.

    Args:
        metadata: name, namespace, labels and annotations of the Deployment.
        selector: labels that tell its pods from all others; they can never be changed.
        replicas: declared number of pods.
        strategy: `surging()` or `in_place()`.
        pod: the pod's spec.
        pod_annotations: of the pods; a change of them rolls the Deployment.
        progress_deadline_s: seconds after which a roll-out without progress counts as failed.
    """
    annotations = {"annotations": pod_annotations} if pod_annotations else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": _OLD_REVISIONS,
            "progressDeadlineSeconds": progress_deadline_s,
            "strategy": strategy,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": metadata["labels"], **annotations}, "spec": pod},
        },
    }
