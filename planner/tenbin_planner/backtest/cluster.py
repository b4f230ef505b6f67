"""The virtual cluster: workloads brought to the count they are told, nodes, lead times, interruptions and losses.

It stands in for Deployments, their controller and the node pools. Each service's replicas serve in a simulation of
their own, which is driven to the present by `advance`. A node that becomes free is given away at the next instant to
which the cluster is driven; everything else happens to the second, whatever the steps.
"""

from __future__ import annotations

import copy
import functools
import heapq
import itertools
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.backtest.nodes import Node, Nodes
from tenbin_planner.backtest.replicas import NEVER, Replica
from tenbin_planner.model.lives import ReplicaLife
from tenbin_planner.model.simulation import FleetSimulation, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.model.lives import Reclaim


class Cluster:
    """Replicas of all services."""

    def __init__(self, given: Scenario, start: Mapping[str, int], *, seed: int) -> None:
        """Begin with replicas that are ready.

        Args:
            given: the scenario.
            start: ready replicas by workload.
            seed: of lead times, interruptions, losses and a random routing.
        """
        self.now_s = 0.0
        self.told = dict.fromkeys((item.name for item in given.document.workloads), 0)
        """Replicas that the cluster is told to run, by workload."""
        self.changes = 0
        """Replicas that policies asked for and gave up since the beginning."""
        self.everyone: list[Replica] = []
        """All that ever were, in the order in which they were asked for."""
        self._given = given
        self._seed = seed
        self._present: dict[str, list[Replica]] = {name: [] for name in self.told}
        self._by_name: dict[str, Replica] = {}
        self._waiting: list[Replica] = []
        self.nodes = Nodes(given.document, given.billing, given.consolidation_s)
        """What replicas run on."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._leads = {pool: self._stream("lead", pool) for pool in given.document.pools}
        self._markets = {pool: self._stream("spot", pool) for pool in given.document.pools}
        service = Service(routing=given.routing, seed=seed, max_queued=given.max_queued)
        self.simulations = {
            name: FleetSimulation(given.arrivals(name), [], service) for name in sorted(given.document.services)
        }
        self.reclaims: Mapping[str, tuple[Reclaim, ...]] = {
            pool: market.reclaims(given.end_s, self._stream("reclaims", pool)) for pool, market in given.spot.items()
        }
        """What the market takes of whole pools, by pool; no policy has a part in it, or may look at it."""
        for pool, found in self.reclaims.items():
            for number, reclaim in enumerate(found):
                self._at(reclaim.at_s, functools.partial(self._reclaim, pool, number, reclaim))
                self._at(reclaim.at_s + reclaim.drought_s, self._give_nodes)
        self._is_warm_start = True
        for workload, count in sorted(start.items()):
            self.scale(workload, count)
        self._is_warm_start, self.changes = False, 0
        for number, fault in enumerate(given.faults):
            self._schedule(number, fault)

    def present(self, workload: str) -> list[Replica]:
        """Return the replicas of a workload that are not gone, in the order in which they were asked for."""
        return [item for item in self._present[workload] if item.gone_s > self.now_s]

    def advance(self, to_s: float) -> None:
        """Let all happen that happens until an instant."""
        while self._events and self._events[0][0] <= to_s:
            self.now_s, _, happen = heapq.heappop(self._events)
            happen()
        for simulation in self.simulations.values():
            simulation.advance(to_s)
        self.now_s = to_s
        for replicas in self._present.values():
            for replica in [item for item in replicas if not item.is_counted]:
                self._settle(replica)
            replicas[:] = [item for item in replicas if item.gone_s > to_s]
        self._by_name = {item.name: item for replicas in self._present.values() for item in replicas}
        self._give_nodes()

    def scale(self, workload: str, wanted: int) -> None:
        """Tell the cluster to run so many replicas of a workload.

        Raises:
            ValueError: for a count below 0, or a workload whose engine nothing is known of.
        """
        if wanted < 0:
            raise ValueError(f"{workload}: {wanted} replicas; allowed is 0 or more")
        if self._given.workload(workload).profile is None:
            raise ValueError(f"{workload} has no engine profile: it cannot be simulated")
        self.changes += abs(wanted - self.told[workload])
        self.told[workload] = wanted
        self._reconcile(workload)

    def next_leads_s(self, pool: str, starts: int) -> list[float]:
        """Return the lead times of the next starts in a pool, before any fault, without drawing them."""
        ahead, lead = copy.deepcopy(self._leads[pool]), self._given.lead(pool)
        return [lead.sample(ahead) for _ in range(starts)]

    def mark(self, name: str) -> None:
        """Have a replica drain: it gets no new requests, and is among the first to go."""
        replica = self._by_name[name]
        replica.marked_s = min(replica.marked_s, self.now_s)
        self._stop(replica, self.now_s)

    def unmark(self, name: str) -> None:
        """Take a mark back."""
        replica = self._by_name[name]
        replica.marked_s = NEVER
        self._stop(replica, math.inf)

    def _stop(self, replica: Replica, stop_s: float) -> None:
        if replica.node_s < NEVER and replica.lost_s == NEVER and replica.is_counted:
            self._simulation(replica).change(replica.index, stop_s=stop_s)

    def _reconcile(self, workload: str) -> None:
        """Bring a workload to the count it is told."""
        own = [item for item in reversed(self._present[workload]) if item.is_counted]
        for _ in range(self.told[workload] - len(own)):
            self._ask(workload)
        surplus = max(0, len(own) - self.told[workload])
        own.sort(key=lambda item: item.going_order(self.now_s))
        for replica in own[:surplus]:
            self._remove(replica)
        self._give_nodes()

    def _ask(self, workload: str) -> None:
        number = len(self.everyone) + 1
        replica = Replica(name=f"{workload}-{number:05d}", workload=self._given.workload(workload), asked_s=self.now_s)
        self.everyone.append(replica)
        self._present[workload].append(replica)
        self._by_name[replica.name] = replica
        self._waiting.append(replica)
        wait_s = self._node_lead_s(replica)
        if wait_s:
            self._at(self.now_s + wait_s, self._give_nodes)

    def _give_nodes(self) -> None:
        """Give nodes to those that wait, in the order in which they came: with room, or new ones."""
        still = []
        for replica in self._waiting:
            if not replica.is_counted:
                continue
            node = self.nodes.with_room(replica, self.now_s)
            if node is None and self._is_node_due(replica) and self.nodes.may_start(replica, self.now_s):
                node = self.nodes.start(replica, self.now_s)
            if node is None:
                still.append(replica)
            else:
                self._start(replica, node)
        self._waiting = still

    def _is_node_due(self, replica: Replica) -> bool:
        """Tell whether the pool gives a new node now, and has had the time that one takes."""
        pool, now_s = replica.workload.pool, self.now_s
        if now_s < replica.asked_s + self._node_lead_s(replica):
            return False
        is_dry = any(
            reclaim.at_s <= now_s < reclaim.at_s + reclaim.drought_s for reclaim in self.reclaims.get(pool, ())
        )
        return not is_dry and mishaps.has_nodes(self._given.faults, pool, now_s)

    def _node_lead_s(self, replica: Replica) -> float:
        return 0.0 if self._is_warm_start else self._given.node_lead_s.get(replica.workload.pool, 0.0)

    def _start(self, replica: Replica, node: Node) -> None:
        pool, profile = replica.workload.pool, replica.workload.profile
        assert profile is not None  # noqa: S101 - `scale` refuses others
        node.replicas.append(replica)
        replica.node = node
        replica.node_s = replica.ready_s = self.now_s
        if not self._is_warm_start:
            lead_s = self._given.lead(pool).sample(self._leads[pool])
            lead_s *= mishaps.lead_factor(self._given.faults, pool, replica.asked_s)
            replica.ready_s += max(lead_s - self._node_lead_s(replica), 0.0)
        life = ReplicaLife(profile=profile, ready_s=replica.ready_s)
        replica.index = self._simulation(replica).add(life)
        if replica.marked_s < NEVER:
            self.mark(replica.name)
        market = self._given.spot.get(pool)
        if market is not None and len(node.replicas) == 1:
            notice_s = market.interrupt(life, self._markets[pool]).stop_s
            if notice_s < NEVER:
                self._at(notice_s, functools.partial(self._take_back, [node], market.notice_s))

    def _remove(self, replica: Replica, *, within_s: float = math.inf) -> None:
        """Have the cluster remove a replica: it takes no more requests and finishes those that it has, for a while."""
        now_s = self.now_s
        replica.removed_s = now_s
        if replica.node_s == NEVER or replica.lost_s < NEVER:
            replica.gone_s = now_s
        elif replica.ready_s > now_s:
            replica.gone_s = now_s
            self._simulation(replica).change(replica.index, kill_s=now_s)
        else:
            grace_s = min(within_s, self._given.grace_s.get(replica.workload.service, math.inf))
            stop_s = None if replica.marked_s <= now_s else now_s
            self._simulation(replica).change(replica.index, stop_s=stop_s, kill_s=now_s + grace_s)

    def _settle(self, replica: Replica) -> None:
        """Let a replica that is being removed be gone once its last request has ended."""
        if replica.gone_s < NEVER:
            return
        simulation = self._simulation(replica)
        ended_s = simulation.ended_ms(replica.index) / 1000
        if ended_s < NEVER:
            replica.gone_s = max(replica.removed_s, ended_s)
            if simulation.lives[replica.index].kill_s > self.now_s:
                simulation.change(replica.index, kill_s=self.now_s)

    def _reclaim(self, pool: str, number: int, reclaim: Reclaim) -> None:
        """Have the market take a share of a pool's nodes; each node's draw is its own, whatever others there are."""
        present = [node for node in self.nodes.present(pool, self.now_s) if node.closed_s == NEVER]
        draws = self._stream("reclaim", pool, str(number)).random(self.nodes.started(pool))
        present.sort(key=lambda node: float(draws[node.number]))
        taken = present[: math.floor(reclaim.share * len(present) + 0.5)]
        self._take_back(sorted(taken, key=lambda node: node.number), self._given.spot[pool].notice_s)

    def _take_back(self, nodes: Iterable[Node], notice_s: float) -> None:
        """Have the market take nodes: their replicas drain while the notice lasts, and others are asked for."""
        taken = [node for node in nodes if node.closed_s == NEVER and node.end_s > self.now_s]
        for node in taken:
            node.closed_s = self.now_s
        for node in taken:
            for replica in node.replicas:
                self._interrupt(replica, notice_s)

    def _interrupt(self, replica: Replica, notice_s: float) -> None:
        if replica.gone_s <= self.now_s or replica.lost_s < NEVER:
            return
        if replica.is_counted:
            self._remove(replica, within_s=notice_s)
            self._reconcile(replica.workload.name)
            return
        simulation = self._simulation(replica)
        kill_s = simulation.lives[replica.index].kill_s
        if kill_s > self.now_s:
            simulation.change(replica.index, kill_s=min(kill_s, self.now_s + notice_s))

    def _lose(self, fault: mishaps.Loss, number: int) -> None:
        """Lose whole nodes until a share of the ready replicas of each service is lost, or just more."""
        rng = self._stream("loss", str(number))
        ready = {
            service: [
                item for item in self._of(service) if item.is_counted and item.ready_s <= self.now_s < item.lost_s
            ]
            for service in self.simulations
        }
        for own in ready.values():
            nodes = list(dict.fromkeys(item.node for item in own if item.node is not None))
            for index in rng.permutation(len(nodes)).tolist():
                if sum(item.lost_s <= self.now_s for item in own) >= fault.count(len(own)):
                    break
                self._lose_node(nodes[index], fault)

    def _lose_node(self, node: Node, fault: mishaps.Loss) -> None:
        node.closed_s = min(node.closed_s, self.now_s)
        for replica in node.replicas:
            if replica.gone_s <= self.now_s or replica.lost_s < NEVER:
                continue
            self._simulation(replica).change(replica.index, kill_s=self.now_s)
            if replica.is_counted:
                replica.lost_s, replica.noticed_s = self.now_s, self.now_s + fault.noticed_s
                self._at(self.now_s + fault.evicted_s, functools.partial(self._evict, replica))

    def _evict(self, replica: Replica) -> None:
        if replica.is_counted:
            self._remove(replica)
            self._reconcile(replica.workload.name)

    def _schedule(self, number: int, fault: mishaps.Fault) -> None:
        if isinstance(fault, mishaps.Loss):
            self._at(fault.at_s, functools.partial(self._lose, fault, number))
        if isinstance(fault, mishaps.NoNodes):
            self._at(fault.end_s, self._give_nodes)

    def _at(self, instant_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (instant_s, next(self._order), happen))

    def _of(self, service: str) -> Iterator[Replica]:
        for name, replicas in self._present.items():
            if self._given.workload(name).service == service:
                yield from replicas

    def _simulation(self, replica: Replica) -> FleetSimulation:
        return self.simulations[replica.workload.service]

    def _stream(self, *purpose: str) -> np.random.Generator:
        """Return random numbers of their own for a purpose: what one is used for does not move another."""
        return np.random.default_rng([self._seed, *(zlib.crc32(word.encode()) for word in purpose)])
