"""The world in virtual time that a policy reads and acts on; times are seconds from the beginning of the scenario."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tenbin_planner.backtest import cluster, observing
from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.backtest.gateway import Finished, Gateway, Requests
from tenbin_planner.decide.observation import Absent, EngineReading, Phase, ReplicaState, WorkloadState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tenbin_spec.document import Document

    from tenbin_planner.backtest.nodes import Node
    from tenbin_planner.backtest.replicas import Replica
    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.decide.observation import ObservedLengths
    from tenbin_planner.demand import GatewayObservation
    from tenbin_planner.model.lives import Reclaim
    from tenbin_planner.model.results import FleetResult, Loads
    from tenbin_planner.model.simulation import FleetSimulation

EPOCH_S = 1_767_571_200.0
"""Seconds of the planner's clock at the beginning: midnight before Monday, 5 January 2026, UTC."""
NOT_READ = Absent(why="not read")


class MetricsMissing(Exception):  # noqa: N818 - says what there is, and ends no run
    """A metric was read while a fault hides all of them."""


class Engines(NamedTuple):
    """What a service's engines say, in the order in which they were asked for; arrays of shape (replicas,)."""

    name: tuple[str, ...]
    in_flight: NDArray[np.int64]
    """Requests not finished."""
    running: NDArray[np.int64]
    """Of these, sequences in execution."""
    waiting: NDArray[np.int64]
    """Of these, requests that wait for admission."""
    kv_usage: NDArray[np.float64]
    """Share of the KV cache in use, 0 to 1."""
    decoding: NDArray[np.int64]
    """Sequences that take part in the next pass as decodes."""
    kv_tokens: NDArray[np.int64]
    """Tokens of context of these."""
    waiting_tokens: NDArray[np.int64]
    """Prompt tokens of the requests that wait."""
    prefill_tokens: NDArray[np.int64]
    """Prompt tokens, of all requests in flight, that are still to be computed."""


