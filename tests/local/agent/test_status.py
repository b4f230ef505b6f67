"""Status of pods, and records that outlive the agent."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.agent import records, status

T0 = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RUNNING = records.Running(started_at=T0)
WAITING = records.Waiting(reason="ContainerCreating")


def ended(code: int) -> records.Terminated:
    return records.Terminated.from_return_code(
        code, started_at=T0, finished_at=T0, message="", container_id="local://1"
    )


def record(state: records.State, **changes: Any) -> records.Record:
    return records.Record(name="c", image="i", state=state, **changes)


def facts(*containers: records.Record, **changes: Any) -> status.Facts:
    plain = status.Facts(
        pod={"metadata": {"generation": 3}, "spec": {}, "status": {}},
        conditions=[],
        init=[],
        containers=containers,
        address="127.20.2.1",
        host_address="127.20.1.1",
        start_time=T0,
        now=T0,
        prepared=True,
    )
    return dataclasses.replace(plain, **changes)


def truths(found: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    return {entry["type"]: (entry["status"], entry["reason"], entry["message"]) for entry in found["conditions"]}


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", [WAITING], "Pending"),
        ("Always", [RUNNING], "Running"),
        ("Always", [RUNNING, WAITING], "Pending"),
        ("Always", [ended(0)], "Running"),
        ("Never", [ended(0)], "Succeeded"),
        ("Never", [ended(1)], "Failed"),
        ("Never", [ended(0), ended(1)], "Failed"),
        ("Never", [ended(1), RUNNING], "Running"),
        ("OnFailure", [ended(0), ended(0)], "Succeeded"),
        ("OnFailure", [ended(1)], "Running"),
    ],
)
def test_the_phase_follows_from_states_and_restart_policy(
    policy: str, states: list[records.State], expected: str
) -> None:
    containers = [record(state) for state in states]
    assert status.phase(restart_policy=policy, init=[], containers=containers) == expected


def test_a_container_in_back_off_keeps_its_pod_running() -> None:
    back_off = record(records.Waiting(reason="CrashLoopBackOff"), last=ended(1))
    assert status.phase(restart_policy="Always", init=[], containers=[back_off]) == "Running"


@pytest.mark.parametrize(("policy", "expected"), [("Always", "Pending"), ("OnFailure", "Pending"), ("Never", "Failed")])
def test_a_failed_init_container_fails_the_pod_only_where_it_is_never_restarted(policy: str, expected: str) -> None:
    init, main = [record(ended(1))], [record(WAITING)]
    assert status.phase(restart_policy=policy, init=init, containers=main) == expected


state_strategy = st.sampled_from([WAITING, RUNNING, ended(0), ended(1), ended(-9)])


@given(
    st.sampled_from(["Always", "OnFailure", "Never"]),
    st.lists(state_strategy, max_size=3),
    st.lists(state_strategy, min_size=1, max_size=3),
)
def test_a_pod_with_a_running_container_is_never_finished(
    policy: str, init: list[records.State], main: list[records.State]
) -> None:
    containers = [record(state) for state in [*main, RUNNING]]
    started = [record(ended(0)) for _ in init]
    assert status.phase(restart_policy=policy, init=started, containers=containers) in {"Pending", "Running"}


def test_a_ready_pod_has_all_conditions_and_both_addresses() -> None:
    found = status.pod_status(facts(record(RUNNING, ready=True, started=True)))
    assert truths(found) == {
        "PodReadyToStartContainers": ("True", None, None),
        "Initialized": ("True", None, None),
        "ContainersReady": ("True", None, None),
        "Ready": ("True", None, None),
    }
    assert (found["phase"], found["podIP"], found["podIPs"]) == ("Running", "127.20.2.1", [{"ip": "127.20.2.1"}])
    assert (found["hostIP"], found["observedGeneration"]) == ("127.20.1.1", 3)


def test_an_unready_container_is_named() -> None:
    found = status.pod_status(facts(record(RUNNING)))
    message = "containers with unready status: [c]"
    assert truths(found)["Ready"] == ("False", "ContainersNotReady", message)
    assert truths(found)["ContainersReady"] == ("False", "ContainersNotReady", message)


def test_a_pod_that_is_being_deleted_is_not_ready_even_where_its_containers_are() -> None:
    pod = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}
    found = truths(status.pod_status(facts(record(RUNNING, ready=True), pod=pod)))
    assert found["ContainersReady"][0] == "True"
    assert found["Ready"] == ("False", "PodTerminating", "the pod is being deleted")


def test_a_closed_readiness_gate_keeps_a_pod_from_being_ready() -> None:
    pod: dict[str, Any] = {"metadata": {}, "spec": {"readinessGates": [{"conditionType": "x/gate"}]}, "status": {}}
    found = truths(status.pod_status(facts(record(RUNNING, ready=True), pod=pod)))
    message = "corresponding condition of pod readiness gate 'x/gate' is not true"
    assert found["Ready"] == ("False", "ReadinessGatesNotReady", message)
    pod["status"]["conditions"] = [{"type": "x/gate", "status": "True"}]
    assert truths(status.pod_status(facts(record(RUNNING, ready=True), pod=pod)))["Ready"] == ("True", None, None)


def test_a_transition_time_changes_only_where_the_truth_does() -> None:
    first = status.pod_status(facts(record(RUNNING)))
    later = T0 + datetime.timedelta(seconds=9)
    second = status.pod_status(facts(record(RUNNING, ready=True), conditions=first["conditions"], now=later))
    times = {entry["type"]: entry["lastTransitionTime"] for entry in second["conditions"]}
    assert times["Initialized"] == "2026-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T00:00:09Z"


def test_a_refused_pod_is_failed_with_the_reason() -> None:
    refusal = status.Refusal(reason="UnimplementedField", message="m")
    found = status.pod_status(facts(record(WAITING), refusal=refusal))
    assert (found["phase"], found["reason"], found["message"]) == ("Failed", "UnimplementedField", "m")
    assert found["containerStatuses"] == []


@pytest.mark.parametrize(("code", "exit_code", "number"), [(0, 0, 0), (3, 3, 0), (-9, 137, 9), (-15, 143, 15)])
def test_an_end_is_reported_as_a_container_runtime_does(code: int, exit_code: int, number: int) -> None:
    end = ended(code)
    assert (end.exit_code, end.signal, end.reason) == (exit_code, number, "Completed" if code == 0 else "Error")


@given(
    st.one_of(state_strategy.filter(lambda state: state is not RUNNING)),
    st.one_of(st.none(), st.sampled_from([ended(1), ended(0)])),
    st.integers(0, 50),
)
def test_a_container_that_did_not_run_keeps_its_record_over_a_restart_of_the_agent(
    state: records.State, last: records.Terminated | None, restarts: int
) -> None:
    before = record(state, last=last, restart_count=restarts, container_id="local://1")
    after = records.recover({"name": "c", "image": "i"}, before.to_json(), finished_at=T0)
    assert after.restart_count == restarts
    if isinstance(state, records.Terminated):
        assert (after.state, after.last) == (state, last)
    else:
        assert after.state == (last or records.CREATING)


def test_a_container_that_ran_counts_as_killed_after_a_restart_of_the_agent() -> None:
    before = record(RUNNING, ready=True, started=True, restart_count=2, container_id="local://1")
    after = records.recover({"name": "c", "image": "i"}, before.to_json(), finished_at=T0)
    assert isinstance(after.state, records.Terminated)
    assert (after.state.exit_code, after.state.reason, after.ready) == (137, "ContainerStatusUnknown", False)
