"""All runs of a back-test: policies, lead times and seeds, each on the same traffic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tenbin_planner.backtest import fixed_fleets, fluid, hull, policies, running, scores, timeline, tuning
from tenbin_planner.backtest.policies import clairvoyant, dynamo, fixed, hpa, keda, latency_hpa, tenbin, trend

from tenbin_cli import backtest_cells

if TYPE_CHECKING:
    from tenbin_planner.backtest import scenario, searching, world

RULES: Mapping[str, type[tuning.Rule]] = {
    "trend": trend.Trend,
    "hpa": hpa.Hpa,
    "keda": keda.Keda,
    "dynamo": dynamo.Dynamo,
    "latency-hpa": latency_hpa.LatencyHpa,
}
"""Rules whose parameters are chosen in hindsight."""
POINTS = 360
"""Steps of a timeline, about; a step is a whole number of `STEPS_S`."""
STEPS_S = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
NAME_WIDTH = 20
"""Letters of a trace's name that progress shows."""
ATTAINMENT_S = 300.0
"""Attainment over time is shown by so many seconds."""

Told = Callable[[str, float], None]
"""Takes what is being done and the share of the run that is over."""
Done = Callable[[], None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """A run over time."""

    fine: timeline.Timeline
    coarse: timeline.Timeline
    """Its attainment is the one to show."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """One run."""

    policy: str
    """One of the names of the command line."""
    traffic: str
    lead_s: float
    seed: int
    score: scores.Score
    replicas: int | None = None
    """Of a constant fleet."""
    setting: Mapping[str, Mapping[str, float]] | None = None
    """Parameters chosen in hindsight, by service."""
    course: Course | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """What constant fleets and nobody else make of some traffic."""

    fleets: Mapping[str, fixed_fleets.Fleets]
    """By service; empty when constant fleets were not asked for."""
    fluid_usd: float

    @property
    def hulls(self) -> dict[str, hull.Hull]:
        """Hulls by service."""
        return {name: found.hull for name, found in self.fleets.items()}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Everything that was run."""

    traffic: Sequence[backtest_cells.Traffic]
    baselines: Mapping[str, Baseline]
    """By name of the traffic."""
    begins: Mapping[str, Mapping[str, int]]
    """Replicas that are ready at the beginning, by name of the traffic and workload."""
    made: Sequence[Made]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each run."""
        return [self.row(item) for item in self.made]

    def row(self, item: Made) -> dict[str, Any]:
        """Return the row of a run."""
        best = next((other.score for other in self.made if _is_clairvoyant_of(other, item)), None)
        found = scores.row(
            item.score, lead_time_s=item.lead_s, hulls=self.baselines[item.traffic].hulls, clairvoyant=best
        )
        return found | {"policy": item.policy, "replicas": item.replicas, "setting": item.setting}

    @property
    def misses(self) -> list[Made]:
        """Runs of the planner that missed their target."""
        return [item for item in self.made if item.policy == tenbin.Tenbin.name and not item.score.is_target_met]


def _is_clairvoyant_of(other: Made, item: Made) -> bool:
    if other.policy != clairvoyant.Clairvoyant.name:
        return False
    return (other.traffic, other.lead_s, other.seed) == (item.traffic, item.lead_s, item.seed)


def steps(traffic: Sequence[backtest_cells.Traffic], chosen: Sequence[str], seeds: int) -> int:
    """Return how many parts the work has."""
    singles = len([name for name in chosen if name != "fixed"])
    return sum(1 + len(item.leads) * seeds * singles for item in traffic)


def run(
    traffic: Sequence[backtest_cells.Traffic],
    chosen: Sequence[str],
    *,
    seeds: int,
    courses: bool,
    told: Told,
    done: Done,
) -> Results:
    """Run everything.

    Args:
        traffic: what comes.
        chosen: names of policies.
        seeds: how many of each, from 0 on.
        courses: whether to keep what the runs of the first seed were over time.
        told: hears what is being done.
        done: hears that a part is over.
    """
    baselines: dict[str, Baseline] = {}
    begins: dict[str, Mapping[str, int]] = {}
    made: list[Made] = []
    for item in traffic:
        told(f"fixed · {_short(item.name)}", 0.0)
        baselines[item.name] = baseline = _baseline(item, is_fixed="fixed" in chosen)
        given = fixed_fleets.warm(item.given)
        begins[item.name] = given.start
        done()
        for lead in item.leads:
            cell = dataclasses.replace(item, given=given).at(lead)
            if "fixed" in chosen:
                made += _fixed(item.name, cell, baseline, courses=courses)
            made += _cell(item.name, cell, chosen, seeds, courses=courses, told=told, done=done)
    return Results(traffic=traffic, baselines=baselines, begins=begins, made=made)


def _baseline(item: backtest_cells.Traffic, *, is_fixed: bool) -> Baseline:
    fleets = {name: fixed_fleets.explore(item.given, name) for name in item.services} if is_fixed else {}
    return Baseline(fleets=fleets, fluid_usd=sum(fluid.usd(item.given, name) for name in item.services))


def _fixed(name: str, cell: scenario.Scenario, baseline: Baseline, *, courses: bool) -> Iterator[Made]:
    """Give constant fleets, which no lead time and no seed changes, once for each lead time."""
    for service, found in baseline.fleets.items():
        for count, score in found.scores.items():
            is_shown = courses and len(baseline.fleets) == 1 and count == (found.smallest or max(found.scores))
            shown = running.run(cell, fixed.Fixed({service: count})) if is_shown else None
            yield Made(
                policy="fixed",
                traffic=name,
                lead_s=backtest_cells.lead_s(cell),
                seed=0,
                score=score,
                replicas=count,
                course=None if shown is None else course(shown),
            )


def _cell(
    name: str,
    cell: scenario.Scenario,
    chosen: Sequence[str],
    seeds: int,
    *,
    courses: bool,
    told: Told,
    done: Done,
) -> Iterator[Made]:
    lead_s = backtest_cells.lead_s(cell)
    for seed in range(seeds):
        for policy in chosen:
            if policy == "fixed":
                continue
            label = f"{policy} · {_short(name)} · {lead_s:g} s · seed {seed}"
            told(label, 0.0)
            found, choices = _run(policy, cell, seed, lambda text, share, label=label: told(f"{label}{text}", share))  # type: ignore[misc]
            done()
            yield Made(
                policy=policy,
                traffic=name,
                lead_s=lead_s,
                seed=seed,
                score=scores.score(found),
                setting=choices,
                course=course(found) if courses and seed == 0 else None,
            )


def _short(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"


def _run(
    policy: str, cell: scenario.Scenario, seed: int, told: Told
) -> tuple[running.Run, dict[str, dict[str, float]] | None]:
    if policy == tenbin.Tenbin.name:
        planner = tenbin.Tenbin(cell.interval_s)
        return running.run(cell, planner, seed=seed, progress=lambda at, end: told("", at / end)), None
    if policy == clairvoyant.Clairvoyant.name:
        return clairvoyant.tuned(cell, seed=seed).run, None
    # A rule's own `of` is of its class; this one counts, so it is of an instance.
    rule = cast("tuning.Rule", _WatchedRule(RULES[policy], told, cell.end_s))
    tuned = tuning.tune(cell, rule, seed=seed)
    choices = {name: {"amount": item.amount, "variant": item.variant} for name, item in tuned.choices.items()}
    return tuned.run, choices


def course(found: running.Run) -> Course:
    """Return a run over time, in steps that a picture can show."""
    end_s = found.scenario.end_s
    step_s = next((step for step in STEPS_S if end_s / step <= POINTS), STEPS_S[-1])
    return Course(
        fine=timeline.of(found, step_s=step_s), coarse=timeline.of(found, step_s=max(step_s, attainment_step_s(end_s)))
    )


def attainment_step_s(end_s: float) -> float:
    """Return over how many seconds attainment is shown: five minutes, or one where that would be a few points."""
    return ATTAINMENT_S if end_s >= 6 * ATTAINMENT_S else 60.0


class _Watched:
    """A policy whose course is told."""

    def __init__(self, policy: policies.Policy, told: Callable[[float], None]) -> None:
        self._policy = policy
        self._told = told
        self.name, self.interval_s = policy.name, policy.interval_s

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        return self._policy.start(given)

    def tick(self, world: world.World) -> None:
        self._told(world.now_s)
        self._policy.tick(world)


class _WatchedRule:
    """A rule whose trials are told."""

    def __init__(self, rule: type[tuning.Rule], told: Told, end_s: float) -> None:
        self.search = rule.search
        self._rule = rule
        self._told = told
        self._end_s = end_s
        self._trials = 0

    def of(self, choices: Mapping[str, searching.Choice]) -> policies.Policy:
        self._trials += 1
        of = self.search.points * len(self.search.variants) + self.search.halvings
        text = f" · setting {self._trials} of {max(of, self._trials)}"
        before = (self._trials - 1) / max(of, self._trials)
        share = 1 / max(of, self._trials)

        def told(now_s: float) -> None:
            self._told(text, before + share * now_s / self._end_s)

        return _Watched(self._rule.of(choices), told)
