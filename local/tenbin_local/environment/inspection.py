"""What runs in an environment, and what is missing before it may call itself ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
from tenbin_spec import contract

from tenbin_local.environment import agent, control_plane, nodes, processes
from tenbin_local.environment.certificates import Pki
from tenbin_local.environment.cluster import Cluster
from tenbin_local.environment.control_plane import ControlPlane
from tenbin_local.environment.deployment import stack_of
from tenbin_local.environment.identity import load
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import LocalError

PARTS = (*control_plane.PARTS, agent.PART)
RUNNING = "running"
_WORKLOADS = (contract.NAME_GATEWAY, contract.NAME_PICKER, contract.NAME_PLANNER)
_TIMEOUT_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of the environment."""

    name: str
    state: str
    """`running`, `stopped`, `crashed` or `not ready`."""
    pid: int | None
    log: str


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Simulated nodes of a pool; the pool of nodes without accelerators is called `system`."""

    name: str
    ready: int
    lost: tuple[str, ...]
    """Nodes that are not ready."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment of the stack."""

    name: str
    kind: str
    """Value of the label `app.kubernetes.io/name`."""
    namespace: str
    service: str | None
    pool: str | None
    wanted: int
    ready: int


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known of an environment."""

    environment: str
    stack: str
    ready: bool
    gateway_url: str | None
    planner_url: str | None
    kubeconfig: str
    processes: tuple[Process, ...]
    pools: tuple[Pool, ...] = ()
    workloads: tuple[Workload, ...] = ()
    problems: tuple[str, ...] = field(default=())
    """What keeps the environment from being ready."""
    warnings: tuple[str, ...] = field(default=())
    """What is lost without keeping it from being ready."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def inspect(layout: Layout) -> Status:
    """Look at an environment.

    Raises:
        LocalError: there is no such environment.
    """
    identity = load(layout)
    try:
        cluster = Cluster(layout.pki, identity)
    except OSError:
        return _status(layout, [_unknown(layout, part) for part in PARTS], None)
    with cluster:
        states = ControlPlane(layout, identity, Pki(folder=layout.pki), cluster).health()
        states[agent.PART] = _agent_state(layout)
        found = [_process(layout, part, states[part]) for part in PARTS]
        # Without etcd the API server answers some calls from its memory and lets others hang.
        answers = states["etcd"] == states["kube-apiserver"] == RUNNING
        return _status(layout, found, cluster if answers else None)


def _unknown(layout: Layout, part: str) -> Process:
    return _process(layout, part, "stopped")


def _process(layout: Layout, part: str, state: str) -> Process:
    process = processes.running(layout, part)
    return Process(name=part, state=state, pid=process.pid if process else None, log=str(layout.log(part)))


def _agent_state(layout: Layout) -> str:
    if processes.running(layout, agent.PART) is not None:
        return RUNNING
    return "stopped" if processes.read(layout, agent.PART) is None else "crashed"


def _status(layout: Layout, found: list[Process], cluster: Cluster | None) -> Status:
    problems = [f"{process.name} is {process.state} ({process.log})" for process in found if process.state != RUNNING]
    gateway = planner = None
    pools: tuple[Pool, ...] = ()
    workloads: tuple[Workload, ...] = ()
    if cluster is not None:
        try:
            gateway = service_url(cluster, contract.NAME_GATEWAY, contract.PORT_GATEWAY)
            planner = service_url(cluster, contract.NAME_PLANNER, contract.PORT_PLANNER_HTTP)
            pools, workloads = _pools(cluster, nodes.expected(layout)), _workloads(cluster)
            problems += _missing(workloads)
        except LocalError as error:
            problems.append(str(error))
    if not problems:
        problems += _unanswered(gateway, planner)
    return Status(
        environment=layout.name,
        stack=stack_of(layout),
        ready=not problems,
        gateway_url=gateway,
        planner_url=planner,
        kubeconfig=str(layout.kubeconfig),
        processes=tuple(found),
        pools=pools,
        workloads=workloads,
        problems=tuple(problems),
        warnings=tuple(f"node {name} is lost" for pool in pools for name in pool.lost),
    )


def service_url(cluster: Cluster, name: str, port: int) -> str | None:
    """Return the URL of a Service by its name, in whatever namespace it lies; None when there is none."""
    items = cluster.get("/api/v1/services", fieldSelector=f"metadata.name={name}")["items"]
    return f"http://{items[0]['spec']['clusterIP']}:{port}" if items else None


def ready_nodes(cluster: Cluster) -> int:
    """Return how many nodes are ready."""
    return sum(pool.ready for pool in _pools(cluster, {}))


def _pools(cluster: Cluster, expected: Mapping[str, set[str]]) -> tuple[Pool, ...]:
    """Return the nodes by pool; a node that was killed is lost also when its object is gone."""
    ready: dict[str, set[str]] = {pool: set() for pool in expected}
    lost: dict[str, set[str]] = {pool: set(names) for pool, names in expected.items()}
    for node in cluster.get("/api/v1/nodes")["items"]:
        pool = node["metadata"].get("labels", {}).get(contract.LABEL_POOL, nodes.SYSTEM)
        conditions = {item["type"]: item["status"] for item in node.get("status", {}).get("conditions", [])}
        (ready if conditions.get("Ready") == "True" else lost).setdefault(pool, set()).add(node["metadata"]["name"])
    return tuple(
        Pool(
            name=pool,
            ready=len(ready.get(pool, ())),
            lost=tuple(sorted(lost.get(pool, set()) - ready.get(pool, set()))),
        )
        for pool in sorted(ready.keys() | lost.keys())
    )


def _workloads(cluster: Cluster) -> tuple[Workload, ...]:
    found = []
    for item in cluster.get("/apis/apps/v1/deployments")["items"]:
        labels = item["metadata"].get("labels", {})
        if labels.get(contract.LABEL_NAME) not in {*_WORKLOADS, contract.NAME_ENGINE}:
            continue
        found.append(
            Workload(
                name=item["metadata"]["name"],
                kind=labels[contract.LABEL_NAME],
                namespace=item["metadata"]["namespace"],
                service=labels.get(contract.LABEL_SERVICE),
                pool=labels.get(contract.LABEL_POOL),
                wanted=item["spec"].get("replicas", 0),
                ready=item.get("status", {}).get("readyReplicas", 0),
            )
        )
    return tuple(sorted(found, key=lambda workload: (workload.kind, workload.name)))


def _missing(workloads: Iterable[Workload]) -> list[str]:
    """Return what the stack's workloads lack before requests can be served."""
    problems = []
    kinds = {workload.kind: workload for workload in workloads if workload.service is None}
    for name in _WORKLOADS:
        if name not in kinds:
            problems.append(f"{name} is not deployed")
        elif kinds[name].ready < 1:
            problems.append(f"{name} has no ready replica")
    services: dict[str, int] = {}
    for workload in workloads:
        if workload.service is not None:
            services[workload.service] = services.get(workload.service, 0) + workload.ready
    if not services:
        problems.append("no service is deployed")
    problems += [f"service {name} has no ready replica" for name, ready in sorted(services.items()) if ready < 1]
    return problems


def _unanswered(gateway: str | None, planner: str | None) -> list[str]:
    problems = []
    for name, url in (("gateway", gateway), ("planner", f"{planner}/readyz" if planner else None)):
        if url is None:
            problems.append(f"the {name} has no Service")
        elif not _answers(url, any_status=name == "gateway"):
            problems.append(f"the {name} does not answer at {url}")
    return problems


def _answers(url: str, *, any_status: bool) -> bool:
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return False
    return any_status or answer.is_success
