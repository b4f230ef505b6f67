"""What the gateway tells about a request: that it came, that it still runs, how it ended."""

from __future__ import annotations

import dataclasses
import enum


class Outcome(enum.Enum):
    """How a request ended; the first three count in the attainment."""

    ANSWERED = "answered"
    """With an answer: good or not by its times."""
    FAILED = "failed"
    """With a server error, or its stream broke: missed."""
    SHED = "shed"
    """Turned away for lack of capacity (429): missed."""
    CANCELLED = "cancelled"
    """By its own client: does not count."""
    REFUSED = "refused"
    """For being wrong (other 4xx): does not count."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A request came."""

    request: str
    """Identifies the request among all gateways."""
    service: str
    class_name: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A request still runs; said about every 10 s."""

    request: str
    service: str
    class_name: str
    is_streamed: bool = False
    """The answer is a stream of events, so its tokens came one by one."""
    output_bytes: int = 0
    """Bytes of the answer so far."""
    age_ms: float | None = None
    """Since receiving the request, in ms; None when the gateway does not say."""
    ttft_ms: float | None = None
    """From receiving the request to the first byte of the answer's body, in ms; None when none came yet."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A request ended."""

    request: str
    service: str
    class_name: str
    outcome: Outcome
    ttft_ms: float | None = None
    """From receiving the request to the first byte of the answer's body, in ms; None when none came."""
    e2e_ms: float | None = None
    """From receiving the request to the last byte of the answer, in ms."""
    is_streamed: bool = False
    output_bytes: int = 0
    output_tokens: int | None = None
    """As the answer itself says (`usage.completion_tokens`); None when it does not."""
