"""Every alert fires and clears, as Prometheus itself evaluates it on made-up series of a planner."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import pathlib
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from support import planner_page, planning, promtool
from tenbin._layout import alerts
from tenbin._layout.monitoring import Series
from tenbin_spec.objectives import Objective

OURS = Series(matchers={"namespace": "tenbin"})
DOCUMENT = planning.document()
GROUPS = alerts.groups(DOCUMENT, OURS)
RULES = {
    (rule["alert"], rule["labels"].get("window") or rule["labels"].get("pool", "")): rule
    for group in GROUPS
    for rule in group["rules"]
}
INTERACTIVE = {"service": "chat", "class": "interactive"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Made-up series, and when the alert is silent, fires and is silent again."""

    minutes: int
    """Between two samples."""
    series: dict[str, Sequence[float | None]]
    """Values from the start by metric and labels; None where the series has vanished."""
    before: str
    firing: str
    after: str
    labels: dict[str, str]
    """Of the alert, besides those of the rule."""
    value: str
    """As the description has it."""


def metric(name: str, **labels: str) -> str:
    return Series(matchers={"namespace": "tenbin", "instance": "10.0.0.3:8081", **labels}).of(name)


def rising(*spans: tuple[int, float]) -> list[float]:
    """Return a counter: so many samples, each so much above the one before."""
    return list(itertools.accumulate(step for count, step in spans for _ in range(count)))


def spells(*spans: tuple[int, float | None]) -> list[float | None]:
    """Return a gauge: so many samples of a value."""
    return [value for count, value in spans for _ in range(count)]


def budget(minutes: int, *spans: tuple[int, float]) -> dict[str, Sequence[float | None]]:
    """Return the counters of a class of which 100 requests are judged between two samples, so many of them good."""
    return {
        metric("judged_requests_total", **INTERACTIVE): rising((sum(count for count, _ in spans), 100 * minutes)),
        metric("good_requests_total", **INTERACTIVE): rising(*((count, good * minutes) for count, good in spans)),
    }


def reason(name: str) -> dict[str, Sequence[float | None]]:
    return {metric("reason_info", service="chat", reason=name): spells((10, None), (20, 1), (20, None))}


def starting(pool: str) -> dict[str, Sequence[float | None]]:
    labels = {"service": "chat", "role": "serve", "pool": pool, "workload": f"chat-serve-{pool}"}
    return {
        metric("replicas", **labels, phase="starting"): spells((10, 0), (30, 1), (20, 0)),
        metric("replicas", **labels, phase="ready"): spells((40, 1), (20, 2)),
    }


TIMES: dict[str, Any] = {"minutes": 1, "before": "11m", "firing": "20m", "after": "35m"}
STUCK: dict[str, Any] = {"minutes": 1, "before": "15m", "firing": "25m", "after": "45m"}
CASES: dict[tuple[str, str], Case] = {
    ("TenbinErrorBudgetBurn", "1h"): Case(
        minutes=1,
        series=budget(1, (120, 100), (80, 50), (60, 100)),
        before="118m",
        firing="199m",
        after="206m",
        labels=INTERACTIVE,
        value="50",
    ),
    ("TenbinErrorBudgetBurn", "6h"): Case(
        minutes=5,
        series=budget(5, (72, 100), (72, 90), (72, 100)),
        before="5h",
        firing="715m",
        after="13h",
        labels=INTERACTIVE,
        value="10",
    ),
    ("TenbinErrorBudgetBurn", "3d"): Case(
        minutes=30,
        series=budget(30, (144, 100), (145, 98), (48, 100)),
        before="3d",
        firing="6d",
        after="6d7h",
        labels=INTERACTIVE,
        value="2",
    ),
    ("TenbinCostCapReached", ""): Case(
        series=reason("hourly-cap"), labels={"service": "chat", "reason": "hourly-cap"}, value="1", **TIMES
    ),
    ("TenbinObjectiveInfeasible", ""): Case(
        series=reason("infeasible"), labels={"service": "chat"}, value="1", **TIMES
    ),
    ("TenbinPoolWithoutNodes", ""): Case(
        series=reason("stuck-pending"), labels={"service": "chat"}, value="1", **TIMES
    ),
    ("TenbinWorkloadNotScalable", ""): Case(
        series={
            metric(
                "replicas_wanted",
                service="chat",
                role="serve",
                pool="l4",
                workload="chat-serve-l4",
                reason="not-scalable",
            ): spells((10, None), (20, 0), (20, None))
        },
        labels={"service": "chat", "pool": "l4"},
        value="0",
        **TIMES,
    ),
    ("TenbinPlannerBlind", ""): Case(
        series={metric("gateway_blind"): spells((11, 0), (20, 1), (20, 0))}, labels={}, value="1", **TIMES
    ),
    ("TenbinPlannerAbsent", ""): Case(
        series={metric("last_tick_seconds"): spells((10, 1), (20, None), (20, 1))},
        labels={"namespace": "tenbin"},
        value="1",
        **TIMES,
    ),
    ("TenbinPlannerStandsStill", ""): Case(
        series={metric("last_tick_seconds"): [*rising((10, 60)), *spells((20, 600)), *rising((31, 60), (20, 60))[31:]]},
        labels={},
        value="10m 0s",
        **TIMES,
    ),
    ("TenbinForecastOff", ""): Case(
        minutes=5,
        series={
            metric("forecasts_due_total", service="chat"): rising((432, 60)),
            metric("forecasts_exceeded_total", service="chat"): rising((144, 5), (144, 30), (144, 5)),
        },
        before="12h",
        firing="23h",
        after="34h",
        labels={"service": "chat"},
        value="50%",
    ),
    ("TenbinReplicasStuck", "l4"): Case(
        series=starting("l4"), labels={"service": "chat", "pool": "l4"}, value="1", **STUCK
    ),
    ("TenbinReplicasStuck", "l4-spot"): Case(
        series=starting("l4-spot"), labels={"service": "chat", "pool": "l4-spot"}, value="1", **STUCK
    ),
}


