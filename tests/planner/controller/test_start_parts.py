"""Starts read in parts from pods, nodes and events as the API server lists them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from tenbin_planner.controller import node_states, start_parts
from tenbin_planner.decide.observation import StartParts, Warmth

IMAGE = "vllm/vllm-openai:v0.23.0"
MADE = 1_795_556_700.0


def at(seconds: float) -> str:
    """Return a moment so many seconds after the pod was made, as the API server writes it."""
    return datetime.datetime.fromtimestamp(MADE + seconds, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    *,
    scheduled: float | None = 1,
    taken: float | None = 1,
    begun: float | None = 10,
    ready: float | None = 90,
    skew: float = 0,
    restarts: int = 0,
) -> dict[str, Any]:
    """Return a pod after these moments of its life; `skew` is how far its node's clock is off."""
    conditions = []
    if scheduled is not None:
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": at(scheduled)})
    if ready is not None:
        conditions.append({"type": "Ready", "status": "True", "lastTransitionTime": at(ready + skew)})
    state = (
        {"waiting": {"reason": "ContainerCreating"}} if begun is None else {"running": {"startedAt": at(begun + skew)}}
    )
    status: dict[str, Any] = {
        "conditions": conditions,
        "containerStatuses": [{"name": "engine", "state": state, "restartCount": restarts}],
    }
    if taken is not None:
        status["startTime"] = at(taken + skew)
    return {
        "metadata": {"name": "p", "uid": "u", "creationTimestamp": at(0)},
        "spec": {"nodeName": "n", "containers": [{"name": "engine", "image": IMAGE}]},
        "status": status,
    }


def node(
    *, made: float = -3600, ready: float = -3500, skew: float = 0, images: tuple[str, ...] = ()
) -> node_states.NodeState:
    found = node_states.read(
        {
            "metadata": {
                "name": "n",
                "uid": "n1",
                "creationTimestamp": at(made),
                "labels": {"tenbin.dev/pool": "l4"},
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at(ready + skew)}],
                "images": [{"names": list(images)}] if images else [],
            },
        }
    )
    assert found is not None
    return found


def pull(message: str) -> dict[str, Any]:
    return {"message": message}


PRESENT = pull(f'Container image "{IMAGE}" already present on machine')
PULLED = pull(f'Successfully pulled image "{IMAGE}" in 4.25s (6.5s including waiting). Image size: 9876543210 bytes.')


def read(
    of: dict[str, Any],
    on: node_states.NodeState | None,
    event: dict[str, Any] | None = None,
    was_listed: bool | None = None,
) -> StartParts:
    return start_parts.read(of, node=on, pull=event, was_listed=was_listed)


def test_a_start_on_a_node_that_is_there_with_its_image() -> None:
    assert read(pod(), node(), PRESENT) == StartParts(
        node=Warmth.WARM, image=Warmth.WARM, node_s=1.0, image_s=0.0, container_s=9.0, engine_s=80.0
    )
    assert read(pod(), node(), PRESENT).total_s == 90.0


def test_a_start_that_waits_for_a_node_and_its_image() -> None:
    found = read(pod(scheduled=120, taken=121, begun=140, ready=220), node(made=60, ready=110), PULLED)
    assert found == StartParts(
        node=Warmth.COLD, image=Warmth.COLD, node_s=120.0, image_s=6.5, container_s=12.5, engine_s=80.0
    )


@pytest.mark.parametrize("skew", [-300, -7, 7, 300, 86_400])
def test_a_node_whose_clock_is_off_changes_nothing(skew: float) -> None:
    for made, ready, scheduled in ((-3600, -3500, 1), (-20, 30, 33), (60, 110, 120)):
        life = {"scheduled": scheduled, "taken": scheduled + 1, "begun": scheduled + 15, "ready": scheduled + 80}
        straight = read(pod(**life), node(made=made, ready=ready), PULLED)
        assert read(pod(**life, skew=skew), node(made=made, ready=ready, skew=skew), PULLED) == straight


def test_a_node_that_was_on_its_way_already_had_to_come() -> None:
    life = {"scheduled": 33, "taken": 33, "begun": 40, "ready": 100}
    assert read(pod(**life), node(made=-20, ready=30)).node is Warmth.COLD


