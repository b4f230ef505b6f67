"""Workloads of a service: one Deployment for each pool that its replicas may run on, pinned there.

Only so can a plan choose pools. Where a planner runs, it owns the replica counts: a workload starts at 0, since a
Deployment without a count would start, and buy a node for, one replica in every pool.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tenbin_spec import contract
from tenbin_spec.placements import Placement, least
from tenbin_spec.pools import Pool
from tenbin_spec.services import Service

from tenbin._layout import deployments, engine_command, lifetimes, pods, sizing
from tenbin._layout.engine_command import Part
from tenbin._layout.manifests import SKIP_AWAIT, Json, Placed, labels, metadata
from tenbin._layout.pool import contract_of

_USER = 2000
_GROUP = 0
"""vLLM's image is made for any user as long as its group is 0 (docker/Dockerfile, user 2000)."""
_TOKEN_MODE = 0o440
_GENTLE_FAILURES = 6
_PROGRESS_MARGIN_S = 60

PATCH_FORCE = {"pulumi.com/patchForce": "true"}
"""Lets the provider take a field from whoever wrote it last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What the workloads of a service have in common."""

    service: Service
    pools: Mapping[str, Pool]
    stack: str
    namespace: Placed
    planned: bool
    """Whether a planner owns the replica counts."""
    scrape: bool
    """Whether pods carry annotations for Prometheus."""


def workload_labels(setting: Setting, placement: Placement) -> dict[str, str]:
    """Return the labels of a workload and its pods, by which planner, picker and policies find them."""
    return labels(
        contract.NAME_ENGINE,
        LABEL_STACK=setting.stack,
        LABEL_SERVICE=placement.service,
        LABEL_ROLE=placement.role,
        LABEL_POOL=placement.pool,
    )


def workload_metadata(setting: Setting, placement: Placement) -> Json:
    """Return the metadata of a workload."""
    annotations = SKIP_AWAIT if setting.planned else {**SKIP_AWAIT, **PATCH_FORCE}
    return metadata(placement.workload, setting.namespace, workload_labels(setting, placement), annotations)


def startup_s(setting: Setting, placement: Placement) -> int:
    """Return the seconds that an engine of a placement has to start."""
    return lifetimes.startup_budget_s(setting.pools[placement.pool].lead_time_prior_s)


def selector(placement: Placement) -> dict[str, str]:
    """Return what tells a workload's pods from all others."""
    return {
        contract.LABEL_NAME: contract.NAME_ENGINE,
        contract.LABEL_SERVICE: placement.service,
        contract.LABEL_ROLE: str(placement.role),
        contract.LABEL_POOL: placement.pool,
    }


def first_replicas(service: Service, placements: Sequence[Placement], *, planned: bool) -> dict[str, int]:
    """Return the declared replicas by workload: none under a planner, else the minimum on the cheapest pools.

    Args:
        service: the service.
        placements: its placements, cheapest first.
        planned: whether a planner owns the counts.
    """
    return {item.workload: 0 for item in placements} if planned else least(service.replicas, placements)


def deployment(setting: Setting, placement: Placement, *, replicas: int) -> Json:
    """Return the workload of one placement whose replicas have a pod each."""
    return deployments.deployment(
        metadata=workload_metadata(setting, placement),
        selector=selector(placement),
        replicas=replicas,
        # A roll-out must not cost capacity while the objective needs it; where a pool holds one replica only, a second
        # one would wait for ever.
        strategy=deployments.surging() if placement.max_replicas > 1 else deployments.in_place(),
        pod={
            **pod(setting, placement),
            "topologySpreadConstraints": pods.spread(selector(placement)),
        },
        pod_annotations=pods.scrape_annotations(contract.PORT_ENGINE, "/metrics", wanted=setting.scrape),
        progress_deadline_s=startup_s(setting, placement) + _PROGRESS_MARGIN_S,
    )


def disruption_budget(setting: Setting, placement: Placement) -> Json:
    """Return the budget of one placement; it bounds drains of nodes, never the planner."""
    own = metadata(placement.workload, setting.namespace, workload_labels(setting, placement))
    return pods.disruption_budget(metadata=own, selector=selector(placement))


