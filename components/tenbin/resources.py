"""From a layout's manifest to a Pulumi resource."""

from __future__ import annotations

import re
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

_CLASSES: dict[str, type[pulumi.CustomResource]] = {
    "ClusterRole": kubernetes.rbac.v1.ClusterRole,
    "ClusterRoleBinding": kubernetes.rbac.v1.ClusterRoleBinding,
    "ConfigMap": kubernetes.core.v1.ConfigMap,
    "DaemonSet": kubernetes.apps.v1.DaemonSet,
    "Deployment": kubernetes.apps.v1.Deployment,
    "Namespace": kubernetes.core.v1.Namespace,
    "NetworkPolicy": kubernetes.networking.v1.NetworkPolicy,
    "PodDisruptionBudget": kubernetes.policy.v1.PodDisruptionBudget,
    "Role": kubernetes.rbac.v1.Role,
    "RoleBinding": kubernetes.rbac.v1.RoleBinding,
    "Service": kubernetes.core.v1.Service,
    "ServiceAccount": kubernetes.core.v1.ServiceAccount,
}
"""The kinds of Kubernetes itself that a stack is made of, each with one API version; others are custom resources."""


def create(manifest: dict[str, Any], *, name: str, opts: pulumi.ResourceOptions) -> Any:
    """Register the object of a manifest.

    Args:
        manifest: of a layout; its values may be outputs of other resources.
        name: the resource's logical name, part of its identity for ever.
        opts: parent, dependencies and ignored changes.
    """
    kind = _CLASSES.get(manifest["kind"])
    fields = {_snake(key): value for key, value in manifest.items() if key not in {"apiVersion", "kind"}}
    if kind is None:
        return kubernetes.apiextensions.CustomResource(
            name, api_version=manifest["apiVersion"], kind=manifest["kind"], **fields, opts=opts
        )
    return kind(name, opts=opts, **fields)


def child_options(parent: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Return the options of a component's children, which wait for what the component waits for.

    The engine makes a component wait and not what lies in it.
    """
    return pulumi.ResourceOptions(parent=parent, depends_on=None if opts is None else opts.depends_on)


def _snake(key: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), key)
