"""What a manifest is here, and the metadata that every one of them carries."""

from __future__ import annotations

import re
from typing import Any

from tenbin_spec import contract

Json = dict[str, Any]
"""A Kubernetes manifest or a part of one, keys as the API server writes them."""

Placed = Any
"""A value that a layout puts into its place without reading it: plain text, or a promise of another resource."""

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""Tells the provider that the object is done once it exists."""

PENDING_ADDRESS = "pending"
"""Stands for the address of a Service in the preview of a new stack, where the provider knows none."""

_LABEL_VALUE = 63
"""Longest value of a Kubernetes label."""


def label_value(text: str) -> str:
    """Cut a text to what a label's value may be.

    >>> label_value("organisation/stack.")
    'organisation-stack'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:_LABEL_VALUE].strip("-_.")


def labels(app: str, **more: str) -> dict[str, str]:
    """Return the labels of an object of the program `app`, with further ones by the name of their constant.

    >>> labels("tenbin-planner", LABEL_STACK="dev")["tenbin.dev/stack"]
    'dev'
    """
    own = {getattr(contract, name): label_value(value) for name, value in more.items()}
    return {contract.LABEL_NAME: app, contract.LABEL_MANAGED_BY: contract.MANAGED_BY, **own}


def metadata(
    name: str,
    namespace: Placed,
    labels: dict[str, str],
    annotations: dict[str, str] | None = None,
) -> Json:
    """Return an object's metadata; empty annotations are left out, so that they never show as a change."""
    found: Json = {"name": name, "namespace": namespace, "labels": labels}
    return {**found, "annotations": annotations} if annotations else found


def service(
    *, name: str, namespace: Placed, labels: dict[str, str], selector: dict[str, str], ports: dict[str, int]
) -> Json:
    """Return a Service inside the cluster.

    It is not awaited: its address is there at once, and waiting for its pods is the Deployment's part. A provider that
    waited for EndpointSlices would wait for ever where pods have loopback addresses.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, labels, SKIP_AWAIT),
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": key, "port": port, "targetPort": key, "protocol": "TCP"} for key, port in ports.items()],
        },
    }


def url(address: str | None, port: int) -> str:
    """Return the URL of an IP address and a port.

    >>> url("10.0.0.7", 8080), url("fd00::7", 8080)
    ('http://10.0.0.7:8080', 'http://[fd00::7]:8080')
    """
    known = address or PENDING_ADDRESS
    host = f"[{known}]" if ":" in known else known
    return f"http://{host}:{port}"
