"""What a workload on accelerators needs to hold its SLO: where it runs, how it starts, how it ends, who scales it."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_spec import contract

from tenbin_policies import workloads
from tenbin_policies.rules import (
    Resource,
    Rule,
    Settings,
    Severity,
    Stack,
    Standard,
    Violation,
    checkov,
    finops,
    integer,
)
from tenbin_policies.view import View
from tenbin_policies.workloads import Container, Pod

_BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_PLATFORM, _SERVICE = "tenbin:index:Platform", "tenbin:index:ModelService"
_SRE = Standard(name="Google SRE workbook", version="2018", references=("chapter 2, implementing SLOs",))
_KUBERNETES_GRACE_S = 30
_PROBES = ("startupProbe", "readinessProbe")


def _engine_containers(resource: Resource) -> Iterator[Container]:
    return (item for item in workloads.containers(resource) if workloads.accelerators_of(item.own))


def _equal(container: Container, _settings: Settings) -> Iterator[Violation]:
    for name in workloads.accelerators_of(container.own):
        limit = container.own.text("resources", "limits", name)
        request = container.own.text("resources", "requests", name) or limit
        if not limit or request != limit:
            message = f"{container.label} requests {request or 'no'} {name} with a limit of {limit or 'none'}"
            yield Violation(message=message)


def _pinned_to_a_pool(pod: Pod, settings: Settings) -> Iterator[Violation]:
    selected = bool(pod.spec.keys("nodeSelector")) or not pod.spec.at("affinity", "nodeAffinity").missing
    if not selected:
        yield Violation(message="its pods use accelerators and select no pool")
    if workloads.is_node_agent(pod, settings):
        return
    tolerated = [_tolerates(item) for item in pod.spec.items("tolerations")]
    wanted = {name for own in pod.spec.items("containers") for name in workloads.accelerators_of(own)}
    missing = sorted(name for name in wanted if not any(key in {"", name} for key in tolerated))
    if missing:
        yield Violation(message=f"its pods do not tolerate the taint {missing[0]} of the nodes that have it")


def _tolerates(toleration: View) -> str:
    return toleration.text("key")


def _probed(pod: Pod, _settings: Settings) -> Iterator[Violation]:
    if pod.joins:
        return
    own = pod.spec.items("containers")
    missing = [name for name in _PROBES if all(item.at(name).missing for item in own)]
    if missing:
        yield Violation(message=f"its pods have no {' and no '.join(missing)}")


def _drains(pod: Pod, settings: Settings) -> Iterator[Violation]:
    given, least = pod.spec.number("terminationGracePeriodSeconds"), settings["grace_s"]
    grace = _KUBERNETES_GRACE_S if given is None else given
    if grace < least:
        yield Violation(message=f"its pods have {grace} s to finish their streams, {least} s are needed")
    if all(item.at("lifecycle", "preStop").missing for item in pod.spec.items("containers")):
        yield Violation(message="its pods stop before the gateway has heard that they are going (no preStop)")


def _spread(pod: Pod, _settings: Settings) -> Iterator[Violation]:
    if pod.spec.at("topologySpreadConstraints").missing and pod.spec.at("affinity", "podAntiAffinity").missing:
        yield Violation(message="its replicas may all run in one zone")


def _engines(stack: Stack) -> Iterator[tuple[Resource, Stack]]:
    for resource in stack.of(workloads.SERVING):
        if any(True for _ in workloads.engines(resource)):
            yield resource, stack


def _in_budget(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    resource, stack = part
    labels = _labels(resource)
    own = [item for item in stack.of([_BUDGET]) if _selects(item.properties.at("spec", "selector"), labels)]
    if not own:
        yield Violation(message="no PodDisruptionBudget covers its pods", resource=resource)
    for budget in own:
        most, least = (budget.properties.text("spec", key) for key in ("maxUnavailable", "minAvailable"))
        if most in {"0", "0%"} or least == "100%":
            message = f"{budget.label} lets no pod of it go, so that no node is ever drained"
            yield Violation(message=message, resource=resource)


def _planned(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    resource, stack = part
    if contract.LABEL_SERVICE not in resource.properties.keys("metadata", "labels"):
        return
    planners = [
        item
        for item in stack.of([_DEPLOYMENT])
        if item.properties.text("metadata", "labels", contract.LABEL_NAME) == contract.NAME_PLANNER
    ]
    if not planners:
        yield Violation(message="no planner of the stack scales it", resource=resource)
    elif all(item.properties.plain("spec", "replicas") == 0 for item in planners):
        yield Violation(message="the planner that scales it is switched off", resource=resource)


def _promised(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    resource, stack = part
    name = resource.properties.text("metadata", "labels", contract.LABEL_SERVICE)
    agreed = {key for item in stack.of([_PLATFORM]) for key in item.properties.keys("agreement", "services")}
    # A service of its own, outside a platform, registers its objectives itself.
    agreed |= {item.properties.text("name") for item in stack.of([_SERVICE])}
    if name not in agreed:
        what = f"service {name!r}" if name else "no service"
        yield Violation(message=f"it uses accelerators for {what}, which has no SLO in this stack", resource=resource)


def _labels(resource: Resource) -> dict[str, str]:
    return {key: value for pod in workloads.pods(resource) for key, value in _texts(pod).items()}


def _texts(pod: Pod) -> dict[str, str]:
    labels = pod.template.at("metadata", "labels")
    return {key: labels.text(key) for key in labels.keys()}  # noqa: SIM118


def _selects(selector: View, labels: dict[str, str]) -> bool:
    wanted = {key: selector.text("matchLabels", key) for key in selector.keys("matchLabels")}
    return bool(wanted) and wanted.items() <= labels.items()


RULES = (
    Rule(
        id="accelerators-equal",
        wish="A container requests as many accelerators as it is limited to",
        why="Extended resources cannot be shared or overcommitted: the API server refuses a request that differs from "
        "the limit, but only when pods are made, long after `pulumi up` has ended well.",
        repair="Write the same number into requests and limits",
        severity=Severity.HIGH,
        standards=(finops("Workload Optimization"),),
        kinds=workloads.KINDS,
        parts=_engine_containers,
        check=_equal,
        before='resources: {requests: {nvidia.com/gpu: "1"}, limits: {nvidia.com/gpu: "2"}}',
        after='resources: {requests: {nvidia.com/gpu: "2"}, limits: {nvidia.com/gpu: "2"}}',
    ),
    Rule(
        id="accelerators-reached",
        wish="Pods on accelerators select a pool and tolerate its taint",
        why="Without a selector a pod buys a node of whatever pool comes first, at whatever price; without the "
        "toleration it waits for ever beside free accelerators.",
        repair="Select the label of one pool and tolerate its accelerators' taint with operator Exists",
        severity=Severity.HIGH,
        standards=(finops("Workload Optimization"),),
        kinds=workloads.KINDS,
        parts=workloads.engines,
        check=_pinned_to_a_pool,
        settings=workloads.AGENTS,
        before='spec: {containers: [{resources: {limits: {nvidia.com/gpu: "1"}}}]}',
        after="spec:\n  nodeSelector: {tenbin.dev/pool: l40s}\n"
        "  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]",
    ),
    Rule(
        id="engine-probed",
        wish="Engines say when they have started and when they are ready",
        why="An engine loads weights for minutes. Without a startup probe it is killed meanwhile, without a readiness "
        "probe it gets requests meanwhile: both are missed objectives.",
        repair="Set a startupProbe as long as the lead time, and a readinessProbe",
        severity=Severity.HIGH,
        standards=(checkov("CKV_K8S_9"), _SRE),
        kinds=workloads.SERVING,
        parts=workloads.engines,
        check=_probed,
        before="containers: [{name: engine}]",
        after="containers:\n  - name: engine\n    startupProbe: {httpGet: {path: /health, port: http}, "
        "failureThreshold: 300}\n"
        "    readinessProbe: {httpGet: {path: /health, port: http}}",
    ),
    Rule(
        id="engine-drains",
        wish="Engines finish their streams before they stop",
        why="A stream that ends with its pod is a failed answer, and each scale-down and roll-out would bring some.",
        repair="Give terminationGracePeriodSeconds for the longest answer, and a preStop that waits for the gateway",
        severity=Severity.HIGH,
        standards=(_SRE,),
        kinds=workloads.SERVING,
        parts=workloads.engines,
        check=_drains,
        settings={"grace_s": integer(30, "Seconds that pods must have at least to finish what they began")},
        before="spec: {terminationGracePeriodSeconds: 10}",
        after="spec:\n  terminationGracePeriodSeconds: 135\n"
        "  containers: [{name: engine, lifecycle: {preStop: {sleep: {seconds: 5}}}}]",
    ),
    Rule(
        id="engine-spread",
        wish="Replicas of an engine spread over zones",
        why="A zone that is lost, or a batch of spot nodes that is taken back there, would take the whole service.",
        repair="Add a topologySpreadConstraint over topology.kubernetes.io/zone with ScheduleAnyway",
        severity=Severity.MEDIUM,
        standards=(_SRE,),
        kinds=frozenset({"kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet"}),
        parts=workloads.engines,
        check=_spread,
        before="spec: {topologySpreadConstraints: null}",
        after="spec:\n  topologySpreadConstraints:\n"
        "    - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}",
    ),
    Rule(
        id="engine-disruption-budget",
        wish="Drains of nodes take one replica of an engine at a time",
        why="An upgrade of nodes drains them side by side; without a budget it empties a service at once, and with one "
        "that allows nothing it never ends.",
        repair="Add a PodDisruptionBudget with maxUnavailable: 1",
        severity=Severity.HIGH,
        standards=(_SRE,),
        kinds=None,
        parts=_engines,
        check=_in_budget,
        before="spec: {maxUnavailable: 0}",
        after="spec: {maxUnavailable: 1, unhealthyPodEvictionPolicy: AlwaysAllow}",
    ),
    Rule(
        id="service-planned",
        wish="A planner scales every service",
        why="Nobody else looks at the SLO and the bill at once: without a planner a service keeps its minimum "
        "on good days "
        "and on bad ones.",
        repair="Build the Planner in the same stack and leave it enabled",
        severity=Severity.HIGH,
        standards=(finops("Workload Optimization"),),
        kinds=None,
        parts=_engines,
        check=_planned,
        before="tenbin:planner: {enabled: false}",
        after="tenbin:planner: {enabled: true}",
    ),
    Rule(
        id="service-promised",
        wish="Whatever uses accelerators has an SLO",
        why="Accelerators without an objective are money without a measure: nobody can say whether they are too many.",
        repair="Declare it under tenbin:services with an SLO and a workload, or build it as a ModelService",
        severity=Severity.HIGH,
        standards=(_SRE, finops("Unit Economics")),
        kinds=None,
        parts=_engines,
        check=_promised,
        before="kind: Deployment\nspec: {template: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]}}}",
        after='tenbin:services:\n  chat:\n    slo: {window: 30d, classes: {interactive: {target: "0.99", '
        "ttft_ms: 1000}}}",
    ),
)
