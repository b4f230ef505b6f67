"""Where the subnets of a network lie.

    | private 0 | private 1 | ...            free            ... | public 1, intra 1 | public 0, intra 0 |

The private subnets grow from the lower end and the pairs of public and intra ones from the upper, so that a zone's
subnets follow from its place alone: a zone that is added at the end moves nothing.
"""

from __future__ import annotations

import dataclasses
import ipaddress

from tenbin_spec.networks import Network


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZoneSubnets:
    """IPv4 ranges of the subnets in one zone."""

    zone: str
    public: str
    """Load balancers and NAT gateways."""
    private: str
    """Nodes and pods; the way out is a NAT gateway."""
    intra: str
    """Interfaces of the control plane; there is no way out."""


def layout(network: Network) -> tuple[ZoneSubnets, ...]:
    """Return the subnets of each zone, in the order of the zones; the model has checked that they fit."""
    whole = ipaddress.IPv4Network(network.cidr)
    first, end = int(whole.network_address), int(whole.broadcast_address) + 1
    half = 2 ** (32 - min(network.public_prefix, network.intra_prefix))
    private = 2 ** (32 - network.private_prefix)
    return tuple(
        ZoneSubnets(
            zone=zone,
            public=_range(end - 2 * half * (place + 1), network.public_prefix),
            private=_range(first + private * place, network.private_prefix),
            intra=_range(end - 2 * half * (place + 1) + half, network.intra_prefix),
        )
        for place, zone in enumerate(network.zones)
    )


def _range(first: int, prefix: int) -> str:
    return str(ipaddress.IPv4Network((first, prefix)))
