"""What cannot be bought or built of a pool: rules of AWS and of Karpenter, on the plain input of pool and cluster.

Plain, so that a misshapen part hides none of these problems; a value that is misshapen itself is left to the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tenbin_spec import catalogue, images
from tenbin_spec.pools import Backend, CapacityType, LocalStorage, PlacementStrategy, Pool
from tenbin_spec.problems import Problem, not_one_of, path_text

Plain = Mapping[str, Any]
_Rule = Callable[[Plain, Plain], Iterator[tuple[str, str]]]
"""From a pool and its cluster to pairs of field and message."""

HOW_NODES_ARE_MADE = (
    *("ami_release", "backend", "capacity_reservation", "efa", "nvme"),
    *("placement", "placement_group", "volume_gb"),
)
"""Fields that say how nodes are made."""
_RESERVED = (CapacityType.RESERVATION, CapacityType.CAPACITY_BLOCK)


def pool_problems(cluster: Plain, name: str, pool: Plain, prefix: str = "") -> list[Problem]:
    """Return the problems of one pool.

    Args:
        cluster: plain value of `tenbin:cluster`.
        name: of the pool.
        pool: its plain value.
        prefix: of the key paths.
    """
    rules = _RULES if cluster.get("kind") == "eks" else (_nodes_are_made_elsewhere,)
    found = [problem for rule in rules for problem in rule(pool, cluster)]
    location = ("pools", name) if name else ("pool",)
    return [Problem(path=path_text((*location, field), prefix), message=message) for field, message in found]


def _nodes_are_made_elsewhere(pool: Plain, _: Plain) -> Iterator[tuple[str, str]]:
    for field in HOW_NODES_ARE_MADE:
        given = pool.get(field)
        if given is not None and given != Pool.model_fields[field].default:
            yield field, "says how nodes are made, which an existing cluster does itself. Allowed with cluster kind eks"


def _zones_are_the_clusters(pool: Plain, cluster: Plain) -> Iterator[tuple[str, str]]:
    zones = _zones_of(cluster)
    if not zones:
        return
    region = pool.get("region", Pool.model_fields["region"].default)
    if isinstance(region, str) and region != zones[0][:-1]:
        yield "region", f"{region!r} is not the region of the cluster's network. Allowed: {zones[0][:-1]}"
    for zone in _texts(pool.get("zones")):
        if zone not in zones:
            yield "zones", not_one_of(zone, zones, "a zone of the cluster's network")


def _lies_in_one_zone_where_it_must(pool: Plain, cluster: Plain) -> Iterator[tuple[str, str]]:
    reasons = {
        "EFA": pool.get("efa") is True,
        "a placement group": _placement(pool) is not PlacementStrategy.NONE,
        "a capacity block": pool.get("capacity_type") == CapacityType.CAPACITY_BLOCK,
    }
    wanting = [reason for reason, is_wanted in reasons.items() if is_wanted]
    count = len(_texts(pool.get("zones")))
    if wanting and count != 1:
        allowed = ", ".join(_zones_of(cluster)) or "one zone of the cluster's network"
        reason = ", ".join(wanting)
        yield "zones", f"names {count} zones, exactly one is needed for {reason}. Allowed: one of {allowed}"


def _has_efa_where_it_asks_for_it(pool: Plain, _: Plain) -> Iterator[tuple[str, str]]:
    instance = catalogue.instances().get(str(pool.get("instance_type")))
    if instance is None or pool.get("efa") is not True or instance.efa_interfaces:
        return
    like = [
        name
        for name, other in catalogue.instances().items()
        if other.efa_interfaces and other.accelerator == instance.accelerator
    ]
    allowed = ", ".join(sorted(like)) or "an instance type with EFA"
    yield "efa", f"true, but {pool['instance_type']} has no EFA. Allowed: false, or {allowed}"


def _names_its_reservation(pool: Plain, _: Plain) -> Iterator[tuple[str, str]]:
    capacity_type, reservation = pool.get("capacity_type"), pool.get("capacity_reservation")
    if capacity_type in _RESERVED and reservation is None:
        yield "capacity_reservation", f"is required by capacity_type {capacity_type}: the id of what was bought"
    if capacity_type not in _RESERVED and reservation is not None:
        bought = capacity_type or CapacityType.ON_DEMAND
        allowed = " or ".join(_RESERVED)
        yield "capacity_reservation", f"{reservation!r} is not used by capacity_type {bought}. Allowed with {allowed}"


def _is_sold_as_a_block(pool: Plain, _: Plain) -> Iterator[tuple[str, str]]:
    instances = catalogue.instances()
    instance = instances.get(str(pool.get("instance_type")))
    if pool.get("capacity_type") != CapacityType.CAPACITY_BLOCK or instance is None:
        return
    if not instance.capacity_block:
        sold = [name for name, other in instances.items() if other.capacity_block]
        yield "instance_type", not_one_of(pool["instance_type"], sold, "sold as a capacity block")
    if _least(pool) > 0:
        # Until a block begins a group with a node in it cannot be made.
        yield "nodes", f"min is {_least(pool)}, a capacity block has no nodes before it begins. Allowed: min 0"


def _placement_agrees(pool: Plain, _: Plain) -> Iterator[tuple[str, str]]:
    placement, group = _placement(pool), pool.get("placement_group")
    if placement is PlacementStrategy.EXISTING and group is None:
        yield "placement_group", "is required by placement existing: the name of the group"
    if placement is not PlacementStrategy.EXISTING and group is not None:
        yield "placement_group", f"{group!r} is not used by placement {placement}. Allowed with existing"
    capacity_type = pool.get("capacity_type")
    # A reservation lies where it was made: a group that is made now holds none of it.
    if capacity_type == CapacityType.RESERVATION and placement is PlacementStrategy.CLUSTER:
        yield "placement", "'cluster' makes a group that holds none of a reservation. Allowed: none, existing"
    if capacity_type == CapacityType.CAPACITY_BLOCK and placement is not PlacementStrategy.NONE:
        yield "placement", f"'{placement}' cannot hold a capacity block, which AWS places itself. Allowed: none"


def _has_an_image(pool: Plain, _: Plain) -> Iterator[tuple[str, str]]:
    name = pool.get("instance_type")
    if isinstance(name, str) and name in catalogue.instances() and images.image_type(name) is None:
        yield "instance_type", f"EKS has no image for {name}. Allowed: types of {', '.join(images.families())}"


def _backend_agrees(pool: Plain, cluster: Plain) -> Iterator[tuple[str, str]]:
    backend, auto_mode = pool.get("backend", Backend.MANAGED), cluster.get("auto_mode") is True
    release = pool.get("ami_release")
    if backend == Backend.MANAGED and auto_mode:
        yield "backend", "'managed' groups lack what auto_mode has inside its nodes. Allowed with auto_mode: karpenter"
    if backend == Backend.KARPENTER and _least(pool) > 0:
        yield "nodes", f"min is {_least(pool)}, Karpenter keeps no empty nodes. Allowed: min 0, or backend managed"
    if auto_mode and release is not None:
        yield "ami_release", f"{release!r} is not used by auto_mode, which replaces images itself. Allowed without it"
    elif isinstance(release, str) and release.startswith("v") is not (backend == Backend.KARPENTER):
        example = "v20260714" if backend == Backend.KARPENTER else "1.35.2-20260714"
        yield "ami_release", f"{release!r} is not how backend {backend} writes a release, for example '{example}'"
    if auto_mode and pool.get("nvme") == LocalStorage.NONE:
        yield "nvme", "'none' is not possible with auto_mode, which always uses the disks. Allowed: raid0"


_RULES: tuple[_Rule, ...] = (
    _zones_are_the_clusters,
    _lies_in_one_zone_where_it_must,
    _has_efa_where_it_asks_for_it,
    _names_its_reservation,
    _is_sold_as_a_block,
    _placement_agrees,
    _has_an_image,
    _backend_agrees,
)


def _placement(pool: Plain) -> PlacementStrategy:
    value = pool.get("placement")
    return next((item for item in PlacementStrategy if item == value), PlacementStrategy.NONE)


def _least(pool: Plain) -> int:
    nodes = pool.get("nodes")
    least = nodes.get("min", 0) if isinstance(nodes, Mapping) else 0
    return least if isinstance(least, int) else 0


def _zones_of(cluster: Plain) -> list[str]:
    network = cluster.get("network")
    return _texts(network.get("zones")) if isinstance(network, Mapping) else []


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
