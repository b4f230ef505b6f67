"""Claims are held on rows that keep them, and broken by each row that does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from support import suites
from tenbin_planner.backtest.suite import claims

DAY = suites.cell("day", duration_s=86_400.0)
CAPPED = dataclasses.replace(suites.cell("capped"), is_feasible=False)
FAULT = suites.cell("fault", trouble=(100.0, 200.0))
GOOD = [suites.row(policy) for policy in ("tenbin", "clairvoyant", "trend", "fixed")]
SPANS = {name: {"attainment": 0.99, "usd_per_hour": 1.0} for name in ("before", "during", "after")}


def judged(*rows: dict[str, Any], failures: tuple[str, ...] = ()) -> dict[str, claims.Claim]:
    return {claim.name: claim for claim in claims.judge([DAY, CAPPED, FAULT], rows, failures)}


def with_planner(**changes: Any) -> dict[str, claims.Claim]:
    return judged(suites.row(**changes), *GOOD[1:])


def test_rows_that_keep_everything_break_nothing() -> None:
    found = judged(*GOOD)
    assert all(claim.is_held for claim in found.values())
    assert {name for name, claim in found.items() if claim.verdict == "held"} == {
        *("target", "captured-60", "trend", "hull", "cap", "changes", "hasty", "runs")
    }
    assert found["captured-180"].verdict == "not judged"
    assert found["captured-60"].closest == "day at 60 s, seed 0: 90 %"


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("target", {"attainment": 0.98, "attainment_by_class": {"service/default": 0.98}}, "98.00 %"),
        ("captured-60", {"captured_saving": 0.79}, "79 %"),
        ("trend", {"captured_saving": 0.4}, "40 %, trend 40 %"),
        ("hull", {"usd": 100.01}, "100.01 USD at 99.20 %, constant 100.00"),
        ("cap", {"is_over_cap": True, "peak_hourly_usd": 10.01}, "10.01 USD an hour under a cap of 10.00"),
        ("changes", {"replica_changes": 21}, "21, clairvoyant 20"),
        ("hasty", {"hasty_starts_s": [45.0, 90.0]}, "2, the first at 45 s"),
    ],
)
def test_each_claim_is_broken_by_a_row_that_breaks_it(name: str, changes: dict[str, Any], told: str) -> None:
    found = with_planner(**changes)
    assert not found[name].is_held
    assert found[name].verdict == "not held"
    assert found[name].broken == (f"day at 60 s, seed 0: {told}",)
    assert {other for other, claim in found.items() if not claim.is_held} <= {name, "trend", "captured-60"}


@pytest.mark.parametrize(("lead_s", "share"), [(60, 0.8), (180, 0.7), (420, 0.5)])
def test_each_lead_time_has_its_own_share(lead_s: int, share: float) -> None:
    held = judged(suites.row(lead_time_s=lead_s, captured_saving=share))
    broken = judged(suites.row(lead_time_s=lead_s, captured_saving=share - 0.001))
    assert held[f"captured-{lead_s}"].verdict == "held"
    assert broken[f"captured-{lead_s}"].verdict == "not held"


def test_a_day_on_which_little_can_be_saved_asks_for_nothing() -> None:
    assert with_planner(clairvoyant_saving=0.19, captured_saving=0.5)["captured-60"].verdict == "not judged"


def test_every_seed_and_history_is_judged_on_its_own() -> None:
    found = judged(*GOOD, suites.row(seed=1, history=True, usd=101.0))
    assert found["hull"].judged == 2
    assert found["hull"].broken[0].startswith("day at 60 s, seed 1, with the day before: 101.00 USD")


def test_a_recipe_with_a_part_left_out_is_not_the_planner() -> None:
    found = judged(*GOOD, suites.row(policy="tenbin") | {"policy": "tenbin without pacing", "usd": 500.0})
    assert found["hull"].is_held


def test_what_a_cap_makes_impossible_must_be_told_and_kept_at_its_best() -> None:
    best = suites.row("clairvoyant", cell="capped", attainment=0.8)
    low = {"cell": "capped", "attainment": 0.79, "target_met": False, "reasons": {"hourly-cap": 2}}
    assert judged(suites.row(**low), best)["infeasible"].verdict == "held"
    assert judged(suites.row(**low | {"attainment": 0.7}), best)["infeasible"].verdict == "not held"
    silent = judged(suites.row(**low | {"reasons": {}}), best)["infeasible"]
    assert silent.broken == ("capped at 60 s, seed 0: 79.00 %, others 80.00 %, and the cap is no reason that it tells",)
    assert judged(suites.row(**low), best)["target"].verdict == "not judged"


def test_after_a_fault_requests_are_good_again_and_the_fleet_is_not_out_of_hand() -> None:
    best = suites.row("clairvoyant", cell="fault", peak_hourly_usd=4.0)
    calm = judged(suites.row(cell="fault", spans=SPANS, peak_hourly_usd=7.9), best)
    assert calm["recovers"].verdict == calm["runs-away"].verdict == "held"
    frozen = SPANS | {"after": {"attainment": 0.9, "usd_per_hour": 1.0}}
    assert judged(suites.row(cell="fault", spans=frozen), best)["recovers"].verdict == "not held"
    wild = judged(suites.row(cell="fault", spans=SPANS, peak_hourly_usd=8.1), best)
    assert wild["runs-away"].broken == ("fault at 60 s, seed 0: up to 8.10 USD an hour, others 4.00",)


def test_a_run_that_fails_breaks_a_claim() -> None:
    assert judged(*GOOD, failures=("tenbin day: ValueError: no",))["runs"].broken == ("tenbin day: ValueError: no",)
