"""A stack's Grafana dashboard: objectives, money, demand, replicas and the planner's reasons on one screen.

The grid is Grafana's: 24 columns, rows of about 38 px; 24 rows fill a screen of 1080 lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tenbin_spec.document import Document
from tenbin_spec.quantities import money_text, window_text

from tenbin._layout import alerts
from tenbin._layout.manifests import Json
from tenbin._layout.monitoring import Series

_SCHEMA = 39
"""Version of Grafana's dashboard model, that of Grafana 11."""
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_RED, _ORANGE, _GREEN = "red", "orange", "green"
_HEIGHT = 8
_BY_CLASS = "{{service}} {{class}}"
_WORKLOADS = "max by (service, role, pool, workload{more}) ({selector})"
"""Two planners tell of the same replicas for a moment when one follows the other."""


def model(document: Document, series: Series) -> Json:
    """Return the dashboard as Grafana imports it.

    Args:
        document: the agreement; targets, budgets and caps are drawn as it says.
        series: how this stack's series are told from others.
    """
    panels = [
        _attainment(document, series, x=0, width=9),
        _budget(document, series, x=9, width=6),
        _burn(document, series, x=15, width=9),
        _hourly(document, series, x=0, width=9),
        _monthly(document, series, x=9, width=3),
        _planner(document, series, x=12, width=3),
        _requests(series, x=15, width=9),
        _replicas(series, x=0, width=12),
        _reasons(series, x=12, width=12),
    ]
    row, used = 0, 0
    for number, panel in enumerate(panels, start=1):
        place = panel["gridPos"]
        if place["x"] < used:
            row += _HEIGHT
        used = place["x"] + place["w"]
        panel["id"], place["y"] = number, row
    return {
        "uid": f"tenbin-{hashlib.sha256(document.stack.encode()).hexdigest()[:12]}",
        "title": f"tenbin {document.stack}",
        "tags": ["tenbin"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": panels,
    }


def _attainment(document: Document, series: Series, *, x: int, width: int) -> Json:
    good, judged = (
        f"sum by (service, class) (rate({series.of(name)}[5m]))"
        for name in ("good_requests_total", "judged_requests_total")
    )
    targets = [
        (f"vector({objective.target})", f"target {service} {class_name}")
        for service, item in document.services.items()
        for class_name, objective in item.slo.classes.items()
    ]
    lowest = min(float(item.target) for service in document.services.values() for item in service.slo.classes.values())
    panel = _panel(
        "timeseries",
        "Attainment over 5 min, and target",
        [(f"{good} / {judged}", _BY_CLASS), *targets],
        unit="percentunit",
        steps=[(None, _RED), (lowest, _GREEN)],
        x=x,
        width=width,
    )
    panel["fieldConfig"]["defaults"]["max"] = 1
    dashes = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}
    panel["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byRegexp", "options": "/^target /"}, "properties": [dashes]}
    ]
    return panel


def _budget(document: Document, series: Series, *, x: int, width: int) -> Json:
    queries = []
    for service, item in document.services.items():
        window = window_text(item.slo.window)
        for class_name, objective in item.slo.classes.items():
            spent = alerts.burn_rate(series, service, class_name, window, objective)
            queries.append((f"1 - {spent}", f"{_BY_CLASS}, {window}"))
    steps: Sequence[tuple[float | None, str]] = [(None, _RED), (0, _ORANGE), (0.25, _GREEN)]
    panel = _panel(
        "bargauge", "Error budget left", queries, unit="percentunit", steps=steps, x=x, width=width, now_only=True
    )
    panel["fieldConfig"]["defaults"] |= {"min": 0, "max": 1}
    panel["options"] = {
        "orientation": "horizontal",
        "displayMode": "basic",
        "reduceOptions": {"calcs": ["lastNotNull"]},
    }
    return panel


def _burn(document: Document, series: Series, *, x: int, width: int) -> Json:
    queries, factors = [], [1.0]
    for service, item in document.services.items():
        for class_name, objective in item.slo.classes.items():
            first = alerts.burn_windows(item.slo.window, objective)[0]
            factors.append(float(first.factor))
            rate = alerts.burn_rate(series, service, class_name, first.long, objective)
            queries.append((rate, f"{_BY_CLASS}, {first.long}"))
    fastest = max(factors)
    steps: Sequence[tuple[float | None, str]] = [(None, _GREEN), (1, _ORANGE), (fastest, _RED)]
    title = "Burn rate of the error budget, times the even pace"
    return _panel("timeseries", title, queries, unit="none", steps=steps, x=x, width=width)


