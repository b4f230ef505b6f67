"""A control plane for the tests of the planner's shell; the picker's have their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import planner_cluster
from support.forks import Forks
from support.planner_process import Planner
from tenbin_planner import kubernetes_access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kubernetes.aio import client as kubernetes_client
    from support.planner_cluster import Api


@pytest.fixture(scope="session")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One control plane for all tests of a worker."""
    with planner_cluster.run(tmp_path_factory.mktemp("checkout")) as found:
        yield found


@pytest.fixture
def api(control: Api) -> Api:
    """The API server with two workloads that run nothing."""
    control.reset()
    return control


@pytest.fixture
async def account(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[kubernetes_client.ApiClient]:
    """A client with the rights of the planner's service account."""
    for name, value in api.environment().items():
        monkeypatch.setenv(name, value)
    client = await kubernetes_access.connect(root=api.pod_root)
    yield client
    await client.close()


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What starts planners for all tests of a worker."""
    with Forks() as made:
        yield made


@pytest.fixture
def planner(api: Api, forks: Forks) -> Iterator[Planner]:
    """A planner that has not been started; it is killed at the end."""
    made = Planner(api, forks)
    yield made
    made.kill()
