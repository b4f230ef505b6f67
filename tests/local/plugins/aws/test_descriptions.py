"""Each description against the SDK that programs use and the models of the services."""

import importlib
import inspect
from typing import Any

import pytest
from tenbin_local.plugins.aws import kinds, models, requests
from tenbin_local.plugins.aws.kind import Kind

INLINE = {
    "accelerationStatus", "corsRules", "grants", "lifecycleRules", "logging", "objectLockConfiguration",
    "replicationConfiguration", "requestPayer", "serverSideEncryptionConfiguration", "versioning", "website",
}  # fmt: skip
"""Inputs of a bucket that the SDK marks as deprecated: each is a resource of its own."""

RENAMED = {"BucketVersioning", "BucketServerSideEncryptionConfiguration"}
"""Resources whose arguments the SDK names in its constructor only."""


def _properties(owner: type) -> dict[str, str]:
    """The properties of a class of the SDK by Pulumi's names, each with its annotation."""
    found = {}
    for _, value in inspect.getmembers(owner):
        name = getattr(getattr(value, "fget", None), "_pulumi_name", None)
        if name is not None:
            found[name] = str(value.fget.__annotations__["return"])
    return found


def sdk(kind: Kind) -> tuple[set[str], dict[str, str]]:
    """Inputs and outputs that the SDK knows of a resource type."""
    _, module, name = kind.token.split(":")
    package: Any = importlib.import_module(f"pulumi_aws.{module.split('/', maxsplit=1)[0]}")
    outputs = _properties(getattr(package, name))
    return set(outputs) if name in RENAMED else set(_properties(getattr(package, f"{name}Args"))), outputs


each = pytest.mark.parametrize("kind", kinds.ALL.values(), ids=kinds.ALL)


@each
def test_inputs_are_those_of_the_sdk(kind: Kind) -> None:
    inputs, _ = sdk(kind)
    known = requests.known_inputs(kind)
    left_out = INLINE if kind.token == "aws:s3/bucket:Bucket" else set()
    assert inputs - known - {"region"} == left_out
    assert known - inputs - {"region"} == set()


@each
def test_paths_begin_with_an_input_of_the_sdk(kind: Kind) -> None:
    inputs, outputs = sdk(kind)
    heads = {
        path.split(".")[0]
        for what in ("replaces", "removal_replaces", "unordered", "documents", "computed")
        for path in kind.paths(what)
    } | {reference.path.split(".")[0] for reference in kind.references}
    assert heads - inputs == set()
    assert (set(kind.defaults) | kind.paths("changing")) - set(outputs) == set()


@each
def test_what_aws_keeps_is_what_the_sdk_promises_without_asking_for_it(kind: Kind) -> None:
    _, module, name = kind.token.split(":")
    package: Any = importlib.import_module(f"pulumi_aws.{module.split('/', maxsplit=1)[0]}")
    inputs, outputs = (_properties(getattr(package, owner)) for owner in (f"{name}Args", name))
    named = {kind.name.property, kind.name.prefix} if kind.name else set()
    # The SDK itself gives a security group a description.
    own = {"region", "tags"} | named | INLINE | ({"description"} if name == "SecurityGroup" else set())
    promised = {
        key for key, type_ in inputs.items() if "Optional" in type_ and "Optional" not in outputs.get(key, "Optional")
    }
    assert kind.paths("kept") == promised - own


@each
def test_every_input_has_a_place_in_the_model_of_its_request(kind: Kind) -> None:
    lost = []
    for call in kind.calls:
        shape = models.input_shape(call.operation)
        for name, place in requests.places(call):
            if models.at(shape, requests.steps(place)) is None:
                lost.append((call.operation, name))
        lost += [(call.operation, path) for path in call.given if models.at(shape, requests.steps(path)) is None]
    assert lost == []
    assert models.input_shape(kind.delete) is not None


@each
def test_references_name_known_types(kind: Kind) -> None:
    assert {reference.to for reference in kind.references} | set(kind.provides) <= set(kinds.ALL)


def test_patterns_of_the_models_can_be_read() -> None:
    seen = set()

    def walk(shape: Any, depth: int) -> None:
        if shape.name in seen or depth == 0:
            return
        seen.add(shape.name)
        if "pattern" in shape.metadata:
            models.compiled_pattern(shape.metadata["pattern"])
        members = getattr(shape, "members", {}).values() if shape.type_name == "structure" else ()
        for member in [*members, *([shape.member] if shape.type_name == "list" else [])]:
            walk(member, depth - 1)

    for kind in kinds.ALL.values():
        for call in kind.calls:
            walk(models.input_shape(call.operation), 6)
    assert seen
