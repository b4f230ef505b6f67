"""Arguments of components against the models that parse them: same fields, same obligations, same kinds."""

from __future__ import annotations

import datetime
import decimal
import enum
import inspect
import types
import typing
from typing import Any

import pulumi
import pydantic
import pytest
import tenbin
from tenbin import observability, parsing, shapes
from tenbin_spec import (
    clusters,
    cost_cap,
    engine_metrics,
    engines,
    gateways,
    guard,
    networks,
    objectives,
    pools,
    registries,
    review,
    services,
    stack,
    workload,
)

PAIRS: list[tuple[Any, type[pydantic.BaseModel]]] = [
    (shapes.ApiKeysConfig, gateways.ApiKeys),
    (shapes.CertificateConfig, gateways.Certificate),
    (shapes.ClientsConfig, gateways.Clients),
    (shapes.CostCapConfig, cost_cap.CostCap),
    (shapes.EngineConfig, engines.Engine),
    (shapes.EngineMetricsConfig, engine_metrics.EngineMetrics),
    (shapes.GatewayConfig, gateways.Gateway),
    (shapes.GrowthLimitConfig, review.GrowthLimit),
    (shapes.GuardConfig, guard.Guard),
    (shapes.ImagesConfig, registries.Images),
    (shapes.LengthsConfig, workload.Lengths),
    (shapes.ModelConfig, engines.Model),
    (shapes.NetworkConfig, networks.Network),
    (shapes.NodeRangeConfig, pools.NodeRange),
    (shapes.ObjectiveConfig, objectives.Objective),
    (shapes.ObservabilityConfig, stack.Observability),
    (shapes.PlannerConfig, stack.PlannerSettings),
    (shapes.PoolConfig, pools.Pool),
    (shapes.PricesConfig, stack.PriceSource),
    (shapes.RateConfig, workload.Rate),
    (shapes.ReplicaRangeConfig, services.ReplicaRange),
    (shapes.ReviewConfig, review.Review),
    (shapes.SecretKeyConfig, engines.SecretKey),
    (shapes.ServiceConfig, services.Service),
    (shapes.SloConfig, objectives.Slo),
    (shapes.SystemNodesConfig, clusters.SystemNodes),
    (shapes.WorkloadConfig, workload.Workload),
    (tenbin.AcceleratorPoolArgs, parsing.PoolArguments),
    (tenbin.AcceleratorSupportArgs, parsing.SupportArguments),
    (tenbin.ClusterAutoscalerArgs, parsing.AutoscalerArguments),
    (tenbin.ClusterArgs, parsing.ClusterArguments),
    (tenbin.CostGuardArgs, parsing.GuardArguments),
    (tenbin.GatewayArgs, parsing.GatewayArguments),
    (tenbin.KarpenterArgs, parsing.KarpenterArguments),
    (tenbin.LeaderWorkerSetControllerArgs, parsing.GroupArguments),
    (tenbin.ModelServiceArgs, parsing.ServiceArguments),
    (tenbin.NetworkArgs, parsing.NetworkArguments),
    (tenbin.ObservabilityArgs, observability.ObservabilityArguments),
    (tenbin.PickerArgs, parsing.PickerArguments),
    (tenbin.PlannerArgs, parsing.PlannerArguments),
    (tenbin.PlatformArgs, stack.Stack),
]
UNIONS: dict[Any, tuple[type[pydantic.BaseModel], ...]] = {
    shapes.ClusterConfig: (clusters.ExistingCluster, clusters.EksCluster),
}
"""Shapes that stand for several models, told apart by `kind`: a TypedDict of a component package cannot be a union."""
MODELS = {model: shape for shape, model in PAIRS}
MODELS |= {model: shape for shape, models in UNIONS.items() for model in models}
INPUTS = (pulumi.Input[str], pulumi.Input[dict[str, str]])
ids = [shape.__name__ for shape, _ in PAIRS]


def members(shape: Any) -> dict[str, Any]:
    """Return the plain members of a TypedDict; inputs are what comes from other resources, which no model parses."""
    found = {name: _required(kind) for name, kind in inspect.get_annotations(shape).items()}
    return {name: kind for name, kind in found.items() if kind not in INPUTS}


def written(kind: Any) -> Any:
    """Return how a person writes a value of a model's annotation: the type that the TypedDict must have."""
    if typing.get_origin(kind) is typing.Annotated:
        return written(typing.get_args(kind)[0])
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        options = {written(option) for option in typing.get_args(kind) if option is not types.NoneType}
        [only] = options
        return only
    if typing.get_origin(kind) is typing.Literal:
        return type(typing.get_args(kind)[0])
    if typing.get_origin(kind) is tuple:
        return list[written(typing.get_args(kind)[0])]  # type: ignore[misc]
    if typing.get_origin(kind) is dict:
        return dict[str, written(typing.get_args(kind)[1])]  # type: ignore[misc]
    if kind in MODELS:
        return MODELS[kind]
    if isinstance(kind, type) and issubclass(kind, decimal.Decimal | datetime.date | datetime.timedelta | enum.StrEnum):
        return str
    return kind


@pytest.mark.parametrize(("shape", "model"), PAIRS, ids=ids)
def test_shape_has_the_models_fields(shape: Any, model: type[pydantic.BaseModel]) -> None:
    assert set(members(shape)) == set(model.model_fields)


@pytest.mark.parametrize(("shape", "model"), PAIRS, ids=ids)
def test_shape_requires_what_the_model_requires(shape: Any, model: type[pydantic.BaseModel]) -> None:
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert shape.__required_keys__ & set(members(shape)) == required


@pytest.mark.parametrize(("shape", "model"), PAIRS, ids=ids)
def test_shape_has_the_models_kinds(shape: Any, model: type[pydantic.BaseModel]) -> None:
    hints = typing.get_type_hints(model, include_extras=True)
    assert members(shape) == {name: written(hints[name]) for name in model.model_fields}


def test_every_shape_has_its_model() -> None:
    declared = {
        value for value in vars(shapes).values() if typing.is_typeddict(value) and value is not typing.TypedDict
    }
    declared |= {getattr(tenbin, name) for name in tenbin.__all__ if name.endswith("Args")}
    assert declared == {shape for shape, _ in PAIRS} | set(UNIONS)


@pytest.mark.parametrize("shape", UNIONS, ids=[shape.__name__ for shape in UNIONS])
def test_shape_of_several_models_has_the_fields_of_all_and_requires_what_all_require(shape: Any) -> None:
    models = UNIONS[shape]
    hints: dict[str, Any] = {}
    for model in models:
        found = typing.get_type_hints(model, include_extras=True)
        hints |= {name: written(found[name]) for name in model.model_fields}
    assert members(shape) == hints
    required = [{name for name, field in model.model_fields.items() if field.is_required()} for model in models]
    assert shape.__required_keys__ == set.intersection(*required)


def _required(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.NotRequired else kind
