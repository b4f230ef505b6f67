"""What faults are caused with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.api_proxy import ApiProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.planner_cluster import Api


@pytest.fixture
def proxy(api: Api) -> Iterator[ApiProxy]:
    """What lies between one planner and the API server."""
    with ApiProxy(api) as made:
        yield made
