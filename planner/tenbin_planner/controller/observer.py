"""Puts together what the planner sees: document, workloads, pods, nodes, engines and the gateway."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenbin_spec import contract
from tenbin_spec.engine_metrics import MetricsSource

from tenbin_planner import ports
from tenbin_planner.controller import group_states, kinds, pod_states
from tenbin_planner.controller.adapters import ADAPTERS
from tenbin_planner.controller.estimates import AttainmentEstimator
from tenbin_planner.controller.lengths import LengthTracker
from tenbin_planner.controller.node_watch import NodeWatch
from tenbin_planner.controller.scraper import Scraped, Target
from tenbin_planner.controller.targets import TargetReader
from tenbin_planner.decide.observation import Absent, Observation, Phase, ReplicaState, WorkloadState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_spec.document import Document, DocumentWorkload

    from tenbin_planner.controller.cluster import Cluster, Listed
    from tenbin_planner.controller.documents import Documents
    from tenbin_planner.controller.pod_states import PodState
    from tenbin_planner.controller.prometheus import Prometheus
    from tenbin_planner.controller.scraper import Scraper
    from tenbin_planner.controller.state_store import StateStore
    from tenbin_planner.controller.targets import Told
    from tenbin_planner.decide.observation import Notice, Refusal
    from tenbin_planner.demand import DemandLog


class ClusterObserver:
    """Observer of a cluster."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        documents: Documents,
        store: StateStore,
        scraper: Scraper,
        prometheus: Prometheus,
        log: DemandLog,
        clock: ports.Clock,
        refusals: Mapping[str, Refusal] = MappingProxyType({}),
    ) -> None:
        self._cluster = cluster
        self._documents = documents
        self._store = store
        self._scraper = scraper
        self._prometheus = prometheus
        self._log = log
        self._clock = clock
        self._refusals = refusals
        self._targets = TargetReader(cluster)
        self._lengths = LengthTracker()
        self._nodes = NodeWatch(cluster)
        self._estimator = AttainmentEstimator()
        self._is_blind = True
        self._draining_since: dict[str, float] = {}
        self.engines_unread: dict[str, str] = {}
        """Why each ready engine that could not be read could not, by pod, at the last tick."""

    async def observe(self) -> ports.Scene:
        """Return the world now.

        Raises:
            ClusterError: when the API server does not say what there is.
            NoDocumentError: when there is no document to go by.
        """
        document = await self._document()
        (told, unscalable), pods, _ = await asyncio.gather(
            self._targets.read(document.workloads, at=self._clock.now()),
            self._pods(document),
            self._nodes.look(at=self._clock.now()),
        )
        await self._nodes.follow(pod for _, listed in pods for pod in listed.items)
        known = _replicas(document, pods)
        targets, unreadable = _targets(document, known)
        scraped = {**unreadable, **await self._read(document, targets)}
        now = self._clock.now()
        self._learn(known, scraped, at=now)
        observation = Observation(
            at=now,
            gateway=self._log.snapshot(now),
            workloads=self._workloads(document, told, known, scraped, at=now),
            lengths=self._lengths.means(at=now),
            problems=(*self._nodes.problems, *self._store.problems),
            unscalable=unscalable,
        )
        return ports.Scene(
            document=document,
            document_problem=self._documents.problem,
            observation=observation,
            estimates=self._estimates(document, known, scraped, observation),
        )

    async def _read(self, document: Document, targets: list[Target]) -> Mapping[str, Scraped | Absent]:
        metrics = document.planner.metrics
        wanted = self._is_blind
        if metrics.source is MetricsSource.PROMETHEUS:
            return await self._prometheus.read(targets, metrics, namespace=document.namespace, with_latencies=wanted)
        return await self._scraper.scrape(targets, with_latencies=wanted)

    async def _document(self) -> Document:
        at = self._clock.now()
        if self._documents.in_force is None:
            self._documents.recall(await self._store.kept_document(), at=at)
            self._configure()
        if self._documents.see(await self._cluster.config_map(contract.DOCUMENT_CONFIG_MAP), at=at):
            self._configure()
        document = self._documents.in_force
        assert document is not None  # noqa: S101 - `see` raises without one
        return document

    async def _pods(self, document: Document) -> list[tuple[DocumentWorkload | None, Listed]]:
        """Return the pods of engines, and those of each workload that has a rule of its own."""
        own = [(item, item.pods) for item in document.workloads if item.pods is not None]
        labelled, *found = await asyncio.gather(
            self._cluster.engine_pods(), *(self._cluster.engine_pods(labels) for _, labels in own)
        )
        return [(None, labelled), *((item, listed) for (item, _), listed in zip(own, found, strict=True))]

    def _configure(self) -> None:
        if self._documents.in_force is not None:
            self._log.configure({name: item.slo for name, item in self._documents.in_force.services.items()})

    def _learn(self, states: list[PodState], scraped: Mapping[str, Scraped | Absent], *, at: float) -> None:
        services = {state.name: state.service for state in states}
        counters = {
            pod: (services[pod], result.counters) for pod, result in scraped.items() if isinstance(result, Scraped)
        }
        for service, tokens in self._lengths.learn(counters, at=at).items():
            self._log.learn_tokens(service, tokens=tokens)
        self._lengths.forget_all_but(set(services))
        self.engines_unread = {pod: result.why for pod, result in scraped.items() if isinstance(result, Absent)}

    def _estimates(
        self,
        document: Document,
        states: list[PodState],
        scraped: Mapping[str, Scraped | Absent],
        observation: Observation,
    ) -> Mapping[tuple[str, str], ports.EngineAttainment]:
        """Return what engines tell of attainment where no gateway does; it takes two ticks to tell anything."""
        self._is_blind = observation.gateway.is_blind
        if not self._is_blind:
            self._estimator.forget()
            return {}
        read = {
            state.name: (state.service, result.latencies)
            for state in states
            if isinstance(result := scraped.get(state.name), Scraped) and result.latencies
        }
        self._estimator.learn(read, at=observation.at)
        return self._estimator.estimates({name: item.slo for name, item in document.services.items()})

    def _workloads(
        self,
        document: Document,
        told: Mapping[str, Told],
        states: list[PodState],
        scraped: Mapping[str, Scraped | Absent],
        *,
        at: float,
    ) -> dict[str, WorkloadState]:
        self._draining_since = {
            state.uid: self._draining_since.get(state.uid, at)
            for state in states
            if state.phase is Phase.DRAINING or (state.phase is Phase.TERMINATING and state.uid in self._draining_since)
        }
        return {
            item.name: self._workload(item, told[item.name], states, scraped, at=at)
            for item in document.workloads
            if item.name in told
        }

    def _workload(
        self,
        item: DocumentWorkload,
        told: Told,
        states: list[PodState],
        scraped: Mapping[str, Scraped | Absent],
        *,
        at: float,
    ) -> WorkloadState:
        own = sorted((state for state in states if state.workload == item.name), key=lambda state: state.name)
        removal, ranks = kinds.removal(item.scaled, own, first_index=told.first_index)
        return WorkloadState(
            name=item.name,
            wanted=told.wanted,
            by_hand=told.by_hand,
            replicas=tuple(self._replica(state, scraped, ranks.get(state.name), at=at) for state in own),
            removal=removal,
            refusal=self._refusals.get(item.name),
            room=self._nodes.room(
                item.pool,
                accelerators=item.accelerators,
                like=max(own, key=lambda state: (state.created, state.name)).uid if own else None,
            ),
            refused=told.refused,
        )

    def _replica(
        self, state: PodState, scraped: Mapping[str, Scraped | Absent], rank: int | None, *, at: float
    ) -> ReplicaState:
        result = scraped.get(state.name, Absent(why="not ready"))
        marked = self._draining_since.get(state.uid)
        marked_s = None if marked is None else at - marked
        return ReplicaState(
            name=state.name,
            phase=state.phase,
            since_s=marked_s if marked_s is not None and state.phase is Phase.DRAINING else state.starting_s,
            is_scheduled=state.is_scheduled,
            engine=result.reading if isinstance(result, Scraped) else result,
            start=self._nodes.start(state.uid),
            rank=rank,
            notice=self._notice(state),
            marked_s=marked_s,
        )

    def _notice(self, state: PodState) -> Notice | None:
        """Return the first notice of a node that a replica is on: a group goes with any of its nodes."""
        found = [self._nodes.notice(node) for node in (state.node, *state.further_nodes)]
        return min((item for item in found if item is not None), key=lambda item: item.left_s, default=None)


