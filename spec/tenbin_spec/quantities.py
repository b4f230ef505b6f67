"""Quantities of the agreement: money, shares, times and names, each with one written form."""

from __future__ import annotations

import dataclasses
import datetime
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_MONEY = re.compile(r"\d{1,9}(\.\d{1,6})?")
_SHARE = re.compile(r"0\.\d{1,6}")
_WINDOW = re.compile(r"([1-9]\d{0,3})([mhd])")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_WINDOW_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST_WINDOW = datetime.timedelta(days=92)
MILLISECONDS_PER_DAY = 86_400_000
HOURS_A_MONTH = 730
"""8,760 hours of a year over 12, as vendors' calculators count."""


class Frozen(BaseModel):
    """A value: immutable, with no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _refuse(value: Any, wanted: str, example: str) -> PydanticCustomError:
    if isinstance(value, int | float) and not isinstance(value, bool):
        hint = f'{value!r} is a number where a string belongs: put it in quotes, for example "{example}" ({wanted})'
        return PydanticCustomError("tenbin", "{hint}", {"hint": hint})
    hint = f"{value!r} is not {wanted}, for example {example!r}"
    return PydanticCustomError("tenbin", "{hint}", {"hint": hint})


def _money(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        if value.is_finite() and 0 <= value < Decimal(10) ** 9:
            return value
    elif isinstance(value, str) and _MONEY.fullmatch(value):
        return Decimal(value)
    raise _refuse(value, "an amount of USD of 0 or more with at most 6 decimals", "30.00")


def _share(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        if value.is_finite() and 0 < value < 1:
            return value
    elif isinstance(value, str) and _SHARE.fullmatch(value) and Decimal(value) > 0:
        return Decimal(value)
    raise _refuse(value, "a share above 0 and below 1 with at most 6 decimals", "0.99")


def _window(value: Any) -> datetime.timedelta:
    if isinstance(value, datetime.timedelta) and datetime.timedelta(0) < value <= LONGEST_WINDOW:
        return value
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match:
        window = datetime.timedelta(**{_WINDOW_UNITS[match[2]]: int(match[1])})
        if window <= LONGEST_WINDOW:
            return window
    raise _refuse(value, "a window in minutes, hours or days (m, h, d) of at most 92d", "30d")


def _day(value: Any) -> datetime.date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, datetime.date):
        hint = f'{value} is a date where a string belongs: put it in quotes, "{value}"'
        raise PydanticCustomError("tenbin", "{hint}", {"hint": hint})
    raise _refuse(value, "a day, year-month-day", "2026-11-25")


def window_text(window: datetime.timedelta) -> str:
    """Write a window in its largest whole unit: 30 days is `30d`."""
    minutes = int(window.total_seconds() // 60)
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def money_text(amount: Decimal) -> str:
    """Write an amount without exponent, with at least two decimals: `30.00`, `0.8048`."""
    exponent = amount.normalize().as_tuple().exponent
    decimals = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"{amount:.{decimals}f}"


def _schema(pattern: str, text: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "description": text, "examples": [example]})


Usd = Annotated[
    Decimal,
    BeforeValidator(_money),
    PlainSerializer(money_text, return_type=str),
    _schema(_MONEY.pattern, "US dollars", "30.00"),
]
"""Money in US dollars, written as a string."""

Share = Annotated[
    Decimal,
    BeforeValidator(_share),
    PlainSerializer(str, return_type=str),
    _schema(_SHARE.pattern, "A share above 0 and below 1", "0.99"),
]
"""A share between 0 and 1, both excluded, written as a string."""

Window = Annotated[
    datetime.timedelta,
    BeforeValidator(_window),
    PlainSerializer(window_text, return_type=str),
    _schema(_WINDOW.pattern, "A span of minutes, hours or days", "30d"),
]
"""The span over which an objective is counted, written `30d`, `12h` or `45m`."""

Day = Annotated[
    datetime.date,
    BeforeValidator(_day),
    PlainSerializer(str, return_type=str),
    _schema(_DAY.pattern, "A day", "2026-11-25"),
]
"""A day, written `2026-11-25` as a string, since YAML readers differ on dates."""

Milliseconds = Annotated[int, Field(strict=True, ge=1, le=MILLISECONDS_PER_DAY)]
"""Whole milliseconds, 1 to one day."""

Tokens = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
"""A number of tokens."""

Seconds = Annotated[int, Field(strict=True, ge=0, le=86_400)]
"""Whole seconds, 0 to one day."""


@dataclasses.dataclass(frozen=True)
class Text:
    """Annotation of strings that match a pattern, whose error says in words what is wanted."""

    pattern: str
    """Regular expression of the whole string."""
    wanted: str
    """Completes "... is not", for example "a region"."""
    example: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Build the validator."""
        return core_schema.no_info_plain_validator_function(
            self._check, serialization=handler(source).get("serialization")
        )

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Build the schema for editors."""
        text = self.wanted[0].upper() + self.wanted[1:]
        return {"type": "string", "pattern": f"^{self.pattern}$", "description": text, "examples": [self.example]}

    def _check(self, value: Any) -> str:
        if isinstance(value, str) and re.fullmatch(self.pattern, value):
            return value
        raise _refuse(value, self.wanted, self.example)


Name = Annotated[
    str,
    Text("[a-z]([a-z0-9-]{0,22}[a-z0-9])?", "a name of at most 24 lower case letters, digits and dashes", "chat-8b"),
]
"""A name that fits into the names of Kubernetes objects."""
