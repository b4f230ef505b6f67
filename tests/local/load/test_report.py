"""The report: totals, comparison, verdict, files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pathlib
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console
from support.traffic import answered, replicas, run
from tenbin_local.load import comparison, fleet, outcome, picture, records, report


def steady(*, slow: int = 0, failed: int = 0, cancelled: int = 0) -> report.Run:
    """Return 200 requests at 2/s on one cheap replica, some of them slow, failed or cancelled, of these the first."""
    recorded = []
    for number in range(200):
        status = records.http_status(503) if number < failed else records.OK
        if failed <= number < failed + cancelled:
            status = records.CANCELLED
        is_slow = failed + cancelled <= number < failed + cancelled + slow
        recorded.append(
            answered(number, arrival_s=number / 2, status=status, ttft_ms=1500 if is_slow else 100.0 + number)
        )
    return run(recorded, [replicas(0.0, l4_spot=1, l4=0), replicas(50.0, l4_spot=2, l4=0)])


def fixed(recorded: report.Run) -> comparison.FixedFleet | None:
    planned = [record.planned for record in recorded.records]
    return comparison.cheapest_fixed_fleet(recorded.document, "chat", planned, recorded.duration_s)


def test_totals_of_a_run_that_kept_its_target() -> None:
    recorded = steady(slow=1)
    found = report.build(recorded, fixed(recorded))
    assert (found.requests, found.requests_by_class) == (200, {"interactive": 200, "batch": 0})
    assert found.attainment == {"interactive": 0.995, "batch": None}
    assert (found.attained, found.errors, found.exit_code) == (True, 0, 0)
    assert found.output_tokens == 2200
    assert found.gpu_hours == pytest.approx(150 / 3600, abs=1e-6)
    assert found.usd == pytest.approx(150 / 3600 * 0.36)
    assert found.usd_per_million_output_tokens == pytest.approx(0.015 / 2200 * 1e6, abs=1e-6)
    assert (found.replicas_max, found.replicas_end) == (2, 2)
    assert found.fixed_fleet_replicas == 1
    assert found.fixed_fleet_usd == pytest.approx(0.01)
    assert found.saving == pytest.approx(-0.5)
    assert found.verdict == [
        "interactive: 99.50 % of 200 requests were good; the target of 99 % was kept.",
        (
            "It cost 0.0150 USD, 50.0 % MORE than the 0.0100 USD of the cheapest fixed fleet that keeps the targets "
            "(1 replica)."
        ),
    ]


def test_a_missed_target_says_so_and_fails() -> None:
    found = report.build(steady(slow=3), None)
    assert (found.attained, found.exit_code) == (False, 1)
    assert found.verdict[0] == "interactive: 98.50 % of 200 requests were good; the target of 99 % was MISSED."


def test_errors_fail_a_run_even_where_few_would_keep_the_target() -> None:
    recorded = steady(failed=3)
    found = report.build(recorded, fixed(recorded))
    assert (found.errors, found.errors_by_kind, found.exit_code) == (3, {"http-503": 3}, 1)
    assert found.error_examples == {"http-503": "why http-503"}
    assert found.verdict[1] == "1.50 % of the requests FAILED (3 http-503); 1 % is allowed."


def test_own_cancels_count_nowhere() -> None:
    found = report.build(steady(cancelled=50), None)
    assert (found.requests, found.cancelled, found.errors) == (150, 50, 0)
    assert found.attainment["interactive"] == 1


def test_a_run_that_nobody_answered_attains_nothing() -> None:
    found = report.build(run([], []), None)
    assert (found.requests, found.usd, found.saving) == (0, None, None)
    assert found.verdict == [
        "No request was answered or refused: nothing can be said about the objectives.",
        "What it cost is unknown: the replicas could not be observed, or a pool has no known price.",
    ]
    assert found.exit_code == 1


def test_measured_shares_are_never_rounded_up_to_a_whole() -> None:
    assert [report.share_text(share) for share in (0.99999, 1.0, 0.99, 0.29, 0.0)] == [
        "99.99 %",
        "100 %",
        "99.00 %",
        "29.00 %",
        "0.00 %",
    ]


def test_a_fixed_fleet_is_sized_for_the_recorded_requests() -> None:
    burst = run([answered(number, arrival_s=number / 100) for number in range(2000)], [], duration_s=3600)
    found = fixed(burst)
    assert found is not None
    assert found.reaches
    assert found.replicas == sum(found.pools.values()) > 2
    assert found.pools["l4-spot"] == 2
    assert float(found.usd or 0) == pytest.approx(2 * 0.36 + found.pools["l4"] * 0.8048)


def test_files_hold_the_run_and_equal_runs_give_equal_files(tmp_path: pathlib.Path) -> None:
    recorded = steady(slow=1, failed=1)
    for name in ("one", "two"):
        outcome.conclude(recorded, tmp_path / name)
    for file in (outcome.REPORT, outcome.PICTURE, outcome.REQUESTS):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    plain = json.loads((tmp_path / "one" / outcome.REPORT).read_text())
    wanted = {"requests", "attainment", "usd", "gpu_hours", "fixed_fleet_usd", "replicas_max", "replicas_end", "errors"}
    assert wanted <= plain.keys()
    assert plain["decisions"] == [
        {"at_s": 3.0, "replicas": 2, "wanted": {"l4-spot": 2}, "reason": "forecast", "detail": "4.1/s in 25 s"}
    ]
    rows = list(
        csv.DictReader(io.StringIO(gzip.decompress((tmp_path / "one" / outcome.REQUESTS).read_bytes()).decode()))
    )
    assert len(rows) == 200
    assert rows[0] == {
        "arrival_s": "0.000000",
        "input_tokens": "100",
        "output_tokens": "11",
        "class": "interactive",
        "ttft_ms": "",
        "tpot_ms": "",
        "e2e_ms": "",
        "status": "http-503",
    }
    assert (rows[2]["ttft_ms"], rows[2]["tpot_ms"], rows[2]["e2e_ms"]) == ("102.000", "30.000", "402.000")


def test_the_picture_names_pools_classes_and_verdict(tmp_path: pathlib.Path) -> None:
    recorded = steady(slow=3)
    found = report.build(recorded, fixed(recorded))
    picture.write(tmp_path / "report.svg", recorded, found)
    text = "\n".join(ET.parse(tmp_path / "report.svg").getroot().itertext())  # noqa: S314 - written by this test
    for words in (*found.verdict, "l4-spot", "interactive target", "requests per second", "1 replica's capacity"):
        assert words in text


@pytest.mark.parametrize("samples", [[], [replicas(0.0, l4=0)]])
def test_a_picture_can_be_drawn_of_next_to_nothing(tmp_path: pathlib.Path, samples: list[fleet.FleetSample]) -> None:
    recorded = run([], samples, duration_s=0.2)
    picture.write(tmp_path / "report.svg", recorded, report.build(recorded, None))
    assert (tmp_path / "report.svg").stat().st_size > 1000


def test_the_table_shows_run_and_fixed_fleet_side_by_side(tmp_path: pathlib.Path) -> None:
    recorded = steady()
    found = report.build(recorded, fixed(recorded))
    console = Console(width=120, record=True, file=io.StringIO())
    outcome.show(found, tmp_path, console)
    shown = console.export_text()
    lines = [line.split() for line in shown.splitlines()]
    assert ["money", "0.0150", "USD", "0.0100", "USD"] in lines
    assert ["3", "s", "2", "l4-spot", "forecast:", "4.1/s", "in", "25", "s"] in lines
    assert found.verdict[0] in shown
