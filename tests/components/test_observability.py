"""`Observability`: what it registers with and without an operator, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
import tenbin
from support import golden, stacks
from support.registered import Registrations, register
from tenbin import observability
from tenbin._layout import alerts, monitoring
from tenbin_spec import contract
from tenbin_spec.document import document_of, parse_document

DOCUMENT = document_of(stacks.stack(), "test").to_json()


def built(**args: Any) -> Registrations:
    given: Any = {"document": DOCUMENT, "namespace": "inference", **args}
    return register(lambda: tenbin.Observability("watch", given))


def test_pods_that_carry_annotations_need_no_object_to_be_scraped() -> None:
    found = built()
    assert found.tree() == {
        "": ["Observability::watch"],
        "Observability::watch": ["ConfigMap::watch-alerts", "ConfigMap::watch-dashboard"],
    }
    assert found.outputs["Observability::watch"] == {"alerts": "tenbin-alerts", "dashboard": "tenbin-dashboard"}


def test_an_operator_is_told_whom_to_scrape_and_what_to_alert_on() -> None:
    found = built(scrape="prometheus-operator")
    assert found.tree()["Observability::watch"] == [
        "ConfigMap::watch-dashboard",
        "PodMonitor::watch-engine",
        "PodMonitor::watch-gateway",
        "PodMonitor::watch-picker",
        "PodMonitor::watch-planner",
        "PrometheusRule::watch-alerts",
    ]
    rules = found.one("PrometheusRule::watch-alerts")
    assert rules.type == "kubernetes:monitoring.coreos.com/v1:PrometheusRule"
    expressions = [rule["expr"] for group in rules.inputs["spec"]["groups"] for rule in group["rules"]]
    assert all('namespace="tenbin"' in text for text in expressions)
    assert found.outputs["Observability::watch"]["alerts"] == "tenbin-alerts"


def test_monitors_name_ports_that_the_pods_have() -> None:
    platform: Any = stacks.plain_stack()
    pods = [
        item.inputs["spec"]["template"]
        for item in register(lambda: tenbin.Platform("platform", platform)).resources
        if item.key.startswith("Deployment::")
    ]
    monitors = [item.inputs for item in built(scrape="prometheus-operator").resources if "PodMonitor" in item.type]
    assert len(monitors) == 4
    for monitor in monitors:
        [wanted] = monitor["spec"]["selector"]["matchLabels"].items()
        matching = [pod for pod in pods if wanted in pod["metadata"]["labels"].items()]
        assert matching
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        for pod in matching:
            [port] = [
                item["containerPort"]
                for item in pod["spec"]["containers"][0]["ports"]
                if item["name"] == endpoint["port"]
            ]
            annotations = pod["metadata"]["annotations"]
            assert annotations["prometheus.io/port"] == str(port)
            assert annotations["prometheus.io/path"] == endpoint["path"]


def test_a_dashboard_is_found_by_its_label() -> None:
    screen = built().one("ConfigMap::watch-dashboard").inputs
    assert screen["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(screen["data"][monitoring.DASHBOARD_KEY])["title"] == "tenbin test"


def test_further_labels_are_on_every_object_and_never_in_place_of_our_own() -> None:
    more = {"release": "prometheus", contract.LABEL_MANAGED_BY: "me"}
    for item in built(scrape="prometheus-operator", labels=more).resources[1:]:
        assert item.inputs["metadata"]["labels"]["release"] == "prometheus"
        assert item.inputs["metadata"]["labels"][contract.LABEL_MANAGED_BY] == contract.MANAGED_BY


def test_labels_of_series_single_out_the_stack_in_every_query() -> None:
    found = built(series={"cluster": 'eu "1"'})
    rules = json.loads(found.one("ConfigMap::watch-alerts").inputs["data"][monitoring.ALERTS_KEY])
    assert all('cluster="eu \\"1\\""' in rule["expr"] for group in rules["groups"] for rule in group["rules"])


def test_a_namespace_of_another_resource_is_passed_through() -> None:
    def build() -> None:
        given: Any = {"document": DOCUMENT, "namespace": pulumi.Output.from_input("late")}
        tenbin.Observability("watch", given)

    found = register(build)
    assert found.one("ConfigMap::watch-alerts").inputs["metadata"]["namespace"] == "late"


def test_every_problem_is_named_at_its_place() -> None:
    with pytest.raises(pulumi.RunError) as caught:
        register(lambda: tenbin.Observability("watch", {"scrape": "pull", "series": {"a-b": "c"}}))  # type: ignore[typeddict-item]
    lines = str(caught.value).splitlines()
    assert lines[0] == "Observability watch has 4 problems:"
    assert {line.split(":")[0].strip(" -") for line in lines[1:]} == {
        "document",
        "namespace",
        "scrape",
        "series.a-b",
    }


def test_a_document_of_another_version_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match="9 is not a version that this program reads"):
        built(document=json.dumps({"version": 9}))


def test_arguments_and_their_model_have_the_same_fields() -> None:
    shape, model = observability.ObservabilityArgs, observability.ObservabilityArguments
    assert set(shape.__annotations__) == {*model.model_fields, "namespace"}
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert shape.__required_keys__ == {*required, "namespace"}


def test_rules_and_dashboard_are_as_recorded() -> None:
    document, series = parse_document(DOCUMENT), monitoring.Series(matchers={"namespace": "tenbin"})
    groups = alerts.groups(document, series)
    place: Any = {"namespace": "tenbin", "stack": "test", "more": {}}
    rules, monitors = monitoring.rule_object(groups=groups, **place), monitoring.monitors(**place)
    golden.check("observability.yaml", golden.dump([rules, *monitors]))
    screen = built().one("ConfigMap::watch-dashboard").inputs
    golden.check("dashboard.json", screen["data"][monitoring.DASHBOARD_KEY])


@pytest.mark.parametrize(
    ("monitoring", "alerting"), [("annotations", "ConfigMap"), ("prometheus-operator", "PrometheusRule")]
)
def test_a_stack_that_wants_monitoring_has_it(monitoring: str, alerting: str) -> None:
    platform: Any = stacks.plain_stack(observability={"monitoring": monitoring})
    found = register(lambda: tenbin.Platform("platform", platform)).tree()
    assert "Observability::platform-observability" in found["Platform::platform"]
    assert f"{alerting}::platform-observability-alerts" in found["Observability::platform-observability"]


def test_a_stack_has_no_monitoring_unless_it_asks_for_it() -> None:
    platform: Any = stacks.plain_stack()
    assert not [key for key in register(lambda: tenbin.Platform("platform", platform)).tree() if "Observability" in key]
