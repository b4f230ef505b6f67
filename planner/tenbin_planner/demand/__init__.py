"""Demand and truth at the gateway: what was asked, what runs, and how well it was answered.

Pure: entries of the gateway's access log go in with the planner's own time, an observation comes out. No clock is read
and nothing is logged, so the back-tester can feed the same log from virtual time.

>>> from tenbin_planner import demand
>>> from tenbin_spec.objectives import Objective, Slo
>>> log = demand.DemandLog()
>>> log.configure({"chat": Slo(window="30d", classes={"interactive": Objective(target="0.99", ttft_ms=500)})})
>>> log.heard("gateway-1", at=100.0)
>>> log.started(demand.Started(request="r1", service="chat", class_name="interactive"), at=101.2)
>>> log.ended(
...     demand.Ended(
...         request="r1",
...         service="chat",
...         class_name="interactive",
...         outcome=demand.Outcome.ANSWERED,
...         ttft_ms=180.0,
...         e2e_ms=900.0,
...     ),
...     at=102.1,
... )
>>> log.heard("gateway-1", at=103.4)
>>> seen = log.snapshot(103.5).classes["chat", "interactive"]
>>> seen.arrivals, seen.in_flight, seen.last_minute.share
((1, 0), 0, 1.0)
"""

from tenbin_planner.demand.entries import Ended, Outcome, Running, Started
from tenbin_planner.demand.log import DemandLog
from tenbin_planner.demand.observation import Attainment, ClassObservation, GatewayObservation, Quantiles, known_until
from tenbin_planner.demand.progress import AnswerCounts, RunningSample

__all__ = [
    "AnswerCounts",
    "Attainment",
    "ClassObservation",
    "DemandLog",
    "Ended",
    "GatewayObservation",
    "Outcome",
    "Quantiles",
    "Running",
    "RunningSample",
    "Started",
    "known_until",
]
