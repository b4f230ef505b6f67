"""Pods and containers inside the resources that make them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tenbin_policies.rules import Resource, Settings, strings
from tenbin_policies.view import Step, View

_TEMPLATE: tuple[Step, ...] = ("spec", "template")
_LEADER: tuple[Step, ...] = ("spec", "leaderWorkerTemplate", "leaderTemplate")
_WORKER: tuple[Step, ...] = ("spec", "leaderWorkerTemplate", "workerTemplate")
_TEMPLATES: dict[str, tuple[tuple[Step, ...], ...]] = {
    "kubernetes:apps/v1:DaemonSet": (_TEMPLATE,),
    "kubernetes:apps/v1:Deployment": (_TEMPLATE,),
    "kubernetes:apps/v1:ReplicaSet": (_TEMPLATE,),
    "kubernetes:apps/v1:StatefulSet": (_TEMPLATE,),
    "kubernetes:batch/v1:CronJob": (("spec", "jobTemplate", "spec", "template"),),
    "kubernetes:batch/v1:Job": (_TEMPLATE,),
    "kubernetes:core/v1:Pod": ((),),
    "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet": (_LEADER, _WORKER),
}
"""Where the templates of pods lie, by type."""
KINDS = frozenset(_TEMPLATES)
"""Everything that makes pods."""
SERVING = frozenset(
    {
        "kubernetes:apps/v1:Deployment",
        "kubernetes:apps/v1:StatefulSet",
        "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet",
    }
)
"""What serves requests, for ever."""
_DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
_ACCELERATORS = ("nvidia.com/", "amd.com/", "aws.amazon.com/neuron")
"""Begin the names of extended resources that are accelerators."""

NODE_AGENTS = "node_agent_namespaces"
AGENTS = {
    NODE_AGENTS: strings(
        ["kube-system"],
        "Namespaces whose DaemonSets are part of the nodes, as device plugins are, and may reach into them",
    )
}
"""Setting of rules that what belongs to a node cannot keep."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pod:
    """A template of pods."""

    resource: Resource
    template: View
    """Its metadata and spec."""
    joins: bool = False
    """Whether its pods compute for a leader, which alone takes requests."""

    @property
    def spec(self) -> View:
        """The pod's spec."""
        return self.template.at("spec")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a pod, one of those that run first included."""

    pod: Pod
    own: View

    @property
    def resource(self) -> Resource:
        """What makes it."""
        return self.pod.resource

    @property
    def label(self) -> str:
        """What a message calls it: `container app`."""
        return f"container {self.own.text('name') or self.own.path}"


def pods(resource: Resource) -> Iterator[Pod]:
    """Yield the templates of pods of a resource."""
    for steps in _TEMPLATES[resource.type]:
        template = resource.properties.at(*steps)
        if not template.at("spec").missing:
            led = steps == _WORKER and not resource.properties.at(*_LEADER, "spec").missing
            yield Pod(resource=resource, template=template, joins=led)


def containers(resource: Resource) -> Iterator[Container]:
    """Yield the containers of a resource."""
    for pod in pods(resource):
        for kind in ("initContainers", "containers"):
            for own in pod.spec.items(kind):
                yield Container(pod=pod, own=own)


def engines(resource: Resource) -> Iterator[Pod]:
    """Yield the pods that use accelerators."""
    return (pod for pod in pods(resource) if any(accelerators_of(own) for own in pod.spec.items("containers")))


def accelerators_of(container: View) -> list[str]:
    """Return the names of the accelerators that a container asks for, whose number may be unknown."""
    names = {name for kind in ("requests", "limits") for name in container.keys("resources", kind)}
    return sorted(name for name in names if name.startswith(_ACCELERATORS))


def is_node_agent(pod: Pod, settings: Settings) -> bool:
    """Whether pods are part of their node: of a DaemonSet in one of the namespaces for such."""
    return (
        pod.resource.type == _DAEMON_SET
        and pod.resource.properties.text("metadata", "namespace") in settings[NODE_AGENTS]
    )
