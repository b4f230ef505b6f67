"""Component `Observability`."""

import enum
from typing import Annotated, NotRequired, TypedDict

import pulumi
from pydantic import Field
from tenbin_spec.document import parse_document
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.quantities import Frozen, Text

from tenbin import parsing, resources
from tenbin._layout import alerts, dashboard, monitoring


class ObservabilityArgs(TypedDict):
    """Arguments of `Observability`."""

    document: str
    """The wire document: JSON of `tenbin_spec.document`."""
    namespace: pulumi.Input[str]
    """Namespace of the stack that is watched, and of all objects."""
    scrape: NotRequired[str]
    """`annotations`: Prometheus finds pods by the annotations that they carry, and the alerts are a rule file in a
    ConfigMap. `prometheus-operator`: a PodMonitor for each program and a PrometheusRule, which need the operator."""
    series: NotRequired[dict[str, str]]
    """Labels that tell this stack's series from those of other stacks in the same Prometheus. With the operator the
    namespace does; without it such labels depend on how Prometheus relabels what it scrapes."""
    labels: NotRequired[dict[str, str]]
    """Further labels of all objects, by which Prometheus and Grafana select what they read."""


class Scrape(enum.StrEnum):
    """How Prometheus finds what it scrapes."""

    ANNOTATIONS = "annotations"
    PROMETHEUS_OPERATOR = "prometheus-operator"


class ObservabilityArguments(Frozen):
    """Plain arguments of `Observability`."""

    document: str
    scrape: Scrape = Scrape.ANNOTATIONS
    series: dict[Annotated[str, Text("[a-zA-Z_][a-zA-Z0-9_]*", "a label of Prometheus", "namespace")], str] = Field(
        default_factory=dict
    )
    labels: dict[str, str] = Field(default_factory=dict)


class Observability(pulumi.ComponentResource):
    """Alerts from the objectives, a dashboard, and for an operator what it scrapes.

    Pods must let monitoring in: by default they do, for namespaces with the label `tenbin.dev/scrape: allowed`. The
    provider should have `enable_config_map_mutable`: without it a change of the agreement replaces the ConfigMaps.
    """

    alerts: pulumi.Output[str]
    """Name of the ConfigMap or the PrometheusRule with the alerts."""
    dashboard: pulumi.Output[str]
    """Name of the ConfigMap with the dashboard."""

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(
            args, ObservabilityArguments, component=f"Observability {name}", placed=("namespace",)
        )
        try:
            document = parse_document(parsed.document)
        except ConfigurationError as error:
            raise pulumi.RunError(str(error)) from None
        super().__init__("tenbin:index:Observability", name, parsed.model_dump(mode="json", exclude={"document"}), opts)
        namespace, stack, more = args["namespace"], document.stack, parsed.labels
        by_operator = parsed.scrape is Scrape.PROMETHEUS_OPERATOR
        own = {"namespace": document.namespace} if by_operator else {}
        series = monitoring.Series(matchers={**own, **parsed.series})
        groups = alerts.groups(document, series)
        child = pulumi.ResourceOptions(parent=self)
        if by_operator:
            for manifest in monitoring.monitors(namespace=namespace, stack=stack, more=more):
                own_name = manifest["metadata"]["name"].removeprefix("tenbin-")
                resources.create(manifest, name=f"{name}-{own_name}", opts=child)
            rules = monitoring.rule_object(groups=groups, namespace=namespace, stack=stack, more=more)
            alerting = resources.create(rules, name=f"{name}-alerts", opts=child)
        else:
            rules = monitoring.rule_file(groups=groups, namespace=namespace, stack=stack, more=more)
            alerting = resources.create(rules, name=f"{name}-alerts", opts=child)
        screen = monitoring.dashboard_file(
            model=dashboard.model(document, series), namespace=namespace, stack=stack, more=more
        )
        shown = resources.create(screen, name=f"{name}-dashboard", opts=child)
        self.alerts = alerting.metadata["name"]
        self.dashboard = shown.metadata["name"]
        self.register_outputs({"alerts": self.alerts, "dashboard": self.dashboard})
