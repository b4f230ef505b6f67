"""What a run came to: totals, the comparison, and a verdict in plain words; the same as JSON and as a table."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal

from tenbin_spec import words
from tenbin_spec.document import Document
from tenbin_spec.quantities import Frozen

from tenbin_local.load import fleet, summary
from tenbin_local.load.comparison import FixedFleet
from tenbin_local.load.observing import Decision
from tenbin_local.load.records import RequestRecord
from tenbin_local.load.shape import Shape
from tenbin_local.load.summary import ClassTally, Percentiles

MAX_ERROR_SHARE = 0.01
"""A run with a larger share of failed requests has failed, whatever its attainment."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that was recorded."""

    document: Document
    service: str
    shape: Shape
    rate: float
    """Base rate, requests per second."""
    capacity_rps: float | None
    """What one replica can do within the objectives; None when the engine has no profile."""
    seed: int
    started: datetime.datetime
    duration_s: float
    """Billed time: until the last answer."""
    interrupted: bool
    records: Sequence[RequestRecord]
    samples: Sequence[fleet.FleetSample]
    decisions: Sequence[Decision]
    problems: Sequence[str]
    """What could not be observed, in words."""


class DecisionRow(Frozen):
    """A change of the plan."""

    at_s: float
    replicas: int
    wanted: dict[str, int]
    reason: str
    detail: str


class Times(Frozen):
    """Percentiles in milliseconds."""

    p50: float
    p90: float
    p99: float


class Report(Frozen):
    """The report as it is written to `report.json`. Money is in USD, as numbers."""

    version: int = 1
    stack: str
    service: str
    started: datetime.datetime
    duration_s: float
    interrupted: bool
    shape: str
    rate: float
    replica_capacity_rps: float | None
    seed: int

    attained: bool
    """Every class with requests kept its target; false without any request."""
    verdict: list[str]
    requests: int
    requests_by_class: dict[str, int]
    attainment: dict[str, float | None]
    """Share of good requests by class; null without requests."""
    targets: dict[str, float]
    errors: int
    errors_by_kind: dict[str, int]
    error_examples: dict[str, str]
    cancelled: int
    """Requests that the client itself cut off when it was interrupted; they count nowhere else."""
    ttft_ms: Times | None
    tpot_ms: Times | None
    e2e_ms: Times | None
    client_late_p99_ms: float | None
    """How much later than planned requests were sent: the client's own delay, in no other number."""

    output_tokens: int
    gpu_hours: float
    usd: float | None
    """null when the price of a pool that was used is unknown, or nothing could be observed."""
    usd_per_million_output_tokens: float | None
    replica_seconds: dict[str, float]
    replicas_max: int
    replicas_end: int
    decisions: list[DecisionRow]

    fixed_fleet_replicas: int | None
    fixed_fleet_pools: dict[str, int]
    fixed_fleet_attainment: dict[str, float]
    fixed_fleet_reaches: bool
    fixed_fleet_gpu_hours: float | None
    fixed_fleet_usd: float | None
    saving: float | None
    """1 - usd / fixed_fleet_usd; below 0 when the run cost more."""
    problems: list[str]

    @property
    def exit_code(self) -> int:
        """0 when every target was kept and at most 1 % of the requests failed, else 1."""
        return 0 if self.attained and self.errors <= MAX_ERROR_SHARE * self.requests else 1


def build(run: Run, fixed: FixedFleet | None) -> Report:
    """Sum a run up."""
    slo = run.document.services[run.service].slo
    tallies = summary.tallies(run.records, slo)
    kinds = summary.errors_by_kind(run.records)
    spend = fleet.spend(run.samples, fleet.prices_of(run.document, run.service), run.duration_s)
    usd = spend.usd if run.samples else None
    fixed_usd = fixed.usd if fixed else None
    tokens = sum(record.tokens for record in run.records)
    late = summary.percentiles(record.late_ms for record in run.records)
    targets = {name: float(objective.target) for name, objective in slo.classes.items()}
    counted = [record for record in run.records if record.counts]
    return Report(
        stack=run.document.stack,
        service=run.service,
        started=run.started,
        duration_s=round(run.duration_s, 3),
        interrupted=run.interrupted,
        shape=str(run.shape),
        rate=round(run.rate, 6),
        replica_capacity_rps=None if run.capacity_rps is None else round(run.capacity_rps, 6),
        seed=run.seed,
        attained=_attained(tallies, targets),
        verdict=[*_verdict_on_service(run, tallies, kinds, len(counted)), _verdict_on_money(usd, fixed)],
        requests=len(counted),
        requests_by_class={name: tally.total for name, tally in tallies.items()},
        attainment={name: tally.attainment for name, tally in tallies.items()},
        targets=targets,
        errors=sum(kinds.values()),
        errors_by_kind=kinds,
        error_examples=_examples(run.records),
        cancelled=len(run.records) - len(counted),
        ttft_ms=_times(summary.percentiles(record.ttft_ms for record in counted)),
        tpot_ms=_times(summary.percentiles(record.tpot_ms for record in counted)),
        e2e_ms=_times(summary.percentiles(record.e2e_ms for record in counted)),
        client_late_p99_ms=None if late is None else round(late.p99, 3),
        output_tokens=tokens,
        gpu_hours=round(spend.gpu_hours, 6),
        usd=_number(usd),
        usd_per_million_output_tokens=None if usd is None or not tokens else _number(usd * 1_000_000 / tokens),
        replica_seconds={pool: round(seconds, 3) for pool, seconds in spend.replica_seconds.items()},
        replicas_max=max((sample.billed for sample in run.samples), default=0),
        replicas_end=run.samples[-1].billed if run.samples else 0,
        decisions=[_row(decision) for decision in run.decisions],
        fixed_fleet_replicas=fixed.replicas if fixed else None,
        fixed_fleet_pools=dict(fixed.pools) if fixed else {},
        fixed_fleet_attainment=dict(fixed.attainment) if fixed else {},
        fixed_fleet_reaches=fixed.reaches if fixed else False,
        fixed_fleet_gpu_hours=round(fixed.gpu_hours, 6) if fixed else None,
        fixed_fleet_usd=_number(fixed_usd),
        saving=round(float(1 - usd / fixed_usd), 6) if usd is not None and fixed_usd else None,
        problems=list(run.problems),
    )


