"""The configuration of a stack: one object per domain, parsed with all of its errors at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from tenbin_spec import accelerator_memory, catalogue, engine_fit
from tenbin_spec.clusters import Cluster
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.eks_pools import pool_problems
from tenbin_spec.engine_metrics import EngineMetrics
from tenbin_spec.engines import EngineKind, Image
from tenbin_spec.gateways import Gateway
from tenbin_spec.guard import Guard
from tenbin_spec.pools import Pool
from tenbin_spec.problems import ConfigurationError, Problem, not_one_of, path_text, problems_of
from tenbin_spec.quantities import Frozen, Name, Text
from tenbin_spec.registries import Images
from tenbin_spec.review import Review
from tenbin_spec.services import Service

PROJECT = "tenbin"
"""Project of the reference program: the prefix of its configuration keys."""
PREFIX = f"{PROJECT}:"
RESERVED_PREFIX = "tenbin-"
"""Begins the names of the gateway's own routes."""


class PlannerSettings(Frozen):
    """How the planner runs."""

    enabled: Annotated[bool, Field(strict=True)] = True
    """Without a planner each service runs its minimum."""
    image: Image = "tenbin/planner:0.1.0"
    interval_s: Annotated[int, Field(strict=True, ge=1, le=300)] = 5
    """Seconds between two decisions."""
    dry_run: Annotated[bool, Field(strict=True)] = False
    """Decide and explain, but change nothing."""
    metrics: EngineMetrics = EngineMetrics()
    """Where it reads what engines say of themselves."""


class Observability(Frozen):
    """What the stack tells a monitoring system."""

    scrape_annotations: Annotated[bool, Field(strict=True)] = True
    """Put `prometheus.io/*` annotations on pods."""
    monitoring: Literal["off", "annotations", "prometheus-operator"] = "off"
    """Alerts from the objectives and a dashboard: `annotations` as files in ConfigMaps, `prometheus-operator` as its
    objects, with what it is to scrape."""


class PriceSource(Frozen):
    """Where prices come from that are newer than the catalogue's."""

    file: Annotated[str, Text(r"[^\x00-\x1f]{1,1000}", "a path from the project's folder", "prices.json")] | None = None
    """File that `tenbin prices refresh` wrote, named from the project's folder; the catalogue alone when absent."""


class Stack(Frozen):
    """The whole agreement and what builds it."""

    cluster: Cluster
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]
    services: Annotated[dict[Name, Service], Field(min_length=1)]
    cost: CostCap
    guard: Guard = Guard()
    prices: PriceSource = PriceSource()
    gateway: Gateway = Gateway()
    planner: PlannerSettings = PlannerSettings()
    observability: Observability = Observability()
    review: Review = Review()
    images: Images = Images()


DOMAINS = tuple(Stack.model_fields)
"""Keys of the configuration, without prefix."""


def parse_stack(configuration: Mapping[str, Any], source: str = "stack configuration") -> Stack:
    """Parse a stack's configuration.

    Args:
        configuration: plain value of each domain by its key without prefix: `{"cluster": {...}, "pools": {...}, ...}`.
        source: what the error calls the input, for example the file.

    Raises:
        ConfigurationError: with every problem: shapes, values and references.
    """
    problems = _reference_problems(configuration)
    try:
        stack = Stack.model_validate(dict(configuration))
    except ValidationError as error:
        raise ConfigurationError([*problems_of(error, Stack, PREFIX), *problems], source) from error
    if problems:
        raise ConfigurationError(problems, source)
    return stack


