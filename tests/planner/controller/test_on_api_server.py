"""The planner against a real API server, with the rights that the components give it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import planning, prometheus
from support.planner_process import Planner
from support.planning import ON_DEMAND, SPOT
from support.waiting import until, until_async
from tenbin_planner import kubernetes_access
from tenbin_planner.controller.actuator import ClusterActuator
from tenbin_planner.controller.clock import SteadyClock
from tenbin_planner.controller.cluster import Cluster, ClusterError, ConflictError, ForbiddenError
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.leadership import LeaseLeadership
from tenbin_planner.controller.node_watch import NodeWatch
from tenbin_planner.controller.state_store import StateStore
from tenbin_planner.decide import drain, memory
from tenbin_planner.decide.observation import Warmth
from tenbin_spec.scale_target import ScaleTarget

if TYPE_CHECKING:
    import pathlib

    from kubernetes.aio.client import ApiClient
    from support.forks import Forks
    from support.planner_cluster import Api

pytestmark = pytest.mark.timeout(300)
GOOD = planning.document(planner={"interval_s": 1})
SPOT_TARGET = ScaleTarget(name=SPOT)


async def test_a_count_is_written_only_over_the_one_that_was_seen(api: Api, account: ApiClient) -> None:
    cluster = Cluster(account, "tenbin")
    await cluster.scale(SPOT_TARGET, expected=0, wanted=2)
    assert api.told(SPOT) == 2
    api.tell(SPOT, 5)
    with pytest.raises(ConflictError) as caught:
        await cluster.scale(SPOT_TARGET, expected=2, wanted=1)
    assert str(caught.value) == f"{SPOT} is set to 5 by somebody else, not to 2 any more"
    assert api.told(SPOT) == 5
    await cluster.scale(SPOT_TARGET, expected=1, wanted=5)


async def test_a_write_in_between_read_and_write_is_a_conflict(
    api: Api, account: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(account, "tenbin")
    replace = cluster._objects.replace_namespaced_custom_object_scale_without_preload_content

    async def replace_late(*arguments: Any, **named: Any) -> Any:
        await asyncio.to_thread(api.tell, SPOT, 3)
        return await replace(*arguments, **named)

    monkeypatch.setattr(
        cluster._objects, "replace_namespaced_custom_object_scale_without_preload_content", replace_late
    )
    with pytest.raises(ConflictError, match=f"scale Deployment {SPOT} to 1: 409 .*the object has been modified"):
        await cluster.scale(SPOT_TARGET, expected=0, wanted=1)
    assert api.told(SPOT) == 3


async def test_the_account_can_do_its_work_and_nothing_else(account: ApiClient) -> None:
    cluster = Cluster(account, "tenbin")
    assert {item["metadata"]["name"] for item in await cluster.engine_deployments()} == {SPOT, ON_DEMAND, "other"}
    with pytest.raises(
        ClusterError, match=r'read scale of Deployment other: 403 deployments.apps "other" is forbidden'
    ):
        await cluster.scale(ScaleTarget(name="other"), expected=0, wanted=1)
    with pytest.raises(ClusterError, match=r'read ConfigMap kube-root-ca.crt: 403 configmaps "kube-root-ca.crt"'):
        await cluster.config_map("kube-root-ca.crt")
    with pytest.raises(ForbiddenError, match="write ConfigMap tenbin-document: 403"):
        await cluster.put_config_map("tenbin-document", {}, {})


async def test_a_replica_is_marked_and_unmarked(api: Api, account: ApiClient) -> None:
    api.tell(SPOT, 1)
    pod = until(lambda: api.pods(SPOT))[0]["metadata"]["name"]
    leadership = LeaseLeadership(account, namespace="tenbin", identity="a")
    actuator = ClusterActuator(
        Cluster(account, "tenbin"), documents=Documents(), leadership=leadership, clock=SteadyClock()
    )
    await actuator.carry_out(drain.Mark(replica=pod, deletion_cost=-990))
    annotations = api.pods(SPOT)[0]["metadata"]["annotations"]
    assert annotations["tenbin.dev/draining"] == "true"
    assert annotations["controller.kubernetes.io/pod-deletion-cost"] == "-990"
    await actuator.carry_out(drain.Unmark(replica=pod))
    assert not api.pods(SPOT)[0]["metadata"].get("annotations")
    await actuator.carry_out(drain.Unmark(replica="gone"))


async def test_ages_come_with_the_clock_of_the_api_server(account: ApiClient) -> None:
    before = time.time()
    listed = await Cluster(account, "tenbin").engine_pods()
    assert listed.server_time is not None
    assert before - 1 <= listed.server_time <= time.time()  # it comes in whole seconds


async def test_a_start_is_seen_in_its_parts(api: Api, account: ApiClient) -> None:
    """The scheduler gives the pod a node that was made after it; a kubelet's words are written as one would."""
    cluster = Cluster(account, "tenbin")
    watch = NodeWatch(cluster)
    api.tell(SPOT, 1)
    pod = until(lambda: api.pods(SPOT))[0]["metadata"]
    with api.node("l4-spot-0", pool="l4-spot"):
        bound = until(lambda: (found := api.pods(SPOT)[0]) and found["spec"].get("nodeName") and found)
        api.begin(bound)
        await watch.look(at=0.0)
        await watch.follow((await cluster.engine_pods()).items)
        found = watch.start(pod["uid"])
        assert watch.problems == ()
        assert (found.node, found.image, found.image_s) == (Warmth.COLD, Warmth.COLD, 4.5)
        assert found.node_s is not None
        assert found.engine_s is None
        api.set_ready(pod["name"])
        await watch.follow((await cluster.engine_pods()).items)
        assert watch.start(pod["uid"]).engine_s is not None


