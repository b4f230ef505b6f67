"""What the engines' own histograms tell of attainment while no gateway is heard: an estimate, never counted.

An engine does not know classes, so that the share is one of all of a service's requests, held against the thresholds
of each class. It knows nothing of requests that it never saw or refused, nor of the time in the gateway. And a
histogram is of one time only: of requests within two thresholds, each kept by a known share, no more is known than

    max(0, a + b - 1) <= both <= min(a, b)        (Fréchet's bounds)

so that the estimate is a span, wide where bucket bounds do not stand on the thresholds.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from tenbin_planner import ports
from tenbin_planner.controller.histograms import ShareWithin, share_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenbin_spec.objectives import Objective, Slo

    from tenbin_planner.controller.histograms import Histogram

WINDOW_S = 60.0
"""As the last minute at the gateway."""

Latencies = dict[str, "Histogram"]
_THRESHOLDS = ("ttft_ms", "tpot_ms", "e2e_ms")
"""Of an objective; the histogram of a table has the same name."""


class AttainmentEstimator:
    """Follows the histograms of the engines of all services."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, collections.deque[tuple[float, Latencies]]]] = {}
        """Service and readings by pod, oldest first, of which the first may be a window old."""

    def learn(self, latencies: Mapping[str, tuple[str, Mapping[str, Histogram | None]]], *, at: float) -> None:
        """Take note of histograms.

        Args:
            latencies: service and histograms by pod, of all pods that could be read. One that is read for the first
                time says nothing yet; one that is missing is forgotten when its last reading is a window old.
            at: now, in seconds.
        """
        for pod, (service, found) in latencies.items():
            _, readings = self._read.setdefault(pod, (service, collections.deque()))
            readings.append((at, {name: item for name, item in found.items() if item is not None}))
        for _, readings in self._read.values():
            while len(readings) > 1 and readings[1][0] <= at - WINDOW_S:
                readings.popleft()
        self._read = {pod: item for pod, item in self._read.items() if item[1][-1][0] > at - WINDOW_S}

    def forget(self) -> None:
        """Forget everything: what comes next has nothing to do with it."""
        self._read = {}

    def estimates(self, services: Mapping[str, Slo]) -> dict[tuple[str, str], ports.EngineAttainment]:
        """Return the estimate of the last minute by service and class; one of which nothing is known is missing."""
        found = {}
        for service, slo in services.items():
            pods = [readings for name, readings in self._read.values() if name == service and len(readings) > 1]
            for class_name, objective in slo.classes.items():
                estimate = _estimate(pods, objective)
                if estimate is not None:
                    found[service, class_name] = estimate
        return found


def _estimate(
    pods: Sequence[collections.deque[tuple[float, Latencies]]], objective: Objective
) -> ports.EngineAttainment | None:
    lower, upper, requests = 1.0, 1.0, []
    for name in _THRESHOLDS:
        threshold = getattr(objective, name)
        if threshold is None:
            continue
        shares = list(_shares(pods, name, threshold))
        total = sum(share.observations for share in shares)
        if total:
            lower += sum(share.lower * share.observations for share in shares) / total - 1
            upper = min(upper, sum(share.upper * share.observations for share in shares) / total)
            requests.append(total)
        else:
            lower -= 1  # nobody tells of this threshold: all requests may have missed it
    if not requests:
        return None
    return ports.EngineAttainment(lower=min(max(lower, 0.0), upper), upper=upper, requests=min(requests))


def _shares(
    pods: Sequence[collections.deque[tuple[float, Latencies]]], name: str, threshold: float
) -> Iterator[ShareWithin]:
    for readings in pods:
        before, after = readings[0][1].get(name), readings[-1][1].get(name)
        if before is not None and after is not None:
            share = share_within(before, after, threshold=threshold)
            if isinstance(share, ShareWithin):
                yield share
