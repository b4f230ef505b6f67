"""What is carried from one decision to the next; plain values, bounded in size, and written down between ticks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenbin_planner.decide import answers, budget, leads, outlook, spending, spot
from tenbin_planner.decide.plain import finite

if TYPE_CHECKING:
    from tenbin_planner.decide.standing import Standing

VERSION = 2
MOST_NEEDS = 400
"""Ticks whose need is remembered per service."""
MOST_STEPS = 100
"""Of a length: a step is a quarter, so that no length lies so far from the declared one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Need:
    """What a service needed at a moment before."""

    at: float
    rate: float
    """Requests per second that the fleet had to be able to serve."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stop:
    """The last time that replicas of a service were given up, and what was expected then."""

    at: float
    rate: float
    """Requests per second that were not expected to be exceeded."""
    output_tokens: float
    """Mean length of answers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceMemory:
    """What is remembered of a service."""

    demand: outlook.DemandMemory = dataclasses.field(default_factory=outlook.empty)
    lengths: answers.LengthsMemory = dataclasses.field(default_factory=answers.LengthsMemory)
    budget: budget.BudgetMemory = dataclasses.field(default_factory=budget.BudgetMemory)
    needs: tuple[Need, ...] = ()
    """Oldest first."""
    input_step: int = 0
    """Observed input lengths as steps from the declared ones; see `capacity.LENGTH_STEP`."""
    output_step: int = 0
    stop: Stop | None = None
    spare_since: float | None = None
    """Since when one replica fewer would do, had a stop no price; None while it would not."""
    standing: Standing | None = None
    """What was judged last, when it changed nothing; not written down: a new planner judges anew."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadMemory:
    """What is remembered of a workload."""

    written: int | None = None
    """Count that the cluster was told when this planner looked or wrote last."""
    asked: int | None = None
    """Count that this planner asked for after that and does not know to be written: it, or its call, may have ended."""
    closed_until: float = 0.0
    """Nothing is bought here until then, since replicas found no node."""
    closed_for_s: float = 0.0
    """How long it was closed the last time; doubles each time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """Everything that a decision takes from the past."""

    at: float = 0.0
    """Time of the last decision; 0 before the first."""
    services: Mapping[str, ServiceMemory] = dataclasses.field(default_factory=dict)
    workloads: Mapping[str, WorkloadMemory] = dataclasses.field(default_factory=dict)
    leads: leads.LeadMemory = dataclasses.field(default_factory=leads.LeadMemory)
    spot: spot.SpotMemory = dataclasses.field(default_factory=spot.SpotMemory)
    spending: spending.SpendingMemory = dataclasses.field(default_factory=spending.SpendingMemory)

    def service(self, name: str) -> ServiceMemory:
        """Return what is remembered of a service."""
        return self.services.get(name, ServiceMemory())

    def workload(self, name: str) -> WorkloadMemory:
        """Return what is remembered of a workload."""
        return self.workloads.get(name, WorkloadMemory())

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "version": VERSION,
            "at": self.at,
            "services": {
                name: {
                    "demand": item.demand.to_plain(),
                    "lengths": item.lengths.to_plain(),
                    "budget": item.budget.to_plain(),
                    "needs": [[need.at, need.rate] for need in item.needs],
                    "input_step": item.input_step,
                    "output_step": item.output_step,
                    "spare_since": item.spare_since,
                    "stop": None if item.stop is None else dataclasses.asdict(item.stop),
                }
                for name, item in sorted(self.services.items())
            },
            "workloads": {name: dataclasses.asdict(item) for name, item in sorted(self.workloads.items())},
            "leads": self.leads.to_plain(),
            "spot": self.spot.to_plain(),
            "spending": self.spending.to_plain(),
        }


def merge(saved: Memory, own: Memory | None) -> Memory:
    """Return what was saved, with the arrivals that this planner saw itself while it did not lead."""
    if own is None:
        return saved
    services = {
        name: dataclasses.replace(
            saved.service(name),
            demand=outlook.merge(saved.service(name).demand, own.service(name).demand),
            lengths=own.service(name).lengths if name in own.services else saved.service(name).lengths,
            needs=max(saved.service(name).needs, own.service(name).needs, key=_last),
        )
        for name in sorted({*saved.services, *own.services})
    }
    return dataclasses.replace(saved, services=services)


def _last(needs: tuple[Need, ...]) -> float:
    return needs[-1].at if needs else 0.0


def from_plain(plain: Mapping[str, Any]) -> Memory:
    """Read what `Memory.to_plain` wrote.

    Raises:
        ValueError: when it is of another version or not of this shape.
    """
    try:
        if plain["version"] != VERSION:
            raise ValueError(f"memory of version {plain['version']!r}; this program reads {VERSION}")
        return Memory(
            at=finite(plain["at"]),
            services={str(name): _service(item) for name, item in plain["services"].items()},
            workloads={str(name): _workload(item) for name, item in plain["workloads"].items()},
            leads=leads.from_plain(plain["leads"]),
            spot=spot.from_plain(plain["spot"]),
            spending=spending.from_plain(plain["spending"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"memory is not of the shape that this program writes: {error!r}") from error


def _service(plain: Mapping[str, Any]) -> ServiceMemory:
    stop = plain["stop"]
    return ServiceMemory(
        demand=outlook.from_plain(plain["demand"]),
        lengths=answers.from_plain(plain["lengths"]),
        budget=budget.from_plain(plain["budget"]),
        needs=tuple(Need(at=finite(at), rate=finite(rate)) for at, rate in plain["needs"]),
        input_step=_step(plain["input_step"]),
        output_step=_step(plain["output_step"]),
        spare_since=None if plain["spare_since"] is None else finite(plain["spare_since"]),
        stop=None
        if stop is None
        else Stop(at=finite(stop["at"]), rate=finite(stop["rate"]), output_tokens=finite(stop["output_tokens"])),
    )


def _step(value: Any) -> int:
    if not -MOST_STEPS <= int(value) <= MOST_STEPS:
        raise ValueError(f"memory holds {value!r} where a step of a length belongs")
    return int(value)


def _workload(plain: Mapping[str, Any]) -> WorkloadMemory:
    written, asked = plain["written"], plain.get("asked")
    return WorkloadMemory(
        written=None if written is None else int(written),
        asked=None if asked is None else int(asked),
        closed_until=finite(plain["closed_until"]),
        closed_for_s=finite(plain["closed_for_s"]),
    )
