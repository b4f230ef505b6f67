"""The planner's own Prometheus metrics; every one has its unit in its name or help."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenbin_planner import ports
    from tenbin_planner.decide.observation import StartParts
    from tenbin_planner.decide.plan import PlannedService
    from tenbin_planner.demand import Attainment

_WORKLOAD = ("service", "role", "pool", "workload")
_PHASES = (Phase.READY, Phase.STARTING, Phase.DRAINING, Phase.TERMINATING, Phase.LOST)
_LATE_S = 60.0
"""A forecast that comes due later than this after its moment is not judged: the rate has moved on."""
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"tenbin_planner_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tenbin_planner_{name}", text, labels, registry=registry)

        self._registry = registry
        self._wanted = gauge("replicas_wanted", "Replicas that the plan wants, with its reason.", *_WORKLOAD, "reason")
        self._replicas = gauge("replicas", "Replicas that exist, by what they do.", *_WORKLOAD, "phase")
        self._going = gauge("replicas_going", "Replicas whose node is about to go.", *_WORKLOAD)
        self._usd = gauge("plan_hourly_usd", "Price of the plan in US dollars per hour.")
        self._cap = gauge("cap_hourly_usd", "Cost cap in US dollars per hour.")
        self._month = gauge("month_usd", "US dollars spent in this calendar month (UTC), as far as it was watched.")
        self._rate = gauge("requests_per_second", "Requests per second at the gateway, smoothed.", "service")
        self._forecast = gauge(
            "forecast_requests_per_second", "Requests per second that are planned for, a lead time ahead.", "service"
        )
        self._capacity = gauge(
            "replica_capacity_requests_per_second", "Requests per second of a replica within objectives.", "service"
        )
        self._in_flight = gauge("requests_in_flight", "Requests that the gateway saw start and not end.", "service")
        self._waiting = gauge("requests_waiting", "Requests that wait in engines.", "service")
        self._reason = gauge("reason_info", "1 for each reason that holds for a service now.", "service", "reason")
        self._attainment = gauge("attainment_ratio", "Share of good requests, last minute.", "service", "class")
        self._engine_attainment = gauge(
            "engine_attainment_ratio",
            "Share of requests of all classes within a class's thresholds, last minute, lower and upper bound by the"
            " engines' histograms; an estimate, only while no gateway is heard.",
            *("service", "class", "bound"),
        )
        self._judged = Judged()
        registry.register(self._judged)
        self._blind = gauge("gateway_blind", "1 when no gateway was heard lately, else 0.")
        self._leader = gauge("leader", "1 when this planner leads, else 0.")
        self._dry_run = gauge("dry_run", "1 when this planner changes nothing, else 0.")
        self._document = gauge("document_info", "1, with the revision of the document in force.", "stack", "revision")
        self._document_problem = gauge("document_problem", "1 when a newer document was refused or is missing, else 0.")
        self._unread = gauge("engines_unread", "Ready engines whose metrics could not be read at the last tick.")
        self._ignored = gauge("numbers_ignored", "Numbers of the last observation that could not be used.")
        self.document_since = gauge("document_in_force_since_seconds", "Unix time when the document came into force.")
        self._last_tick = gauge("last_tick_seconds", "Unix time of the last decision, by the clock of its machine.")
        self._clock_moved = gauge(
            "clock_moved_seconds", "Seconds by which the clock was moved forward to what an earlier planner saved."
        )
        self._steps = Histogram(
            "tenbin_planner_step_seconds",
            "Seconds that a step of a tick took.",
            ("step",),
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self._lead = gauge(
            "expected_lead_time_seconds",
            "Seconds that the next start is expected to take until it serves, median.",
            *_WORKLOAD,
        )
        self._parts = Histogram(
            "tenbin_planner_lead_time_seconds",
            "Seconds that a part of a replica's start took, by whether node and image were there.",
            ("pool", "part", "node", "image"),
            buckets=(1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1800, 3600),
            registry=registry,
        )
        self._starting: set[str] = set()
        self._failures = counter("step_failures", "Steps that failed and are tried again.", "step", "error")
        self._orders = counter("orders", "Orders carried out.", "kind")
        self._due = counter("forecasts_due", "Forecasts of a rate whose moment has come.", "service")
        self._exceeded = counter(
            "forecasts_exceeded", "Of forecasts_due, those whose 90 % quantile lay below the rate.", "service"
        )
        self._forecasts = Forecasts()

    def page(self) -> bytes:
        """Return the metrics in the text format."""
        return prometheus_client.generate_latest(self._registry)

    def step(self, name: str, seconds: float, error: Exception | None) -> None:
        """Take note of a step."""
        self._steps.labels(name).observe(max(0.0, seconds))
        if error is not None:
            self._failures.labels(name, type(error).__name__).inc()

    def set_leader(self, *, is_leader: bool) -> None:
        """Take note of who leads."""
        self._leader.set(is_leader)

    def record(self, tick: ports.Tick, engines_unread: Mapping[str, str], *, clock_moved_s: float = 0.0) -> None:
        """Take note of a tick; series of what is gone vanish."""
        plan, scene = tick.plan, tick.scene
        self._usd.set(float(plan.hourly_usd))
        self._cap.set(float(plan.hourly_cap_usd))
        self._month.set(float(plan.month_usd))
        self._blind.set(scene.observation.gateway.is_blind)
        self._dry_run.set(tick.is_dry_run)
        self._document.clear()
        self._document.labels(scene.document.stack, scene.document.revision).set(1)
        self._document_problem.set(scene.document_problem is not None)
        self._unread.set(len(engines_unread))
        self._ignored.set(len(plan.ignored))
        self._last_tick.set(plan.at - clock_moved_s)
        self._clock_moved.set(clock_moved_s)
        for order in tick.done:
            self._orders.labels(type(order).__name__.lower()).inc()
        self._record_workloads(tick)
        self._record_starts(tick)
        for service in plan.services:
            self._record_service(service)
            self._record_forecast(service, plan.at)
        self._record_reasons(tick)
        self._record_attainment(tick)

    def _record_workloads(self, tick: ports.Tick) -> None:
        self._wanted.clear()
        self._replicas.clear()
        self._going.clear()
        for item in tick.plan.workloads:
            labels = (item.service, item.role, item.pool, item.name)
            self._wanted.labels(*labels, item.because.reason).set(item.wanted)
            state = tick.scene.observation.workloads.get(item.name)
            if state is not None:
                for phase in _PHASES:
                    self._replicas.labels(*labels, phase).set(state.count(phase))
                self._going.labels(*labels).set(len(state.going))

    def _record_starts(self, tick: ports.Tick) -> None:
        """Observe the parts of starts that are over since the last tick; what was there before is none of them."""
        expected = {name: lead_s for item in tick.plan.services for name, lead_s in item.lead_s.items()}
        self._lead.clear()
        starting: set[str] = set()
        for item in tick.plan.workloads:
            if item.name in expected:
                self._lead.labels(item.service, item.role, item.pool, item.name).set(expected[item.name])
            state = tick.scene.observation.workloads.get(item.name)
            for replica in () if state is None else state.replicas:
                if replica.phase is Phase.STARTING:
                    starting.add(replica.name)
                elif replica.phase is Phase.READY and replica.name in self._starting:
                    self._observe(item.pool, replica.start)
        self._starting = starting

    def _observe(self, pool: str, start: StartParts) -> None:
        parts = {
            "node": start.node_s,
            "image": start.image_s,
            "container": start.container_s,
            "engine": start.engine_s,
            "total": start.total_s,
        }
        for part, seconds in parts.items():
            if seconds is not None:
                self._parts.labels(pool, part, start.node, start.image).observe(seconds)

    def _record_service(self, service: PlannedService) -> None:
        for gauge, value in (
            (self._rate, service.requests_per_second),
            (self._forecast, service.forecast_requests_per_second),
            (self._capacity, service.replica_requests_per_second),
            (self._in_flight, service.in_flight),
            (self._waiting, service.waiting),
        ):
            _set(gauge, value, service.name)

    def _record_forecast(self, service: PlannedService, at: float) -> None:
        due, exceeded = self._forecasts.judge(service, at)
        self._due.labels(service.name).inc(due)
        self._exceeded.labels(service.name).inc(exceeded)

    def _record_reasons(self, tick: ports.Tick) -> None:
        self._reason.clear()
        for service in tick.plan.services:
            for because in service.because:
                self._reason.labels(service.name, because.reason).set(1)

    def _record_attainment(self, tick: ports.Tick) -> None:
        for (service, name), seen in tick.scene.observation.gateway.classes.items():
            _set(self._attainment, seen.last_minute.share, service, name)
        self._engine_attainment.clear()
        for key, estimate in tick.scene.estimates.items():
            self._engine_attainment.labels(*key, "lower").set(estimate.lower)
            self._engine_attainment.labels(*key, "upper").set(estimate.upper)
        self._judged.classes = {key: seen.cumulative for key, seen in tick.scene.observation.gateway.classes.items()}


class Judged(Collector):
    """Counts of requests that are kept elsewhere, as the counters that they are: they fall to 0 with the process."""

    def __init__(self) -> None:
        self.classes: Mapping[tuple[str, str], Attainment] = {}
        """By service and class."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the two families, as the registry asks for them."""
        labels = ("service", "class")
        judged = CounterMetricFamily(
            "tenbin_planner_judged_requests", "Requests judged by their class's objective.", labels=labels
        )
        good = CounterMetricFamily(
            "tenbin_planner_good_requests", "Requests that kept their class's objective.", labels=labels
        )
        for key, count in self.classes.items():
            judged.add_metric(key, count.total)
            good.add_metric(key, count.good)
        yield from (judged, good)


class Forecasts:
    """Forecasts that wait for their moment, to be held against the rate that came."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[float, float]]] = {}

    def judge(self, service: PlannedService, at: float) -> tuple[int, int]:
        """Take the farthest forecast of a service, and judge those whose moment has come.

        Args:
            service: of a plan, with its rate now and its forecast.
            at: seconds of the planner's clock.

        Returns:
            Forecasts that came due, and those whose 90 % quantile lay below the rate. Without a rate none is judged.
        """
        waiting = self._waiting.setdefault(service.name, [])
        rate = service.requests_per_second
        due = [p90 for moment, p90 in waiting if at - _LATE_S <= moment <= at]
        self._waiting[service.name] = [item for item in waiting if item[0] > at]
        if service.forecast:
            farthest = max(service.forecast, key=lambda point: point.ahead_s)
            self._waiting[service.name].append((at + farthest.ahead_s, farthest.p90_rps))
        return (0, 0) if rate is None else (len(due), sum(rate > p90 for p90 in due))


def _set(gauge: Gauge, value: float | None, *labels: str) -> None:
    """Set a series; what is unknown has none."""
    if value is None:
        with contextlib.suppress(KeyError):
            gauge.remove(*labels)
    else:
        gauge.labels(*labels).set(value)
