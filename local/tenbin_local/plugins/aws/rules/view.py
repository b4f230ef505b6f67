"""What a rule sees, and what a rule is."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tenbin_local.plugins import properties
from tenbin_local.plugins.aws.kind import Finder, Values
from tenbin_local.plugins.aws.problems import Problem


def number(value: Any) -> int | float | None:
    """A number, or a text that is one as the official provider reads it; None for all else."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """One resource as the program declares it, and the account around it."""

    inputs: Values
    """With the defaults; unknown values are in it."""
    given: Values
    """Without the defaults."""
    old: Values = dataclasses.field(default_factory=dict)
    """Inputs of the existing resource, empty for a new one."""
    region: str
    find: Finder
    others: Callable[[str], Iterable[Values]] = lambda _: ()
    """Outputs of all resources of a type, but for this one."""

    def known(self, path: str) -> Any:
        """The value at a path, None where there is none or it is not known yet."""
        value: Any = self.inputs
        for step in path.split("."):
            if not isinstance(value, Mapping) or step not in value:
                return None
            value = value[step]
        return None if properties.has_unknown(value) else value

    def number(self, path: str) -> int | float | None:
        """The number at a path, None where there is none or it is not known yet."""
        return number(self.known(path))

    def has(self, path: str) -> bool:
        """Whether the program gives something at a path, known or not; an empty list is nothing."""
        value: Any = self.given
        for step in path.split("."):
            if value is properties.UNKNOWN:
                return True
            if not isinstance(value, Mapping) or step not in value:
                return False
            value = value[step]
        return value not in (None, [], "")

    def unclear(self, *paths: str) -> bool:
        """Whether what the program gives at one of the paths will only be known later."""
        return any(self._unclear(path) for path in paths)

    def _unclear(self, path: str) -> bool:
        value: Any = self.given
        for step in path.split("."):
            if not isinstance(value, Mapping) or step not in value:
                return value is properties.UNKNOWN
            value = value[step]
        return properties.has_unknown(value)

    def all_found(self, token: str, values: Any) -> list[Values] | None:
        """What several ids name, None where one of them is unknown or names nothing."""
        if not isinstance(values, list):
            return None
        found = [self.find(token, value) if isinstance(value, str) else None for value in values]
        return [one for one in found if one is not None] if None not in found else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of AWS."""

    name: str
    tokens: frozenset[str]
    source: str
    check: Callable[[View], Iterable[Problem]]


class Table:
    """Collects the rules of a module."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self, name: str, *tokens: str, source: str
    ) -> Callable[[Callable[[View], Iterator[Problem]]], Callable[[View], Iterator[Problem]]]:
        """Adds the decorated check as a rule.

        Args:
            name: says what must hold, in words joined by dashes.
            tokens: the resource types that it is about.
            source: where AWS says so.
        """

        def add(check: Callable[[View], Iterator[Problem]]) -> Callable[[View], Iterator[Problem]]:
            self.rules.append(Rule(name=name, tokens=frozenset(tokens), source=source, check=check))
            return check

        return add
