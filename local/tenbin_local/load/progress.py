"""The figures of a run while it goes on, kept up at little cost: each request is judged once."""

from __future__ import annotations

import bisect
import collections
from collections.abc import Callable, Mapping

from tenbin_local.load import fleet, live, summary
from tenbin_local.load.driving import Traffic
from tenbin_local.load.observing import FleetWatch, PlanWatch
from tenbin_local.load.preparation import Plan
from tenbin_local.load.records import RequestRecord
from tenbin_local.load.shape import Shape
from tenbin_local.load.summary import ClassTally

RECENT_S = 10.0
"""Span of the rate and of the percentiles."""
LATELY_S = 30.0
"""Span of the recent attainment."""


class Progress:
    """Turns what traffic and watches have seen into figures."""

    def __init__(
        self,
        plan: Plan,
        *,
        shape: Shape,
        traffic: Traffic,
        fleet_watch: FleetWatch,
        plan_watch: PlanWatch | None,
        clock: Callable[[], float],
    ) -> None:
        self._slo = plan.document.services[plan.service].slo
        self._prices = fleet.prices_of(plan.document, plan.service)
        self._plan = plan
        self._shape = shape
        self._traffic = traffic
        self._fleet_watch = fleet_watch
        self._plan_watch = plan_watch
        self._clock = clock
        self._seen = 0
        self._so_far = {name: ClassTally() for name in self._slo.classes}
        self._errors: collections.Counter[str] = collections.Counter()
        self._lately: collections.deque[RequestRecord] = collections.deque()

    def figures(self) -> live.Figures:
        """Return the figures as of now."""
        now = self._clock()
        self._judge_new(now)
        recent = [record for record in self._lately if record.ended_s >= now - RECENT_S]
        latest = summary.tallies(self._lately, self._slo)
        samples = self._fleet_watch.samples
        plan_watch = self._plan_watch
        sent = self._traffic.sent_s
        span_s = max(min(now, RECENT_S), 1e-9)
        watches = (self._fleet_watch, *((plan_watch,) if plan_watch else ()))
        return live.Figures(
            elapsed_s=now,
            duration_s=self._shape.duration_s,
            phase=self._shape.phase_at(now),
            target_rate=self._plan.rate * self._shape.multiple_at(now),
            sent_rate=(len(sent) - bisect.bisect_left(sent, now - RECENT_S)) / span_s,
            sent=len(sent),
            planned=len(self._plan.requests),
            in_flight=self._traffic.in_flight,
            errors=dict(sorted(self._errors.items())),
            ttft=summary.percentiles(record.ttft_ms for record in recent),
            tpot=summary.percentiles(record.tpot_ms for record in recent),
            classes=self._classes(latest),
            pools=samples[-1].pools if samples else {},
            hourly_usd=fleet.hourly_usd(samples[-1], self._prices) if samples else None,
            usd=fleet.spend(samples, self._prices, now).usd if samples else None,
            decision=str(plan_watch.current) if plan_watch and plan_watch.current else "",
            problems=tuple(watch.trouble.now for watch in watches if watch.trouble.now),
        )

    def _judge_new(self, now: float) -> None:
        fresh = self._traffic.records[self._seen :]
        self._seen += len(fresh)
        self._errors.update(summary.errors_by_kind(fresh))
        for name, tally in summary.tallies(fresh, self._slo).items():
            before = self._so_far[name]
            self._so_far[name] = ClassTally(good=before.good + tally.good, total=before.total + tally.total)
        self._lately.extend(fresh)
        while self._lately and self._lately[0].ended_s < now - LATELY_S:
            self._lately.popleft()

    def _classes(self, lately: Mapping[str, ClassTally]) -> dict[str, live.ClassFigures]:
        return {
            name: live.ClassFigures(
                target=float(self._slo.classes[name].target), so_far=self._so_far[name], last_30_s=tally
            )
            for name, tally in lately.items()
        }
