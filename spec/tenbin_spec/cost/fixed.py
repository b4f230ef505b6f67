"""What a stack pays besides accelerators, on a cluster that it builds: whether models are served or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal

from tenbin_spec.catalogue.prices import FixedPrice, FixedPrices
from tenbin_spec.clusters import Cluster, EksCluster
from tenbin_spec.cost.amounts import Amounts
from tenbin_spec.quantities import HOURS_A_MONTH

_FOLLOWS_USE = ("data through NAT gateways and endpoints", "logs", "traffic to the internet")
_MADE_BY_AUTO_MODE = "nodes that Auto Mode makes for programs without accelerators"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Charge:
    """Something that is paid by the hour."""

    name: str
    """Of the part of the bill: `control-plane`, `nat-gateways`, `endpoints`, `system-nodes`."""
    hourly_usd: Amounts
    unknown: tuple[str, ...] = ()
    """Prices that nobody knows, in words."""


def charges(cluster: EksCluster, prices: FixedPrices) -> Iterator[Charge]:
    """Return what a cluster with its network costs.

    Args:
        cluster: its settings; a control plane is in standard support, since AWS upgrades it at the end of that.
        prices: of its region.
    """
    network, region = cluster.network, cluster.region
    gateways = {"zone": len(network.zones), "single": 1, "none": 0}[network.nat]
    yield _hourly("control-plane", 1, prices.eks_cluster_hour, f"an EKS control plane in {region}")
    yield _hourly("nat-gateways", gateways, prices.nat_gateway_hour, f"a NAT gateway in {region}")
    interfaces = len(network.endpoints) * len(network.zones)
    yield _hourly("endpoints", interfaces, prices.interface_endpoint_hour, f"an interface endpoint in {region}")
    if not cluster.auto_mode:
        yield _system_nodes(cluster, prices)


def not_counted(cluster: Cluster) -> tuple[str, ...]:
    """Return what is paid besides, in words: what follows use, which nobody declares."""
    if cluster.kind == "existing":
        return ("everything that is not an accelerator",)
    return (*_FOLLOWS_USE, *((_MADE_BY_AUTO_MODE,) if cluster.auto_mode else ()))


def volume_hourly(prices: FixedPrices, gigabytes: int) -> Decimal | None:
    """Return what a root volume costs for an hour, or None where its price is unknown."""
    return None if prices.ebs_gp3_gb_month is None else prices.ebs_gp3_gb_month.usd * gigabytes / HOURS_A_MONTH


def _hourly(name: str, count: int, price: FixedPrice | None, what: str) -> Charge:
    if price is None and count:
        return Charge(name=name, hourly_usd=Amounts.same(None), unknown=(f"the price of {what}",))
    return Charge(name=name, hourly_usd=Amounts.same(Decimal(0) if price is None else price.usd * count))


def _system_nodes(cluster: EksCluster, prices: FixedPrices) -> Charge:
    """Return what the nodes for all that needs no accelerator cost: of the first type, which is preferred."""
    nodes, kind = cluster.system_nodes, cluster.system_nodes.instance_types[0]
    price, volume = (prices.node_hour or {}).get(kind), volume_hourly(prices, nodes.volume_gb)
    lacking = {f"{kind} on-demand in {cluster.region}": price, f"a GB of gp3 in {cluster.region}": volume}
    unknown = tuple(f"the price of {what}" for what, found in lacking.items() if found is None)
    if price is None or volume is None:
        return Charge(name="system-nodes", hourly_usd=Amounts.same(None), unknown=unknown)
    one, least = price.usd + volume, max(nodes.nodes.min, 1)
    amounts = Amounts(minimum=one * least, expected=one * least, maximum=one * nodes.nodes.max)
    return Charge(name="system-nodes", hourly_usd=amounts)
