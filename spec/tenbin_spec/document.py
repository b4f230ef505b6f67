"""The wire document: what components put into the cluster and planner and picker read, with a version.

A document of another version is refused, and the last good one stays in force; a missing document is not an empty one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tenbin_spec import catalogue
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.engine_metrics import EngineMetrics
from tenbin_spec.engines import Engine, EngineKind
from tenbin_spec.objectives import Slo
from tenbin_spec.placements import Placement, placements
from tenbin_spec.pools import CapacityType
from tenbin_spec.problems import ConfigurationError, Problem, problems_of
from tenbin_spec.profiles import ApiServer, EngineProfile
from tenbin_spec.quantities import Frozen, Name, Usd
from tenbin_spec.scale_target import ScaleTarget
from tenbin_spec.services import Priority, ReplicaRange, Role
from tenbin_spec.stack import Stack
from tenbin_spec.workload import Workload

VERSION: Literal[1] = 1


class DocumentVersionError(ConfigurationError):
    """A wire document of a version that this program does not know."""


class DocumentPool(Frozen):
    """A pool as planner and picker need it."""

    instance_type: str
    accelerators: Annotated[int, Field(strict=True, ge=1)]
    """Accelerators of one node."""
    max_nodes: Annotated[int, Field(strict=True, ge=1)]
    lead_time_s: Annotated[int, Field(strict=True, ge=0)]
    """Prior for the time from asking for a replica until it serves."""
    capacity_type: CapacityType = CapacityType.ON_DEMAND
    """How its nodes are bought; those of spot may be taken back at any time."""


class DocumentWorkload(Frozen):
    """One (service, role, pool) that the planner scales."""

    name: str
    """Its name for people, plans and metrics, and of the Deployment that is scaled where no target is named."""
    service: Name
    role: Role
    pool: Name
    accelerators: Annotated[int, Field(strict=True, ge=1)]
    """Accelerators of one replica."""
    hourly_usd: Usd | None
    """Price of one replica for an hour; None when unknown."""
    max_replicas: Annotated[int, Field(strict=True, ge=0)]
    profile: EngineProfile | None
    """Effective profile, its limits narrowed by the engine's settings; None when unknown."""
    target: ScaleTarget | None = None
    """What is scaled; None: the Deployment of the workload's name."""
    pods: Annotated[dict[str, str], Field(min_length=1)] | None = None
    """Labels by which its pods are found; None: by the labels of service, role and pool that tenbin's workloads set."""

    @property
    def scaled(self) -> ScaleTarget:
        """The object that is scaled."""
        return self.target or ScaleTarget(name=self.name)


class DocumentService(Frozen):
    """A service's agreement."""

    model: str
    engine: EngineKind
    replicas: ReplicaRange
    slo: Slo
    workload: Workload
    cost: CostCap | None
    priority: Priority = 1


class DocumentPlanner(Frozen):
    """Settings of the planner that take effect without a restart."""

    interval_s: Annotated[int, Field(strict=True, ge=1, le=300)]
    dry_run: Annotated[bool, Field(strict=True)]
    metrics: EngineMetrics = EngineMetrics()


class Document(Frozen):
    """Everything that planner and picker know of the agreement."""

    version: Literal[1] = VERSION
    stack: str
    namespace: Name
    services: dict[Name, DocumentService]
    pools: dict[Name, DocumentPool]
    workloads: tuple[DocumentWorkload, ...]
    """By service, then by price, unknown prices last."""
    cost: CostCap
    planner: DocumentPlanner
    findings: tuple[str, ...] = ()
    """Where the configuration breaks the agreement although it can be built."""

    @model_validator(mode="after")
    def _scales_each_object_once(self) -> Self:
        found: dict[tuple[str, str, str], str] = {}
        for item in self.workloads:
            target = item.scaled
            other = found.setdefault((target.group, target.plural, target.name), item.name)
            if other != item.name:
                both = f"workloads {other} and {item.name} both scale {target}"
                raise ValueError(f"{both}: each needs an object of its own")
        return self

    def to_json(self) -> str:
        """Write the document; equal documents give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"

    @property
    def revision(self) -> str:
        """Identifier of the content: the first 12 hex digits of its SHA-256."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


