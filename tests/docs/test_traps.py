"""docs/traps.md names, for each trap, tests that exist."""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
ROWS = [row for row in (ROOT / "docs/traps.md").read_text().splitlines() if row.startswith("| ")][1:]


def test_every_trap_names_a_test_that_exists() -> None:
    named = [re.findall(r"`(tests/[^`]+)::(\w+)`", row) for row in ROWS]
    assert ROWS
    assert [row for row, tests in zip(ROWS, named, strict=True) if not tests] == []
    missing = [
        f"{file}::{name}" for tests in named for file, name in tests if f"def {name}(" not in (ROOT / file).read_text()
    ]
    assert missing == []
