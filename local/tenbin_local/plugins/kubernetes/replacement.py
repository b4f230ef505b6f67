"""Fields that cannot be changed in place, so that a change replaces the object.

The tables are those of pulumi-kubernetes 4 for the kinds that take part in a stack of ours; an object of another kind
is replaced only when its name, namespace, kind or API group changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_local.plugins import paths

_IDENTITY = ("metadata.name", "metadata.namespace", "kind")

_CONTAINER = (
    "args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports", "readinessProbe",
    "resources", "securityContext", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty",
    "volumeDevices", "volumeMounts", "workingDir",
)  # fmt: skip

_POD = (
    "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases",
    "hostIPC", "hostNetwork", "hostPID", "hostname", "imagePullSecrets", "nodeName", "nodeSelector", "overhead",
    "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "restartPolicy", "runtimeClassName",
    "schedulerName", "securityContext", "serviceAccount", "serviceAccountName", "shareProcessNamespace", "subdomain",
    "terminationGracePeriodSeconds", "volumes",
)  # fmt: skip

_VOLUME = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker",
    "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume",
    "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip

_IMMUTABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps/v1", "Deployment"): ("spec.selector",),
    ("apps/v1", "DaemonSet"): ("spec.selector",),
    ("apps/v1", "StatefulSet"): (
        "spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch/v1", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("policy/v1beta1", "PodDisruptionBudget"): ("spec",),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io/v1", "StorageClass"): ("parameters", "provisioner"),
    ("v1", "PersistentVolume"): tuple(f"spec.{name}" for name in _VOLUME),
    ("v1", "PersistentVolumeClaim"): (
        "spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName",
    ),
    ("v1", "Pod"): (
        *(f"spec.{name}" for name in _POD),
        *(f"spec.{kind}[*].{name}" for kind in ("containers", "initContainers") for name in _CONTAINER),
    ),
    ("v1", "ResourceQuota"): ("spec.scopes",),
    ("v1", "Secret"): ("type",),
    ("v1", "Service"): ("spec.clusterIP",),
}  # fmt: skip

_CONTENT = {"ConfigMap": ("data", "binaryData"), "Secret": ("type", "data", "stringData")}


def immutable_paths(
    inputs: Mapping[str, Any], *, config_map_mutable: bool = False, secret_mutable: bool = False
) -> tuple[paths.Path, ...]:
    """The paths whose change replaces the object that `inputs` describe.

    Args:
        inputs: The new inputs; `immutable: true` in them makes the data of a ConfigMap or Secret immutable always.
        config_map_mutable: Whether data of ConfigMaps are changed in place.
        secret_mutable: Whether data of Secrets are changed in place.
    """
    version, kind = str(inputs.get("apiVersion")), str(inputs.get("kind"))
    texts: Sequence[str] = (*_IDENTITY, *_IMMUTABLE.get((version, kind), ()))
    mutable = {"ConfigMap": config_map_mutable, "Secret": secret_mutable}.get(kind, False)
    if version == "v1" and kind in _CONTENT and (not mutable or inputs.get("immutable") is True):
        texts = (*texts, *_CONTENT[kind])
    return tuple(paths.parse(text) for text in texts)


def forces(immutable: Sequence[paths.Path], path: paths.Path, new: Any) -> bool:
    """Whether a change at `path` to the value `new` (None when deleted) touches one of the immutable paths."""
    return any(paths.covers(pattern, path) or _holds(new, pattern, path) for pattern in immutable)


def _holds(new: Any, pattern: paths.Path, path: paths.Path) -> bool:
    """Whether the value put at `path` contains a place that `pattern` names."""
    if not paths.covers(pattern[: len(path)], path):
        return False
    values = [new]
    for step in pattern[len(path) :]:
        if step == "*":
            values = [item for value in values if isinstance(value, list) for item in value]
        else:
            values = [value[step] for value in values if isinstance(value, Mapping) and step in value]
    return bool(values)
