"""Pieces of work that another process can be given."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Callable

from tenbin_spec.problems import ConfigurationError, Problem

Told = Callable[[str, float], None]


def square(number: int, told: Told) -> int:
    told(" · half", 0.5)
    return number * number


def process(_told: Told) -> int:
    return os.getpid()


def refuse(number: int, _told: Told) -> int:
    raise ValueError(f"{number} is refused")


def refuse_oddly(_told: Told) -> int:
    raise ConfigurationError([Problem(path="a.b", message="is wrong")])


def die(_told: Told) -> int:
    os._exit(9)


def sleep(begun: pathlib.Path, _told: Told) -> None:
    (begun / str(os.getpid())).touch()
    time.sleep(600)
