"""Which pods the agent can run: a field that it neither implements nor may ignore is named, never passed over.

Every field of a pod is in one of two sets here; what is in neither is unimplemented. Ignored fields are those without
a meaning on a machine without containers (security hardening, resource limits, DNS) or that others have acted on
already (affinity, tolerations, priority).
"""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_local.agent import api

_POD = frozenset(
    """
    containers initContainers volumes restartPolicy terminationGracePeriodSeconds serviceAccountName serviceAccount
    automountServiceAccountToken nodeName readinessGates
    affinity tolerations nodeSelector topologySpreadConstraints priority priorityClassName preemptionPolicy
    schedulerName schedulingGates dnsPolicy dnsConfig enableServiceLinks securityContext imagePullSecrets hostname
    subdomain setHostnameAsFQDN overhead ephemeralContainers os resources hostUsers
    """.split()  # noqa: SIM905 - words read better than a list
)
_POD_FALSE = frozenset({"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"})
_CONTAINER = frozenset(
    """
    name image command args workingDir env envFrom ports volumeMounts livenessProbe readinessProbe startupProbe
    lifecycle terminationMessagePath terminationMessagePolicy
    imagePullPolicy resources resizePolicy securityContext stdin stdinOnce tty
    """.split()  # noqa: SIM905 - words read better than a list
)
_PORT = frozenset({"name", "containerPort", "protocol"})
_SECURITY = frozenset(
    """
    allowPrivilegeEscalation readOnlyRootFilesystem runAsNonRoot runAsUser runAsGroup seccompProfile appArmorProfile
    fsGroup fsGroupChangePolicy supplementalGroups supplementalGroupsPolicy seLinuxOptions seLinuxChangePolicy procMount
    """.split()  # noqa: SIM905 - words read better than a list
)
_ENV_SOURCES = frozenset({"fieldRef", "secretKeyRef", "configMapKeyRef"})
_ENV_FROM = frozenset({"prefix", "configMapRef", "secretRef"})
_MOUNT = frozenset({"name", "mountPath", "readOnly", "recursiveReadOnly", "mountPropagation"})
_VOLUME = frozenset({"name", "configMap", "secret", "emptyDir", "projected", "downwardAPI"})
_PROJECTION = frozenset({"configMap", "secret", "downwardAPI", "serviceAccountToken"})
_PROBE_TIMES = frozenset(
    """
    initialDelaySeconds periodSeconds timeoutSeconds successThreshold failureThreshold terminationGracePeriodSeconds
    """.split()  # noqa: SIM905 - words read better than a list
)
_PROBE = _PROBE_TIMES | {"httpGet", "tcpSocket", "exec", "grpc"}
_HOOK = frozenset({"exec", "httpGet", "sleep", "tcpSocket"})
_LIFECYCLE = frozenset({"preStop", "postStart"})


def _is_set(value: object) -> bool:
    return value not in (None, False, "", [], {})


def _unknown(thing: api.Json, known: frozenset[str], path: str) -> Iterator[str]:
    for field, value in thing.items():
        if field not in known and _is_set(value):
            yield f"{path}.{field}"


def _security(context: api.Json | None, path: str) -> Iterator[str]:
    for field, value in (context or {}).items():
        if field == "capabilities":
            yield from _unknown(value, frozenset({"drop"}), f"{path}.capabilities")
        elif field == "windowsOptions" or (field not in _SECURITY and _is_set(value)):
            yield f"{path}.{field}"
        elif field == "procMount" and value not in (None, "Default"):
            yield f"{path}.procMount"


def _container(container: api.Json, path: str) -> Iterator[str]:
    yield from _unknown(container, _CONTAINER, path)
    yield from _security(container.get("securityContext"), f"{path}.securityContext")
    for index, port in enumerate(container.get("ports") or []):
        yield from _unknown(port, _PORT, f"{path}.ports[{index}]")
    for index, variable in enumerate(container.get("env") or []):
        yield from _unknown(variable.get("valueFrom") or {}, _ENV_SOURCES, f"{path}.env[{index}].valueFrom")
    for index, source in enumerate(container.get("envFrom") or []):
        yield from _unknown(source, _ENV_FROM, f"{path}.envFrom[{index}]")
    mounts = container.get("volumeMounts") or []
    for index, mount in enumerate(mounts):
        yield from _unknown({**mount, "mountPropagation": None}, _MOUNT, f"{path}.volumeMounts[{index}]")
        if any(_is_below(mount["mountPath"], other["mountPath"]) for other in mounts):
            yield f"{path}.volumeMounts[{index}].mountPath (below another mount)"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        yield from _unknown(container.get(probe) or {}, _PROBE, f"{path}.{probe}")
    lifecycle = container.get("lifecycle") or {}
    yield from _unknown(lifecycle, _LIFECYCLE, f"{path}.lifecycle")
    for moment in _LIFECYCLE & lifecycle.keys():
        yield from _unknown(lifecycle[moment] or {}, _HOOK, f"{path}.lifecycle.{moment}")


def _is_below(path: str, other: str) -> bool:
    return path.rstrip("/") != other.rstrip("/") and path.startswith(other.rstrip("/") + "/")


def _volume(volume: api.Json, path: str) -> Iterator[str]:
    yield from _unknown(volume, _VOLUME, path)
    sources = (volume.get("projected") or {}).get("sources") or []
    for index, source in enumerate(sources):
        yield from _unknown(source, _PROJECTION, f"{path}.projected.sources[{index}]")
    downward = [
        (volume.get("downwardAPI"), f"{path}.downwardAPI"),
        *(
            (source.get("downwardAPI"), f"{path}.projected.sources[{i}].downwardAPI")
            for i, source in enumerate(sources)
        ),
    ]
    for projection, where in downward:
        for index, item in enumerate((projection or {}).get("items") or []):
            yield from _unknown(item, frozenset({"path", "fieldRef", "mode"}), f"{where}.items[{index}]")


def unimplemented_fields(pod: api.Json) -> list[str]:
    """Paths of the fields that keep the agent from running the pod; empty where it can.

    >>> unimplemented_fields({"spec": {"containers": [{"name": "a", "securityContext": {"privileged": True}}]}})
    ['spec.containers[0].securityContext.privileged']
    """
    spec = pod["spec"]
    found = list(_unknown(spec, _POD, "spec"))
    found += _security(spec.get("securityContext"), "spec.securityContext")
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            found += _container(container, f"spec.{kind}[{index}]")
    for index, volume in enumerate(spec.get("volumes") or []):
        found += _volume(volume, f"spec.volumes[{index}]")
    return found
