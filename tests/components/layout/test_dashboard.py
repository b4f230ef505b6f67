"""The dashboard: every query yields something on a real planner's page, and all of it fits on one screen."""

from __future__ import annotations

import itertools
import json
import pathlib
from typing import Any

import pytest
from support import planner_page, planning, promtool
from tenbin._layout import dashboard
from tenbin._layout.monitoring import Series

CLASSES = {"fast": {"target": "0.99", "ttft_ms": 900}, "slow": {"target": "0.9", "e2e_ms": 9000}}
TWO = planning.document(
    services={
        "chat": planning.service(),
        "code": planning.service(slo={"window": "7d", "classes": CLASSES, "default_class": "slow"}),
    },
    cost={"hourly_usd": "10.00", "monthly_usd": "4000"},
)
COLUMNS, ROWS = 24, 24
"""Of Grafana's grid on a screen of 1080 lines."""


def model(document: Any = None) -> dict[str, Any]:
    return dashboard.model(document or planning.document(), Series(matchers={}))


def expressions(found: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in found["panels"] for target in panel["targets"]]


def test_prometheus_takes_every_query(tmp_path: pathlib.Path) -> None:
    rules = [{"record": f"query:{place}", "expr": text} for place, text in enumerate(expressions(model(TWO)))]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool.run("check", "rules", tmp_path / "rules.yaml")


def test_every_query_yields_something_on_a_planners_page(tmp_path: pathlib.Path) -> None:
    series = [
        {
            "series": sample.name
            + json.dumps(sample.labels).replace('": "', '="').replace(', "', ",").replace('{"', "{"),
            # Counters go on as they began, gauges stay.
            "values": f"0+{sample.value}x60" if sample.name.endswith("_total") else f"{sample.value}x60",
        }
        for sample in planner_page.samples()
        if not sample.name.startswith("tenbin_planner_step_")
    ]
    wanted = [
        {
            "expr": f"count({text}) > bool 0",
            "eval_time": "59m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for text in expressions(model())
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": wanted}
    (tmp_path / "tests.yaml").write_text(json.dumps({"rule_files": [], "tests": [test]}))
    promtool.run("test", "rules", tmp_path / "tests.yaml")


def test_it_fits_on_one_screen_and_nothing_overlaps() -> None:
    places = [panel["gridPos"] for panel in model(TWO)["panels"]]
    cells = [
        (x, y)
        for place in places
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(cells) == len(set(cells)) == COLUMNS * ROWS
    assert max(x for x, _ in cells) < COLUMNS
    assert max(y for _, y in cells) < ROWS


def test_it_shows_what_an_agreement_is_about() -> None:
    titles = [panel["title"] for panel in model()["panels"]]
    assert titles == [
        "Attainment over 5 min, and target",
        "Error budget left",
        "Burn rate of the error budget, times the even pace",
        "USD per hour, and cap",
        "USD this month (UTC)",
        "Planner",
        "Requests per second, and forecast a lead time ahead",
        "Replicas by pool",
        "Reasons",
    ]


def test_every_panel_has_a_unit_thresholds_legends_and_the_chosen_datasource() -> None:
    found = model(TWO)
    assert [item["name"] for item in found["templating"]["list"]] == ["datasource"]
    for panel in found["panels"]:
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        values = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert values[0] is None
        assert values[1:] == sorted(values[1:])
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["legendFormat"] for target in panel["targets"])
        names = [target["refId"] for target in panel["targets"]]
        assert len(names) == len(set(names))
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])


def test_targets_windows_and_caps_are_those_of_the_agreement() -> None:
    panels = {panel["title"]: panel for panel in model(TWO)["panels"]}
    attainment = panels["Attainment over 5 min, and target"]["targets"]
    assert [(item["expr"], item["legendFormat"]) for item in attainment[1:]] == [
        ("vector(0.99)", "target chat interactive"),
        ("vector(0.99)", "target code fast"),
        ("vector(0.9)", "target code slow"),
    ]
    budget = panels["Error budget left"]["targets"]
    assert "[30d]" in budget[0]["expr"]
    assert "[7d]" in budget[1]["expr"]
    assert panels["USD this month (UTC)"]["targets"][1]["expr"] == "vector(4000.00)"
    assert panels["USD per hour, and cap"]["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 10.0


def test_two_stacks_have_two_dashboards_and_one_stack_always_the_same() -> None:
    first = model()
    assert first == model()
    other = model(planning.document().model_copy(update={"stack": "other"}))
    assert first["uid"] != other["uid"]
    assert len(first["uid"]) <= 40


@pytest.mark.parametrize(("document", "lowest"), [(None, 0.99), (TWO, 0.9)])
def test_attainment_is_red_below_the_lowest_target(document: Any, lowest: float) -> None:
    [panel] = [item for item in model(document)["panels"] if item["title"].startswith("Attainment")]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1] == {"value": lowest, "color": "green"}
