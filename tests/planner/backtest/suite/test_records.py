"""Records are read as they were written, and depend on the sources that count."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

from support import suites
from tenbin_planner.backtest import fixed_fleets, running, scores
from tenbin_planner.backtest.policies import fixed
from tenbin_planner.backtest.suite import conduct, own, records, rows, tasks

CELL = suites.cell(trouble=(180.0, 300.0))


def test_a_score_and_a_hull_are_read_as_they_were_written() -> None:
    given = CELL.scenario(0, lead_s=30)
    run = running.run(given, fixed.Fixed({"service": 2}))
    score = scores.score(run)
    again = records.score_of(json.loads(json.dumps(records.plain_score(score))), trace=score.trace)
    assert again == score
    assert isinstance(again.usd_by_pool["pool"], Decimal)
    fleets = fixed_fleets.explore(given, "service")
    assert records.hull_of(json.loads(json.dumps(records.plain_fleets(fleets)))) == fleets.hull


def test_the_planners_decisions_are_sources_of_its_own_runs_alone() -> None:
    every, others = records.sources(of_planner=True), records.sources(of_planner=False)
    assert every != others
    assert every == records.sources(of_planner=True)
    task = tasks.Task(cell=CELL, policy="tenbin", seed=0, lead_s=60)
    changed = dataclasses.replace(task, cell=dataclasses.replace(CELL, hourly_cap="3"))
    assert task.digest(every) != task.digest(others) != changed.digest(others)


def test_a_trouble_is_told_before_during_and_after() -> None:
    run = running.run(CELL.scenario(0, lead_s=30), fixed.Fixed({"service": 1}))
    told = conduct.spans(run, (180.0, 300.0))
    assert told["before"]["attainment"] > told["during"]["attainment"]
    assert [round(told[name]["usd_per_hour"], 6) for name in conduct.SPANS] == [0.8, 0.8, 0.8]
    assert conduct.hasty_starts(run) == []


def test_fleets_are_tried_once_for_all_lead_times_and_tuned_rules_run_with_the_first_seed() -> None:
    found = tasks.of([CELL], (30, 60), seeds=2, policies=tasks.POLICIES, ablated=["tiny"])
    count = {policy: sum(task.policy == policy for task in found) for policy in tasks.POLICIES}
    assert count["fixed"] == 2
    assert count["clairvoyant"] == count["trend"] == 4
    assert count["hpa"] == count["dynamo"] == 2
    assert count["tenbin"] == 4 + len(tasks.PARTS)
    assert len({task.key for task in found}) == len(found)
    spot = tasks.of([own.CELLS["spot-day"]], (30, 60), seeds=2, policies=("fixed", "tenbin"))
    assert sum(task.policy == "fixed" for task in spot) == 4, "what is lost depends on the lead time"
    assert sum(task.with_history for task in spot) == 4


def test_a_run_that_fails_is_told_and_does_not_stop_the_others() -> None:
    task = tasks.Task(cell=own.CELLS["azure-code"], policy="tenbin", seed=0, lead_s=60)
    record = tasks.carry_out(task, lambda *_: None)
    assert record["error"].startswith("TraceError: azure-code/service: there is no file")
    found = rows.Found(tasks=(task,), by_key={task.key: record})
    assert found.rows() == []
    assert list(found.failures()) == [task.key]