class World:
    """A cluster with its gateway."""

    def __init__(self, given: Scenario, start: Mapping[str, int], *, seed: int = 0) -> None:
        """Begin at 0 with replicas that are ready.

        Args:
            given: the scenario.
            start: ready replicas by workload.
            seed: of everything random in it.

        Raises:
            ValueError: for a start that the scenario does not allow.
        """
        self.scenario = given
        self.seed = seed
        self._cluster = cluster.Cluster(given, start, seed=seed)
        self._gateways = {
            name: Gateway(simulation, given.objectives(name), given.faults)
            for name, simulation in self._cluster.simulations.items()
        }
        self.waiting: dict[str, list[tuple[float, int]]] = {name: [] for name in self._gateways}
        """Instants to which it was driven, and requests that waited then, by service."""

    @property
    def document(self) -> Document:
        """The agreement."""
        return self.scenario.document

    @property
    def now_s(self) -> float:
        """The present."""
        return self._cluster.now_s

    @property
    def is_blind(self) -> bool:
        """Whether a fault hides all metrics."""
        return mishaps.is_blind(self.scenario.faults, self.now_s)

    def advance(self, to_s: float) -> None:
        """Let all happen that happens before an instant."""
        self._cluster.advance(to_s)
        for name, gateway in self._gateways.items():
            gateway.follow()
            self.waiting[name].append((to_s, int(self._loads(name).waiting.sum())))

    # --- the cluster's view
    def told(self, workload: str) -> int:
        """Return the replicas that the cluster is told to run."""
        return self._cluster.told[workload]

    def count(self, service: str, *phases: Phase) -> int:
        """Return a service's replicas in these phases."""
        return sum(self.count_of(item.name, *phases) for item in self.document.workloads if item.service == service)

    def count_of(self, workload: str, *phases: Phase) -> int:
        """Return a workload's replicas in these phases."""
        return sum(item.phase(self.now_s) in phases for item in self._cluster.present(workload))

    def state(self, workload: str) -> WorkloadState:
        """Return what the cluster and the engines say of a workload; engines are absent while metrics are missing."""
        now_s, is_blind = self.now_s, self.is_blind
        loads = self._loads(self.scenario.workload(workload).service)
        return WorkloadState(
            name=workload,
            wanted=self.told(workload),
            replicas=tuple(
                ReplicaState(
                    name=item.name,
                    phase=item.phase(now_s),
                    since_s=item.since_s(now_s),
                    marked_s=now_s - item.marked_s if item.marked_s <= now_s else None,
                    is_scheduled=item.node_s <= now_s,
                    engine=NOT_READ if is_blind else _reading(item, loads, now_s),
                )
                for item in self._cluster.present(workload)
            ),
        )

    # --- metrics
    def arrivals(self, service: str, window_s: float) -> int:
        """Return the requests that came in the last `window_s` seconds."""
        rows = self._gateway(service).arrived(window_s)
        return int(rows.stop - rows.start)

    def rate(self, service: str, window_s: float) -> float:
        """Return the requests per second of the last `window_s` seconds, or of those that have passed."""
        passed_s = min(window_s, self.now_s)
        return self.arrivals(service, window_s) / passed_s if passed_s > 0 else 0.0

    def arrivals_by_second(self, service: str, seconds: int) -> NDArray[np.int64]:
        """Return the requests in each of the last whole seconds, oldest first; fewer than `seconds` early on."""
        counts = self._gateway(service).by_second.sum(axis=0)
        end = math.floor(self.now_s)
        found = np.zeros(min(seconds, end), dtype=np.int64)
        known = counts[end - found.size : end]
        found[: known.size] = known
        return found

    def arrived(self, service: str, window_s: float) -> Requests:
        """Return what is known, when they come, of the requests of the last `window_s` seconds."""
        return self._gateway(service).requests(window_s)

    def in_flight(self, service: str) -> int:
        """Return the requests that came and have not ended."""
        return int(self._gateway(service).in_flight.sum())

    def engines(self, service: str, *phases: Phase) -> Engines:
        """Return what a service's engines say; those in these phases, ready ones where none are given.

        Raises:
            MetricsMissing: while a fault hides it.
        """
        self._gateway(service)
        loads, wanted = self._loads(service), phases or (Phase.READY,)
        found = [
            item
            for workload in self.scenario.workloads(service)
            for item in self._cluster.present(workload.name)
            if item.phase(self.now_s) in wanted and item.ready_s <= self.now_s < item.lost_s
        ]
        rows = np.searchsorted(loads.replica, [item.index for item in found])
        return Engines(
            name=tuple(item.name for item in found),
            in_flight=loads.in_flight[rows],
            running=loads.running[rows],
            waiting=loads.waiting[rows],
            kv_usage=loads.kv_usage[rows],
            decoding=loads.decoding[rows],
            kv_tokens=loads.kv_tokens[rows],
            waiting_tokens=loads.waiting_tokens[rows],
            prefill_tokens=loads.uncomputed_tokens[rows],
        )

    def finished(self, service: str, window_s: float) -> Finished:
        """Return the requests that were answered in the last `window_s` seconds."""
        return self._gateway(service).finished(window_s)

    def first_tokens_ms(self, service: str, window_s: float) -> NDArray[np.float64]:
        """Return the TTFT of the requests whose first token came in the last `window_s` seconds."""
        return self._gateway(service).first_tokens_ms(window_s)

    def failed(self, service: str, window_s: float) -> int:
        """Return the requests that were shed or failed in the last `window_s` seconds."""
        return self._gateway(service).missed(window_s)

    # --- what the planner is told
    def observed_demand(self) -> GatewayObservation:
        """Return demand and truth as the record of the gateways' access log has them, on the planner's clock."""
        classes = {name: service.slo.classes for name, service in self.document.services.items()}
        faults = self.scenario.faults
        return observing.observation(self._gateways, classes, faults, now_s=self.now_s, epoch_s=EPOCH_S)

    def observed_lengths(self) -> dict[str, ObservedLengths]:
        """Return the mean lengths of late, by service; one that nothing is known of is missing."""
        if self.is_blind:
            return {}
        found = {name: observing.lengths(gateway) for name, gateway in self._gateways.items()}
        return {name: item for name, item in found.items() if item is not None}

    # --- acting
    def scale(self, workload: str, wanted: int) -> None:
        """Tell the cluster to run so many replicas of a workload.

        More: they ask for nodes now and serve after a lead time. Fewer: those go first that have no node, then those
        that do not serve yet, marked ones, and of the others those that became ready last; they take no more requests,
        finish those that they have, and cost until then.

        Raises:
            ValueError: for a count below 0, or a workload whose engine nothing is known of.
        """
        self._cluster.scale(workload, wanted)

    def scale_service(self, service: str, wanted: int) -> int:
        """Tell the cluster to run so many replicas of a service, on its cheapest workloads.

        Returns:
            The replicas that the service's range, its pools and the hourly caps allow of these.
        """
        spread = self.scenario.spread(service, wanted)
        for workload, count in spread.items():
            if count != self.told(workload):
                self.scale(workload, count)
        return sum(spread.values())

    def mark(self, replica: str) -> None:
        """Have a replica drain: it gets no new requests, and is among the first to go."""
        self._cluster.mark(replica)

    def unmark(self, replica: str) -> None:
        """Take a mark back."""
        self._cluster.unmark(replica)

    # --- what came of it
    def finish(self) -> dict[str, FleetResult]:
        """Let all requests end, and return what became of them, by service."""
        for simulation in self._cluster.simulations.values():
            simulation.advance(math.inf)
        return {name: simulation.result() for name, simulation in self._cluster.simulations.items()}

    @property
    def replicas(self) -> list[Replica]:
        """All replicas that ever were, in the order in which they were asked for."""
        return self._cluster.everyone

    @property
    def nodes(self) -> list[Node]:
        """All nodes that ever were, in the order of their starts."""
        return self._cluster.nodes.everyone

    @property
    def reclaims(self) -> Mapping[str, tuple[Reclaim, ...]]:
        """What the market takes of whole pools, by pool; it lies in the future, so no policy may look at it."""
        return self._cluster.reclaims

    def simulation(self, service: str) -> FleetSimulation:
        """Return what serves a service's requests; it has their lengths, so no policy without foresight may look."""
        return self._cluster.simulations[service]

    def next_leads_s(self, pool: str, starts: int) -> list[float]:
        """Return how long the next starts in a pool will take; no policy without foresight may look."""
        return self._cluster.next_leads_s(pool, starts)

    @property
    def changes(self) -> int:
        """Replicas that were asked for and given up since the beginning."""
        return self._cluster.changes

    def _loads(self, service: str) -> Loads:
        return self._cluster.simulations[service].loads()

    def _gateway(self, service: str) -> Gateway:
        if self.is_blind:
            raise MetricsMissing(f"no metrics at {self.now_s:g} s")
        return self._gateways[service]


def _reading(replica: Replica, loads: Loads, now_s: float) -> EngineReading | Absent:
    if not replica.ready_s <= now_s < min(replica.lost_s, replica.removed_s):
        return NOT_READ
    row = int(np.searchsorted(loads.replica, replica.index))
    return EngineReading(
        running=float(loads.running[row]), waiting=float(loads.waiting[row]), kv_usage=float(loads.kv_usage[row])
    )
