"""Starts as they are followed from tick to tick, with what the API server tells and refuses."""

from __future__ import annotations

from typing import Any

from tenbin_planner.controller.cluster import ForbiddenError, Listed
from tenbin_planner.controller.node_watch import NodeWatch
from tenbin_planner.decide.observation import Notice, StartParts, Warmth

IMAGE = "tenbin/engine:1"
NOON = 1_795_521_600.0
"""24 November 2026, 12:00 UTC."""


class Cluster:
    """An API server with nodes and events, which it may refuse to list."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.refused = False
        self.now: float | None = NOON

    async def pool_nodes(self) -> Listed:
        if self.refused:
            raise ForbiddenError("list nodes: 403 nodes is forbidden", status=403)
        return Listed(items=self.nodes, server_time=self.now)

    async def pulls(self) -> list[dict[str, Any]]:
        if self.refused:
            raise ForbiddenError("list events: 403 events is forbidden", status=403)
        return self.events


def starting(name: str, **status: Any) -> dict[str, Any]:
    """Return a pod that was made at noon and taken by its node three seconds later."""
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-11-24T12:00:00Z"},
        "spec": {"nodeName": "n", "containers": [{"name": "engine", "image": IMAGE}]},
        "status": {
            "startTime": "2026-11-24T12:00:03Z",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-24T12:00:03Z"}],
            **status,
        },
    }


def begun(name: str, *, ready_at: str | None = None) -> dict[str, Any]:
    """Return it once its program runs, since ten seconds past noon."""
    state = {"running": {"startedAt": "2026-11-24T12:00:10Z"}}
    found = starting(name, containerStatuses=[{"name": "engine", "state": state, "restartCount": 0}])
    if ready_at is not None:
        found["status"]["conditions"].append({"type": "Ready", "status": "True", "lastTransitionTime": ready_at})
    return found


def node(*images: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "n",
            "uid": "n",
            "creationTimestamp": "2026-11-24T09:00:00Z",
            "labels": {"tenbin.dev/pool": "l4-spot"},
        },
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T09:01:00Z"}],
            "images": [{"names": [image]} for image in images],
        },
    }


async def tick(watch: NodeWatch, *pods: dict[str, Any]) -> StartParts:
    """Look once, and return the start of the first pod."""
    await watch.look(at=NOON)
    await watch.follow(pods)
    return watch.start(pods[0]["metadata"]["uid"]) if pods else StartParts()


def watching(*nodes: dict[str, Any]) -> tuple[Cluster, NodeWatch]:
    cluster = Cluster()
    cluster.nodes = list(nodes)
    return cluster, NodeWatch(cluster)  # type: ignore[arg-type]


async def test_an_image_that_was_listed_before_the_program_ran_was_there() -> None:
    cluster, watch = watching(node("docker.io/tenbin/engine:1"))
    assert (await tick(watch, starting("a"))).image is Warmth.WARM
    cluster.nodes = [node("docker.io/tenbin/other:1")]
    assert (await tick(watch, starting("b"))).image is Warmth.COLD
    cluster.nodes = [node("docker.io/tenbin/other:1", "docker.io/tenbin/engine:1")]  # it has been pulled by now
    assert (await tick(watch, starting("b"))).image is Warmth.COLD
    assert (await tick(watch, begun("c"))).image is Warmth.UNKNOWN  # too late to tell by the list


async def test_a_start_is_followed_to_its_end_and_not_beyond() -> None:
    cluster, watch = watching(node())
    assert await tick(watch, starting("a")) == StartParts(node=Warmth.WARM, node_s=3.0)
    cluster.events = [
        {
            "metadata": {"name": "e", "creationTimestamp": "2026-11-24T12:00:09Z"},
            "involvedObject": {"uid": "a", "fieldPath": "spec.containers{engine}"},
            "message": f'Successfully pulled image "{IMAGE}" in 5s (5s including waiting)',
        }
    ]
    assert (await tick(watch, begun("a"))).total_s is None
    whole = StartParts(node=Warmth.WARM, image=Warmth.COLD, node_s=3.0, image_s=5.0, container_s=2.0, engine_s=60.0)
    assert await tick(watch, begun("a", ready_at="2026-11-24T12:01:10Z")) == whole
    cluster.events = []
    assert await tick(watch, begun("a", ready_at="2026-11-24T15:00:00Z")) == whole  # it was not ready for a while
    await tick(watch)
    assert await tick(watch, starting("a")) == StartParts(node=Warmth.WARM, node_s=3.0)  # what is gone is forgotten


async def test_without_the_right_to_see_nodes_the_planner_says_so_and_goes_on() -> None:
    cluster, watch = watching(node())
    cluster.refused = True
    assert await tick(watch, begun("a")) == StartParts(node_s=3.0)
    assert watch.problems == (
        "image pulls are not seen: list events: 403 events is forbidden",
        "nodes are not seen: list nodes: 403 nodes is forbidden",
    )
    cluster.refused = False
    assert (await tick(watch, begun("a"))).node is Warmth.WARM
    assert watch.problems == ()


def tainted(key: str = "aws-node-termination-handler/spot-itn", **changes: Any) -> dict[str, Any]:
    found = node()
    found["spec"] = {"taints": [{"key": key, "value": "spot-itn-0e9e", "effect": "NoSchedule"}]}
    found["metadata"] |= changes
    return found


def left_s(watch: NodeWatch) -> float | None:
    notice = watch.notice("n")
    return None if notice is None else notice.left_s


async def test_a_notice_runs_from_when_it_was_seen_first() -> None:
    cluster, watch = watching(node())
    await watch.look(at=NOON)
    assert watch.notice("n") is None
    cluster.nodes = [tainted()]
    await watch.look(at=NOON)
    assert watch.notice("n") == Notice(why="spot interruption notice", left_s=120.0)
    cluster.now = NOON + 50
    await watch.look(at=NOON)
    assert left_s(watch) == 70.0
    cluster.now = NOON + 500
    await watch.look(at=NOON)
    assert left_s(watch) == 0.0
    assert watch.notice(None) is None
    assert watch.notice("another") is None


async def test_a_notice_that_is_withdrawn_is_forgotten() -> None:
    cluster, watch = watching(tainted())
    await watch.look(at=NOON)
    cluster.nodes = [node()]
    await watch.look(at=NOON)
    cluster.nodes, cluster.now = [tainted()], NOON + 100
    await watch.look(at=NOON)
    assert left_s(watch) == 120.0


async def test_a_planner_that_starts_later_knows_by_the_api_server_when_the_taint_was_written() -> None:
    fields = [
        {"manager": "kubelet", "time": "2026-11-24T12:00:30Z", "fieldsV1": {"f:status": {}}},
        {"manager": "handler", "time": "2026-11-24T11:59:00Z", "fieldsV1": {"f:spec": {"f:taints": {}}}},
    ]
    _, watch = watching(tainted(managedFields=fields))
    await watch.look(at=NOON)
    assert left_s(watch) == 60.0


async def test_a_time_of_a_notice_that_lies_ahead_counts_as_now() -> None:
    _, watch = watching(tainted(deletionTimestamp="2026-11-24T12:30:00Z"))
    await watch.look(at=NOON)
    assert left_s(watch) == 120.0


async def test_without_the_api_servers_time_the_planners_own_counts() -> None:
    cluster, watch = watching(tainted())
    cluster.now = None
    await watch.look(at=NOON)
    await watch.look(at=NOON + 20)
    assert left_s(watch) == 100.0


def gpu_node(name: str = "n", *, gpus: str | None = "8", **spec: Any) -> dict[str, Any]:
    found = node("docker.io/tenbin/engine:1")
    found["metadata"] |= {"name": name, "uid": name}
    found["spec"] = spec
    found["status"]["allocatable"] = {"cpu": "96"} | ({} if gpus is None else {"nvidia.com/gpu": gpus})
    return found


def gpu_pod(name: str, *, on: str | None = "n", gpus: int = 2, phase: str = "Running") -> dict[str, Any]:
    found = starting(name, phase=phase)
    found["spec"]["nodeName"] = on
    found["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    return found


async def room(*pods: dict[str, Any], nodes: list[dict[str, Any]], accelerators: int = 2) -> int | None:
    _, watch = watching(*nodes)
    await tick(watch, *pods)
    return watch.room("l4-spot", accelerators=accelerators, like=pods[0]["metadata"]["uid"])


async def test_room_is_what_pods_leave_of_nodes_that_are_there_with_the_image() -> None:
    assert await room(gpu_pod("a"), nodes=[gpu_node()]) == 3
    assert await room(gpu_pod("a"), gpu_pod("b", gpus=5), nodes=[gpu_node()]) == 0
    assert await room(gpu_pod("a"), gpu_pod("b", gpus=5, phase="Failed"), nodes=[gpu_node()]) == 3
    assert await room(gpu_pod("a"), nodes=[gpu_node(), gpu_node("m")]) == 7
    assert await room(gpu_pod("a", on=None), nodes=[]) == 0


async def test_a_node_that_takes_no_pods_or_lacks_the_image_has_no_room() -> None:
    startup = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}
    own = {"key": "tenbin.dev/pool", "value": "l4-spot", "effect": "NoSchedule"}
    bare = gpu_node("m") | {"status": gpu_node()["status"] | {"images": [{"names": ["docker.io/other:1"]}]}}
    for shut in (
        gpu_node("m", unschedulable=True),
        gpu_node("m", taints=[startup]),
        gpu_node("m", taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]),
        gpu_node("m", gpus="0"),
        bare,
    ):
        assert await room(gpu_pod("a"), nodes=[gpu_node(taints=[own]), shut]) == 3


async def test_room_that_cannot_be_told_is_not_known() -> None:
    assert await room(gpu_pod("a"), nodes=[gpu_node(gpus=None)]) is None
    assert await room(gpu_pod("a"), nodes=[gpu_node(gpus="many")]) is None
    assert await room(gpu_pod("a"), nodes=[gpu_node()], accelerators=16) is None
    silent = gpu_node() | {"status": gpu_node()["status"] | {"images": []}}
    assert await room(gpu_pod("a"), nodes=[silent]) is None
    assert await room(gpu_pod("a", gpus=8), nodes=[silent]) == 0
    cluster, watch = watching(gpu_node())
    await tick(watch, gpu_pod("a"))
    assert watch.room("l4-spot", accelerators=2, like=None) is None
    cluster.refused = True
    await tick(watch, gpu_pod("a"))
    assert watch.room("l4-spot", accelerators=2, like="a") is None
