"""From a component's arguments and a stack's configuration to the models of `tenbin_spec`.

What cannot be parsed ends the program with one message that names every problem, and no trace.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from tenbin_spec import registries
from tenbin_spec.clusters import Cluster, ClusterName, EksCluster, Owner
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.eks_pools import HOW_NODES_ARE_MADE, pool_problems
from tenbin_spec.engines import Image, Registry
from tenbin_spec.gateways import Gateway
from tenbin_spec.guard import Guard
from tenbin_spec.networks import Network
from tenbin_spec.placements import Placement, placements
from tenbin_spec.pools import Pool
from tenbin_spec.price_files import with_prices
from tenbin_spec.problems import ConfigurationError, Problem, problems_of
from tenbin_spec.quantities import Frozen, Name, Usd
from tenbin_spec.services import Service
from tenbin_spec.stack import PREFIX, Observability, PlannerSettings, Stack, parse_stack

Parsed = TypeVar("Parsed", bound=Frozen)

_NO_CAP = CostCap.model_validate({"hourly_usd": "999999999"})
"""Stands for the stack's cap where a service is built without a stack."""


class PoolArguments(Frozen):
    """Plain arguments of `AcceleratorPool`."""

    name: Name | None = None
    pool: Pool
    cluster: Cluster | None = None
    hourly_cap_usd: Usd | None = None


class ClusterArguments(Frozen):
    """Plain arguments of `Cluster`."""

    cluster: EksCluster


class AutoscalerArguments(Frozen):
    """Plain arguments of `ClusterAutoscaler`."""

    cluster: EksCluster
    image: Image | None = None


class KarpenterArguments(Frozen):
    """Plain arguments of `Karpenter`."""

    cluster: EksCluster
    registry: Registry | None = None


class GroupArguments(Frozen):
    """Plain arguments of `LeaderWorkerSetController`."""

    registry: Registry | None = None


class NetworkArguments(Frozen):
    """Plain arguments of `Network`."""

    network: Network
    owner: Owner
    cluster_name: ClusterName | None = None


class GuardArguments(Frozen):
    """Plain arguments of `CostGuard`."""

    cost: CostCap
    guard: Guard
    owner: Owner

    @field_validator("guard")
    @classmethod
    def _tells_somebody(cls, value: Guard) -> Guard:
        if not value.is_set:
            raise ValueError("names nobody who is told. Allowed: emails, sns_topic or both")
        return value


class ServiceArguments(Frozen):
    """Plain arguments of `ModelService`."""

    name: Name | None = None
    service: Service
    pools: dict[Name, Pool]
    planned: bool = True
    observability: Observability = Observability()


class SupportArguments(Frozen):
    """Plain arguments of `AcceleratorSupport`."""

    pools: dict[Name, Pool]
    device_plugin_image: Image | None = None
    efa_plugin_image: Image | None = None


class GatewayArguments(Frozen):
    """Plain arguments of `Gateway`."""

    gateway: Gateway = Gateway()
    cluster: Annotated[EksCluster | None, Field(validate_default=True)] = None
    services: dict[Name, Service]
    observability: Observability = Observability()

    @field_validator("cluster")
    @classmethod
    def _is_there_for_a_load_balancer(cls, value: EksCluster | None, about: ValidationInfo) -> EksCluster | None:
        gateway = about.data.get("gateway")
        if value is None and gateway is not None and gateway.is_exposed:
            raise ValueError(f"is required by exposure {gateway.exposure!r}: a cluster of kind eks")
        return value


class PickerArguments(Frozen):
    """Plain arguments of `Picker`."""

    image: Image
    observability: Observability = Observability()


class PlannerArguments(Frozen):
    """Plain arguments of `Planner`."""

    planner: PlannerSettings = PlannerSettings()
    document: str
    observability: Observability = Observability()


def stack_configuration() -> dict[str, Any]:
    """Return the value of every configuration key with the prefix `tenbin:`, the misspelt ones too.

    The engine knows keys of any name, so that an unknown one can only be refused by who reads all of them.
    """
    texts: Mapping[str, str] = {**get_config_env(), **CONFIG.get()}
    return {key.removeprefix(PREFIX): _value(text) for key, text in texts.items() if key.startswith(PREFIX)}


