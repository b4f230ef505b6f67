"""botocore's models of AWS services, and what they say against a request.

botocore itself checks members, types and lower bounds; upper bounds, enumerations and patterns stand in the models too
and are checked here.
"""

import difflib
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore import loaders, model, validate

from tenbin_local.plugins import properties
from tenbin_local.plugins.aws import problems

_LOADER = loaders.create_loader()
"""Reads the models that come with botocore, and none of the user's configuration."""

_LISTED = 12
"""Allowed values up to which all are named."""

_UNUSABLE = re.compile(r"[^\[(|^]\^[^\]]*$")
"""A pattern with a start of the text in its middle matches nothing; the service cannot mean it."""


@functools.cache
def _service(name: str) -> model.ServiceModel:
    return model.ServiceModel(_LOADER.load_service_model(name, "service-2"), name)


@functools.cache
def input_shape(operation: str) -> model.Shape:
    """What an operation such as `ec2.CreateVpc` takes."""
    service, _, name = operation.partition(".")
    return _service(service).operation_model(name).input_shape


def enum(operation: str, *steps: str | int) -> list[str]:
    """The values that a member may have."""
    shape = at(input_shape(operation), steps)
    return list(getattr(shape, "enum", []) or [])


def member(shape: model.Shape, name: str) -> str | None:
    """The member of a structure that differs from `name` in case only, None where there is none."""
    return _members(shape).get(name.lower())


@functools.cache
def _members(shape: model.Shape) -> dict[str, str]:
    return {name.lower(): name for name in shape.members}


def spelt(name: str) -> str:
    """A member's name as Pulumi spells it."""
    head = re.match(r"[A-Z]+(?![a-z])|[A-Z]", name)
    return name[: head.end()].lower() + name[head.end() :] if head else name


def at(shape: model.Shape | None, steps: Sequence[str | int]) -> model.Shape | None:
    """The shape at a place below a shape, None where the model has nothing there."""
    for step in steps:
        if shape is None:
            return None
        if isinstance(step, int):
            shape = shape.member if shape.type_name == "list" else None
        elif shape.type_name == "map":
            shape = shape.value
        else:
            shape = shape.members.get(step) if shape.type_name == "structure" else None
    return shape


def check(
    operation: str, params: Mapping[str, Any], origins: Mapping[str, str], wording: Mapping[str, str]
) -> list[problems.Problem]:
    """What the model says against a request.

    Args:
        operation: for example `ec2.CreateVpc`.
        params: the request; unknown values are taken as right.
        origins: path of the input by a member's path.
        wording: input that would carry a missing top-level member, by the member.
    """
    found: list[problems.Problem] = []

    def report(name: str, reason: str, **about: Any) -> None:
        path = _origin(name, origins)
        if reason == "missing required field":
            required = about["required_name"]
            key = wording.get(required, spelt(required)) if not name else spelt(required)
            path = f"{path}.{key}" if path else key
        found.append(problems.Problem(path, f"{_worded(reason, about)} ({operation}{name.replace('.', ' ', 1)})"))

    checker = _Checker(report)
    checker.run(params, input_shape(operation))
    return found


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """The input behind a member, or behind the nearest member around it."""
    while name:
        if name in origins:
            return origins[name]
        name = re.sub(r"(\.[^.\[]+|\[\d+\]| \(key: .*\))$", "", name) if re.search(r"[.\[(]", name) else ""
    return ""


class _Sink:
    """Takes what botocore's validator reports."""

    def __init__(self, report: Callable[..., None]) -> None:
        self.report = report


class _Checker(validate.ParamValidator):  # type: ignore[misc]
    def __init__(self, report: Callable[..., None]) -> None:
        self._sink = _Sink(report)

    def run(self, params: Any, shape: model.Shape) -> None:
        self._validate(params, shape, self._sink, "")

    def _shape_has_constraints(self, shape: model.Shape) -> bool:  # noqa: ARG002
        # Every element is looked at: it may be unknown, an enumeration or bound by a pattern.
        return True

    def _validate(self, params: Any, shape: model.Shape, errors: Any, name: str) -> None:
        if params is properties.UNKNOWN:
            return
        super()._validate(params, shape, errors, name)
        if isinstance(params, str):
            _check_text(params, shape, errors, name)
        size = len(params) if isinstance(params, str | list | Mapping) else params
        most = shape.metadata.get("max")
        if most is not None and isinstance(size, int | float) and not isinstance(size, bool) and size > most:
            reason = "above maximum" if size is params else "too long"
            errors.report(name, reason, param=size, max_allowed=most)
        if shape.type_name == "map" and isinstance(params, Mapping) and len(params) < shape.metadata.get("min", 0):
            errors.report(name, "invalid length", param=len(params), min_allowed=shape.metadata["min"])


def _check_text(text: str, shape: model.Shape, errors: Any, name: str) -> None:
    allowed = getattr(shape, "enum", None)
    if allowed and text not in allowed:
        errors.report(name, "not in enumeration", param=text, allowed=allowed)
    pattern = shape.metadata.get("pattern")
    compiled = compiled_pattern(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(text):
        errors.report(name, "pattern", param=text, pattern=pattern)


@functools.cache
def compiled_pattern(pattern: str) -> re.Pattern[str] | None:
    """A model's pattern, written for Java, in Python's form; None where it can match nothing."""
    if _UNUSABLE.search(pattern):
        return None
    text = pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", r"\d").replace(r"\p{Z}", r"\s")
    text = re.sub(r"(\\[wds])-(?=[^\]])", r"\1\\-", text)
    flags = re.IGNORECASE if "(?i)" in text else 0
    return re.compile(text.replace("(?i)", ""), flags)


def _worded(reason: str, about: Mapping[str, Any]) -> str:
    value = about.get("param")
    if reason == "missing required field":
        return "required, but not given"
    if reason == "unknown field":
        return f"the API has no member {about['unknown_param']!r}; it has {', '.join(about['valid_names'])}"
    if reason == "invalid type":
        allowed = " or ".join(re.sub(r"<class '(.*)'>", r"\1", str(one)) for one in about["valid_types"])
        return f"{value!r} has type {type(value).__name__}; {allowed} is allowed"
    if reason in ("invalid range", "above maximum"):
        side = "at least" if "min_allowed" in about else "at most"
        return f"{value} is not allowed; {side} {about.get('min_allowed', about.get('max_allowed'))} is"
    if reason in ("invalid length", "too long"):
        side = "at least" if "min_allowed" in about else "at most"
        return f"has length {value}; {side} {about.get('min_allowed', about.get('max_allowed'))} is allowed"
    if reason == "not in enumeration":
        return _not_allowed(str(value), list(about["allowed"]))
    if reason == "pattern":
        return f"{value!r} does not match {about['pattern']}"
    return f"{value!r}: {reason}"


def _not_allowed(value: str, allowed: list[str]) -> str:
    if len(allowed) <= _LISTED:
        return f"{value!r} is not allowed; allowed are {', '.join(allowed)}"
    near = difflib.get_close_matches(value, allowed, n=3, cutoff=0.5)
    hint = f"; near it are {', '.join(near)}" if near else ""
    return f"{value!r} is none of the {len(allowed)} values that AWS knows{hint}"
