"""What an EKS cluster is made of."""

from __future__ import annotations

from tenbin._layout.manifests import label_value


def default_name(stack: str) -> str:
    """Return the name of a stack's cluster.

    >>> default_name("organisation/prod")
    'tenbin-organisation-prod'
    """
    return label_value(f"tenbin-{stack}").replace(".", "-")
