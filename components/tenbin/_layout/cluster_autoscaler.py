"""The cluster autoscaler: adds nodes to managed groups when pods wait for them, and takes empty ones away."""

from __future__ import annotations

from collections.abc import Sequence

from tenbin_spec import contract

from tenbin._layout import access, deployments, iam, pods
from tenbin._layout.manifests import Json, Placed, labels, metadata

NAME = "tenbin-cluster-autoscaler"
NAMESPACE = "kube-system"
VERSIONS = {"1.34": "v1.34.3", "1.35": "v1.35.1", "1.36": "v1.36.1"}
"""By version of Kubernetes, whose scheduler it simulates (releases of kubernetes/autoscaler, 2026-10)."""
_REPOSITORY = "registry.k8s.io/autoscaling/cluster-autoscaler"
_LEASE = "cluster-autoscaler"
_USER = 65534
_PORT = 8085
_TAG = "k8s.io/cluster-autoscaler"
"""Begins the tags that EKS puts on the scaling group behind every node group."""
_READ = ("get", "list", "watch")


def image(version: str) -> str:
    """Return the image for a version of Kubernetes."""
    return f"{_REPOSITORY}:{VERSIONS[version]}"


def policy(*, cluster_name: str, region: str) -> str:
    """Return what it may do: read what AWS lets nobody read more narrowly, and resize the groups of its cluster."""
    partition = iam.partition(region)
    owned = {"StringEquals": {f"aws:ResourceTag/{_TAG}/{cluster_name}": "owned"}}
    return iam.document(
        [
            {
                "Effect": "Allow",
                "Action": [
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeAutoScalingInstances",
                    "autoscaling:DescribeLaunchConfigurations",
                    "autoscaling:DescribeScalingActivities",
                    "autoscaling:DescribeTags",
                    "ec2:DescribeImages",
                    "ec2:DescribeInstanceTypes",
                    "ec2:DescribeLaunchTemplateVersions",
                    "ec2:GetInstanceTypesFromInstanceRequirements",
                ],
                "Resource": ["*"],
            },
            {
                "Effect": "Allow",
                "Action": ["eks:DescribeNodegroup"],
                "Resource": [f"arn:{partition}:eks:{region}:*:nodegroup/{cluster_name}/*"],
            },
            {
                "Effect": "Allow",
                "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
                "Resource": [f"arn:{partition}:autoscaling:{region}:*:autoScalingGroup:*"],
                "Condition": owned,
            },
        ]
    )


def arguments(cluster_name: str) -> list[str]:
    """Return its arguments: only a node without any engine is taken away, and not before a quarter of an hour.

    A node counts as empty below one per cent, since its own DaemonSets use some of it; a threshold above what an engine
    uses would end warm engines to move them together.
    """
    return [
        "--cloud-provider=aws",
        f"--node-group-auto-discovery=asg:tag={_TAG}/enabled,{_TAG}/{cluster_name}",
        "--expander=least-waste",
        "--skip-nodes-with-local-storage=false",
        "--scale-down-unneeded-time=15m",
        "--scale-down-gpu-utilization-threshold=0.01",
        "--stderrthreshold=info",
    ]


def account(stack: str) -> list[Json]:
    """Return its ServiceAccount with its rights: to read what a scheduler reads, to cordon nodes and to evict pods."""
    own = metadata(NAME, NAMESPACE, labels(NAME, LABEL_STACK=stack))
    return [
        *access.account(
            metadata=own,
            rules=[
                access.rule("", "configmaps", ["create"]),
                access.rule("", "configmaps", ["get", "update"], ["cluster-autoscaler-status"]),
                access.rule("coordination.k8s.io", "leases", ["create"]),
                access.rule("coordination.k8s.io", "leases", ["get", "update"], [_LEASE]),
            ],
        ),
        *access.clusterwide(
            metadata={"name": NAME, "labels": labels(NAME, LABEL_STACK=stack)}, rules=_rules(), account=own
        ),
    ]


def deployment(*, arguments: Placed, image: str, region: str, stack: str) -> Json:
    """Return the Deployment. Its region is written, since no pod reaches its node's metadata service."""
    own, selector = labels(NAME, LABEL_STACK=stack), {contract.LABEL_NAME: NAME}
    health = {"httpGet": {"path": "/health-check", "port": _PORT}, "periodSeconds": 10, "failureThreshold": 6}
    container = {
        "name": "cluster-autoscaler",
        "image": image,
        "command": ["./cluster-autoscaler"],
        "args": arguments,
        "env": [{"name": "AWS_REGION", "value": region}],
        "ports": pods.ports({"http": _PORT}),
        "livenessProbe": health,
        "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "600Mi"}},
        "securityContext": pods.container_security(),
    }
    return deployments.deployment(
        metadata=metadata(NAME, NAMESPACE, own),
        selector=selector,
        replicas=1,
        strategy=deployments.surging(),
        pod={
            "serviceAccountName": NAME,
            "automountServiceAccountToken": True,
            "priorityClassName": "system-cluster-critical",
            "securityContext": pods.pod_security(user=_USER, group=_USER),
            "containers": [container],
        },
        pod_annotations={},
    )


def _rules() -> Sequence[Json]:
    read = {
        "": ("namespaces", "pods", "services", "replicationcontrollers", "persistentvolumeclaims", "persistentvolumes"),
        "apps": ("daemonsets", "replicasets", "statefulsets"),
        "batch": ("jobs",),
        "policy": ("poddisruptionbudgets",),
        "storage.k8s.io": ("csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"),
    }
    return [
        access.rule("", "nodes", [*_READ, "update"]),
        access.rule("", "events", ["create", "patch"]),
        access.rule("", "pods/eviction", ["create"]),
        access.rule("", "pods/status", ["update"]),
        *(access.rule(group, resource, _READ) for group, resources in read.items() for resource in resources),
    ]
