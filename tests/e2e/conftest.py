"""One environment for the whole end-to-end run: brought up once, always taken down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.e2e import NAME, ROOT, Environment


@pytest.fixture(scope="session")
def environment() -> Iterator[Environment]:
    """Bring the environment up; take it down whatever happens."""
    place = Environment(root=ROOT / ".tenbin" / NAME)
    place.local("down")
    try:
        place.local("up")
        yield place
    finally:
        place.local("down", check=False)