def pod(setting: Setting, placement: Placement, part: Part = Part.WHOLE) -> Json:
    """Return the spec of a pod of one placement, as far as it is the same wherever the others of the workload run."""
    contract_of_pool = contract_of(placement.pool)
    size = sizing.of(
        setting.pools[placement.pool], placement.accelerators // placement.nodes, spans_nodes=placement.nodes > 1
    )
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": lifetimes.grace_s(setting.service.engine.drain_s),
        "nodeSelector": contract_of_pool.node_selector,
        "tolerations": contract_of_pool.tolerations,
        "securityContext": pods.pod_security(user=_USER, group=_GROUP),
        "containers": [_container(setting, placement, size, part)],
        "volumes": _volumes(setting.service, size),
    }


def _container(setting: Setting, placement: Placement, size: sizing.Size, part: Part) -> Json:
    service, budget_s = setting.service, startup_s(setting, placement)
    command = engine_command.command(service.engine)
    return {
        "name": contract.CONTAINER_ENGINE,
        "image": service.engine.image,
        **({"command": command} if command else {}),
        "args": engine_command.arguments(service, part),
        "env": engine_command.environment(service.model, startup_budget_s=budget_s, part=part, efa=size.adapters > 0),
        **(_joining(service.engine.drain_s) if part is Part.WORKER else _serving(budget_s)),
        "resources": size.resources(),
        "securityContext": pods.container_security(),
        "volumeMounts": _mounts(service),
    }


def _serving(budget_s: int) -> Json:
    """Return how the pod that takes requests is watched, and how it ends."""
    return {
        "ports": pods.ports({contract.PORT_NAME_HTTP: contract.PORT_ENGINE}),
        "startupProbe": _probe(lifetimes.STARTUP_PERIOD_S, failures=-(-budget_s // lifetimes.STARTUP_PERIOD_S)),
        "readinessProbe": _probe(2, failures=3),
        # An overloaded engine answers late and must not be killed for it: that would make the load of the others worse.
        "livenessProbe": _probe(10, failures=_GENTLE_FAILURES),
        "lifecycle": pods.sleep_before_stop(lifetimes.ENDPOINT_REMOVAL_S),
    }


def _joining(drain_s: int) -> Json:
    """Return how a pod ends that computes for its leader: not before the leader has finished what it runs.

    It answers nobody, so that nothing is probed: when its process ends, the group is made anew.
    """
    return {"lifecycle": pods.sleep_before_stop(lifetimes.ENDPOINT_REMOVAL_S + drain_s)}


def _probe(period_s: int, *, failures: int) -> Json:
    return pods.http_probe("/health", contract.PORT_NAME_HTTP, period_s=period_s, failures=failures, timeout_s=period_s)


def _mounts(service: Service) -> list[Json]:
    paths = {
        "cache": engine_command.CACHE,
        "temporary": engine_command.TEMPORARY,
        "shared-memory": engine_command.SHARED_MEMORY,
    }
    mounts: list[Json] = [{"name": name, "mountPath": path} for name, path in paths.items()]
    if service.model.credentials is not None:
        mounts.append({"name": "credentials", "mountPath": engine_command.CREDENTIALS, "readOnly": True})
    return mounts


def _volumes(service: Service, size: sizing.Size) -> list[Json]:
    in_memory = {"medium": "Memory", "sizeLimit": sizing.memory_text(size.shared_memory_mib)}
    volumes: list[Json] = [
        {"name": "cache", "emptyDir": {}},
        {"name": "temporary", "emptyDir": {}},
        {"name": "shared-memory", "emptyDir": in_memory},
    ]
    credentials = service.model.credentials
    if credentials is not None:
        item = {"key": credentials.key, "path": credentials.key}
        secret = {"secretName": credentials.secret, "defaultMode": _TOKEN_MODE, "items": [item]}
        volumes.append({"name": "credentials", "secret": secret})
    return volumes
