"""What is wrong with measured data.

TenbinError
└── DataError   a file that cannot be read, values that cannot be, or too little to fit a profile; also a ValueError
"""

from __future__ import annotations

from collections.abc import Iterable

from tenbin_spec.problems import TenbinError

SHOWN = 10
"""Problems that a message lists; the others are counted."""


class DataError(TenbinError, ValueError):
    """Measured data that cannot be used; the message is complete and names the file."""


def listed(source: str, problems: Iterable[str]) -> DataError:
    """Return the error of a file with several problems."""
    found = list(problems)
    lines = [f"  - {problem}" for problem in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"  - and {len(found) - SHOWN:,} more")
    noun = "problem" if len(found) == 1 else "problems"
    return DataError("\n".join([f"{source} has {len(found):,} {noun}:", *lines]))
