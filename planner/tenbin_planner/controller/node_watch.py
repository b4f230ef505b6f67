"""Follows nodes and starts from tick to tick: what each node was seen to have, and how far each pod has come.

Nodes and events lie beyond what the planner needs to act. Where its account may not list them, it says so and plans on
without.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tenbin_planner.controller import node_states, start_parts
from tenbin_planner.controller.cluster import ForbiddenError
from tenbin_planner.decide.observation import UNTOLD, Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_planner.controller.cluster import Cluster, Json
    from tenbin_planner.controller.node_states import NodeState
    from tenbin_planner.decide.observation import StartParts


NODES = "nodes are not seen"


class NodeWatch:
    """What is known of nodes, and of starts on them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes: Mapping[str, NodeState] = {}
        self._starts: dict[str, StartParts] = {}
        self._listed: dict[str, bool | None] = {}
        self._over: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._noticed: dict[str, float] = {}
        self._now = 0.0
        self._images: dict[str, str] = {}
        self._taken: Counter[str] = Counter()

    @property
    def problems(self) -> tuple[str, ...]:
        """What cannot be seen, in words."""
        return tuple(f"{what}: {why}" for what, why in sorted(self._refusals.items()))

    def start(self, uid: str) -> StartParts:
        """Return how far the first start of a pod has come."""
        return self._starts.get(uid, UNTOLD)

    def notice(self, node: str | None) -> Notice | None:
        """Return that a node is about to go, and when; None while nothing says so."""
        found = self._nodes.get(node or "")
        if found is None or found.notice is None:
            return None
        sign = found.notice.sign
        return Notice(why=sign.why, left_s=max(0.0, self._noticed[found.uid] + sign.lasts_s - self._now))

    def room(self, pool: str, *, accelerators: int, like: str | None) -> int | None:
        """Return for how many more replicas of a workload there is room on nodes that are there and have its image.

        Args:
            pool: of the workload.
            accelerators: of one replica.
            like: uid of its newest pod, whose image the next one will have; None while it has none.

        Returns:
            None where that cannot be told: without such a pod, without sight of nodes, where they name no accelerators
            or no images, or where a replica is larger than a node.
        """
        image = self._images.get(like or "")
        if image is None or self._refusals.get(NODES):
            return None
        nodes = [node for node in self._nodes.values() if node.pool == pool and node.is_open]
        sizes = [node.accelerators or 0 for node in nodes]
        if nodes and max(sizes) < accelerators:
            return None
        free = {
            node: max(0, size - self._taken[node.name]) // accelerators for node, size in zip(nodes, sizes, strict=True)
        }
        if any(count and node.has_image(image) is None for node, count in free.items()):
            return None
        return sum(count for node, count in free.items() if node.has_image(image))

    async def look(self, *, at: float) -> None:
        """Look at the nodes of pools.

        Args:
            at: now in seconds, for the notices of an API server that does not tell its own time.

        Raises:
            ClusterError: when the API server does not say what nodes there are.
        """
        try:
            listed = await self._cluster.pool_nodes()
        except ForbiddenError as error:
            self._nodes, self._refusals[NODES] = {}, str(error)
        else:
            found = [node_states.read(item) for item in listed.items]
            self._nodes = {node.name: node for node in found if node is not None}
            self._now = at if listed.server_time is None else listed.server_time
            self._refusals.pop(NODES, None)
        self._noticed = {
            node.uid: self._noticed.get(node.uid, min(self._now, node.notice.since or self._now))
            for node in self._nodes.values()
            if node.notice is not None
        }

    async def follow(self, pods: Iterable[Json]) -> None:
        """Take note of how far the starts of pods have come; of those that are gone nothing is kept.

        Raises:
            ClusterError: when the API server does not say what was pulled.
        """
        present = {pod["metadata"].get("uid", ""): pod for pod in pods}
        self._images = {uid: image for uid, pod in present.items() if (image := start_parts.image_of(pod))}
        self._taken = _taken(present.values())
        self._starts = {uid: start for uid, start in self._starts.items() if uid in present}
        self._listed = {uid: listed for uid, listed in self._listed.items() if uid in present}
        self._over &= present.keys()
        starting = {uid: pod for uid, pod in present.items() if uid not in self._over}
        for uid, pod in starting.items():
            if uid not in self._listed and (node := self._node(pod)) is not None:
                self._listed[uid] = _lists(node, pod)
        pulls = await self._pulls(starting)
        for uid, pod in starting.items():
            self._starts[uid] = start_parts.read(
                pod, node=self._node(pod), pull=pulls.get(uid), was_listed=self._listed.get(uid)
            )
        # A replica that stops being ready and is again has not started anew.
        self._over |= {uid for uid, pod in starting.items() if start_parts.is_over(pod)}

    async def _pulls(self, pods: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return the pulls for pods whose engines run and do not serve yet."""
        if not any(start_parts.has_begun(pod) for pod in pods.values()):
            return {}
        what = "image pulls are not seen"
        try:
            found = start_parts.pulls(await self._cluster.pulls())
        except ForbiddenError as error:
            self._refusals[what] = str(error)
            return {}
        self._refusals.pop(what, None)
        return found

    def _node(self, pod: Json) -> NodeState | None:
        return self._nodes.get(pod.get("spec", {}).get("nodeName") or "")


def _taken(pods: Iterable[Json]) -> Counter[str]:
    """Return the accelerators that pods have, by node; one that is over has none."""
    found: Counter[str] = Counter()
    for pod in pods:
        spec = pod.get("spec", {})
        if spec.get("nodeName") and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            for container in spec.get("containers") or []:
                limits = (container.get("resources") or {}).get("limits") or {}
                found[spec["nodeName"]] += node_states.accelerators(limits) or 0
    return found


def _lists(node: NodeState, pod: Json) -> bool | None:
    """Tell whether a node lists a pod's image before its program runs; None where it is too late to tell."""
    image = start_parts.image_of(pod)
    return None if image is None or start_parts.has_begun(pod) else node.has_image(image)