def _hourly(document: Document, series: Series, *, x: int, width: int) -> Json:
    queries = [
        (f"max({series.of('plan_hourly_usd')})", "plan"),
        (f"max({series.of('cap_hourly_usd')})", "cap"),
    ]
    cap = float(document.cost.hourly_usd)
    steps: Sequence[tuple[float | None, str]] = [(None, _GREEN), (0.9 * cap, _ORANGE), (cap, _RED)]
    return _panel("timeseries", "USD per hour, and cap", queries, unit="currencyUSD", steps=steps, x=x, width=width)


def _monthly(document: Document, series: Series, *, x: int, width: int) -> Json:
    queries = [(f"max({series.of('month_usd')})", "spent")]
    steps: list[tuple[float | None, str]] = [(None, _GREEN)]
    if document.cost.monthly_usd is not None:
        cap = float(document.cost.monthly_usd)
        queries.append((f"vector({money_text(document.cost.monthly_usd)})", "cap"))
        steps += [(0.9 * cap, _ORANGE), (cap, _RED)]
    return _stat("USD this month (UTC)", queries, unit="currencyUSD", steps=steps, x=x, width=width)


def _planner(document: Document, series: Series, *, x: int, width: int) -> Json:
    queries = [(f"time() - max({series.of('last_tick_seconds')})", "since last decision")]
    limit = alerts.standstill_s(document)
    steps: Sequence[tuple[float | None, str]] = [(None, _GREEN), (limit / 2, _ORANGE), (limit, _RED)]
    return _stat("Planner", queries, unit="s", steps=steps, x=x, width=width)


def _requests(series: Series, *, x: int, width: int) -> Json:
    queries = [
        (f"max by (service) ({series.of('requests_per_second')})", "{{service}} now"),
        (f"max by (service) ({series.of('forecast_requests_per_second')})", "{{service}} forecast"),
    ]
    title = "Requests per second, and forecast a lead time ahead"
    return _panel("timeseries", title, queries, unit="reqps", steps=[(None, _GREEN)], x=x, width=width)


def _replicas(series: Series, *, x: int, width: int) -> Json:
    wanted = _WORKLOADS.format(more="", selector=series.of("replicas_wanted"))
    phases = series.of("replicas", like={"phase": "ready|starting|draining"})
    there = _WORKLOADS.format(more=", phase", selector=phases)
    queries = [
        (f"sum by (service, pool) ({wanted})", "{{service}} {{pool}} wanted"),
        (f"sum by (service, pool, phase) ({there})", "{{service}} {{pool}} {{phase}}"),
    ]
    return _panel(
        "timeseries", "Replicas by pool", queries, unit="none", steps=[(None, _GREEN)], x=x, width=width, decimals=0
    )


def _reasons(series: Series, *, x: int, width: int) -> Json:
    queries = [(f"max by (service, reason) ({series.of('reason_info')})", "{{service}} {{reason}}")]
    panel = _panel(
        "state-timeline", "Reasons", queries, unit="none", steps=[(None, "transparent"), (1, "blue")], x=x, width=width
    )
    panel["options"] = {"showValue": "never", "legend": {"showLegend": False}}
    return panel


def _stat(
    title: str,
    queries: Sequence[tuple[str, str]],
    *,
    unit: str,
    steps: Sequence[tuple[float | None, str]],
    x: int,
    width: int,
) -> Json:
    panel = _panel("stat", title, queries, unit=unit, steps=steps, x=x, width=width, now_only=True)
    panel["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name"}
    return panel


def _panel(
    kind: str,
    title: str,
    queries: Sequence[tuple[str, str]],
    *,
    unit: str,
    steps: Sequence[tuple[float | None, str]],
    x: int,
    width: int,
    now_only: bool = False,
    decimals: int | None = None,
) -> Json:
    """Return a panel.

    Args:
        kind: Grafana's name of its type.
        title: what it shows, with what the unit does not say.
        queries: PromQL and legend of each.
        unit: Grafana's name of the unit of all of its values.
        steps: value from which on each colour counts, None for the first.
        x: first column.
        width: columns.
        now_only: whether one value is asked for, and not a range.
        decimals: digits after the point; Grafana's choice when None.
    """
    defaults: Json = {
        "unit": unit,
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]},
        **({"decimals": decimals} if decimals is not None else {}),
    }
    if kind == "timeseries" and len(steps) > 1:
        defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return {
        "type": kind,
        "title": title,
        "gridPos": {"x": x, "w": width, "h": _HEIGHT},
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": _ref(index),
                "datasource": _DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                **({"instant": True} if now_only else {"range": True}),
            }
            for index, (expression, legend) in enumerate(queries)
        ],
    }


def _ref(index: int) -> str:
    """Name a query as Grafana does: A to Z, then AA, AB, ...

    >>> _ref(0), _ref(25), _ref(26)
    ('A', 'Z', 'AA')
    """
    first, last = divmod(index, 26)
    return (_ref(first - 1) if first else "") + chr(ord("A") + last)
