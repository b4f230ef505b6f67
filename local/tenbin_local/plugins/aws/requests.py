"""Turns inputs into the requests that AWS would get, and remembers which input each member comes from."""

import copy
import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore import model

from tenbin_local.plugins import properties
from tenbin_local.plugins.aws import models, problems
from tenbin_local.plugins.aws.kind import Call, Kind

Step = str | int

_SPREAD = re.compile(r"(?P<head>\w+)\[(?:(?P<key>\w+)=(?P<value>\w+))?\]\.(?P<member>\w+)")
_STEP = re.compile(r"\[(\d*)\]|([^.\[\]]+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A request of an API."""

    operation: str
    params: dict[str, Any]
    origins: dict[str, str]
    """Path of the input by a member's path as botocore writes it: `.Tags[0].Key`."""
    problems: list[problems.Problem]
    """What has no place in the request."""


def of(kind: Kind, inputs: Mapping[str, Any]) -> list[Request]:
    """The requests that the creation of a resource sends."""
    return [_Builder(call).build(inputs) for call in sent(kind, inputs)]


def unclaimed(kind: Kind, inputs: Mapping[str, Any]) -> list[problems.Problem]:
    """Inputs that no request carries and that the provider does not act upon by itself."""
    known = known_inputs(kind)
    return [
        problems.Problem(
            key,
            f"{kind.token} has no such input, or the stand-in does not know it; it knows {', '.join(sorted(known))}",
        )
        for key in inputs
        if key not in known
    ]


def known_inputs(kind: Kind) -> frozenset[str]:
    """The inputs that a resource type may have."""
    carried = {field.partition("=")[0] for call in kind.calls for field in call.fields.split()}
    general = {"region": kind.regional, "tags": kind.taggable}
    conditions = {call.when for call in kind.calls if call.when}
    return kind.paths("local") | carried | conditions | {key for key, there in general.items() if there}


def places(call: Call) -> list[tuple[str, str]]:
    """The inputs that a request carries, and the place of each in it."""
    shape = models.input_shape(call.operation)
    split = (field.partition("=") for field in call.fields.split())
    return [(name, place or models.member(shape, name) or name) for name, _, place in split]


def sent(kind: Kind, inputs: Mapping[str, Any]) -> list[Call]:
    """The requests that the inputs make necessary."""
    return [call for call in kind.calls if not call.when or inputs.get(call.when) is not None]


class _Builder:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._shape = models.input_shape(call.operation)
        self._params: dict[str, Any] = {}
        self._origins: dict[str, str] = {}
        self._problems: list[problems.Problem] = []

    def build(self, inputs: Mapping[str, Any]) -> Request:
        for path, value in self._call.given.items():
            self._put(steps(path), copy.deepcopy(value))
        for name, place in places(self._call):
            if name not in inputs:
                continue
            target = steps(place)
            self._origins[_rendered(target)] = name
            self._put(target, self._converted(inputs[name], self._shape_at(target), target, name, name))
        if self._call.tags and inputs.get("tags"):
            self._tag(inputs["tags"])
        return Request(
            operation=self._call.operation, params=self._params, origins=self._origins, problems=self._problems
        )

    def _tag(self, tags: Any) -> None:
        form, _, place = self._call.tags.partition(":")
        if tags is properties.UNKNOWN:
            return
        key, value = ("TagKey", "TagValue") if form == "kms" else ("Key", "Value")
        pairs = [{key: one, value: other} for one, other in tags.items()]
        if form == "map":
            self._put(steps(place), dict(tags))
            self._origins[f".{place}"] = "tags"
            return
        base: list[Step] = ["TagSpecifications", 0, "Tags"] if form == "spec" else steps(place)
        if form == "spec":
            self._put(["TagSpecifications", 0, "ResourceType"], place)
        self._put(base, pairs)
        self._origins[_rendered(base)] = "tags"
        for index, one in enumerate(tags):
            self._origins[_rendered([*base, index])] = f'tags["{one}"]'

    def _converted(self, value: Any, shape: model.Shape | None, place: list[Step], path: str, plain: str) -> Any:
        """`value` as the shape wants it; `plain` is the path without indexes."""
        self._origins[_rendered(place)] = path
        if value is properties.UNKNOWN or shape is None:
            return value
        if shape.type_name == "list":
            items = value if isinstance(value, list) else [value]
            return [
                self._converted(
                    item, shape.member, [*place, index], f"{path}[{index}]" if isinstance(value, list) else path, plain
                )
                for index, item in enumerate(items)
            ]
        if shape.type_name == "structure" and isinstance(value, Mapping):
            return self._structure(value, shape, place, path, plain)
        if shape.type_name == "map" and isinstance(value, Mapping):
            return {
                key: self._converted(item, shape.value, [*place, key], f"{path}.{key}", plain)
                for key, item in value.items()
            }
        return _scalar(value, shape.type_name)

    def _structure(
        self, value: Mapping[str, Any], shape: model.Shape, place: list[Step], path: str, plain: str
    ) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, item in value.items():
            below, below_plain = f"{path}.{key}", f"{plain}.{key}"
            target = self._call.renamed.get(below_plain, models.member(shape, key))
            if target == "":
                continue
            if target is None:
                names = sorted(models.spelt(name) for name in shape.members)
                self._problems.append(problems.Problem(below, f"the API has no such member; it has {', '.join(names)}"))
                continue
            if target == "Tags" and isinstance(item, Mapping):
                made["Tags"] = [{"Key": one, "Value": other} for one, other in item.items()]
                self._origins[_rendered([*place, "Tags"])] = below
                continue
            below_steps, spread, beside = _spread(target)
            inner = models.at(shape, below_steps)
            where = [*place, *below_steps]
            if not spread:
                _set(made, below_steps, self._converted(item, inner, where, below, below_plain))
                continue
            self._origins[_rendered(where)] = below
            items = item if isinstance(item, list) else [item]
            objects = [
                {
                    **beside,
                    spread: self._converted(
                        one,
                        models.at(shape, [*below_steps, 0, spread]),
                        [*where, index, spread],
                        f"{below}[{index}]",
                        below_plain,
                    ),
                }
                for index, one in enumerate(items)
            ]
            _set(made, below_steps, [*_get(made, below_steps, []), *objects])
        return made

    def _shape_at(self, steps: Sequence[Step]) -> model.Shape | None:
        return models.at(self._shape, steps)

    def _put(self, steps: Sequence[Step], value: Any) -> None:
        _set(self._params, steps, value)


def steps(path: str) -> list[Step]:
    """The steps of a place in a request."""
    return [int(found[1] or 0) if found[2] is None else found[2] for found in _STEP.finditer(path)]


def _spread(target: str) -> tuple[list[Step], str, dict[str, str]]:
    """The steps of a place, and what each element of a list there becomes: a member, beside others of fixed value."""
    found = _SPREAD.fullmatch(target)
    if found is None:
        return steps(target), "", {}
    return steps(found["head"]), found["member"], {found["key"]: found["value"]} if found["key"] else {}


def _rendered(steps: Sequence[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _set(target: Any, steps: Sequence[Step], value: Any) -> None:
    """Puts a value at a place, with the objects and lists around it."""
    for step, following in itertools.pairwise(steps):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            while len(target) <= step:
                target.append({})
            target = target[step]
        else:
            target = target.setdefault(step, empty)
    if isinstance(steps[-1], int):
        while len(target) <= steps[-1]:
            target.append(None)
    target[steps[-1]] = value


def _get(target: Any, steps: Sequence[Step], default: Any) -> Any:
    for step in steps:
        if not isinstance(target, Mapping) or step not in target:
            return default
        target = target[step]
    return target


def _scalar(value: Any, wanted: str) -> Any:
    """A scalar in the API's type, where the two differ in spelling only, as the official provider converts it."""
    if wanted == "boolean" and value in ("true", "false"):
        return value == "true"
    if wanted in ("integer", "long") and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if wanted in ("double", "float") and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if wanted == "string" and isinstance(value, bool):
        return str(value).lower()
    if wanted == "string" and isinstance(value, int | float):
        return str(value)
    return value
