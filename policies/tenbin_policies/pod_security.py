"""What pods may do to their node and their neighbours: Pod Security Standard *restricted* and CIS 4.2."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_policies import workloads
from tenbin_policies.rules import Rule, Settings, Severity, Violation, checkov, cis, listed, pod_security, strings
from tenbin_policies.workloads import Container, Pod

_HOST = ("hostNetwork", "hostPID", "hostIPC")


def _privileged(container: Container, settings: Settings) -> Iterator[Violation]:
    if container.own.flag("securityContext", "privileged") and not workloads.is_node_agent(container.pod, settings):
        yield Violation(message=f"{container.label} is privileged")


def _host(pod: Pod, settings: Settings) -> Iterator[Violation]:
    found = [name for name in _HOST if pod.spec.flag(name)]
    if found and not workloads.is_node_agent(pod, settings):
        yield Violation(message=f"its pods share namespaces of the node ({', '.join(found)})")


def _escalates(container: Container, settings: Settings) -> Iterator[Violation]:
    if container.own.flag("securityContext", "allowPrivilegeEscalation") is not False and not workloads.is_node_agent(
        container.pod, settings
    ):
        yield Violation(message=f"{container.label} may gain more privileges than it starts with")


def _capabilities(container: Container, settings: Settings) -> Iterator[Violation]:
    given = container.own.at("securityContext", "capabilities")
    dropped = {name.upper() for name in given.texts("drop")}
    more = sorted({name.upper() for name in given.texts("add")} - set(settings["allowed"]))
    if more:
        yield Violation(message=f"{container.label} adds {', '.join(more)}; allowed: {listed(settings['allowed'])}")
    if "ALL" not in dropped:
        yield Violation(message=f"{container.label} keeps capabilities that it was not given by name")


def _root(container: Container, settings: Settings) -> Iterator[Violation]:
    own, pod = container.own.at("securityContext"), container.pod.spec.at("securityContext")
    non_root = own.flag("runAsNonRoot") if own.flag("runAsNonRoot") is not None else pod.flag("runAsNonRoot")
    user = own.at("runAsUser") if not own.at("runAsUser").missing else pod.at("runAsUser")
    if (not non_root or user.plain() == 0) and not workloads.is_node_agent(container.pod, settings):
        yield Violation(message=f"{container.label} may run as root")


def _writable(container: Container, settings: Settings) -> Iterator[Violation]:
    if not container.own.flag("securityContext", "readOnlyRootFilesystem") and not workloads.is_node_agent(
        container.pod, settings
    ):
        yield Violation(message=f"{container.label} may write to its root file system")


def _seccomp(container: Container, _settings: Settings) -> Iterator[Violation]:
    place = ("securityContext", "seccompProfile", "type")
    profile = container.own.text(*place) or container.pod.spec.text(*place)
    if profile not in {"RuntimeDefault", "Localhost"}:
        yield Violation(message=f"{container.label} has the seccomp profile {profile or 'of nobody'}")


def _host_paths(pod: Pod, settings: Settings) -> Iterator[Violation]:
    for volume in pod.spec.items("volumes"):
        if not volume.at("hostPath").missing and not workloads.is_node_agent(pod, settings):
            yield Violation(message=f"volume {volume.text('name')} is {volume.text('hostPath', 'path')} of the node")


RULES = (
    Rule(
        id="container-unprivileged",
        wish="No container is privileged",
        why="A privileged container is root of its node, and with it reads the secrets of every pod there.",
        repair="Remove privileged: true; a device plugin or an extended resource gives accelerators to pods",
        severity=Severity.CRITICAL,
        standards=(cis("4.2.1"), checkov("CKV_K8S_16")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_privileged,
        settings=workloads.AGENTS,
        before="securityContext: {privileged: true}",
        after="securityContext: {allowPrivilegeEscalation: false}",
    ),
    Rule(
        id="host-namespaces-unused",
        wish="No pod shares network, processes or memory of its node",
        why="In the node's network a pod passes every NetworkPolicy and reaches the metadata service; among the node's "
        "processes it reads their environment.",
        repair="Remove hostNetwork, hostPID and hostIPC; NCCL needs a large /dev/shm, which an emptyDir in memory is",
        severity=Severity.HIGH,
        standards=(cis("4.2.2", "4.2.3", "4.2.4"), checkov("CKV_K8S_17", "CKV_K8S_18", "CKV_K8S_19")),
        kinds=workloads.KINDS,
        parts=workloads.pods,
        check=_host,
        settings=workloads.AGENTS,
        before="spec: {hostIPC: true}",
        after="spec:\n  volumes: [{name: shared-memory, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]",
    ),
    Rule(
        id="privileges-kept-down",
        wish="No container gains privileges while it runs",
        why="A program with a set-user-id bit in the image would make its caller root.",
        repair="Set allowPrivilegeEscalation: false",
        severity=Severity.HIGH,
        standards=(cis("4.2.5"), checkov("CKV_K8S_20")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_escalates,
        settings=workloads.AGENTS,
        before="securityContext: {}",
        after="securityContext: {allowPrivilegeEscalation: false}",
    ),
    Rule(
        id="capabilities-dropped",
        wish="Containers have no capability that they were not given by name",
        why="The default set of capabilities lets a container forge packets and pass permissions of files.",
        repair="Drop ALL and add back only what the setting `allowed` names; EFA needs IPC_LOCK",
        severity=Severity.MEDIUM,
        standards=(pod_security("Capabilities"), checkov("CKV_K8S_28", "CKV_K8S_37")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_capabilities,
        settings={"allowed": strings(["IPC_LOCK"], "Capabilities that a container may add")},
        before="securityContext: {capabilities: {add: [SYS_ADMIN]}}",
        after="securityContext: {capabilities: {drop: [ALL]}}",
    ),
    Rule(
        id="container-non-root",
        wish="Containers do not run as root",
        why="A process that escapes from its container as root is root of the node.",
        repair="Set runAsNonRoot: true and a runAsUser other than 0",
        severity=Severity.HIGH,
        standards=(pod_security("Running as Non-root"), checkov("CKV_K8S_23")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_root,
        settings=workloads.AGENTS,
        before="securityContext: {runAsUser: 0}",
        after="securityContext: {runAsNonRoot: true, runAsUser: 2000}",
    ),
    Rule(
        id="root-read-only",
        wish="Containers write to volumes alone",
        why="What an intruder changes in a writable root stays until the container ends; and caches that land "
        "there fill "
        "the node's disk unseen.",
        repair="Set readOnlyRootFilesystem: true and mount an emptyDir where the program writes",
        severity=Severity.MEDIUM,
        standards=(checkov("CKV_K8S_22"),),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_writable,
        settings=workloads.AGENTS,
        before="securityContext: {readOnlyRootFilesystem: false}",
        after="securityContext: {readOnlyRootFilesystem: true}",
    ),
    Rule(
        id="seccomp-profile",
        wish="Containers call the kernel through a seccomp profile",
        why="Without a profile every system call is open, the rare ones with the bugs among them.",
        repair="Set seccompProfile: {type: RuntimeDefault} of the pod",
        severity=Severity.MEDIUM,
        standards=(pod_security("Seccomp"), checkov("CKV_K8S_31")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_seccomp,
        before="securityContext: {seccompProfile: {type: Unconfined}}",
        after="securityContext: {seccompProfile: {type: RuntimeDefault}}",
    ),
    Rule(
        id="host-paths-unused",
        wish="Pods mount nothing of their node's disk",
        why="A folder of the node outlives the pod, is seen by others, and may be the way to the kubelet's "
        "credentials.",
        repair="Use an emptyDir for caches, on the node's NVMe disks where the pool makes a volume of them",
        severity=Severity.HIGH,
        standards=(pod_security("HostPath Volumes"),),
        kinds=workloads.KINDS,
        parts=workloads.pods,
        check=_host_paths,
        settings=workloads.AGENTS,
        before="volumes: [{name: cache, hostPath: {path: /var/cache/models}}]",
        after="volumes: [{name: cache, emptyDir: {}}]",
    ),
)
