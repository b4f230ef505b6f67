"""Which pods are endpoints."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.picker.endpoints import Endpoint, Pod, PodTable, endpoint_of


def pod(name: str = "chat-serve-l4-x", **changes: Any) -> Pod:
    """Return a pod that is an endpoint, with parts replaced by dotted-path-like keywords, `None` removing a part."""
    made: Pod = {
        "metadata": {"name": name, "labels": {"tenbin.dev/service": "chat"}, "annotations": {}},
        "spec": {
            "containers": [
                {"name": "proxy", "ports": [{"name": "http", "containerPort": 1}]},
                {
                    "name": "engine",
                    "ports": [{"name": "zmq", "containerPort": 5557}, {"name": "http", "containerPort": 8000}],
                },
            ]
        },
        "status": {
            "podIP": "10.0.0.5",
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return made


def test_a_ready_pod_is_an_endpoint_of_its_service() -> None:
    assert endpoint_of(pod()) == ("chat", Endpoint("10.0.0.5", 8000))
    assert endpoint_of(pod(status__podIP="FD00::00:5")) == ("chat", Endpoint("fd00::5", 8000))


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata__deletionTimestamp": "2026-11-24T20:00:00Z"},
        {"metadata__annotations": {"tenbin.dev/draining": "true"}},
        {"metadata__labels": {}},
        {"metadata__labels": None},
        {"status__conditions": [{"type": "Ready", "status": "False"}]},
        {"status__conditions": [{"type": "Ready", "status": "Unknown"}]},
        {"status__conditions": None},
        {"status__podIP": None},
        {"status__podIP": "chat.svc"},
        {"status__podIP": "10.0.0.5:8000"},
        {"status": None},
        {"spec__containers": [{"name": "engine", "ports": [{"name": "metrics", "containerPort": 8000}]}]},
        {"spec__containers": [{"name": "engine", "ports": [{"name": "http", "containerPort": 70_000}]}]},
        {"spec__containers": [{"name": "engine"}]},
    ],
    ids=str,
)
def test_a_pod_in_doubt_is_none(changes: dict[str, Any]) -> None:
    assert endpoint_of(pod(**changes)) is None


def test_a_pod_that_is_no_longer_marked_as_draining_is_an_endpoint_again() -> None:
    assert endpoint_of(pod(metadata__annotations={"tenbin.dev/draining": "false"})) is not None


def test_an_address_that_is_reused_is_one_endpoint() -> None:
    table = PodTable()
    table.replace([pod("old"), pod("new")])
    table.apply("DELETED", pod("old"))
    assert table.endpoints() == {"chat": (Endpoint("10.0.0.5", 8000),)}


def member(worker: int, *, group: int = 0, size: str | None = "2", **changes: Any) -> Pod:
    labels = {
        "tenbin.dev/service": "chat",
        "leaderworkerset.sigs.k8s.io/name": "chat",
        "leaderworkerset.sigs.k8s.io/group-index": str(group),
        "leaderworkerset.sigs.k8s.io/worker-index": str(worker),
    }
    annotations = {} if size is None else {"leaderworkerset.sigs.k8s.io/size": size}
    named = {"metadata__labels": labels, "metadata__annotations": annotations}
    return pod(f"chat-{group}-{worker}", **named, status__podIP=f"10.0.{group}.{worker + 1}", **changes)


def endpoints(*pods: Pod) -> list[str]:
    table = PodTable()
    table.replace(pods)
    return [endpoint.address for found in table.endpoints().values() for endpoint in found]


def test_of_a_group_only_the_leader_is_an_endpoint() -> None:
    assert endpoints(member(0), member(1), member(0, group=1), member(1, group=1)) == ["10.0.0.1", "10.0.1.1"]
    assert endpoints(member(0, size=None)) == ["10.0.0.1"]


def test_a_leader_whose_group_is_not_whole_or_not_ready_gets_no_requests() -> None:
    assert endpoints(member(0)) == []
    assert endpoints(member(0), member(1, status__conditions=[])) == []
    assert endpoints(member(0), member(1, metadata__deletionTimestamp="2026-11-25T00:00:00Z")) == []
    assert endpoints(member(1), member(1, group=1)) == []


def test_a_drained_leader_takes_its_group_out() -> None:
    drained = member(0)
    drained["metadata"]["annotations"]["tenbin.dev/draining"] = "true"
    assert endpoints(drained, member(1)) == []


PODS = st.builds(
    lambda name, address, ready, service: pod(
        name,
        status__podIP=address,
        status__conditions=[{"type": "Ready", "status": str(ready)}],
        metadata__labels={"tenbin.dev/service": service},
    ),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    st.booleans(),
    st.sampled_from(["chat", "code"]),
)


@given(st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), PODS)))
def test_events_lead_to_the_same_endpoints_as_the_list_at_their_end(events: list[tuple[str, Pod]]) -> None:
    followed = PodTable()
    last: dict[str, Pod] = {}
    for kind, changed in events:
        followed.apply(kind, changed)
        name = changed["metadata"]["name"]
        if kind == "DELETED":
            last.pop(name, None)
        else:
            last[name] = changed
    listed = PodTable()
    listed.replace(reversed(last.values()))
    assert followed.endpoints() == listed.endpoints()
    assert list(followed.endpoints()) == sorted(followed.endpoints())


def test_reading_a_pod_leaves_it_as_it_is() -> None:
    given_pod = pod()
    before = copy.deepcopy(given_pod)
    endpoint_of(given_pod)
    assert given_pod == before
