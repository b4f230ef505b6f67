"""A cell of the suite as data, and the scenario that a seed, a lead time and a history make of it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

from tenbin_spec import catalogue, contract
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.document import Document, DocumentPlanner, DocumentPool, DocumentService, DocumentWorkload
from tenbin_spec.engines import EngineKind
from tenbin_spec.objectives import Objective, Slo
from tenbin_spec.pools import CapacityType
from tenbin_spec.services import ReplicaRange, Role

from tenbin_planner.backtest import stackless
from tenbin_planner.backtest.faults import Fault, Loss
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.backtest.suite import laws, recorded
from tenbin_planner.model.lives import LeadTime, SpotMarket

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

    from tenbin_spec.workload import Workload

    from tenbin_planner.traces import Trace

SPREAD = 1.25
"""95th percentile of a lead time over its median."""
NAMESPACE = "suite"
INTERVAL_S = 15
DAY_S = 86_400.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """Nodes of one kind; a node holds one replica."""

    accelerator: str
    accelerators: int
    hourly_usd: str
    """Price of a node."""
    nodes: int = 40
    interruptions: SpotMarket | None = None
    """None: they stay."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Promise:
    """One service: its engine, what it promises, and what comes."""

    profiles: Mapping[str, str]
    """Engine profile by pool, both by name."""
    objectives: Mapping[str, Objective]
    """By class of the traffic; the empty name is that of requests without one."""
    traffic: laws.Law | recorded.Recording
    least: int = 1
    on_demand: int = 0
    """Of these, replicas that are never on spot capacity."""
    most: int = 40
    priority: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell."""

    name: str
    shows: str
    """What it is there for, in words."""
    duration_s: float
    pools: Mapping[str, Pool]
    services: Mapping[str, Promise]
    hourly_cap: str | None = None
    """USD; None: what all nodes cost."""
    faults: tuple[Fault, ...] = ()
    trouble: tuple[float, float] | None = None
    """From when to when something is out of order, in seconds: figures are told of this time and of that after it."""
    is_feasible: bool = True
    """Whether the cap lets the targets be reached."""

    @property
    def is_day(self) -> bool:
        """Whether it lasts a day, so that a day before can be known."""
        return self.duration_s >= DAY_S

    @property
    def cap(self) -> Decimal:
        """The hourly cap in US dollars."""
        everything = sum((pool.nodes * Decimal(pool.hourly_usd) for pool in self.pools.values()), Decimal(0))
        return everything if self.hourly_cap is None else Decimal(self.hourly_cap)

    @property
    def has_history(self) -> bool:
        """Whether there is a variant with the day before as history."""
        return self.is_day and all(isinstance(item.traffic, laws.Law) for item in self.services.values())

    @property
    def loses_replicas(self) -> bool:
        """Whether constant fleets lose replicas too, so that what they come to depends on the lead time."""
        is_lossy = any(isinstance(fault, Loss) for fault in self.faults)
        return is_lossy or any(pool.interruptions is not None for pool in self.pools.values())

    @property
    def expected_requests(self) -> float:
        """About how many requests come."""
        return sum(item.traffic.expected(self.duration_s) for item in self.services.values())

    def digest(self) -> str:
        """Return a short SHA-256 of the cell's definition, in hexadecimal."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def scenario(
        self, seed: int, *, lead_s: int, with_history: bool = False, folder: pathlib.Path | None = None
    ) -> Scenario:
        """Return the cell's scenario; equal arguments give equal ones.

        Args:
            seed: of the requests; the world has one of its own when it is run.
            lead_s: median of the lead time of all pools, which is declared as well.
            with_history: whether the planner knows the day before.
            folder: where recorded traces lie.

        Raises:
            TraceError: when a recorded trace is missing or cannot be read.
        """
        drawn = {name: self._drawn(name, seed, folder) for name in sorted(self.services)}
        before = {name: _before(item) for name, item in drawn.items()} if with_history else {}
        document = self._document({name: stackless.declared(_before(item)) for name, item in drawn.items()}, lead_s)
        given = Scenario(
            name=self.name,
            document=document,
            traces={name: today for name, (today, _) in drawn.items()},
            history=before,
            spot={name: pool.interruptions for name, pool in self.pools.items() if pool.interruptions is not None},
            faults=self.faults,
            duration_s=self.duration_s,
        )
        return given.with_lead(LeadTime(median_s=float(lead_s), p95_s=SPREAD * lead_s))

    def _drawn(self, service: str, seed: int, folder: pathlib.Path | None) -> tuple[Trace, Trace]:
        """Return today's requests of a service, and those that its owner knows."""
        return drawn(self.services[service].traffic, f"{self.name}/{service}", self.duration_s, seed, folder)

    def _document(self, declared: Mapping[str, Workload], lead_s: int) -> Document:
        return Document(
            stack=self.name,
            namespace=NAMESPACE,
            services={name: _service(item, declared[name]) for name, item in sorted(self.services.items())},
            pools={
                name: DocumentPool(
                    instance_type=pool.accelerator,
                    accelerators=pool.accelerators,
                    max_nodes=pool.nodes,
                    lead_time_s=lead_s,
                    capacity_type=CapacityType.ON_DEMAND if pool.interruptions is None else CapacityType.SPOT,
                )
                for name, pool in sorted(self.pools.items())
            },
            workloads=tuple(
                self._workload(service, pool)
                for service, item in sorted(self.services.items())
                for pool in sorted(item.profiles, key=lambda name: Decimal(self.pools[name].hourly_usd))
            ),
            cost=CostCap(hourly_usd=self.cap),
            planner=DocumentPlanner(interval_s=INTERVAL_S, dry_run=False),
        )

    def _workload(self, service: str, pool: str) -> DocumentWorkload:
        return DocumentWorkload(
            name=contract.workload_name(service, Role.SERVE, pool),
            service=service,
            role=Role.SERVE,
            pool=pool,
            accelerators=self.pools[pool].accelerators,
            hourly_usd=Decimal(self.pools[pool].hourly_usd),
            max_replicas=min(self.pools[pool].nodes, self.services[service].most),
            profile=catalogue.profiles()[self.services[service].profiles[pool]],
        )


@functools.lru_cache(maxsize=8)
def drawn(
    traffic: laws.Law | recorded.Recording, name: str, duration_s: float, seed: int, folder: pathlib.Path | None
) -> tuple[Trace, Trace]:
    """Return today's requests, and those that whoever declared the workload knew: never today's.

    Of a recording no day before is known; whoever declared it has seen its first minutes.
    """
    if isinstance(traffic, recorded.Recording):
        return traffic.draw(name, seed=seed, folder=folder)
    today = traffic.draw(name, duration_s=duration_s, seed=seed)
    return today, traffic.draw(name, duration_s=duration_s, seed=seed, number=laws.YESTERDAY)


def _before(pair: tuple[Trace, Trace]) -> Trace:
    return pair[1]


def _service(item: Promise, declared: Workload) -> DocumentService:
    profile = catalogue.profiles()[next(iter(item.profiles.values()))]
    classes = {name or stackless.DEFAULT_CLASS: objective for name, objective in sorted(item.objectives.items())}
    return DocumentService(
        model=profile.model,
        engine=EngineKind.VLLM,
        replicas=ReplicaRange(min=item.least, max=item.most, on_demand_min=item.on_demand),
        slo=Slo(window=stackless.WINDOW, classes=classes, default_class=next(iter(classes))),
        workload=declared,
        cost=None,
        priority=item.priority,
    )