async def test_what_is_saved_is_loaded_by_the_next_planner(account: ApiClient) -> None:
    cluster, documents = Cluster(account, "tenbin"), Documents()
    store = StateStore(cluster, documents, "test", SteadyClock())
    assert await store.load() is None
    assert await store.kept_document() is None
    documents.see({"document.json": GOOD.to_json()}, at=1.0)
    remembered = memory.Memory(at=5.0, workloads={SPOT: memory.WorkloadMemory(written=3)})
    await store.save(remembered)
    await store.save(memory.Memory(at=6.0, workloads=remembered.workloads))
    successor = StateStore(cluster, Documents(), "test", SteadyClock())
    assert await successor.load() == memory.Memory(at=6.0, workloads=remembered.workloads)
    assert await successor.kept_document() == GOOD.to_json()


async def test_a_saved_state_that_is_broken_is_begun_anew(account: ApiClient) -> None:
    cluster = Cluster(account, "tenbin")
    await cluster.put_config_map("tenbin-planner-state", {"memory.json": "{nonsense"}, {})
    assert await StateStore(cluster, Documents(), "test", SteadyClock()).load() is None


async def test_an_api_server_that_cannot_be_reached_is_an_error_with_a_cause(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**api.environment(), "KUBERNETES_SERVICE_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    client = await kubernetes_access.connect(root=api.pod_root)
    with pytest.raises(ClusterError, match="list pods: the API server cannot be reached: ClientConnectorError"):
        await Cluster(client, "tenbin").engine_pods()
    await client.close()


async def test_one_of_two_planners_leads_and_the_other_takes_over(
    account: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenbin_planner.controller.leadership.LEASE_S", 3600)  # it never runs out here
    first, second = (LeaseLeadership(account, namespace="tenbin", identity=name) for name in ("a", "b"))
    tasks = [asyncio.create_task(first.run())]
    await until_async(lambda: first.is_leader)
    looks = 0
    look = second._lock.get

    async def count(name: str, namespace: str) -> Any:
        nonlocal looks
        looks += 1
        return await look(name, namespace)

    monkeypatch.setattr(second._lock, "get", count)
    tasks.append(asyncio.create_task(second.run()))
    await until_async(lambda: looks >= 2)
    assert (first.is_leader, second.is_leader) == (True, False)
    tasks[0].cancel()
    await first.release()
    await until_async(lambda: second.is_leader)
    assert not first.is_leader
    tasks[1].cancel()
    await second.release()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_leader_that_cannot_renew_stops_leading(account: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    leadership = LeaseLeadership(account, namespace="tenbin", identity="a")
    task = asyncio.create_task(leadership.run())
    await until_async(lambda: leadership.is_leader)
    task.cancel()
    monkeypatch.setattr("tenbin_planner.controller.leadership.RENEW_DEADLINE_S", 0.2)
    await asyncio.sleep(0.3)
    assert not leadership.is_leader
    await asyncio.gather(task, return_exceptions=True)


def test_the_planner_brings_the_minimum_follows_its_document_and_outlives_its_loss(api: Api, planner: Planner) -> None:
    api.put_document(GOOD.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    until(lambda: (answer := planner.get("/readyz")) and answer.status_code == 200)
    found = until(planner.plan)
    assert (found["stack"], found["leader"], found["dry_run"]) == ("test", True, False)
    assert found["document_revision"] == GOOD.revision

    stricter = planning.document(
        planner={"interval_s": 1},
        services={
            "chat": planning.service(slo={"window": "30d", "classes": {"fast": {"target": "0.9", "ttft_ms": 500}}})
        },
    )
    api.put_document(stricter.to_json())
    found = until(lambda: planner.plan(document_revision=stricter.revision))
    assert set(found["services"][0]["classes"]) == {"fast"}

    api.put_document(json.dumps({**json.loads(GOOD.to_json()), "version": 9}))
    found = until(lambda: (plan := planner.plan()) and plan["document_problem"] and plan)
    assert found["document_revision"] == stricter.revision
    assert found["document_problem"] == (
        "wire document has 1 problem:\n  - version: 9 is not a version that this program reads. Allowed: 1"
    )

    api.delete_document()
    until(lambda: planner.plan(document_problem="ConfigMap tenbin-document is missing"))
    planner.end(signal.SIGKILL)
    api.tell(SPOT, 0)
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    found = until(planner.plan)
    assert found["document_revision"] == stricter.revision
    page = planner.get("/metrics")
    assert page is not None
    assert "tenbin_planner_document_problem 1.0" in page.text
    assert "tenbin_planner_leader 1.0" in page.text

    status, log = planner.end(signal.SIGTERM)
    assert status == 0
    assert log[-1]["event"] == "planner stopped"
    scaled = [line for line in log if line["event"] == "scaled"]
    assert [(line["workload"], line["before"], line["after"], line["reason"]) for line in scaled] == [
        (SPOT, 0, 1, "minimum")
    ]
    assert any(event["involvedObject"]["name"] == SPOT and event["reason"] == "Minimum" for event in api.events())


def test_counts_of_somebody_else_are_reported_and_kept_while_nothing_is_known(api: Api, planner: Planner) -> None:
    api.put_document(GOOD.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    planner.wait_for_ticks(2)
    api.tell(ON_DEMAND, 2)
    planner.wait_for_ticks(3)
    assert api.told(ON_DEMAND) == 2  # no gateway was heard: nothing is given up
    _, log = planner.end(signal.SIGTERM)
    notes = [line["now"] for line in log if line["event"] == "note"]
    assert notes == [f"{ON_DEMAND} is set to 2 by somebody else; this planner asked for 0"]


def test_a_person_pauses_bounds_and_resumes_a_workload(api: Api, planner: Planner) -> None:
    api.put_document(GOOD.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    api.annotate_deployment(ON_DEMAND, replicas_min="2")
    until(lambda: api.told(ON_DEMAND) == 2)
    api.annotate_deployment(ON_DEMAND, paused="true", replicas_min=None, replicas_max="0")
    planner.wait_for_ticks(3)
    assert api.told(ON_DEMAND) == 2
    api.annotate_deployment(ON_DEMAND, paused=None)
    until(lambda: api.told(ON_DEMAND) == 0)
    api.annotate_deployment(ON_DEMAND, replicas_max="none")
    until(lambda: (plan := planner.plan()) and "replicas-max is 'none'" in " ".join(plan["notes"]))


def test_of_two_planners_one_writes_and_is_ready(api: Api, forks: Forks, planner: Planner) -> None:
    api.put_document(GOOD.to_json())
    planner.start(identity="planner-1")
    until(lambda: api.told(SPOT) == 1)
    second = Planner(api, forks)
    try:
        second.start(identity="planner-2")
        follower = until(second.plan)
        assert follower["leader"] is False
        answer = second.get("/readyz")
        assert answer is not None
        assert (answer.status_code, answer.text) == (503, "another planner leads, or none yet\n")
        planner.end(signal.SIGTERM)
        assert api.lease_holder() in ("", "planner-2")
        until(lambda: second.plan(leader=True))
    finally:
        second.kill()


def test_a_dry_run_changes_nothing(api: Api, forks: Forks) -> None:
    api.put_document(GOOD.to_json())
    planner = Planner(api, forks, "--dry-run")
    try:
        planner.start()
        found = until(planner.plan)
        assert found["dry_run"] is True
        assert found["workloads"][0]["wanted"] == 1
        planner.wait_for_ticks(2)
        assert api.told(SPOT) == 0
    finally:
        planner.kill()


def test_without_any_document_the_planner_says_so_and_waits(api: Api, planner: Planner) -> None:
    planner.start()
    answer = until(lambda: (found := planner.get("/plan")) and "observe" in found.text and found)
    assert answer.status_code == 503
    assert answer.json() == {
        "problem": "observe: NoDocumentError: no document is in force: ConfigMap tenbin-document is missing"
    }
    api.put_document(GOOD.to_json())
    until(planner.plan)


def test_engines_are_read_from_a_prometheus_and_unread_without_it(
    api: Api, planner: Planner, tmp_path: pathlib.Path
) -> None:
    api.tell(SPOT, 2)
    until(lambda: len(api.pods(SPOT)) == 2)
    known, unknown = (pod["metadata"]["name"] for pod in api.pods(SPOT))
    for pod in (known, unknown):
        api.set_ready(pod)
    sample = f'vllm:num_requests_waiting{{pod="{known}",namespace="tenbin"}} 7 {time.time():.3f}\n'
    with prometheus.holding(tmp_path / "prometheus", sample) as url:
        metrics = {"source": "prometheus", "url": url, "scrape_interval_s": 300}
        api.put_document(planning.document(planner={"interval_s": 1, "metrics": metrics}).to_json())
        planner.start()
        found = until(lambda: (plan := planner.plan()) and plan["services"][0]["waiting"] is not None and plan)
        assert found["services"][0]["waiting"] == 7
        until(lambda: (page := planner.get("/metrics")) and "tenbin_planner_engines_unread 1.0" in page.text)
    until(lambda: (page := planner.get("/metrics")) and "tenbin_planner_engines_unread 2.0" in page.text)
    assert api.told(SPOT) == 2


def test_a_replica_is_drained_before_it_is_removed(api: Api, planner: Planner) -> None:
    """Two replicas where one is allowed: the surplus one is marked, then the count goes down."""
    agreed = planning.document(
        planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": 1, "max": 1})}
    )
    api.tell(SPOT, 2)
    until(lambda: len(api.pods(SPOT)) == 2)
    for pod in api.pods(SPOT):
        api.set_ready(pod["metadata"]["name"])
    api.put_document(agreed.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    until(lambda: len(api.pods(SPOT)) == 1)
    _, log = planner.end(signal.SIGTERM)
    marked, scaled = [line for line in log if line["event"] in ("drains", "drains no more", "scaled")]
    assert (marked["event"], scaled["event"]) == ("drains", "scaled")
    assert (scaled["workload"], scaled["before"], scaled["after"]) == (SPOT, 2, 1)
    assert api.pods(SPOT)[0]["metadata"]["name"] != marked["replica"]


def test_a_replica_on_a_node_with_a_notice_is_replaced_drained_and_removed(api: Api, planner: Planner) -> None:
    """The node stays, so that what leaves it leaves on the planner's word."""

    def only(name: str) -> bool:
        return [pod["metadata"]["name"] for pod in api.pods(SPOT)] == [name]

    def bound(*others: str) -> str | None:
        names = [pod["metadata"]["name"] for pod in api.pods(SPOT) if pod["spec"].get("nodeName")]
        return next((name for name in names if name not in others), None)

    api.tell(SPOT, 1)
    with api.node("l4-spot-0", pool="l4-spot"):
        first = until(bound)
        api.set_ready(first)
        api.put_document(GOOD.to_json())
        planner.start()
        planner.wait_for_ticks(2)
        assert api.told(SPOT) == 1
        notice = {"key": "aws-node-termination-handler/spot-itn", "value": "spot-itn-1", "effect": "NoSchedule"}
        api.patch_node("l4-spot-0", {"spec": {"taints": [notice]}})
        until(lambda: api.told(SPOT) == 2)
        plan = until(lambda: (found := planner.plan()) and found["workloads"][0]["going"] == 1 and found)
        assert f"{first} is on a node that is about to go: spot interruption notice" in plan["notes"]
        assert "interrupted" in [reason["code"] for reason in plan["services"][0]["reasons"]]
        page = planner.get("/metrics")
        assert page is not None
        assert 'tenbin_planner_replicas_going{pool="l4-spot"' in page.text
        with api.node("l4-spot-1", pool="l4-spot"):
            second = until(lambda: bound(first))
            api.set_ready(second)
            until(lambda: only(second))
            assert api.told(SPOT) == 1
            planner.wait_for_ticks(2)
            assert api.told(SPOT) == 1
            _, log = planner.end(signal.SIGTERM)
    found = [line for line in log if line["event"] in ("drains", "drains no more", "scaled")]
    assert [line["event"] for line in found] == ["scaled", "drains", "scaled"]
    assert (found[0]["before"], found[0]["after"], found[0]["reason"]) == (1, 2, "interrupted")
    assert found[1]["replica"] == first
    assert (found[2]["before"], found[2]["after"]) == (2, 1)
