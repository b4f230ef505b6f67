"""All runs of a back-test: policies, lead times and seeds, each on the same traffic, over one process or several."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tenbin_planner import plan_view
from tenbin_planner.backtest import jobs, policies, running, scores, tuning
from tenbin_planner.backtest.policies import clairvoyant, rules, tenbin

from tenbin_cli import backtest_baseline, backtest_cells
from tenbin_cli.backtest_baseline import Baseline, Course

if TYPE_CHECKING:
    from tenbin_planner.backtest import scenario, searching, world

NAME_WIDTH = 20
"""Letters of a trace's name that progress shows."""


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
    plans: Sequence[str] = ()
    """The planner's plan of each tick as JSON, of the run that keeps them."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Everything that was run."""

    traffic: Sequence[backtest_cells.Traffic]
    baselines: Mapping[tuple[str, float, int], Baseline]
    """By name of the traffic, lead time and seed; of seed 0 alone where no replica is lost in the scenario."""
    begins: Mapping[str, Mapping[str, int]]
    """Replicas that are ready at the beginning, by name of the traffic and workload."""
    made: Sequence[Made]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each run."""
        return [self.row(item) for item in self.made]

    def row(self, item: Made) -> dict[str, Any]:
        """Return the row of a run."""
        best = next((other.score for other in self.made if _is_clairvoyant_of(other, item)), None)
        hulls = self.baseline(item.traffic, item.lead_s, item.seed).hulls
        found = scores.row(item.score, lead_time_s=item.lead_s, hulls=hulls, clairvoyant=best)
        return found | {"policy": item.policy, "replicas": item.replicas, "setting": item.setting}

    def baseline(self, traffic: str, lead_s: float, seed: int = 0) -> Baseline:
        """Return what constant fleets make of some traffic."""
        return self.baselines.get((traffic, lead_s, seed)) or self.baselines[traffic, lead_s, 0]

    @property
    def misses(self) -> list[Made]:
        """Runs of the planner that missed their target."""
        return [item for item in self.made if item.policy == tenbin.Tenbin.name and not item.score.is_target_met]


def _is_clairvoyant_of(other: Made, item: Made) -> bool:
    if other.policy != clairvoyant.Clairvoyant.name:
        return False
    return (other.traffic, other.lead_s, other.seed) == (item.traffic, item.lead_s, item.seed)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Cell:
    """Some traffic at a lead time with a seed."""

    name: str
    given: scenario.Scenario
    seed: int

    @property
    def key(self) -> tuple[str, float, int]:
        return self.name, backtest_cells.lead_s(self.given), self.seed

    @property
    def is_rough(self) -> bool:
        return self.given.loses_replicas


def steps(traffic: Sequence[backtest_cells.Traffic], chosen: Sequence[str], seeds: int) -> int:
    """Return how many parts the work has."""
    cells = _cells(traffic, seeds)
    return len(traffic) + len(_explored(cells)) + len(cells) * len([name for name in chosen if name != "fixed"])


def run(
    traffic: Sequence[backtest_cells.Traffic],
    chosen: Sequence[str],
    *,
    seeds: int,
    courses: bool,
    plans: bool,
    workers: jobs.Workers,
    told: jobs.Heard,
    done: jobs.Done,
) -> Results:
    """Run everything.

    Args:
        traffic: what comes.
        chosen: names of policies.
        seeds: how many of each, from 0 on.
        courses: whether to keep what the runs of the first seed were over time.
        plans: whether to keep the planner's plan of each tick, of its first run.
        workers: what the work is spread over; the results are the same whatever their number.
        told: hears what each of these does.
        done: hears that a part is over.
    """
    warming = [
        jobs.Job(label=f"begin · {_short(item.name)}", work=functools.partial(backtest_baseline.begin, item.given))
        for item in traffic
    ]
    begun = workers.run(warming, told=told, done=done)
    traffic = [dataclasses.replace(item, given=given) for item, given in zip(traffic, begun, strict=True)]
    cells = _cells(traffic, seeds)
    explored = _explored(cells)
    exploring = [_exploring(cell, is_fixed="fixed" in chosen, courses=courses) for cell in explored]
    singles = [
        _running(cell, policy, courses=courses, plans=plans and cell is cells[0])
        for cell in cells
        for policy in chosen
        if policy != "fixed"
    ]
    found = workers.run(cast("list[jobs.Job[Any]]", [*exploring, *singles]), told=told, done=done)
    by_key = {cell.key: baseline for cell, baseline in zip(explored, found, strict=False)}
    first = {cell.name: by_key[cell.key] for cell in reversed(explored)}
    baselines = {cell.key: by_key.get(cell.key, first[cell.name]) for cell in cells if cell.is_rough or not cell.seed}
    runs: list[Made] = found[len(explored) :]
    made = [
        item
        for cell in cells
        for item in (
            *_fixed(cell, baselines.get(cell.key)),
            *(one for one in runs if (one.traffic, one.lead_s, one.seed) == cell.key),
        )
    ]
    return Results(
        traffic=traffic, baselines=baselines, begins={item.name: item.given.start for item in traffic}, made=made
    )


def _cells(traffic: Sequence[backtest_cells.Traffic], seeds: int) -> list[_Cell]:
    return [
        _Cell(name=item.name, given=item.at(lead), seed=seed)
        for item in traffic
        for lead in item.leads
        for seed in range(seeds)
    ]


def _explored(cells: Sequence[_Cell]) -> list[_Cell]:
    """Return the cells whose constant fleets are tried: where none is lost, one stands for all of its traffic."""
    found: dict[tuple[object, ...], _Cell] = {}
    for cell in cells:
        found.setdefault(cell.key if cell.is_rough else (cell.name,), cell)
    return list(found.values())


def _exploring(cell: _Cell, *, is_fixed: bool, courses: bool) -> jobs.Job[Baseline]:
    work = functools.partial(
        backtest_baseline.explore, cell.given, cell.seed, is_fixed=is_fixed, courses=courses and cell.seed == 0
    )
    at = f" · {cell.key[1]:g} s · seed {cell.seed}" if cell.is_rough else ""
    return jobs.Job(label=f"fixed · {_short(cell.name)}{at} · ", work=work)


def _running(cell: _Cell, policy: str, *, courses: bool, plans: bool) -> jobs.Job[Made]:
    label = f"{policy} · {_short(cell.name)} · {cell.key[1]:g} s · seed {cell.seed}"
    return jobs.Job(
        label=label, work=functools.partial(_made, cell, policy, courses=courses and cell.seed == 0, plans=plans)
    )


def _fixed(cell: _Cell, baseline: Baseline | None) -> Iterator[Made]:
    """Give constant fleets, once for each lead time; with each seed where that makes them differ."""
    for found in () if baseline is None else baseline.fleets.values():
        for count, score in found.scores.items():
            yield Made(
                policy="fixed",
                traffic=cell.name,
                lead_s=cell.key[1],
                seed=cell.seed,
                score=score,
                replicas=count,
                course=baseline.course if baseline and count == backtest_baseline.to_beat(found) else None,
            )


def _short(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"


def _made(cell: _Cell, policy: str, told: jobs.Told, *, courses: bool, plans: bool) -> Made:
    kept: list[str] = []
    found, choices = _run(policy, cell.given, cell.seed, told, kept if plans else None)
    return Made(
        policy=policy,
        traffic=cell.name,
        lead_s=cell.key[1],
        seed=cell.seed,
        score=scores.score(found),
        setting=choices,
        course=backtest_baseline.course(found) if courses else None,
        plans=kept,
    )


def _run(
    policy: str, cell: scenario.Scenario, seed: int, told: jobs.Told, plans: list[str] | None
) -> tuple[running.Run, dict[str, dict[str, float]] | None]:
    if policy == tenbin.Tenbin.name:
        hears = None if plans is None else lambda tick: plans.append(plan_view.view(tick).model_dump_json())
        planner = tenbin.Tenbin(cell.interval_s, hears=hears)
        return running.run(cell, planner, seed=seed, progress=lambda at, end: told("", at / end)), None
    if policy == clairvoyant.Clairvoyant.name:
        return clairvoyant.tuned(cell, seed=seed).run, None
    # A rule's own `of` is of its class; this one counts, so it is of an instance.
    rule = cast("tuning.Rule", _WatchedRule(rules.RULES[policy], told, cell.end_s))
    tuned = tuning.tune(cell, rule, seed=seed)
    choices = {name: {"amount": item.amount, "variant": item.variant} for name, item in tuned.choices.items()}
    return tuned.run, choices


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

    def __init__(self, rule: type[tuning.Rule], told: jobs.Told, end_s: float) -> None:
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