def priced(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a `Platform` with the prices of the file that they name.

    Raises:
        pulumi.RunError: when the file cannot be read or has problems.
    """
    project = pathlib.Path(pulumi.get_root_directory() or ".")
    try:
        return with_prices(configuration, lambda name: (project / name).read_text(encoding="utf-8"), _source())
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from None


def stack(configuration: Mapping[str, Any]) -> Stack:
    """Parse the arguments of a `Platform`.

    Raises:
        pulumi.RunError: with every problem.
    """
    try:
        return parse_stack(_whole_numbers(configuration), _source())
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from None


def pulled(configuration: Mapping[str, Any], stack: Stack) -> dict[str, Any]:
    """Return the arguments of a `Platform` with its images named where nodes pull them from.

    Args:
        configuration: arguments that parse.
        stack: what they were parsed to.
    """
    if not stack.images.mirrors:
        return dict(configuration)

    def at(image: Image) -> Image:
        return registries.mirrored(image, stack.images.mirrors)

    services = {
        name: {**plain, "engine": {**plain["engine"], "image": at(stack.services[name].engine.image)}}
        for name, plain in configuration["services"].items()
    }
    gateway = {"image": at(stack.gateway.image), "picker_image": at(stack.gateway.picker_image)}
    return {
        **configuration,
        "services": services,
        "gateway": {**configuration.get("gateway", {}), **gateway},
        "planner": {**configuration.get("planner", {}), "image": at(stack.planner.image)},
    }


def arguments(args: Mapping[str, Any], model: type[Parsed], *, component: str, placed: tuple[str, ...] = ()) -> Parsed:
    """Parse the plain arguments of a component.

    Args:
        args: as given.
        model: what they must be.
        component: what the message calls the component, for example `Gateway platform-gateway`.
        placed: names of arguments that come from other resources and are not parsed.

    Raises:
        pulumi.RunError: with every problem.
    """
    absent = [Problem(path=name, message="is required and missing") for name in placed if name not in args]
    plain = _whole_numbers({key: value for key, value in args.items() if key not in placed})
    try:
        found = model.model_validate(plain)
    except ValidationError as error:
        raise _refusal([*absent, *problems_of(error, model)], component) from None
    if absent:
        raise _refusal(absent, component)
    return found


def pool_arguments(
    args: Mapping[str, Any], *, component: str, placed: tuple[str, ...], optional: tuple[str, ...]
) -> PoolArguments:
    """Parse the plain arguments of `AcceleratorPool`.

    Args:
        args: as given.
        component: what the message calls the component.
        placed: names of arguments that come from other resources: required where the stack makes the nodes.
        optional: names of further arguments that come from other resources.

    Raises:
        pulumi.RunError: with every problem.
    """
    cluster, pool = (_whole_numbers(_mapping(args.get(name))) for name in ("cluster", "pool"))
    needed = placed if cluster.get("kind") == "eks" else ()
    problems = pool_problems(cluster, "", pool)
    problems += [Problem(path=name, message="is required and missing") for name in needed if name not in args]
    plain = _whole_numbers({key: value for key, value in args.items() if key not in (*placed, *optional)})
    try:
        found = PoolArguments.model_validate(plain)
    except ValidationError as error:
        raise _refusal([*problems, *problems_of(error, PoolArguments)], component) from None
    if problems:
        raise _refusal(problems, component)
    return found


def service_placements(name: str, parsed: ServiceArguments, *, component: str) -> tuple[Placement, ...]:
    """Return the placements of a single service, cheapest first.

    Raises:
        pulumi.RunError: when it names a pool, profile or size that does not exist.
    """
    plain = parsed.model_dump(mode="json", exclude_none=True)
    cap = (parsed.service.cost or _NO_CAP).model_dump(mode="json", exclude_none=True)
    alone = {
        "cluster": {"kind": "existing"},
        "pools": {pool: _as_bought(fields) for pool, fields in plain["pools"].items()},
        "services": {name: plain["service"]},
        "cost": cap,
    }
    try:
        return placements(parse_stack(alone))
    except ConfigurationError as error:
        own = [
            Problem(
                path=problem.path.removeprefix(PREFIX).replace(f"services.{name}", "service", 1),
                message=problem.message,
            )
            for problem in error.problems
        ]
        raise _refusal(own, component) from None


def _source() -> str:
    return f"configuration of stack {pulumi.get_stack()}"


def _as_bought(pool: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a service sees of a pool: what it is and costs, whoever makes its nodes."""
    return {field: value for field, value in pool.items() if field not in HOW_NODES_ARE_MADE}


def _refusal(problems: list[Problem], component: str) -> pulumi.RunError:
    return pulumi.RunError(str(ConfigurationError(problems, component)))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole_numbers(value: Any) -> Any:
    """Turn 4.0 into 4, everywhere below: numbers cross the border of a component package as floats."""
    if isinstance(value, Mapping):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