def _replicas(document: Document, pods: Iterable[tuple[DocumentWorkload | None, Listed]]) -> list[PodState]:
    """Return the replicas of the document's services: of a workload with a rule of its own, those that it found."""
    ruled = {item.name for item in document.workloads if item.pods is not None}
    known = [
        state
        for workload, listed in pods
        for pod in listed.items
        if (state := pod_states.read(pod, server_time=listed.server_time, workload=workload)) is not None
        and state.service in document.services
        and (workload is not None or state.workload not in ruled)
    ]
    return group_states.fold(known)


def _targets(document: Document, states: list[PodState]) -> tuple[list[Target], dict[str, Absent]]:
    """Return the engines that are to be read: those that are ready, also while they drain.

    Returns:
        Engines that can be read, and by pod why each other one cannot.
    """
    targets: list[Target] = []
    unreadable: dict[str, Absent] = {}
    for state in states:
        if state.phase not in (Phase.READY, Phase.DRAINING):
            continue
        engine = document.services[state.service].engine
        adapter = ADAPTERS.get(engine)
        if adapter is None:
            unreadable[state.name] = Absent(why=f"no metrics adapter for engine {engine}")
        elif state.host is None:
            unreadable[state.name] = Absent(why="no address")
        else:
            targets.append(Target(pod=state.name, host=state.host, port=adapter.port or state.port, adapter=adapter))
    return targets, unreadable
