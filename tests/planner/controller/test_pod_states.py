"""Replicas read from pods as the API server lists them."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from support import planning
from tenbin_planner import pod_groups
from tenbin_planner.controller import pod_states
from tenbin_planner.decide.observation import Phase

SERVER_TIME = 1_795_556_700.0
READY_POD: dict[str, Any] = {
    "metadata": {
        "name": "chat-serve-l4-7d9-abcde",
        "uid": "u1",
        "creationTimestamp": "2026-11-24T21:43:20Z",
        "labels": {"tenbin.dev/service": "chat", "tenbin.dev/role": "serve", "tenbin.dev/pool": "l4"},
    },
    "spec": {
        "nodeName": "l4-0",
        "containers": [{"name": "engine", "ports": [{"name": "http", "containerPort": 8123}]}],
    },
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T21:44:00Z"},
        ],
        "containerStatuses": [{"name": "engine", "ready": True, "restartCount": 0}],
    },
}


def read(**changes: Any) -> pod_states.PodState:
    found = pod_states.read(changed(**changes), server_time=SERVER_TIME)
    assert found is not None
    return found


def changed(**changes: Any) -> dict[str, Any]:
    """Return the ready pod with values at paths such as `status__phase` changed."""
    pod = copy.deepcopy(READY_POD)
    for path, value in changes.items():
        *folders, last = path.split("__")
        place = pod
        for folder in folders:
            place = place[folder]
        place[last] = value
    return pod


def not_ready(status: str = "False") -> list[dict[str, str]]:
    return [{"type": "Ready", "status": status, "lastTransitionTime": "2026-11-24T21:44:40Z"}]


def test_a_ready_pod_serves_where_it_says() -> None:
    assert read() == pod_states.PodState(
        name="chat-serve-l4-7d9-abcde",
        uid="u1",
        workload="chat-serve-l4",
        service="chat",
        phase=Phase.READY,
        starting_s=100.0,
        node="l4-0",
        host="10.0.0.7",
        port=8123,
        created=1_795_556_600.0,
    )


def test_a_pod_whose_containers_are_not_ready_starts() -> None:
    found = read(status__conditions=not_ready(), status__containerStatuses=[{"ready": False, "restartCount": 0}])
    assert (found.phase, found.starting_s) == (Phase.STARTING, 100.0)


def test_a_pod_without_node_is_not_scheduled() -> None:
    pod = changed(status__conditions=[], status__containerStatuses=[], status__podIP="")
    del pod["spec"]["nodeName"]
    found = pod_states.read(pod, server_time=SERVER_TIME)
    assert found is not None
    assert (found.phase, found.is_scheduled, found.host) == (Phase.STARTING, False, None)


def test_an_engine_that_restarted_starts_since_it_stopped_being_ready() -> None:
    found = read(status__conditions=not_ready(), status__containerStatuses=[{"ready": False, "restartCount": 2}])
    assert (found.phase, found.starting_s) == (Phase.STARTING, 20.0)


@pytest.mark.parametrize("off_s", [-300, 0, 300])
def test_a_node_whose_clock_is_off_changes_no_age_of_a_start_that_was_begun_anew(off_s: int) -> None:
    """The cluster binds at 21:43:21, the node takes the pod within the same second, and 79 s later it is not ready."""
    bound = "2026-11-24T21:43:21Z"
    taken, again = (
        (datetime.datetime.fromisoformat(bound) + datetime.timedelta(seconds=off_s + later)).isoformat()
        for later in (0, 79)
    )
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": bound},
        {"type": "Ready", "status": "False", "lastTransitionTime": again},
    ]
    restarted = [{"ready": False, "restartCount": 1}]
    found = read(status__conditions=conditions, status__containerStatuses=restarted, status__startTime=taken)
    assert (found.phase, found.starting_s) == (Phase.STARTING, 20.0)


def test_a_start_that_was_begun_anew_is_not_older_than_its_pod() -> None:
    long_ago = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-24T21:30:00Z"}]
    found = read(status__conditions=long_ago, status__containerStatuses=[{"ready": False, "restartCount": 1}])
    assert found.starting_s == 100.0


def test_a_pod_on_a_node_that_does_not_answer_is_lost() -> None:
    assert read(status__conditions=not_ready()).phase is Phase.LOST
    assert read(status__conditions=not_ready("Unknown")).phase is Phase.LOST


def test_a_marked_pod_drains() -> None:
    assert read(metadata__annotations={"tenbin.dev/draining": "true"}).phase is Phase.DRAINING
    assert read(metadata__annotations={"tenbin.dev/draining": "false"}).phase is Phase.READY


def test_a_deleted_pod_terminates_whatever_else_it_is() -> None:
    found = read(
        metadata__deletionTimestamp="2026-11-24T21:45:00Z", metadata__annotations={"tenbin.dev/draining": "true"}
    )
    assert found.phase is Phase.TERMINATING


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_is_over_is_no_replica(phase: str) -> None:
    assert pod_states.read(changed(status__phase=phase), server_time=SERVER_TIME) is None


@pytest.mark.parametrize(
    "labels", [{}, {"tenbin.dev/service": "chat", "tenbin.dev/role": "x", "tenbin.dev/pool": "l4"}]
)
def test_a_pod_of_something_else_is_no_replica(labels: dict[str, str]) -> None:
    assert pod_states.read(changed(metadata__labels=labels), server_time=SERVER_TIME) is None


def test_ages_go_by_the_clock_of_the_api_server_alone() -> None:
    found = pod_states.read(READY_POD, server_time=None)
    assert found is not None
    assert found.starting_s == 0.0
    early = pod_states.read(READY_POD, server_time=SERVER_TIME - 500)
    assert early is not None
    assert early.starting_s == 0.0


def test_the_usual_port_is_taken_where_none_is_named() -> None:
    assert read(spec__containers=[{"name": "engine"}]).port == 8000


def owned_by(kind: str) -> list[dict[str, Any]]:
    return [
        {"apiVersion": "v1", "kind": "Node", "name": "beside"},
        {"apiVersion": "apps/v1", "kind": kind, "name": "owner", "controller": True},
    ]


def test_a_pod_tells_what_removes_it_and_its_number() -> None:
    found = read(metadata__ownerReferences=owned_by("StatefulSet"), metadata__name="chat-3")
    assert (found.owner, found.ordinal) == (("apps", "StatefulSet"), 3)
    found = read(metadata__ownerReferences=owned_by("ReplicaSet"), metadata__name="chat-3")
    assert (found.owner, found.ordinal) == (("apps", "ReplicaSet"), None)
    labels = {**READY_POD["metadata"]["labels"], "apps.kubernetes.io/pod-index": "7"}
    assert read(metadata__labels=labels).ordinal == 7


def test_a_pod_that_a_workloads_own_rule_found_belongs_to_it_whatever_its_labels_say() -> None:
    document = planning.document()
    found = pod_states.read(changed(metadata__labels={}), server_time=SERVER_TIME, workload=document.workloads[0])
    assert found is not None
    assert (found.workload, found.service) == (planning.SPOT, "chat")


def test_a_pod_of_a_group_tells_its_place() -> None:
    labels = {
        **READY_POD["metadata"]["labels"],
        "leaderworkerset.sigs.k8s.io/name": "chat",
        "leaderworkerset.sigs.k8s.io/group-index": "2",
        "leaderworkerset.sigs.k8s.io/worker-index": "1",
    }
    annotations = {"leaderworkerset.sigs.k8s.io/size": "4"}
    found = read(metadata__labels=labels, metadata__annotations=annotations).member
    assert found == pod_groups.Membership(group="chat-2", index=2, worker=1, size=4)
    assert not found.is_leader
    labels["leaderworkerset.sigs.k8s.io/worker-index"] = "first"
    assert read(metadata__labels=labels).member is None
