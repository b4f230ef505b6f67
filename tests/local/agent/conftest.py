"""A real control plane and a real node agent, started once for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import node_agent


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[node_agent.World]:
    """Control plane and agent."""
    with node_agent.run(tmp_path_factory.mktemp("w"), node_agent.NODES) as made:
        yield made
