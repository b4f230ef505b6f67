"""Mean token counts of late, from counters of engines that restart, come and go."""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import ObservedLengths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.controller.scraper import Counters

WINDOW_S = 300.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Growth:
    at: float
    input_tokens: float
    output_tokens: float
    finished: float


class LengthTracker:
    """Follows the counters of the engines of all services."""

    def __init__(self) -> None:
        self._last: dict[str, Counters] = {}
        self._grown: dict[str, collections.deque[_Growth]] = {}

    def learn(self, counters: Mapping[str, tuple[str, Counters]], *, at: float) -> dict[str, float]:
        """Take note of counters.

        Args:
            counters: service and counters by pod, of all pods that could be read. A pod that is read for the first
                time says nothing yet; one that is missing is not forgotten before it comes back with less.
            at: now, in seconds.

        Returns:
            Tokens that each service generated since the last time.
        """
        generated: dict[str, float] = {}
        for pod, (service, now) in sorted(counters.items()):
            before = self._last.get(pod)
            self._last[pod] = now
            if before is None:
                continue
            generated[service] = generated.get(service, 0.0) + _growth(before.generated, now.generated)
            grown = _Growth(
                at=at,
                input_tokens=_growth(before.input_tokens, now.input_tokens),
                output_tokens=_growth(before.output_tokens, now.output_tokens),
                finished=_growth(before.finished, now.finished),
            )
            if grown.finished:
                self._grown.setdefault(service, collections.deque()).append(grown)
        return generated

    def forget_all_but(self, pods: set[str]) -> None:
        """Forget pods that are gone."""
        self._last = {pod: counters for pod, counters in self._last.items() if pod in pods}

    def means(self, *, at: float) -> dict[str, ObservedLengths]:
        """Return the means over the last `WINDOW_S` seconds by service; one without finished requests is missing."""
        found = {}
        for service, grown in sorted(self._grown.items()):
            while grown and grown[0].at < at - WINDOW_S:
                grown.popleft()
            finished = sum(item.finished for item in grown)
            if finished >= 1:
                found[service] = ObservedLengths(
                    input_tokens=sum(item.input_tokens for item in grown) / finished,
                    output_tokens=sum(item.output_tokens for item in grown) / finished,
                    requests=int(finished),
                )
        return found


def _growth(before: float | None, now: float | None) -> float:
    """Return how much a counter grew; one that fell has started anew. What is no number did not grow."""
    if before is None or now is None or not (math.isfinite(before) and math.isfinite(now)) or now < 0:
        return 0.0
    return now - before if now >= before else now