def test_a_pod_that_waits_for_room_on_a_node_that_is_there_needs_no_node() -> None:
    found = read(pod(scheduled=50, taken=50, begun=60, ready=100), node())
    assert (found.node, found.node_s) == (Warmth.WARM, 50.0)


def test_a_node_that_lost_touch_later_was_there_all_the_same() -> None:
    assert read(pod(), node(ready=60)).node is Warmth.WARM


def test_parts_that_are_not_over_are_unknown_and_never_0() -> None:
    waiting = pod(scheduled=None, taken=None, begun=None, ready=None)
    assert read(waiting, None) == StartParts()
    pulling = pod(begun=None, ready=None)
    assert read(pulling, node(), was_listed=False) == StartParts(node=Warmth.WARM, image=Warmth.COLD, node_s=1.0)
    loading = read(pod(ready=None), node(), PRESENT)
    assert (loading.container_s, loading.engine_s, loading.total_s) == (9.0, None, None)


def test_without_an_event_the_nodes_list_tells_of_the_image() -> None:
    assert read(pod(), node(), was_listed=True).image_s == 0.0
    pulled = read(pod(), node(), was_listed=False)
    assert (pulled.image, pulled.image_s, pulled.container_s, pulled.total_s) == (Warmth.COLD, None, None, None)
    unknown = read(pod(), node())
    assert (unknown.image, unknown.image_s) == (Warmth.UNKNOWN, None)


def test_where_nodes_cannot_be_seen_the_other_parts_are_told() -> None:
    found = read(pod(), None, PRESENT)
    assert (found.node, found.node_s, found.total_s) == (Warmth.UNKNOWN, 1.0, 90.0)


def test_an_engine_that_restarted_tells_nothing_of_its_first_beginning() -> None:
    found = read(pod(restarts=1), node(), PRESENT)
    assert (found.container_s, found.engine_s) == (None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4.25s", 4.25),
        ("1m30s", 90.0),
        ("1h0m0.5s", 3600.5),
        ("850ms", 0.85),
        ("12µs", 12e-6),
        ("soon", None),
        ("", None),
    ],
)
def test_durations_as_go_writes_them(text: str, seconds: float | None) -> None:
    assert start_parts.duration_s(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("message", "image", "image_s"),
    [
        ('Successfully pulled image "a" in 3m2s', Warmth.COLD, 182.0),
        ('Successfully pulled image "a" in an instant', Warmth.COLD, None),
        ('Container image "a" already present on machine and can be accessed by the pod', Warmth.WARM, 0.0),
        ("something else", Warmth.UNKNOWN, None),
    ],
)
def test_messages_of_kubelets_old_and_new(message: str, image: Warmth, image_s: float | None) -> None:
    found = read(pod(), node(), pull(message))
    assert (found.image, found.image_s) == (image, image_s)


def test_of_several_pulls_the_first_of_the_engine_counts() -> None:
    def event(name: str, moment: float, field: str = "spec.containers{engine}", uid: str = "u") -> dict[str, Any]:
        return {
            "metadata": {"name": name, "creationTimestamp": at(moment)},
            "involvedObject": {"uid": uid, "fieldPath": field},
        }

    events = [event("b", 5), event("a", 3), event("c", 1, "spec.initContainers{weights}"), event("d", 2, uid="v"), {}]
    found = start_parts.pulls(events)
    assert {uid: item["metadata"]["name"] for uid, item in found.items()} == {"u": "a", "v": "d"}


def test_an_image_is_found_under_the_name_that_the_runtime_gives_it() -> None:
    on = node(images=("docker.io/vllm/vllm-openai:v0.23.0", "docker.io/vllm/vllm-openai@sha256:0e9e"))
    assert on.has_image(IMAGE) is True
    assert on.has_image("vllm/vllm-openai@sha256:0e9e") is True
    assert on.has_image("vllm/vllm-openai") is False
    assert node().has_image(IMAGE) is None


def test_a_node_of_no_pool_is_none() -> None:
    assert node_states.read({"metadata": {"name": "system"}, "status": {}}) is None
