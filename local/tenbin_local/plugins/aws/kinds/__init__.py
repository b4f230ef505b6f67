"""The resource types that the stand-in knows."""

import functools

from tenbin_local.plugins.aws.kind import Kind, Reference
from tenbin_local.plugins.aws.kinds import (
    compute,
    cost,
    eks,
    events,
    gateways,
    iam,
    launch_template,
    network,
    security_groups,
    storage,
    tokens,
)

NODE_GROUP = tokens.NODE_GROUP
SUBNET = tokens.SUBNET

_MODULES = (
    network,
    gateways,
    security_groups,
    launch_template,
    compute,
    eks,
    iam,
    storage,
    events,
    cost,
)

ALL: dict[str, Kind] = {kind.token: kind for module in _MODULES for kind in module.KINDS}
"""By type token."""


def of(token: str) -> Kind:
    """The description of a resource type.

    Raises:
        ValueError: the stand-in does not know it.
    """
    if token not in ALL:
        raise ValueError(
            f"{token}: this stand-in for the AWS provider does not know the resource type; it knows "
            f"{', '.join(sorted(ALL))}"
        )
    return ALL[token]


@functools.cache
def holding(token: str) -> tuple[tuple[str, Reference], ...]:
    """The references by which resources of other types keep one of this type from being deleted."""
    return tuple(
        (kind.token, reference)
        for kind in ALL.values()
        for reference in kind.references
        if reference.to == token and reference.holds
    )


@functools.cache
def providing(token: str) -> tuple[tuple[str, str], ...]:
    """The outputs of resources of other types that name a resource of this type which AWS made with them."""
    return tuple((kind.token, path) for kind in ALL.values() for to, path in kind.provides.items() if to == token)