def _attained(tallies: Mapping[str, ClassTally], targets: Mapping[str, float]) -> bool:
    shares = {name: tally.attainment for name, tally in tallies.items() if tally.attainment is not None}
    return bool(shares) and all(share >= targets[name] for name, share in shares.items())


def _verdict_on_service(run: Run, tallies: Mapping[str, ClassTally], kinds: Mapping[str, int], total: int) -> list[str]:
    lines = []
    classes = run.document.services[run.service].slo.classes
    for name, tally in tallies.items():
        if tally.attainment is None:
            continue
        target = float(classes[name].target)
        noun = "request was" if tally.total == 1 else "requests were"
        outcome = "kept" if tally.attainment >= target else "MISSED"
        lines.append(
            f"{name}: {share_text(tally.attainment)} of {tally.total} {noun} good; "
            f"the target of {words.percent_text(target)} was {outcome}."
        )
    errors = sum(kinds.values())
    if errors > MAX_ERROR_SHARE * total:
        listed = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        lines.append(f"{share_text(errors / total)} of the requests FAILED ({listed}); 1 % is allowed.")
    return lines or ["No request was answered or refused: nothing can be said about the objectives."]


def _verdict_on_money(usd: Decimal | None, fixed: FixedFleet | None) -> str:
    if usd is None:
        return "What it cost is unknown: the replicas could not be observed, or a pool has no known price."
    cost = f"It cost {usd_text(usd)}"
    if fixed is None:
        return f"{cost}; there were no requests, or is no engine profile, to size a fixed fleet by."
    if not fixed.reaches:
        return (
            f"{cost}. No fixed fleet within the pools ({fixed.replicas} replicas at most) would have kept the targets."
        )
    replicas = f"{fixed.replicas} replica{'s' if fixed.replicas != 1 else ''}"
    if fixed.usd is None:
        return f"{cost}. The cheapest fixed fleet that keeps the targets ({replicas}) has no known price."
    if fixed.usd == 0:
        return f"{cost}; the cheapest fixed fleet that keeps the targets ({replicas}) costs nothing."
    percent = f"{abs(float(1 - usd / fixed.usd)) * 100:.1f}"
    relation = "as much as" if percent == "0.0" else f"{percent} % {'less' if usd < fixed.usd else 'MORE'} than"
    against = f"the {usd_text(fixed.usd)} of the cheapest fixed fleet that keeps the targets ({replicas})"
    return f"{cost}, {relation} {against}."


def _examples(records: Sequence[RequestRecord]) -> dict[str, str]:
    examples: dict[str, str] = {}
    for record in records:
        if record.is_error and record.detail:
            examples.setdefault(record.status, record.detail)
    return dict(sorted(examples.items()))


def _row(decision: Decision) -> DecisionRow:
    return DecisionRow(
        at_s=round(decision.at_s, 1),
        replicas=decision.replicas,
        wanted=dict(decision.wanted),
        reason=decision.reason,
        detail=decision.detail,
    )


def _times(times: Percentiles | None) -> Times | None:
    if times is None:
        return None
    return Times(p50=round(times.p50, 3), p90=round(times.p90, 3), p99=round(times.p99, 3))


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else round(float(amount), 6)


def share_text(share: float) -> str:
    """Write a measured share with two decimals, never rounded up to a whole: 0.99999 is `99.99 %`."""
    return f"{int(share * 10_000 + 1e-9) / 100:.2f} %" if share < 1 else "100 %"


def usd_text(amount: Decimal | float) -> str:
    """Write an amount of a short run: `0.1234 USD`."""
    return f"{amount:.4f} USD"
