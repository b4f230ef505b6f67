"""Explains ticks: the plan for `/plan`, metrics, and one line of log for each thing that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from tenbin_planner import plan_view
from tenbin_planner.decide import drain

if TYPE_CHECKING:
    from tenbin_spec.plan import PlanView

    from tenbin_planner import ports
    from tenbin_planner.controller.clock import SteadyClock
    from tenbin_planner.controller.documents import Documents
    from tenbin_planner.controller.metrics import Metrics
    from tenbin_planner.controller.observer import ClusterObserver

_log = structlog.get_logger(__name__)


class ClusterRecorder:
    """Recorder of a running planner."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        observer: ClusterObserver,
        documents: Documents,
        clock: SteadyClock,
        stopwatch: ports.Clock,
    ) -> None:
        self._metrics = metrics
        self._observer = observer
        self._documents = documents
        self._clock = clock
        self._stopwatch = stopwatch
        self._said: dict[str, str] = {}
        self._failing: dict[str, str] = {}
        self.last_view: PlanView | None = None
        self.last_failure: str | None = None
        """Why the last tick decided nothing, if it did not."""
        self.attempted: float = stopwatch.now()
        """When the last step of any tick ended, in seconds of the stopwatch."""

    def record(self, tick: ports.Tick) -> None:
        """Take note of a tick."""
        self.last_view = plan_view.view(tick)
        self.last_failure = None
        self._metrics.record(tick, self._observer.engines_unread, clock_moved_s=self._clock.moved_s)
        if self._documents.since is not None:
            self._metrics.document_since.set(self._documents.since)
        self._tell_orders(tick)
        self._tell_changes(tick)

    def step(self, name: str, seconds: float, error: Exception | None) -> None:
        """Take note of a step; a failure that lasts is told once."""
        self.attempted = self._stopwatch.now()
        self._metrics.step(name, seconds, error)
        if error is None:
            if name != "act" and self._failing.pop(name, None) is not None:
                _log.info("step works again", step=name)
            return
        text = f"{type(error).__name__}: {error}"
        if name in ("recall", "observe", "model", "decide"):
            self.last_failure = f"{name}: {text}"
        if self._failing.get(name) != text:
            self._failing[name] = text
            trace = error if name in ("model", "decide") else None
            _log.warning("step failed, tried again", step=name, why=text, seconds=round(seconds, 3), exc_info=trace)

    def _tell_orders(self, tick: ports.Tick) -> None:
        reasons = {item.name: item.because for item in tick.plan.workloads}
        for order in tick.done:
            match order:
                case drain.Scale():
                    because = reasons[order.workload]
                    _log.info(
                        "scaled",
                        workload=order.workload,
                        before=order.expected,
                        after=order.wanted,
                        reason=because.reason,
                        detail=because.detail,
                        hourly_usd=str(tick.plan.hourly_usd),
                    )
                case drain.Mark():
                    _log.info("drains", replica=order.replica)
                case drain.Unmark():
                    _log.info("drains no more", replica=order.replica)

    def _tell_changes(self, tick: ports.Tick) -> None:
        """Tell what is said for the first time or differs from before."""
        now = {f"plan {item.name}": f"{item.wanted} {item.because.reason}" for item in tick.plan.workloads}
        details = {f"plan {item.name}": item.because.detail for item in tick.plan.workloads}
        now |= {
            f"service {item.name}": " ".join(because.reason for because in item.because) for item in tick.plan.services
        }
        details |= {f"service {item.name}": str(item.because[0].detail) for item in tick.plan.services}
        now["document"] = f"{tick.scene.document.revision} {tick.scene.document_problem or ''}".strip()
        now |= {f"note {note}": note for note in tick.plan.notes}
        now |= {f"ignored {item.where}": item.why for item in tick.plan.ignored}
        now["mode"] = f"leader={tick.is_leader} dry_run={tick.is_dry_run}"
        for subject, text in now.items():
            before = self._said.get(subject)
            if before != text:
                kind, _, name = subject.partition(" ")
                _log.info(kind, name=name or None, now=text, before=before, detail=details.get(subject))
        self._said = now
