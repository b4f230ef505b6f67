"""What the loop needs of the world: narrow ports, implemented by the cluster's controller and by virtual time.

- `Observer`: the agreement in force and the world now
- `Modeller`: what fleets do within the objectives; may need a while
- `Actuator`: one order at a time
- `StateStore`: the memory between ticks, over restarts
- `Leadership`: whether this planner may write
- `Recorder`: explains each tick: plan, logs, metrics, events
- `Clock`: time
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document

    from tenbin_planner.decide import drain
    from tenbin_planner.decide.capacity import FleetCapacity, Traffic
    from tenbin_planner.decide.memory import Memory
    from tenbin_planner.decide.observation import Observation
    from tenbin_planner.decide.plan import Plan


@dataclasses.dataclass(frozen=True, kw_only=True)
class EngineAttainment:
    """Share of a service's requests within a class's thresholds, as its engines tell of the last minute."""

    lower: float
    upper: float
    requests: float
    """Requests that it rests on, of all classes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """The agreement and the world at one moment."""

    document: Document
    document_problem: str | None
    """Why a newer document is not in force, if one is not."""
    observation: Observation
    estimates: Mapping[tuple[str, str], EngineAttainment] = dataclasses.field(default_factory=dict)
    """By service and class, only while no gateway is heard. For people to see: nothing is decided on it, and no error
    budget counts it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tick:
    """Everything about one pass of the loop."""

    scene: Scene
    plan: Plan
    orders: tuple[drain.Order, ...]
    done: tuple[drain.Order, ...]
    """Orders that were carried out; all others are decided on anew next time."""
    is_leader: bool
    is_dry_run: bool


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Return seconds since the epoch, never going back."""
        ...


class Observer(Protocol):
    """Sees."""

    async def observe(self) -> Scene:
        """Return the world now.

        Raises:
            Exception: when there is nothing to decide on; the loop tries again at the next tick.
        """
        ...


class Modeller(Protocol):
    """Knows what fleets do."""

    async def capacities(self, document: Document, wanted: Mapping[str, Traffic]) -> Mapping[str, FleetCapacity]:
        """Return capacities by workload; those not known yet are missing and being found out."""
        ...


class Actuator(Protocol):
    """Does."""

    async def carry_out(self, order: drain.Order) -> None:
        """Carry out one order.

        Raises:
            Exception: when it was not carried out, for example since somebody else wrote first.
        """
        ...


class StateStore(Protocol):
    """Remembers."""

    async def load(self) -> Memory | None:
        """Return what was saved last; None when nothing ever was.

        Raises:
            Exception: when that cannot be told; the loop decides nothing before it can.
        """
        ...

    async def save(self, memory: Memory) -> None:
        """Save, in place of what was saved before."""
        ...


class Leadership(Protocol):
    """Says who writes."""

    @property
    def is_leader(self) -> bool:
        """Whether this planner may write now."""
        ...


class Recorder(Protocol):
    """Explains."""

    def record(self, tick: Tick) -> None:
        """Take note of a tick."""
        ...

    def step(self, name: str, seconds: float, error: Exception | None) -> None:
        """Take note of how long a step took and whether it failed."""
        ...
