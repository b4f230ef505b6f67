"""Namespaces, and what of the cluster is reached from outside."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_policies import workloads
from tenbin_policies.rules import (
    Resource,
    Rule,
    Settings,
    Severity,
    Stack,
    Violation,
    checkov,
    cis,
    finops,
    flag,
    strings,
)

_SERVICE, _INGRESS = "kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:Ingress"
_POLICY, _NAMESPACE = "kubernetes:networking.k8s.io/v1:NetworkPolicy", "kubernetes:core/v1:Namespace"
_LEVEL = "pod-security.kubernetes.io/enforce"
_SCHEMES = (
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "service.beta.kubernetes.io/aws-load-balancer-internal",
    "networking.gke.io/load-balancer-type",
    "service.beta.kubernetes.io/azure-load-balancer-internal",
)
_INGRESS_SCHEME = "alb.ingress.kubernetes.io/scheme"
_CERTIFICATE = "alb.ingress.kubernetes.io/certificate-arn"
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})


def _placed(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    namespace = resource.properties.text("metadata", "namespace") or "default"
    if namespace == "default":
        yield Violation(message="it lies in the namespace default")


def _restricted(resource: Resource, settings: Settings) -> Iterator[Violation]:
    level = resource.properties.text("metadata", "labels", _LEVEL)
    if level not in settings["levels"]:
        wanted = " or ".join(settings["levels"])
        yield Violation(message=f"it enforces the Pod Security Standard {level or 'of nobody'}, not {wanted}")


def _exposed(resource: Resource, settings: Settings) -> Iterator[Violation]:
    spec = resource.properties.at("spec")
    kind = spec.text("type")
    if kind == "NodePort":
        yield Violation(message="it opens a port of every node")
    if kind != "LoadBalancer":
        return
    annotations = resource.properties.at("metadata", "annotations")
    internal = any(annotations.text(name).lower() in {"internal", "true"} for name in _SCHEMES)
    ranges = spec.texts("loadBalancerSourceRanges")
    if not internal and (not ranges or _EVERYWHERE & set(ranges)):
        yield Violation(message="its load balancer is open to the internet")
    elif not internal and not settings["public"]:
        yield Violation(message=f"its load balancer faces the internet, though only {', '.join(ranges)} may pass")


def _encrypted(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    annotations = resource.properties.at("metadata", "annotations")
    if not resource.properties.items("spec", "tls") and not annotations.text(_CERTIFICATE):
        yield Violation(message="it takes requests without encryption")


def _ingress_scheme(resource: Resource, settings: Settings) -> Iterator[Violation]:
    scheme = resource.properties.text("metadata", "annotations", _INGRESS_SCHEME)
    if scheme == "internet-facing" and not settings["public"]:
        yield Violation(message="its load balancer faces the internet")


def _reached(resource: Resource, settings: Settings) -> Iterator[Violation]:
    return (_exposed if resource.type == _SERVICE else _ingress_scheme)(resource, settings)


def _namespaces(stack: Stack) -> Iterator[tuple[Resource, Stack]]:
    """Yield each namespace that the stack makes and runs something in."""
    own = [item for item in stack.of(workloads.KINDS) if "namespace" in item.properties.keys("metadata")]
    for namespace in stack.of([_NAMESPACE]):
        if any(_lies_in(item, namespace) for item in own):
            yield namespace, stack


def _lies_in(resource: Resource, namespace: Resource) -> bool:
    """Whether a resource lies in a namespace; one whose name is not known yet depends on it."""
    if namespace.urn in resource.dependencies:
        return True
    return resource.properties.text("metadata", "namespace") == namespace.properties.text("metadata", "name")


def _denied(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    namespace, stack = part
    for policy in stack.of([_POLICY]):
        spec = policy.properties.at("spec")
        if not spec.keys("podSelector") and "Ingress" in spec.texts("policyTypes") and _lies_in(policy, namespace):
            return
    yield Violation(message="no NetworkPolicy denies what is not allowed there", resource=namespace)


RULES = (
    Rule(
        id="namespace-own",
        wish="Nothing lies in the namespace default",
        why="What lies in `default` shares accounts, policies and quotas with whatever else was put there "
        "without a thought.",
        repair="Name a namespace",
        severity=Severity.MEDIUM,
        standards=(cis("4.5.2"), checkov("CKV_K8S_21"), finops("Allocation")),
        kinds=workloads.KINDS | {_SERVICE, _INGRESS},
        check=_placed,
        before="metadata: {name: chat}",
        after="metadata: {name: chat, namespace: tenbin}",
    ),
    Rule(
        id="namespace-restricted",
        wish="Namespaces hold their pods to a Pod Security Standard",
        why="Rules of a preview see what Pulumi makes; the API server sees everything, if it is told what to refuse.",
        repair=f"Set the label {_LEVEL}: restricted",
        severity=Severity.MEDIUM,
        standards=(cis("4.2.1", "4.2.5"),),
        kinds=frozenset({_NAMESPACE}),
        check=_restricted,
        settings={"levels": strings(["restricted", "baseline"], "Levels that a namespace may enforce")},
        before="metadata: {name: tenbin}",
        after="metadata: {name: tenbin, labels: {pod-security.kubernetes.io/enforce: restricted}}",
    ),
    Rule(
        id="namespace-closed",
        wish="In a namespace everything is forbidden that is not allowed",
        why="Without a policy every pod of the cluster reaches every engine, past the gateway, its limits and its log.",
        repair="Add a NetworkPolicy with an empty podSelector, and one for each way that is needed",
        severity=Severity.HIGH,
        standards=(cis("4.3.2"),),
        kinds=None,
        parts=_namespaces,
        check=_denied,
        before="kind: Namespace",
        after="kind: NetworkPolicy\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}",
    ),
    Rule(
        id="service-internal",
        wish="Nothing of the cluster faces the internet by accident",
        why="An engine behind an open load balancer answers anybody, at your price per token.",
        repair="Make it internal, or name the ranges that may pass and set `public` of this rule",
        severity=Severity.CRITICAL,
        standards=(cis("5.4.5"),),
        kinds=frozenset({_SERVICE, _INGRESS}),
        check=_reached,
        settings={"public": flag(False, "Whether a load balancer may face the internet for ranges that it names")},
        before="spec: {type: LoadBalancer}",
        after="metadata: {annotations: {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}}\n"
        "spec: {type: LoadBalancer}",
    ),
    Rule(
        id="ingress-encrypted",
        wish="Requests come in over TLS",
        why="Prompts and answers are what your users said: in plain text every hop between can read them.",
        repair="Name a certificate under spec.tls or by the annotation of the load balancer's controller",
        severity=Severity.HIGH,
        standards=(cis("5.4.5"),),
        kinds=frozenset({_INGRESS}),
        check=_encrypted,
        before="spec: {rules: [{host: chat.example.com}]}",
        after="spec: {tls: [{hosts: [chat.example.com], secretName: chat-tls}]}",
    ),
)
