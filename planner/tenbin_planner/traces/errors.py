"""What is wrong with a trace.

TenbinError
└── TraceError        a trace that cannot be read, drawn or cut; also a ValueError
    ├── FormatError   a file whose layout no reader takes, or not the reader that was named
    ├── RowsError     values that cannot be; carries the first of them
    └── SpecError     a description of generated traffic that cannot be understood
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tenbin_spec.problems import TenbinError

SHOWN = 10
"""Problems that a message lists; the others are counted."""


class TraceError(TenbinError, ValueError):
    """A trace that cannot be used; the message is complete and names the file."""


class FormatError(TraceError):
    """A file whose layout no reader takes, or not the reader that was named."""


class SpecError(TraceError):
    """A description of generated traffic that cannot be understood."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class BadValue:
    """One value of a file that cannot be."""

    line: int
    """Line of the file, 1 the first; row of a Parquet file."""
    column: str
    value: str
    """As found, shortened."""
    allowed: str
    place: str = "line"

    def __str__(self) -> str:
        return f"{self.place} {self.line}, {self.column}: {self.value}; allowed is {self.allowed}"


class RowsError(TraceError):
    """Values that cannot be; `problems` holds the first ones in the order of the file."""

    def __init__(self, source: str, problems: Iterable[BadValue], count: int) -> None:
        self.problems = tuple(problems)
        self.count = count
        lines = [f"  - {problem}" for problem in self.problems]
        if count > len(lines):
            lines.append(f"  - and {count - len(lines):,} more")
        noun = "problem" if count == 1 else "problems"
        super().__init__("\n".join([f"{source} has {count:,} {noun}:", *lines]))


class Problems:
    """Collects the bad values of one file: counts all and keeps the first."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.count = 0
        self._first: list[BadValue] = []

    def add(self, problems: Iterable[BadValue], count: int | None = None) -> None:
        """Take note of bad values.

        Args:
            problems: those to be shown, the first `SHOWN` of a column are enough.
            count: how many there are; None: as many as `problems`.
        """
        found = list(problems)
        self.count += len(found) if count is None else count
        self._first = sorted([*self._first, *found])[:SHOWN]

    def raise_if_any(self) -> None:
        """Raise RowsError when something was noted."""
        if self.count:
            raise RowsError(self.source, self._first, self.count)


def shown(value: object) -> str:
    """Return a value as text of 40 characters at most; None is a value that is missing."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"
