"""Numbers read back from plain data: each memory refuses what it never wrote."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any, where: str = "memory") -> float:
    """Return a finite number.

    Raises:
        ValueError: naming where it is held and what it is.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{where} holds {value!r} where a finite number belongs")
    return number


def amount(value: Any, where: str) -> float:
    """Return a finite number of 0 or more.

    Raises:
        ValueError: naming where it is held and what it is.
    """
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{where} holds {value!r} where an amount of 0 or more belongs")
    return number
