"""What a back-test is about: an agreement, the traffic that comes, and what the cluster is really like."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tenbin_spec.pools import CapacityType

from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.backtest.nodes import Billing
from tenbin_planner.model import capacity
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import LeadTime, SpotMarket
from tenbin_planner.model.routing import Routing

if TYPE_CHECKING:
    from tenbin_spec.document import Document, DocumentWorkload
    from tenbin_spec.objectives import Objective

    from tenbin_planner.traces import Trace

Value = TypeVar("Value")
ZERO = Decimal(0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """One cell of a back-test; what is random in it follows from the seed that it is run with.

    Raises:
        ValueError: naming everything that does not fit together.
    """

    name: str
    document: Document
    """The agreement that the planner is given; its lead times are what was declared."""
    traces: Mapping[str, Trace]
    """Requests by service, in seconds from the beginning; a service without any gets no request."""
    history: Mapping[str, Trace] = dataclasses.field(default_factory=dict)
    """Requests of the time before by service, in seconds from its beginning; it ends where the scenario begins."""
    leads: Mapping[str, LeadTime] = dataclasses.field(default_factory=dict)
    """Lead times as they are, by pool; as declared where missing."""
    spot: Mapping[str, SpotMarket] = dataclasses.field(default_factory=dict)
    """Interruptions by pool; none where missing."""
    initial: Mapping[str, int] | None = None
    """Replicas that are ready at the beginning, by workload; None: each service's minimum, on its cheapest pools."""
    minimum_billed_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Seconds that each start of a replica, or of a node, costs at least, by pool; 0 where missing."""
    billing: Billing = Billing.REPLICA
    """What is paid for; with `Billing.NODE` services share the nodes of a pool, and replicas fill them up."""
    consolidation_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Seconds for which an empty node stays, and costs, by pool; with `Billing.NODE` only; 0 where missing."""
    node_lead_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Seconds of each lead time until a new node is there, by pool; 0 where missing.

    A replica costs nothing before, and one that finds room on a node that is there starts by so much sooner.
    """
    grace_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Seconds after which a replica that is being removed is killed, by service; never where missing."""
    routing: Routing = Routing.LEAST_REQUEST
    max_queued: int | None = None
    """Requests that may wait in one replica; more are shed."""
    faults: tuple[mishaps.Fault, ...] = ()
    duration_s: float | None = None
    """Length in seconds; None: up to the whole second after the last arrival."""

    def __post_init__(self) -> None:
        services, pools = set(self.document.services), set(self.document.pools)
        workloads = {item.name for item in self.document.workloads if item.profile is not None}
        problems = [
            f"{name}: {_listed(unknown)} unknown; known are {_listed(known)}"
            for name, given, known in (
                ("traces", self.traces, services),
                ("history", self.history, services),
                ("grace_s", self.grace_s, services),
                ("leads", self.leads, pools),
                ("spot", self.spot, pools),
                ("minimum_billed_s", self.minimum_billed_s, pools),
                ("consolidation_s", self.consolidation_s, pools),
                ("node_lead_s", self.node_lead_s, pools),
                ("initial", self.initial or {}, workloads),
            )
            if (unknown := set(given) - known)
        ]
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            problems.append(f"duration_s is {self.duration_s}; allowed is a finite number above 0")
        problems += [
            f"{name}.{key} is {seconds}; allowed is a finite number of 0 or more"
            for name, given in (
                ("grace_s", self.grace_s),
                ("minimum_billed_s", self.minimum_billed_s),
                ("consolidation_s", self.consolidation_s),
                ("node_lead_s", self.node_lead_s),
            )
            for key, seconds in given.items()
            if not 0 <= seconds < math.inf
        ]
        problems += [
            f"initial.{name} is {count}; allowed is 0 or more"
            for name, count in (self.initial or {}).items()
            if count < 0
        ]
        if self.consolidation_s and self.billing is not Billing.NODE:
            problems.append("consolidation_s is given; allowed is it with billing by node only")
        problems += mishaps.problems(self.faults, pools)
        if problems:
            raise ValueError(f"scenario {self.name}: {'; '.join(problems)}")

    @property
    def end_s(self) -> float:
        """When it ends, in seconds: the last tick comes before, and money is counted until then."""
        if self.duration_s is not None:
            return self.duration_s
        return math.floor(max((trace.duration_s for trace in self.traces.values()), default=0.0)) + 1.0

    @property
    def interval_s(self) -> float:
        """Seconds between two ticks of the planner."""
        return float(self.document.planner.interval_s)

    @property
    def loses_replicas(self) -> bool:
        """Whether replicas are lost in it, so that lead times and the seed matter to constant fleets too."""
        return bool(self.spot) or any(isinstance(fault, mishaps.Loss) for fault in self.faults)

    @property
    def start(self) -> Mapping[str, int]:
        """Replicas that are ready at the beginning, by workload, where a policy does not know better."""
        if self.initial is not None:
            return self.initial
        return {
            name: count
            for service in sorted(self.document.services)
            for name, count in self.spread(service, self.document.services[service].replicas.min).items()
        }

    def workload(self, name: str) -> DocumentWorkload:
        """Return a workload of the agreement.

        Raises:
            KeyError: when there is none of this name.
        """
        return self._by_name[name]

    def workloads(self, service: str) -> tuple[DocumentWorkload, ...]:
        """Return a service's workloads that have a price and a profile, the cheapest per request first."""
        return self._cheapest_first[service]

    def lead(self, pool: str) -> LeadTime:
        """Return the lead time of a pool as it is."""
        declared_s = float(self.document.pools[pool].lead_time_s)
        return self.leads.get(pool, LeadTime(median_s=declared_s, p95_s=declared_s))

    def objectives(self, service: str) -> Mapping[str, Objective]:
        """Return a service's objectives by class."""
        return self.document.services[service].slo.classes

    def target(self, service: str) -> float:
        """Return the share of all requests of a service that must be good for each class to reach its target."""
        arrivals, objectives = self.arrivals(service), self.objectives(service)
        if not len(arrivals):
            return max(float(objective.target) for objective in objectives.values())
        counts = np.bincount(arrivals.class_index, minlength=len(arrivals.classes))
        targets = [float(objectives[name].target) for name in arrivals.classes]
        return float(np.average(targets, weights=counts))

    def arrivals(self, service: str) -> Arrivals:
        """Return a service's requests; a class that the agreement does not know is the default class."""
        return self._arrivals[service]

    def most(self, service: str) -> int:
        """Return how many replicas of a service its range, its pools and the hourly caps allow."""
        return sum(self.spread(service, self.document.services[service].replicas.max).values())

    def spread(self, service: str, count: int) -> dict[str, int]:
        """Return a number of replicas by workload, the cheapest per request filled first.

        Those that may never run on spot come before all others.

        Args:
            service: whose.
            count: replicas, which is brought into what `replicas`, pools and hourly caps allow.
        """
        agreed = self.document.services[service].replicas
        left, budget = min(max(count, agreed.min), agreed.max), self._budget(service)
        every = self.workloads(service)
        firm = [item for item in every if self.document.pools[item.pool].capacity_type is not CapacityType.SPOT]
        given = {item.name: 0 for item in every}
        for candidates, wanted in ((firm, min(agreed.on_demand_min, left)), (every, left)):
            left = wanted - sum(given.values())
            for item in candidates:
                price = item.hourly_usd or ZERO
                affordable = int(budget // price) if price else left
                room = min(item.max_replicas, self._room(item)) - given[item.name]
                taken = max(0, min(left, room, affordable))
                given[item.name] += taken
                left -= taken
                budget -= taken * price
        return given

    def only(self, service: str) -> Scenario:
        """Return the scenario with one of its services alone."""
        document = self.document.model_copy(
            update={
                "services": {service: self.document.services[service]},
                "workloads": tuple(item for item in self.document.workloads if item.service == service),
            }
        )
        kept = {item.name for item in document.workloads}
        initial = None if self.initial is None else {name: n for name, n in self.initial.items() if name in kept}
        return dataclasses.replace(
            self,
            document=document,
            traces=_one(self.traces, service),
            history=_one(self.history, service),
            grace_s=_one(self.grace_s, service),
            initial=initial,
            duration_s=self.end_s,
        )

    def with_lead(self, lead: LeadTime) -> Scenario:
        """Return the scenario with a lead time in all pools, its median declared in whole seconds."""
        pools = {
            name: pool.model_copy(update={"lead_time_s": round(lead.median_s)})
            for name, pool in self.document.pools.items()
        }
        document = self.document.model_copy(update={"pools": pools})
        return dataclasses.replace(self, document=document, leads=dict.fromkeys(pools, lead))

    def _room(self, item: DocumentWorkload) -> int:
        pool = self.document.pools[item.pool]
        return pool.max_nodes * pool.accelerators // item.accelerators

    def _budget(self, service: str) -> Decimal:
        """Return the USD per hour that a service may take: what the minima of others leave, or its own cap."""
        left = self.document.cost.hourly_usd
        for name, agreed in self.document.services.items():
            if name != service and self.workloads(name):
                left -= agreed.replicas.min * (self.workloads(name)[0].hourly_usd or ZERO)
        own = self.document.services[service].cost
        return left if own is None else min(left, own.hourly_usd)

    @functools.cached_property
    def _by_name(self) -> Mapping[str, DocumentWorkload]:
        return {item.name: item for item in self.document.workloads}

    @functools.cached_property
    def _cheapest_first(self) -> Mapping[str, tuple[DocumentWorkload, ...]]:
        found = {}
        for service, agreed in self.document.services.items():
            declared = agreed.workload
            lengths = capacity.Traffic(input_tokens=declared.input_tokens, output_tokens=declared.output_tokens)
            priced = [
                (float(item.hourly_usd) / capacity.rate_bound(item.profile, lengths), item.name, item)
                for item in self.document.workloads
                if item.service == service and item.profile is not None and item.hourly_usd is not None
            ]
            found[service] = tuple(item for _, _, item in sorted(priced, key=lambda entry: entry[:2]))
        return found

    @functools.cached_property
    def _arrivals(self) -> Mapping[str, Arrivals]:
        return {service: self._arrivals_of(service) for service in self.document.services}

    def _arrivals_of(self, service: str) -> Arrivals:
        trace = self.traces.get(service)
        if trace is None:
            return Arrivals.of([], [], [])
        slo = self.document.services[service].slo
        resolved = [name if name in slo.classes else slo.fallback_class for name in trace.classes]
        classes = tuple(sorted(set(resolved)))
        places = np.array([classes.index(name) for name in resolved])
        return Arrivals(
            arrival_s=trace.arrival_s,
            input_tokens=trace.input_tokens,
            output_tokens=trace.output_tokens,
            cached_tokens=trace.cached_tokens,
            class_index=places[trace.class_index],
            classes=classes,
        )


def _one(by_service: Mapping[str, Value], service: str) -> dict[str, Value]:
    return {name: value for name, value in by_service.items() if name == service}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
