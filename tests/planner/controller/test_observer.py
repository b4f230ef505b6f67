"""What the observer says of engines that it cannot read."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
from support import planning
from support.planning import NOW, ON_DEMAND, SPOT
from tenbin_planner import demand
from tenbin_planner.controller import observer
from tenbin_planner.controller.adapters import VLLM
from tenbin_planner.controller.cluster import Listed
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.histograms import Histogram
from tenbin_planner.controller.scraper import Counters, Scraped, Target
from tenbin_planner.decide.observation import Absent, EngineReading, Notice, Observation, Phase, ReplicaState
from tenbin_spec import contract
from tenbin_spec.engines import EngineKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_spec.document import Document
    from tenbin_spec.engine_metrics import EngineMetrics

READING = EngineReading(running=3.0, waiting=0.0, kv_usage=0.5)
NOTHING = Counters(input_tokens=None, output_tokens=None, finished=None, generated=None)


class Cluster:
    """An API server with one workload and its pods."""

    def __init__(self, *pods: dict[str, object], agreed: Document) -> None:
        self._pods, self._agreed = list(pods), agreed
        self.nodes: list[dict[str, object]] = []

    async def config_map(self, _name: str) -> Mapping[str, str]:
        return {contract.DOCUMENT_KEY: self._agreed.model_dump_json()}

    async def engine_deployments(self) -> list[dict[str, object]]:
        counts = {SPOT: len(self._pods), ON_DEMAND: 0}
        return [{"metadata": {"name": name}, "spec": {"replicas": count}} for name, count in counts.items()]

    async def engine_pods(self) -> Listed:
        return Listed(items=self._pods, server_time=NOW)

    async def pool_nodes(self) -> Listed:
        return Listed(items=self.nodes, server_time=NOW)

    async def pulls(self) -> list[dict[str, object]]:
        return []


class Store:
    """A store without memory."""

    problems = ()

    async def kept_document(self) -> None:
        return None


class Scraper:
    """Reads every engine that it is given."""

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.asked: list[bool] = []

    async def scrape(self, targets: Iterable[Target], *, with_latencies: bool) -> Mapping[str, Scraped | Absent]:
        self.targets = list(targets)
        self.asked.append(with_latencies)
        finished = 10.0 * len(self.asked)
        histogram = Histogram(bounds=(1000.0, math.inf), counts=(0.9 * finished, finished))
        found = Scraped(
            reading=READING,
            counters=NOTHING,
            latencies={"ttft_ms": histogram, "tpot_ms": histogram} if with_latencies else {},
        )
        return {target.pod: found for target in self.targets}


class Prometheus:
    """Has every engine that it is asked for."""

    def __init__(self) -> None:
        self.targets: list[Target] = []

    async def read(
        self, targets: Iterable[Target], metrics: EngineMetrics, *, namespace: str, with_latencies: bool
    ) -> Mapping[str, Scraped | Absent]:
        assert (metrics.url, namespace, with_latencies) == ("http://prometheus", "tenbin", True)
        self.targets = list(targets)
        return {target.pod: Scraped(reading=READING, counters=NOTHING) for target in self.targets}


class Clock:
    """A clock that stands still until it is set."""

    at = NOW

    def now(self) -> float:
        return self.at


def pod(name: str, *, address: str | None = "10.0.0.7", ready: bool = True) -> dict[str, Any]:
    labels = {"tenbin.dev/service": "chat", "tenbin.dev/role": "serve", "tenbin.dev/pool": "l4-spot"}
    return {
        "metadata": {"name": name, "uid": name, "labels": labels},
        "spec": {"nodeName": "n", "containers": [{"name": "engine"}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def seeing(
    *pods: dict[str, object],
    scraper: Scraper,
    prometheus: Prometheus | None = None,
    log: demand.DemandLog | None = None,
    cluster: Cluster | None = None,
    clock: Clock | None = None,
    **changes: object,
) -> observer.ClusterObserver:
    return observer.ClusterObserver(
        cluster=cluster or Cluster(*pods, agreed=planning.document(**changes)),  # type: ignore[arg-type]
        documents=Documents(),
        store=Store(),  # type: ignore[arg-type]
        scraper=scraper,  # type: ignore[arg-type]
        prometheus=prometheus or Prometheus(),  # type: ignore[arg-type]
        log=log or demand.DemandLog(),
        clock=clock or Clock(),
    )


async def observe(
    *pods: dict[str, object], prometheus: Prometheus | None = None, **changes: object
) -> tuple[observer.ClusterObserver, Scraper, Mapping[str, ReplicaState]]:
    scraper = Scraper()
    made = seeing(*pods, scraper=scraper, prometheus=prometheus, **changes)
    seen: Observation = (await made.observe()).observation
    return made, scraper, {replica.name: replica for replica in seen.workloads[SPOT].replicas}


async def test_a_ready_engine_is_read_at_its_address() -> None:
    made, scraper, replicas = await observe(pod("a"))
    assert scraper.targets == [Target(pod="a", host="10.0.0.7", port=8000, adapter=VLLM)]
    assert replicas["a"].engine == READING
    assert made.engines_unread == {}


async def test_a_table_may_name_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    table = dataclasses.replace(VLLM, port=9090)
    monkeypatch.setattr(observer, "ADAPTERS", {EngineKind.SIMULATED: table})
    _, scraper, _ = await observe(pod("a"))
    assert scraper.targets == [Target(pod="a", host="10.0.0.7", port=9090, adapter=table)]


async def test_an_engine_without_adapter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "ADAPTERS", {})
    made, scraper, replicas = await observe(pod("a"), pod("b", ready=False))
    assert scraper.targets == []
    assert replicas["a"].engine == Absent(why="no metrics adapter for engine simulated")
    assert replicas["b"].engine == Absent(why="not ready")
    assert made.engines_unread == {"a": "no metrics adapter for engine simulated"}


async def test_a_ready_engine_without_address_says_so() -> None:
    made, _, replicas = await observe(pod("a", address=None))
    assert replicas["a"].engine == Absent(why="no address")
    assert made.engines_unread == {"a": "no address"}


async def test_where_the_agreement_says_so_prometheus_is_asked_and_no_engine() -> None:
    prometheus = Prometheus()
    settings = {"metrics": {"source": "prometheus", "url": "http://prometheus"}}
    made, scraper, replicas = await observe(pod("a"), pod("b", address=None), prometheus=prometheus, planner=settings)
    assert scraper.targets == []
    assert prometheus.targets == [Target(pod="a", host="10.0.0.7", port=8000, adapter=VLLM)]
    assert replicas["a"].engine == READING
    assert made.engines_unread == {"b": "no address"}


async def test_engines_tell_of_attainment_only_while_no_gateway_is_heard() -> None:
    scraper, log = Scraper(), demand.DemandLog()
    made = seeing(pod("a"), scraper=scraper, log=log)
    assert (await made.observe()).estimates == {}
    blind = await made.observe()
    assert blind.observation.gateway.is_blind
    estimate = blind.estimates["chat", "interactive"]
    assert (estimate.lower, estimate.upper, estimate.requests) == (0.0, pytest.approx(0.9), 10.0)
    log.heard("gateway", at=NOW)
    assert [(await made.observe()).estimates for _ in range(2)] == [{}, {}]
    assert scraper.asked == [True, True, True, False], "histograms are long, and nobody reads them then"


async def test_what_engines_tell_is_counted_nowhere() -> None:
    made = seeing(pod("a"), scraper=Scraper())
    await made.observe()
    scene = await made.observe()
    assert scene.estimates
    [seen] = scene.observation.gateway.service("chat")
    assert (seen.cumulative, seen.last_minute.share) == (demand.Attainment(good=0, total=0), None)


async def test_a_replica_that_was_marked_keeps_its_mark_until_it_is_gone() -> None:
    marked, deleted, clock = pod("a"), pod("b"), Clock()
    made = seeing(marked, deleted, pod("c"), scraper=Scraper(), clock=clock)
    marked["metadata"]["annotations"] = {"tenbin.dev/draining": "true"}
    found = []
    for clock.at in (NOW, NOW + 30, NOW + 90):
        replicas = (await made.observe()).observation.workloads[SPOT].replicas
        found.append([(replica.phase, replica.marked_s) for replica in replicas])
        for item in (marked, deleted):
            item["metadata"]["deletionTimestamp"] = "2026-11-24T21:45:00Z"
    assert found[0] == [(Phase.DRAINING, 0.0), (Phase.READY, None), (Phase.READY, None)]
    assert found[2] == [(Phase.TERMINATING, 90.0), (Phase.TERMINATING, None), (Phase.READY, None)]


def member(worker: int, *, node: str) -> dict[str, Any]:
    """Return a pod of a group of two."""
    made = pod(f"g-0-{worker}" if worker else "g-0")
    places = {"name": "g", "group-index": "0", "worker-index": str(worker)}
    made["metadata"]["labels"] |= {f"leaderworkerset.sigs.k8s.io/{key}": value for key, value in places.items()}
    made["metadata"]["annotations"] = {"leaderworkerset.sigs.k8s.io/size": "2"}
    made["spec"]["nodeName"] = node
    return made


async def test_a_group_is_one_replica_and_goes_with_any_of_its_nodes() -> None:
    taint = {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}
    scraper = Scraper()
    cluster = Cluster(member(0, node="a"), member(1, node="b"), agreed=planning.document())
    cluster.nodes = [
        {"metadata": {"name": name, "uid": name, "labels": {"tenbin.dev/pool": "l4-spot"}}, "spec": spec, "status": {}}
        for name, spec in {"a": {}, "b": {"taints": [taint]}}.items()
    ]
    made = seeing(scraper=scraper, cluster=cluster)
    [replica] = (await made.observe()).observation.workloads[SPOT].replicas
    assert (replica.name, replica.engine) == ("g-0", READING)
    assert [target.pod for target in scraper.targets] == ["g-0"]
    assert replica.notice == Notice(why="spot interruption notice", left_s=120.0)
