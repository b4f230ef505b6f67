"""Faults of AWS that a test or a rehearsal asks for.

TENBIN_AWS_FAULTS is a comma-separated list of `fault:pattern:times`. The pattern is a shell pattern; without `:times` a
fault strikes every time.

- `insufficient-capacity:<node group>`: the node group is created, and ends in CREATE_FAILED without instances. The next
  update waits for it again.
- `eventual-consistency:<type token>:<times>`: a new resource of the type is not there yet, neither for a read nor for
  what refers to it, that many times; once without a number.
- `throttling:<operation>:<times>`: requests such as `CreateSubnet` are refused after all retries.
"""

import dataclasses
import fnmatch
import os
import pathlib
import re
import threading
from collections.abc import Mapping

from tenbin_local.environment import files

VARIABLE = "TENBIN_AWS_FAULTS"

CAPACITY = "insufficient-capacity"
CONSISTENCY = "eventual-consistency"
THROTTLING = "throttling"
NAMES = (CAPACITY, CONSISTENCY, THROTTLING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault that was asked for."""

    name: str
    pattern: str
    times: int | None = None
    """None for every time."""


def parse(environment: Mapping[str, str] = os.environ) -> tuple[Fault, ...]:
    """The faults that the environment asks for.

    Raises:
        ValueError: an entry is none; the message names it and what is allowed.
    """
    return tuple(_fault(entry.strip()) for entry in environment.get(VARIABLE, "").split(",") if entry.strip())


def _fault(entry: str) -> Fault:
    # A type token has colons of its own: the number is what stands after the last one.
    found = re.fullmatch(r"(?P<name>[a-z-]+):(?P<pattern>.+?)(?::(?P<times>\d+))?", entry)
    if found is None or found["name"] not in NAMES:
        raise ValueError(
            f"{VARIABLE}: {entry!r} is no fault; write <fault>:<pattern> or <fault>:<pattern>:<times>, where fault is "
            f"{', '.join(NAMES)}"
        )
    times = int(found["times"]) if found["times"] else None
    return Fault(name=found["name"], pattern=found["pattern"], times=times)


class Faults:
    """Strikes the faults that were asked for, and counts in files how often it did, over all providers and updates."""

    def __init__(self, wanted: tuple[Fault, ...], folder: pathlib.Path) -> None:
        self._wanted = wanted
        self._folder = folder
        self._lock = threading.Lock()

    def wanted(self, name: str, subject: str) -> Fault | None:
        """The fault of a name that is asked for a subject, whether or not it has struck already."""
        matching = (one for one in self._wanted if one.name == name and fnmatch.fnmatchcase(subject, one.pattern))
        return next(matching, None)

    def strikes(self, name: str, subject: str) -> bool:
        """Whether a fault strikes a subject now."""
        fault = self.wanted(name, subject)
        if fault is None or fault.times is None:
            return fault is not None
        counter = self._folder / re.sub(r"[^\w.-]", "_", f"{fault.name}-{fault.pattern}-{fault.times}")
        with self._lock:
            struck = int(counter.read_text()) if counter.exists() else 0
            if struck >= fault.times:
                return False
            files.write_atomically(counter, str(struck + 1))
            return True
