"""Bringing an environment up, to a stop, and down.

Every step looks at what is there and does what is missing, so that `up` after a crash is the repair, and `up` of a
running environment changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tenbin_spec import catalogue
from tenbin_spec.stack import Stack

from tenbin_local.environment import (
    access,
    agent,
    certificates,
    commands,
    control_plane,
    deployment,
    first_request,
    identity,
    inspection,
    interrupted,
    kubeconfigs,
    nodes,
    pods,
    processes,
    stacks,
)
from tenbin_local.environment.cluster import Cluster
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import LocalError
from tenbin_local.toolchain import Toolchain, ensure
from tenbin_local.toolchain.cache import Cache
from tenbin_local.toolchain.reporting import Report

_NODE_READY_S = 60.0
_SERVING_S = 180.0
"""Beside the longest lead time of the stack's pools."""
_STRAY_GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An environment whose files are there; its processes may not run."""

    identity: identity.Identity
    pki: certificates.Pki
    toolchain: Toolchain


def prepare(layout: Layout, report: Report) -> Prepared:
    """Make an environment's files: identity, certificates, kubeconfigs, plugins.

    Raises:
        LocalError: a tool is missing, or no network is free.
    """
    toolchain = ensure(report)
    cache = Cache()
    with locked(layout, report):
        known = identity.load_or_create(layout, cache.root)
        pki = certificates.ensure(layout.pki, known)
        kubeconfigs.write_all(layout, known, pki)
        commands.prepare(layout, toolchain)
    return Prepared(identity=known, pki=pki, toolchain=toolchain)


def up(layout: Layout, stack: str, report: Report) -> tuple[inspection.Status, list[first_request.Answer]]:
    """Bring an environment up, or repair it, and return what runs and what its services answered.

    Raises:
        ConfigurationError: the stack file has problems; nothing was changed.
        LocalError: something is in the way; what was started keeps running.
    """
    configuration = stacks.stack_configuration(layout, stack)
    prepared = prepare(layout, report)
    compile_model(report)
    variables = commands.variables(layout, prepared.toolchain, stack)
    with locked(layout, report), Cluster(layout.pki, prepared.identity) as cluster:
        start_cluster(layout, prepared, cluster, stack, report)
        report.line("·", _deploy(layout, stack, variables, cluster, report))
        status = _wait_until_serving(layout, cluster, configuration, report)
    answers = []
    for name, service in sorted(configuration.services.items()):
        if service.replicas.min and status.gateway_url:
            with report.step(f"first request to {name}"):
                answers.append(first_request.ask(status.gateway_url, configuration, name))
    return status, answers


def compile_model(report: Report) -> None:
    """Compile the engine model where that is still to do, before engines and planner would do it all at once."""
    from tenbin_planner.model import simulation, stepwise  # noqa: PLC0415 - half a second that `status` need not wait

    if simulation.is_compiled() and stepwise.is_compiled():
        return
    with report.step("compile the engine model, once on this machine"):
        simulation.warm_up()
        stepwise.warm_up(next(iter(catalogue.profiles().values())))


def _deploy(layout: Layout, stack: str, variables: Mapping[str, str], cluster: Cluster, report: Report) -> str:
    stacks.release_dead_locks(layout)
    if interrupted.settle(layout, stack, variables, cluster):
        report.line("!", "an earlier update was interrupted: what it left half-done was settled")
    try:
        with report.step(f"pulumi up --stack {stack}") as step:
            return deployment.deploy(layout, stack, variables, step)
    except LocalError as error:
        reasons = "".join(f"\n  - {line}" for line in pods.waiting_reasons(cluster))
        raise LocalError(f"{error}{reasons}") from error


def start_cluster(layout: Layout, prepared: Prepared, cluster: Cluster, stack: str, report: Report) -> None:
    """Start the control plane and the node agent where they do not run, and wait for a node.

    Raises:
        LocalError: a part does not get ready.
    """
    plane = control_plane.ControlPlane(layout, prepared.identity, prepared.pki, cluster)
    tools = {part: prepared.toolchain.path(part) for part in control_plane.PARTS}
    with report.step("Kubernetes control plane") as step:
        plane.start(tools, step.note)
        access.grant_agent(cluster)
    nodes.write(layout, stack)
    with report.step("simulated nodes") as step:
        revived = agent.revive_nodes(layout) if _has_killed_nodes(layout) else []
        if revived:
            step.note(f"bringing back {', '.join(revived)}")
        agent.start(layout, restart=False)
        _wait_for_node(layout, cluster)


def stop(layout: Layout, report: Report) -> None:
    """End all processes and keep the state."""
    with locked(layout, report), report.step("stop pods, nodes and control plane"):
        _end_processes(layout)


def down(layout: Layout, report: Report) -> None:
    """End all processes and remove every file outside the cache."""
    with locked(layout, report), report.step("stop pods, nodes and control plane"):
        _end_processes(layout)
        identity.release(layout, Cache().root)
        shutil.rmtree(layout.root, ignore_errors=True)
        with contextlib.suppress(OSError):
            layout.root.parent.rmdir()  # stays while another environment is in it
    if layout.root.exists():
        raise LocalError(f"{layout.root} cannot be removed; look at its permissions")


@contextlib.contextmanager
def locked(layout: Layout, report: Report) -> Iterator[None]:
    """Let one command at a time change an environment."""
    name = f"environment-{hashlib.sha256(str(layout.root).encode()).hexdigest()[:16]}"
    waiting = f"another command changes the environment {layout.name!r}; waiting for it"
    with Cache().locked(name, on_wait=lambda: report.line("·", waiting)):
        yield


def _end_processes(layout: Layout) -> None:
    agent.stop(layout)
    control_plane.stop(layout)
    for part in processes.recorded_parts(layout):
        processes.end(layout, part, _STRAY_GRACE_S)
    processes.end_processes(processes.strays(layout), _STRAY_GRACE_S)


def _has_killed_nodes(layout: Layout) -> bool:
    return (layout.root / "killed-nodes.json").exists()


def _wait_for_node(layout: Layout, cluster: Cluster) -> None:
    deadline = time.monotonic() + _NODE_READY_S
    while not inspection.ready_nodes(cluster):
        if processes.running(layout, agent.PART) is None or time.monotonic() > deadline:
            log = layout.log(agent.PART)
            raise LocalError(f"No node gets ready. The end of the node agent's log, {log}:\n{processes.tail(log, 15)}")
        time.sleep(0.2)


def _wait_until_serving(layout: Layout, cluster: Cluster, configuration: Stack, report: Report) -> inspection.Status:
    lead_time_s = max(pool.lead_time_prior_s for pool in configuration.pools.values())
    limit_s = _SERVING_S + lead_time_s
    deadline = time.monotonic() + limit_s
    with report.step("engines, picker, planner and gateway") as step:
        while not (status := inspection.inspect(layout)).ready:
            step.note(status.problems[0])
            if time.monotonic() > deadline:
                reasons = "\n".join(f"  - {line}" for line in (*status.problems, *pods.waiting_reasons(cluster)))
                raise LocalError(f"The stack does not serve after {limit_s:.0f} s:\n{reasons}")
            time.sleep(0.5)
    return status
