"""Kubernetes quantities compared by value: "1000m" is "1", as the API server writes it."""

import decimal
import re
from typing import Any

from tenbin_local.plugins import paths

_PLACES = frozenset({"limits", "requests", "capacity", "allocatable", "hard", "overhead", "default", "defaultRequest"})
"""Keys of objects whose values are quantities."""

_SINGLE = frozenset({"sizeLimit", "divisor", "averageValue"})
"""Keys whose own value is a quantity."""

_FORM = re.compile(r"^(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$")

_FACTORS = {
    "n": decimal.Decimal("1e-9"), "u": decimal.Decimal("1e-6"), "m": decimal.Decimal("1e-3"),
    "k": decimal.Decimal(10**3), "M": decimal.Decimal(10**6), "G": decimal.Decimal(10**9),
    "T": decimal.Decimal(10**12), "P": decimal.Decimal(10**15), "E": decimal.Decimal(10**18),
    "Ki": decimal.Decimal(2**10), "Mi": decimal.Decimal(2**20), "Gi": decimal.Decimal(2**30),
    "Ti": decimal.Decimal(2**40), "Pi": decimal.Decimal(2**50), "Ei": decimal.Decimal(2**60),
}  # fmt: skip


def is_place(path: paths.Path) -> bool:
    """Whether the value at `path` of an object is a quantity."""
    return bool(path) and (path[-1] in _SINGLE or (len(path) > 1 and path[-2] in _PLACES))


def parse(value: Any) -> decimal.Decimal | None:
    """The number that a quantity stands for, None for what is no quantity."""
    found = _FORM.match(str(value)) if isinstance(value, str | int | float) else None
    if found is None or isinstance(value, bool):
        return None
    suffix = found["suffix"] or ""
    number = decimal.Decimal(found["number"])
    if suffix in _FACTORS:
        return number * _FACTORS[suffix]
    return number.scaleb(int(suffix[1:])) if suffix else number


def equal(one: Any, other: Any) -> bool:
    """Whether both are quantities of the same size."""
    first = parse(one)
    return first is not None and first == parse(other)