def parse_document(text: str) -> Document:
    """Read a wire document.

    Raises:
        DocumentVersionError: when it says a version that this program does not know.
        ConfigurationError: when it is no valid document; all problems are named.
    """
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        problem = Problem(path="line " + str(error.lineno), message=f"is not JSON: {error.msg}")
        raise ConfigurationError([problem], "wire document") from error
    except (ValueError, RecursionError) as error:
        message = "is not JSON of a document: it has a number of thousands of digits or brackets in thousands"
        problem = Problem(path="line 1", message=message)
        raise ConfigurationError([problem], "wire document") from error
    version = plain.get("version") if isinstance(plain, dict) else None
    if isinstance(plain, dict) and version != VERSION:
        message = f"{version!r} is not a version that this program reads. Allowed: {VERSION}"
        raise DocumentVersionError([Problem(path="version", message=message)], "wire document")
    try:
        return Document.model_validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, Document), "wire document") from error


def document_of(stack: Stack, name: str, findings: tuple[str, ...] = ()) -> Document:
    """Build the wire document of a stack.

    Args:
        stack: the parsed configuration.
        name: the stack's name.
        findings: in words, what `tenbin_spec.checks` found.
    """
    return Document(
        stack=name,
        namespace=stack.cluster.namespace,
        services={
            key: DocumentService(
                model=service.model.id,
                engine=service.engine.kind,
                replicas=service.replicas,
                slo=service.slo,
                workload=service.workload,
                cost=service.cost,
                priority=service.priority,
            )
            for key, service in sorted(stack.services.items())
        },
        pools={key: _pool(stack, key) for key in sorted(stack.pools)},
        workloads=tuple(_workload(stack, placement) for placement in placements(stack)),
        cost=stack.cost,
        planner=DocumentPlanner(
            interval_s=stack.planner.interval_s, dry_run=stack.planner.dry_run, metrics=stack.planner.metrics
        ),
        findings=findings,
    )


def _pool(stack: Stack, name: str) -> DocumentPool:
    pool = stack.pools[name]
    return DocumentPool(
        instance_type=pool.instance_type,
        accelerators=catalogue.instances()[pool.instance_type].accelerators,
        max_nodes=pool.nodes.max,
        lead_time_s=pool.lead_time_prior_s,
        capacity_type=pool.capacity_type,
    )


def _workload(stack: Stack, placement: Placement) -> DocumentWorkload:
    return DocumentWorkload(
        name=placement.workload,
        service=placement.service,
        role=placement.role,
        pool=placement.pool,
        accelerators=placement.accelerators,
        hourly_usd=placement.hourly_usd,
        max_replicas=placement.max_replicas,
        target=placement.target,
        profile=placement.profile and effective_profile(placement.profile, stack.services[placement.service].engine),
    )


def effective_profile(profile: EngineProfile, engine: Engine) -> EngineProfile:
    """Narrow a profile's limits to what the engine's settings allow, and scale its times for a simulated engine."""
    limits = profile.limits
    narrowed = limits.model_copy(
        update={
            "max_num_seqs": engine.max_num_seqs or limits.max_num_seqs,
            "max_num_batched_tokens": engine.max_num_batched_tokens or limits.max_num_batched_tokens,
            "max_model_len": min(engine.max_model_len, limits.max_model_len),
        }
    )
    scale = 1.0 if engine.time_scale is None else engine.time_scale
    return profile.model_copy(
        update={
            "limits": narrowed,
            "forward": profile.forward.scaled(scale),
            "api": ApiServer(**{name: value * scale for name, value in profile.api}),
        }
    )
