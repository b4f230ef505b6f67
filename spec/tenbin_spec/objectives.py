"""The agreement on response time: request classes, each with thresholds and the share of requests that keeps them.

A request of a class is *good* when it keeps **all** thresholds of its class. Attainment is the share of good requests;
shed requests and server errors count as missed, a client's own cancel does not count. The error budget is one minus
the target, spent over the window; the burn rate is the speed of spending relative to the even pace.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.quantities import Frozen, Milliseconds, Name, Share, Window


class Objective(Frozen):
    """What one request class is promised.

    >>> Objective(target="0.99", ttft_ms=1000, tpot_ms=40).is_good(ttft_ms=180.0, tpot_ms=31.5, e2e_ms=7000.0)
    True
    """

    target: Share
    """Share of the class's requests that must be good over the window."""
    ttft_ms: Milliseconds | None = None
    """Longest time to first token, in milliseconds from the gateway receiving the request."""
    tpot_ms: Milliseconds | None = None
    """Longest time per output token after the first, in milliseconds: (end-to-end - TTFT) / (output tokens - 1)."""
    e2e_ms: Milliseconds | None = None
    """Longest end-to-end time, in milliseconds."""

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Self:
        if self.ttft_ms is None and self.tpot_ms is None and self.e2e_ms is None:
            raise ValueError("has no threshold: give at least one of ttft_ms, tpot_ms, e2e_ms")
        return self

    @property
    def error_budget(self) -> Decimal:
        """Share of requests that may miss: 1 - target."""
        return 1 - self.target

    def is_good(self, *, ttft_ms: float | None, tpot_ms: float | None, e2e_ms: float | None) -> bool:
        """Tell whether a request with these times, in milliseconds, keeps every threshold.

        A time that is None was never reached (no first token came, say) and misses its threshold, save for `tpot_ms`:
        an answer of one token has no time per output token and keeps that threshold.
        """
        return (
            (self.tpot_ms is None or tpot_ms is None or tpot_ms <= self.tpot_ms)
            and (self.ttft_ms is None or (ttft_ms is not None and ttft_ms <= self.ttft_ms))
            and (self.e2e_ms is None or (e2e_ms is not None and e2e_ms <= self.e2e_ms))
        )


class Slo(Frozen):
    """The objectives of a service by request class."""

    window: Window
    """Span over which attainment is counted and the error budget is spent."""
    classes: Annotated[dict[Name, Objective], Field(min_length=1, max_length=16)]
    """Objectives by request class. A request names its class in the header `x-llm-d-inference-objective`."""
    default_class: Name | None = None
    """Class of a request that names none or may not choose the one it names; needed with more than one class."""
    client_choice: tuple[Name, ...] | None = None
    """Classes that clients may choose by header; all of them when absent, none with an empty list."""

    @model_validator(mode="after")
    def _names_its_classes(self) -> Self:
        known = ", ".join(sorted(self.classes))
        if self.default_class is None and len(self.classes) > 1:
            raise ValueError(f"default_class is required with more than one class. Allowed: {known}")
        named = [*([self.default_class] if self.default_class else []), *(self.client_choice or ())]
        strangers = sorted({name for name in named if name not in self.classes})
        if strangers:
            raise ValueError(f"names classes that it does not define: {', '.join(strangers)}. Allowed: {known}")
        return self

    @property
    def fallback_class(self) -> str:
        """Class of a request without a valid choice."""
        return self.default_class or next(iter(self.classes))

    @property
    def choosable(self) -> tuple[str, ...]:
        """Classes that a client may choose, in the order of `classes`."""
        return tuple(name for name in self.classes if self.client_choice is None or name in self.client_choice)

    def resolve_class(self, header: str | None) -> str:
        """Return the class of a request from the value of its class header, or the default class."""
        return header if header in self.choosable else self.fallback_class


def burn_rate(*, good: int, total: int, objective: Objective) -> float | None:
    """Return how fast the error budget is spent: 1 is the pace that spends it exactly over the window.

    burn rate = missed share / error budget (Google SRE workbook, chapter 5).

    Args:
        good: good requests in the span that is judged.
        total: all requests in it, shed and failed ones included.
        objective: the class's objective.

    Returns:
        None without requests: no signal is not a burn rate of 0.

    Raises:
        ValueError: when not 0 <= good <= total.
    """
    if not 0 <= good <= total:
        raise ValueError(f"good must lie between 0 and total, not {good} of {total}")
    return None if total == 0 else (total - good) / total / float(objective.error_budget)


def budget_left(*, good: int, total: int, objective: Objective) -> float | None:
    """Return the share of a span's error budget that is left: 1 untouched, 0 spent, below 0 overspent.

    Args:
        good: good requests in the span.
        total: all requests in it, shed and failed ones included.
        objective: the class's objective.

    Returns:
        None without requests.

    Raises:
        ValueError: when not 0 <= good <= total.
    """
    rate = burn_rate(good=good, total=total, objective=objective)
    return None if rate is None else 1 - rate