def _reference_problems(configuration: Mapping[str, Any]) -> list[Problem]:
    """Check what refers to something else, on the plain input, so that misshapen parts do not hide these problems."""
    pools, services = _mapping(configuration.get("pools")), _mapping(configuration.get("services"))
    cluster = _mapping(configuration.get("cluster"))
    problems = []
    guard = _mapping(configuration.get("guard"))
    if cluster.get("kind") == "existing" and (guard.get("emails") or guard.get("sns_topic")):
        message = "watches the bill of what a stack builds on AWS, which is nothing here. Allowed with cluster kind eks"
        problems.append(_problem(("guard",), message))
    exposure = _mapping(configuration.get("gateway")).get("exposure")
    if cluster.get("kind") == "existing" and exposure in ("internal", "public"):
        message = (
            f"{exposure!r} is a load balancer on AWS, which the stack makes on a cluster of its own. Allowed with"
            " cluster kind existing: cluster, and a way in of your own to the Service tenbin-gateway"
        )
        problems.append(_problem(("gateway", "exposure"), message))
    for name, pool in pools.items():
        problems += pool_problems(cluster, str(name), _mapping(pool), PREFIX)
        if (
            cluster.get("kind") == "eks"
            and not (cluster.get("auto_mode") or cluster.get("karpenter"))
            and _mapping(pool).get("backend") == "karpenter"
        ):
            message = (
                "'karpenter' is there with auto_mode or karpenter of the cluster alone. Allowed: managed, or one of the"
                " two: true"
            )
            problems.append(_problem(("pools", str(name), "backend"), message))
        instance_type = _mapping(pool).get("instance_type")
        if isinstance(instance_type, str) and instance_type not in catalogue.instances():
            message = not_one_of(instance_type, catalogue.instances(), "in the catalogue of instance types")
            problems.append(_problem(("pools", str(name), "instance_type"), message))
    for name, service in services.items():
        problems += _service_problems(str(name), _mapping(service), pools, cluster)
    return problems


def _service_problems(
    name: str, service: Mapping[str, Any], pools: Mapping[str, Any], cluster: Mapping[str, Any]
) -> list[Problem]:
    problems = []
    if name.startswith(RESERVED_PREFIX):
        message = f"names that begin with {RESERVED_PREFIX!r} are the gateway's own. Allowed: any other name"
        problems.append(_problem(("services", name), message))
    engine = _mapping(service.get("engine"))
    need = accelerator_memory.need_of(_mapping(service.get("model")), engine)
    wanted = service.get("pools")
    for index, pool in enumerate(wanted if isinstance(wanted, list | tuple) else ()):
        place = ("services", name, "pools", index)
        if isinstance(pool, str) and pool not in pools:
            problems.append(_problem(place, not_one_of(pool, map(str, pools), "a pool of this stack")))
        elif isinstance(pool, str):
            unfit = engine_fit.pool_problem(engine, name, pool, _mapping(pools[pool]), cluster)
            problems += [_problem(place, unfit)] if unfit else _memory_problems(place, need, engine, pool, pools)
    for field, message in engine_fit.engine_problems(engine):
        problems.append(_problem(("services", name, "engine", field), message))
    profile = engine.get("profile")
    if isinstance(profile, str) and profile not in catalogue.profiles():
        message = not_one_of(profile, catalogue.profiles(), "in the catalogue of profiles")
        problems.append(_problem(("services", name, "engine", "profile"), message))
    if engine.get("kind") == EngineKind.SIMULATED and profile is None:
        problems.append(_problem(("services", name, "engine", "profile"), "is required by the simulated engine"))
    if engine.get("kind") == EngineKind.VLLM and engine.get("time_scale") is not None:
        problems.append(_problem(("services", name, "engine", "time_scale"), "is for the simulated engine only"))
    return problems


def _memory_problems(
    place: tuple[str | int, ...],
    need: accelerator_memory.Need | None,
    engine: Mapping[str, Any],
    pool: str,
    pools: Mapping[str, Any],
) -> list[Problem]:
    size = engine_fit.size(engine)
    if need is None or size is None:
        return []
    message = accelerator_memory.too_small(need, pool, pools, size[0])
    return [] if message is None else [_problem(place, message)]


def _problem(location: tuple[str | int, ...], message: str) -> Problem:
    return Problem(path=path_text(location, PREFIX), message=message)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