def expected(rule: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return the alert as Prometheus sends it."""

    def filled(text: str) -> str:
        text = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: case.labels[found[1]], text)
        return re.sub(r"{{ \$value[^}]*}}", case.value, text)

    return {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {name: filled(text) for name, text in rule["annotations"].items()},
    }


def written(values: Iterable[float | None]) -> str:
    """Return values as promtool reads them; a series that vanishes is marked so, as by a scrape that misses it."""
    return " ".join(
        ("stale" if before is not None else "_") if value is None else repr(value)
        for before, value in itertools.pairwise([None, *values])
    )


def evaluate(
    folder: pathlib.Path,
    rule: dict[str, Any],
    minutes: int,
    series: dict[str, Sequence[float | None]],
    moments: dict[str, list[dict[str, Any]]],
) -> None:
    """Let Prometheus evaluate one rule, and compare the alerts that fire at each moment."""
    (folder / "rules.yaml").write_text(json.dumps({"groups": [{"name": "one", "rules": [rule]}]}))
    test = {
        "interval": f"{minutes}m",
        "input_series": [{"series": name, "values": written(values)} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": moment, "alertname": rule["alert"], "exp_alerts": wanted}
            for moment, wanted in moments.items()
        ],
    }
    (folder / "tests.yaml").write_text(
        json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]})
    )
    promtool.run("test", "rules", folder / "tests.yaml")


def test_the_rule_file_is_one_that_prometheus_takes(tmp_path: pathlib.Path) -> None:
    slo = {
        "window": "30d",
        "classes": {"fast": {"target": "0.99", "ttft_ms": 9}, "slow": {"target": "0.9", "e2e_ms": 9}},
    }
    two = {"chat": planning.service(), "code": planning.service(slo={**slo, "default_class": "slow"})}
    groups = alerts.groups(planning.document(services=two), OURS)
    count = sum(len(group["rules"]) for group in groups)
    assert count == len(RULES) + 2 * 3
    (tmp_path / "tenbin.rules.yaml").write_text(json.dumps({"groups": groups}))
    said = promtool.run("check", "rules", "--lint=all", "--lint-fatal", tmp_path / "tenbin.rules.yaml")
    assert f"SUCCESS: {count} rules found" in said


@pytest.mark.parametrize("key", RULES, ids=" ".join)
def test_an_alert_fires_and_clears(key: tuple[str, str], tmp_path: pathlib.Path) -> None:
    rule, case = RULES[key], CASES[key]
    moments: dict[str, list[dict[str, Any]]] = {case.before: [], case.firing: [expected(rule, case)], case.after: []}
    evaluate(tmp_path, rule, case.minutes, case.series, moments)


def test_a_monthly_cap_is_a_cap_too(tmp_path: pathlib.Path) -> None:
    key = ("TenbinCostCapReached", "")
    case = dataclasses.replace(CASES[key], labels={"service": "chat", "reason": "monthly-cap"})
    evaluate(tmp_path, RULES[key], 1, reason("monthly-cap"), {"20m": [expected(RULES[key], case)]})


@pytest.mark.parametrize("key", RULES, ids=" ".join)
def test_another_stacks_series_fire_nothing(key: tuple[str, str], tmp_path: pathlib.Path) -> None:
    case = CASES[key]
    others = {name.replace('namespace="tenbin"', 'namespace="other"'): item for name, item in case.series.items()}
    if key[0] == "TenbinPlannerAbsent":
        others[metric("last_tick_seconds")] = spells((60, 1))
    evaluate(tmp_path, RULES[key], case.minutes, others, {case.firing: []})


def test_no_requests_burn_no_budget(tmp_path: pathlib.Path) -> None:
    for key, rule in RULES.items():
        if key[0] == "TenbinErrorBudgetBurn":
            silent = {name: spells((300, 7)) for name in CASES[key].series}
            evaluate(tmp_path, rule, 1, silent, {"2h": [], "4h": []})


def test_a_restart_of_the_planner_burns_no_budget(tmp_path: pathlib.Path) -> None:
    restarted = {name: [*rising((120, 60)), *rising((120, 60))] for name in budget(1, (1, 1))}
    evaluate(tmp_path, RULES["TenbinErrorBudgetBurn", "1h"], 1, restarted, {"121m": [], "130m": [], "200m": []})


def test_a_short_burst_that_is_over_pages_nobody(tmp_path: pathlib.Path) -> None:
    series = budget(1, (120, 100), (5, 0), (60, 100))
    evaluate(tmp_path, RULES["TenbinErrorBudgetBurn", "1h"], 1, series, {"123m": [], "140m": []})


def test_a_few_forecasts_say_nothing(tmp_path: pathlib.Path) -> None:
    series = {name: rising((50, 12)) for name in CASES["TenbinForecastOff", ""].series}
    evaluate(tmp_path, RULES["TenbinForecastOff", ""], 1, series, {"45m": []})


def test_starts_that_succeed_one_after_another_are_not_stuck(tmp_path: pathlib.Path) -> None:
    series = starting("l4")
    ready = next(name for name in series if '"ready"' in name)
    series = {**series, ready: [float(place // 3) for place in range(60)]}
    evaluate(tmp_path, RULES["TenbinReplicasStuck", "l4"], 1, series, {"25m": [], "38m": []})


def test_a_second_planner_that_hears_nothing_is_no_blindness(tmp_path: pathlib.Path) -> None:
    series = {
        metric("gateway_blind"): spells((50, 0)),
        metric("gateway_blind").replace("10.0.0.3", "10.0.0.9"): spells((50, 1)),
    }
    evaluate(tmp_path, RULES["TenbinPlannerBlind", ""], 1, series, {"20m": [], "40m": []})


def test_every_series_and_label_is_one_that_a_planner_has() -> None:
    page = planner_page.samples()
    for rule in RULES.values():
        found = re.findall(r"(tenbin_planner_\w+)(?:{([^}]*)})?", rule["expr"])
        assert found, rule["alert"]
        for name, inside in found:
            there = [sample for sample in page if sample.name == name]
            assert there, name
            for label, value in re.findall(r'(\w+)=~?"([^"]*)"', inside):
                if label != "namespace":
                    assert all(label in sample.labels for sample in there), f"{name} has no {label}"
                if label in {"service", "class", "pool", "phase"}:
                    assert value in {sample.labels[label] for sample in there}, f"no {label} {value}"


def test_every_alert_says_what_it_is_how_bad_and_what_to_do() -> None:
    assert set(CASES) == set(RULES)
    for rule in RULES.values():
        assert re.fullmatch(r"Tenbin([A-Z][a-z]+)+", rule["alert"])
        assert rule["labels"]["severity"] in {alerts.CRITICAL, alerts.WARNING}
        assert rule["labels"]["stack"] == "test"
        assert "$value" in rule["annotations"]["description"]
        assert all(rule["annotations"][name] for name in ("summary", "description", "runbook"))


@pytest.mark.parametrize("target", ["0.05", "0.5", "0.9", "0.99", "0.999999"])
@pytest.mark.parametrize("minutes", [1, 5, 45, 720, 10_080, 43_200, 92 * 1440])
def test_windows_fit_the_objective(target: str, minutes: int) -> None:
    objective = Objective(target=Decimal(target), ttft_ms=1000)
    found = alerts.burn_windows(datetime.timedelta(minutes=minutes), objective)
    assert found[0].severity == alerts.CRITICAL
    for pair in found:
        assert pair.factor * objective.error_budget < 1, "an outage fires"
        assert _length(pair.short) <= _length(pair.long) <= minutes
        spent = pair.factor * _length(pair.long) / minutes
        assert spent <= Decimal("0.1001") or pair.factor <= 1, "most of the budget is left"
    lengths = [_length(pair.long) for pair in found]
    assert lengths == sorted(set(lengths))


def test_windows_scale_with_the_objectives() -> None:
    objective = Objective(target=Decimal("0.99"), ttft_ms=1000)
    week = alerts.burn_windows(datetime.timedelta(days=7), objective)
    assert [(item.long, item.short, str(item.factor)) for item in week] == [
        ("14m", "2m", "14.4"),
        ("84m", "7m", "6"),
        ("1008m", "84m", "1"),
    ]
    hour = alerts.burn_windows(datetime.timedelta(hours=1), objective)
    assert [(item.long, item.short, str(item.factor)) for item in hour] == [("10m", "2m", "1")]


def _length(window: str) -> int:
    return int(window[:-1]) * {"m": 1, "h": 60, "d": 1440}[window[-1]]
