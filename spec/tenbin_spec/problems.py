"""What is wrong with a configuration: every problem, each with its place, its value and what is allowed there.

TenbinError
└── ConfigurationError        the input cannot be parsed or built; carries all problems
    └── DocumentVersionError  a wire document of a version that this program does not know
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

Location = tuple[str | int, ...]
_KEY = "[key]"
"""How pydantic marks that the key of a mapping is wrong."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong, in words for the person who wrote it."""

    path: str
    """Key path as written in the file, for example `tenbin:services.chat.slo.window`."""
    message: str
    """What is wrong and what is allowed, with the value found."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class TenbinError(Exception):
    """Root of the errors that tenbin raises on purpose."""


class ConfigurationError(TenbinError):
    """A configuration that cannot be parsed or built; `problems` holds all of its problems."""

    def __init__(self, problems: Iterable[Problem], source: str = "configuration") -> None:
        self.problems = tuple(sorted(set(problems)))
        self.source = source
        noun = "problem" if len(self.problems) == 1 else "problems"
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{source} has {len(self.problems)} {noun}:\n{lines}")


def path_text(location: Sequence[str | int], prefix: str = "") -> str:
    """Join a location to a key path: `("services", "chat", "pools", 0)` becomes `tenbin:services.chat.pools[0]`."""
    text = prefix
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += part if not text or text.endswith(":") else f".{part}"
    return text


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Translate pydantic's errors to problems with key path, value and what is allowed.

    Args:
        error: what pydantic raised when it parsed `model`.
        model: the model that was parsed; it knows the allowed keys.
        prefix: written before each key path, for example `tenbin:`.
    """
    problems = []
    details = error.errors(include_url=False)
    holders = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"] in holders:
            continue  # it is short only because keys or items of it were refused
        location = _written(detail, model)
        problems.append(Problem(path=path_text(location, prefix), message=_message(detail, model)))
    return problems


def not_one_of(value: object, allowed: Iterable[str], what: str) -> str:
    """Say that a value is none of the allowed ones, which of these was probably meant, and list them (12 at most)."""
    names = sorted(allowed)
    close = difflib.get_close_matches(str(value), names, n=12, cutoff=0.5)
    shown = (close or names)[:12] if len(names) > 12 else names
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"{value!r} is not {what}{hint} Allowed: {', '.join(shown) or 'none'}{more}"


def unknown_key_message(key: str, allowed: Iterable[str]) -> str:
    """Say that a key is unknown, what is allowed, and which of these was probably meant."""
    names = sorted(allowed)
    close = difflib.get_close_matches(key, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown key{hint} Allowed here: {', '.join(names)}"


def _is_union_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith(("function-", "constrained-", "is-instance"))


def _written(detail: Mapping[str, Any], model: type[BaseModel]) -> Location:
    """Return where an error lies as a person writes it: without what pydantic adds to tell unions and keys apart."""
    kept: list[str | int] = []
    current: Any = model
    for part in detail["loc"]:
        if part == _KEY or _is_union_tag(part):
            continue
        if str(part) not in _tagged(current):
            kept.append(part)
        current = _step(current, part)
    if detail["type"].startswith("union_tag_"):
        kept.append(str(detail["ctx"]["discriminator"]).strip("'"))
    return tuple(kept)


def _tagged(annotation: Any) -> dict[str, Any]:
    """Return the models of a discriminated union by the tag in their field `kind`; none for anything else."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _tagged(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) not in {typing.Union, types.UnionType}:
        return {}
    found: dict[str, Any] = {}
    for option in typing.get_args(annotation):
        found |= _tagged(option)
        model = _model_in(option)
        kind = None if model is None else model.model_fields.get("kind")
        if kind is not None and typing.get_origin(kind.annotation) is typing.Literal:
            found[str(typing.get_args(kind.annotation)[0])] = model
    return found


def _message(detail: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return unknown_key_message(str(detail["loc"][-1]), _keys_at(model, detail["loc"][:-1]))
        case "union_tag_not_found":
            return "is required and missing"
        case "union_tag_invalid":
            return f"{context['tag']!r} is not allowed. Allowed: {context['expected_tags']}"
        case "missing":
            return "is required and missing"
        case "string_type" if isinstance(value, int | float):
            return f'{value!r} is a number where a string belongs: put it in quotes, "{value}"'
        case "enum" | "literal_error":
            return f"{value!r} is not allowed. Allowed: {str(context['expected']).replace(' or ', ', ')}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{value!r} is not a whole number"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{value!r} is not a mapping of keys to values"
        case "tuple_type" | "list_type":
            return f"{value!r} is not a list"
        case _:
            text = str(detail["msg"]).removeprefix("Value error, ")
            return text if kind in {"value_error", "tenbin"} else f"{value!r}: {text[0].lower()}{text[1:]}"


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that the model at `location` below `model` allows."""
    current: Any = model
    for part in location:
        current = _step(current, part)
    found = _model_in(current)
    return list(found.model_fields) if found else []


def _step(annotation: Any, part: str | int) -> Any:
    chosen = _tagged(annotation).get(str(part))
    if chosen is not None:
        return chosen
    model = _model_in(annotation)
    if model is not None and isinstance(part, str) and part in model.model_fields:
        return model.model_fields[part].annotation
    arguments = typing.get_args(_plain(annotation))
    return arguments[-1] if arguments and arguments[-1] is not Ellipsis else (arguments[0] if arguments else annotation)


def _plain(annotation: Any) -> Any:
    """Strip `Annotated` and `None` from an annotation."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        options = [option for option in typing.get_args(annotation) if option is not type(None)]
        return _plain(options[0])
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    plain = _plain(annotation)
    return plain if isinstance(plain, type) and issubclass(plain, BaseModel) else None
