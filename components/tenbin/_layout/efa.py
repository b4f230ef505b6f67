"""Elastic Fabric Adapters: a network card each, and a security group that lets them talk to each other alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tenbin_spec.catalogue import Instance

from tenbin._layout.manifests import Json, Placed

_ALL_PROTOCOLS = "-1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adapter:
    """One network interface of a node."""

    card: int
    kind: str
    """`efa` (adapter and address), `efa-only` (no address) or `interface` (no adapter)."""


def adapters(instance: Instance) -> tuple[Adapter, ...]:
    """Return the interfaces of a node with all of its adapters.

    The first card carries the node's address; all others do without one, so that they take none of the subnet's.
    """
    first = Adapter(card=0, kind="efa" if 0 in instance.efa_cards else "interface")
    return (first, *(Adapter(card=card, kind="efa-only") for card in instance.efa_cards if card > 0))


def in_launch_template(instance: Instance, security_groups: Sequence[Placed]) -> list[Json]:
    """Return the interfaces as a launch template has them: device 0 on the first card and 1 on the others.

    None names a subnet, which a managed node group sets itself and refuses in a template.
    """
    return [
        {
            "network_card_index": adapter.card,
            "device_index": min(adapter.card, 1),
            "interface_type": adapter.kind,
            "security_groups": list(security_groups),
            "delete_on_termination": True,
        }
        for adapter in adapters(instance)
    ]


def in_node_class(instance: Instance) -> list[Json]:
    """Return the interfaces as Karpenter's node classes have them, where the first card's adapter is a second device.

    Source: EKS user guide, device-management-efa, 2026-08.
    """
    return [
        {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"},
        *(
            {"networkCardIndex": card, "deviceIndex": 0 if card else 1, "interfaceType": "efa-only"}
            for card in instance.efa_cards
        ),
    ]


def rule(security_group: Placed) -> Json:
    """Return the rule that lets all pass between members of a security group; the same for both directions."""
    return {
        "security_group_id": security_group,
        "referenced_security_group_id": security_group,
        "ip_protocol": _ALL_PROTOCOLS,
        "description": "Adapters of the same pool",
    }
