"""What the planner observes at the gateway at one moment."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.demand.progress import AnswerCounts, RunningSample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BLIND_AFTER_S = 15.0
"""Gateways are probed every three seconds and say so; silence for so long is no signal."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attainment:
    """Requests that count, and those among them that kept all thresholds of their class."""

    good: int
    total: int

    @property
    def share(self) -> float | None:
        """Share of good requests; None without requests."""
        return self.good / self.total if self.total else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Quantiles of a sample, by nearest rank."""

    p50: float
    p90: float
    p99: float
    count: int
    """Size of the sample."""

    @classmethod
    def of(cls, sample: Sequence[float]) -> Quantiles | None:
        """Return the quantiles of a sample, None for an empty one."""
        if not sample:
            return None
        ordered = sorted(sample)

        def at(share: float) -> float:
            return ordered[math.ceil(share * len(ordered)) - 1]

        return cls(p50=at(0.50), p90=at(0.90), p99=at(0.99), count=len(ordered))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassObservation:
    """Demand and truth of one request class of a service."""

    service: str
    class_name: str
    arrivals: tuple[int, ...]
    """Requests in each whole second, oldest first, at most 600, up to `GatewayObservation.known_until`. Seconds before
    the gateways were heard without a gap are absent: unknown, not 0."""
    in_flight: int
    """Requests that came and have not ended."""
    last_minute: Attainment
    last_5_minutes: Attainment
    last_hour: Attainment
    cumulative: Attainment
    """Since the log began."""
    ttft_ms: Quantiles | None
    """Time to first token of the answers of the last 60 s, in ms."""
    tpot_ms: Quantiles | None
    """Time per output token of the streamed answers of the last 60 s with two tokens or more, in ms."""
    e2e_ms: Quantiles | None
    """End-to-end time of the answers of the last 60 s, in ms."""
    tpot_is_estimated: bool
    """Whether a time per output token of the last 60 s rests on an estimated number of tokens."""
    output_tokens: float | None
    """Mean number of tokens of the streamed answers of the last 60 s, estimated where they do not say."""
    failed: int
    """Since the log began, as are the following."""
    shed: int
    cancelled: int
    refused: int
    running: RunningSample = dataclasses.field(default_factory=RunningSample)
    """How old the requests in flight are, and how far their answers have come."""
    answers: AnswerCounts | None = None
    """How far answers go; None before a gateway was heard."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GatewayObservation:
    """Demand and truth of all services at one moment."""

    at: float
    """Seconds of the planner's clock."""
    gateways: Mapping[str, float]
    """Seconds since each gateway was last heard, by its node id."""
    classes: Mapping[tuple[str, str], ClassObservation]
    """By service and class; every configured one is there."""
    ignored: Mapping[str, int]
    """Entries that could not be used, by cause, since the log began."""

    @property
    def known_until(self) -> float:
        """Instant until which arrivals are known, in seconds of the planner's clock."""
        return known_until(self.gateways, self.at)

    @property
    def is_blind(self) -> bool:
        """Whether nothing was heard of any gateway lately: no signal, which is not the same as no demand."""
        return all(silence_s > BLIND_AFTER_S for silence_s in self.gateways.values())

    def service(self, name: str) -> tuple[ClassObservation, ...]:
        """Return the classes of one service, in the order of their names."""
        return tuple(self.classes[key] for key in sorted(self.classes) if key[0] == name)


def known_until(silences_s: Mapping[str, float], at: float) -> float:
    """Return the instant until which arrivals are known.

    Until then every gateway was heard; those silent for too long are held to be gone, unless all are.

    Args:
        silences_s: seconds since each gateway was last heard.
        at: now, in seconds.
    """
    usable = [silence_s for silence_s in silences_s.values() if silence_s >= 0]
    heard = [silence_s for silence_s in usable if silence_s <= BLIND_AFTER_S]
    return at - (max(heard) if heard else min(usable, default=0.0))
