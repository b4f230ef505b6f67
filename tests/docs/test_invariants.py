"""docs/invariants.md numbers its laws without a gap and names tests that exist."""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/invariants.md").read_text()


def test_laws_are_numbered_without_a_gap() -> None:
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_every_law_names_a_test_that_exists() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    named = [re.findall(r"`(tests/[^`]+)::(\w+)`", row) for row in rows]
    assert [row for row, tests in zip(rows, named, strict=True) if not tests] == []
    missing = [
        f"{file}::{name}" for tests in named for file, name in tests if f"def {name}(" not in (ROOT / file).read_text()
    ]
    assert missing == []
