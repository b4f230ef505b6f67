"""What a Prometheus needs of a stack: names of the planner's series, who is scraped, and objects that carry the rest.

Pods carry annotations of their own. A Prometheus operator does not read these, so that it is given a PodMonitor for
each program, and alerts as a PrometheusRule instead of a file. PodMonitor, not ServiceMonitor: the latter puts a label
`service` on every series, which is the name of a label of the planner's own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_spec import contract

from tenbin._layout import gateway, picker
from tenbin._layout.manifests import Json, Placed, labels, metadata

NAME_ALERTS = "tenbin-alerts"
NAME_DASHBOARD = "tenbin-dashboard"
ALERTS_KEY = "tenbin.rules.yaml"
DASHBOARD_KEY = "tenbin.json"
DASHBOARD_LABEL = {"grafana_dashboard": "1"}
"""Label by which Grafana's sidecar finds a ConfigMap with a dashboard."""

_APP = "tenbin-observability"
_OPERATOR = "monitoring.coreos.com/v1"
_SCRAPED = {
    contract.NAME_ENGINE: (contract.PORT_NAME_HTTP, "/metrics"),
    contract.NAME_GATEWAY: (gateway.PORT_HEALTH, "/stats/prometheus"),
    contract.NAME_PICKER: (picker.PORT_HEALTH, "/metrics"),
    contract.NAME_PLANNER: (contract.PORT_NAME_HTTP, "/metrics"),
}
"""Port and path of each program's metrics."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """The planner's series of one stack, as PromQL names them."""

    matchers: Mapping[str, str]
    """Labels that tell them from those of other stacks in the same Prometheus."""

    def of(self, metric: str, *, labels: Mapping[str, str] | None = None, like: Mapping[str, str] | None = None) -> str:
        """Return the selector of a metric of the planner.

        Args:
            metric: its name without prefix.
            labels: labels with their values.
            like: labels with regular expressions of their values.

        >>> Series(matchers={"namespace": "tenbin"}).of("replicas", labels={"phase": "ready"})
        'tenbin_planner_replicas{namespace="tenbin",phase="ready"}'
        >>> Series(matchers={}).of("leader")
        'tenbin_planner_leader'
        """
        parts = [f"{name}={json.dumps(value)}" for name, value in {**self.matchers, **(labels or {})}.items()]
        parts += [f"{name}=~{json.dumps(value)}" for name, value in (like or {}).items()]
        return f"tenbin_planner_{metric}" + (f"{{{','.join(parts)}}}" if parts else "")


def monitors(*, namespace: Placed, stack: str, more: Mapping[str, str]) -> list[Json]:
    """Return a PodMonitor for each program of a stack.

    Args:
        namespace: of everything in the stack.
        stack: the stack's name.
        more: further labels, by which an operator selects what it reads.
    """
    return [
        {
            "apiVersion": _OPERATOR,
            "kind": "PodMonitor",
            "metadata": metadata(app, namespace, _own(stack, more)),
            "spec": {
                "selector": {"matchLabels": {contract.LABEL_NAME: app}},
                # The planner's labels `service` and `class` must stay what they are, whatever the target is called.
                "podMetricsEndpoints": [{"port": port, "path": path, "honorLabels": True}],
            },
        }
        for app, (port, path) in _SCRAPED.items()
    ]


def rule_file(*, groups: Sequence[Json], namespace: Placed, stack: str, more: Mapping[str, str]) -> Json:
    """Return the ConfigMap with the alerts as a Prometheus rule file; JSON, which is YAML too."""
    own = metadata(NAME_ALERTS, namespace, _own(stack, more))
    return _config_map(own, ALERTS_KEY, {"groups": list(groups)})


def rule_object(*, groups: Sequence[Json], namespace: Placed, stack: str, more: Mapping[str, str]) -> Json:
    """Return the PrometheusRule with the alerts."""
    return {
        "apiVersion": _OPERATOR,
        "kind": "PrometheusRule",
        "metadata": metadata(NAME_ALERTS, namespace, _own(stack, more)),
        "spec": {"groups": list(groups)},
    }


def dashboard_file(*, model: Json, namespace: Placed, stack: str, more: Mapping[str, str]) -> Json:
    """Return the ConfigMap with a Grafana dashboard."""
    own = metadata(NAME_DASHBOARD, namespace, {**_own(stack, more), **DASHBOARD_LABEL})
    return _config_map(own, DASHBOARD_KEY, model)


def _own(stack: str, more: Mapping[str, str]) -> dict[str, str]:
    return {**more, **labels(_APP, LABEL_STACK=stack)}


def _config_map(own: Json, key: str, content: Any) -> Json:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": {key: text}}
