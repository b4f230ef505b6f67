"""What the planner observes of the world at one moment: values only, with absence as a state of its own.

Numbers come from outside and may be anything; `signals` tells which of them can be used.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.demand import GatewayObservation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Absent:
    """Something that could not be observed; never the same as 0."""

    why: str


class Phase(enum.StrEnum):
    """What a replica does for requests."""

    STARTING = "starting"
    """Asked for, not serving yet."""
    READY = "ready"
    DRAINING = "draining"
    """Marked for removal, so that it gets no new requests, but still counted by its workload."""
    TERMINATING = "terminating"
    """Being removed; its workload no longer counts it, but it costs until it is gone."""
    LOST = "lost"
    """Its node does not answer: it serves nothing, and its workload still counts it."""


class Removal(enum.StrEnum):
    """Which replicas a workload's kind removes when its count goes down."""

    DELETION_COST = "deletion-cost"
    """First those that do not serve, then those of the lowest deletion cost."""
    YOUNGEST = "youngest"
    """First those that do not serve, then those of the highest rank: the youngest."""
    HIGHEST_RANK = "highest-rank"
    """Those of the highest rank, whatever they do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EngineReading:
    """What an engine says about itself; a number that it does not give is None."""

    running: float | None
    """Requests in execution."""
    waiting: float | None
    """Requests that wait for capacity."""
    kv_usage: float | None
    """Share of the KV cache in use, 0 to 1."""


class Warmth(enum.StrEnum):
    """Whether what a start needs was there when it began."""

    WARM = "warm"
    """It was there."""
    COLD = "cold"
    """It had to come first."""
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartParts:
    """The start of a replica in parts, in seconds; one that is not over, or that nobody told, is None and never 0."""

    node: Warmth = Warmth.UNKNOWN
    """Whether its node was there when the replica was made."""
    image: Warmth = Warmth.UNKNOWN
    """Whether its image was on the node already."""
    node_s: float | None = None
    """From the making of the replica until it has a node."""
    image_s: float | None = None
    """The pull of its image; 0 where the image was there."""
    container_s: float | None = None
    """From having a node until the engine's program runs, without the pull: sandbox, volumes, containers before it."""
    engine_s: float | None = None
    """From there until it serves: weights, compilation, warm-up."""

    @property
    def kind(self) -> Warmth:
        """Whether the start needs nothing that has to come first, or node or image."""
        if Warmth.COLD in (self.node, self.image):
            return Warmth.COLD
        return Warmth.UNKNOWN if Warmth.UNKNOWN in (self.node, self.image) else Warmth.WARM

    @property
    def total_s(self) -> float | None:
        """All parts together; None while one is not known."""
        parts = (self.node_s, self.image_s, self.container_s, self.engine_s)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


UNTOLD = StartParts()
"""A start of which nobody told anything."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """What a replica is on is about to go."""

    why: str
    """Who says so, in words."""
    left_s: float
    """Seconds until it does."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplicaState:
    """One replica."""

    name: str
    phase: Phase
    since_s: float
    """Seconds since its start began, or since the mark of a draining one."""
    is_scheduled: bool
    """Whether it has a node; one without costs nothing yet."""
    engine: EngineReading | Absent
    start: StartParts = UNTOLD
    """Of its first start, as far as the cluster tells."""
    rank: int | None = None
    """Its place among the replicas of its workload, from 0, where the kind removes by that."""
    notice: Notice | None = None
    """That its node is about to go; it serves until then."""
    marked_s: float | None = None
    """Seconds since it was marked for removal, also once it terminates; None for one that was not."""

    @property
    def is_going(self) -> bool:
        """Whether its workload counts it although its node is about to go."""
        return self.notice is not None and self.phase in (Phase.STARTING, Phase.READY, Phase.DRAINING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByHand:
    """What a person has said of a workload's count, for a while."""

    is_paused: bool = False
    """Its count and its replicas are left alone."""
    least: int = 0
    most: int | None = None
    """None: as the agreement says."""
    problems: tuple[str, ...] = ()
    """What was said and cannot be followed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
    """A count that was to be written, and that the cluster did not take."""

    at: float
    """When, in seconds of the planner's clock."""
    why: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadState:
    """One workload of the cluster."""

    name: str
    wanted: int
    """Replicas that the cluster is told to run."""
    replicas: tuple[ReplicaState, ...]
    by_hand: ByHand = dataclasses.field(default_factory=ByHand)
    removal: Removal = Removal.DELETION_COST
    refusal: Refusal | None = None
    """Of the last count that was written; None where the cluster took it."""
    room: int | None = None
    """Replicas for which there is room on nodes that are there and have the image; None where that is not known."""

    refused: str | None = None
    """Why the cluster makes none of the replicas that are missing, in its words; None while it may make them."""

    def count(self, *phases: Phase) -> int:
        """Return the number of replicas in these phases."""
        return sum(replica.phase in phases for replica in self.replicas)

    @property
    def going(self) -> tuple[ReplicaState, ...]:
        """Replicas that it counts and whose node is about to go."""
        return tuple(replica for replica in self.replicas if replica.is_going)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObservedLengths:
    """Mean token counts of a service's requests of late."""

    input_tokens: float
    output_tokens: float
    requests: int
    """Requests that the means rest on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """The world at one moment."""

    at: float
    """Seconds of the planner's clock; time comes from here and nowhere else."""
    gateway: GatewayObservation
    """Demand and truth."""
    workloads: Mapping[str, WorkloadState]
    """By name; a workload that is missing does not exist in the cluster, or cannot be scaled."""
    lengths: Mapping[str, ObservedLengths]
    """By service; missing where engines did not tell."""
    problems: tuple[str, ...] = ()
    """What cannot be seen of the cluster, in words."""
    unscalable: Mapping[str, Absent] = dataclasses.field(default_factory=dict)
    """Why a workload that is missing is missing, by name, where that is known."""
