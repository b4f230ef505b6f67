"""What objects that are scaled say, and for how long what they said holds."""

from __future__ import annotations

from typing import Any

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT
from tenbin_planner.controller import targets
from tenbin_planner.controller.cluster import ClusterError, ForbiddenError, RefusedError
from tenbin_planner.controller.targets import TargetReader, Told
from tenbin_planner.decide.observation import Absent, ByHand
from tenbin_spec.scale_target import ScaleTarget

GROUPS = ScaleTarget(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="chat")
WORKLOADS = tuple(
    item.model_copy(update={"target": GROUPS}) if item.name == ON_DEMAND else item
    for item in planning.document().workloads
)
TOLD = Told(wanted=3, by_hand=ByHand())


class Cluster:
    """An API server that answers until it is told to fail."""

    def __init__(self) -> None:
        self.listing: Exception | None = None
        self.reading: Exception | None = None
        self.scale: Any = {"replicas": 3}

    async def engine_deployments(self) -> list[dict[str, Any]]:
        if self.listing is not None:
            raise self.listing
        return [{"metadata": {"name": SPOT}, "spec": {"replicas": 1}}]

    async def read(self, target: ScaleTarget) -> dict[str, Any]:
        if self.reading is not None:
            raise self.reading
        return {"metadata": {"name": target.name}, "spec": {}}

    async def read_scale(self, _target: ScaleTarget) -> dict[str, Any]:
        return {"spec": self.scale}


def failing(status: int) -> RefusedError:
    return RefusedError(f"read LeaderWorkerSet chat: {status} no", status=status)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def reader(cluster: Any) -> TargetReader:
    return TargetReader(cluster)


async def test_each_workload_says_its_count(reader: TargetReader) -> None:
    told, absent = await reader.read(WORKLOADS, at=0.0)
    assert {name: item.wanted for name, item in told.items()} == {SPOT: 1, ON_DEMAND: 3}
    assert absent == {}


async def test_a_kind_that_fails_for_a_while_keeps_what_it_said(cluster: Cluster, reader: TargetReader) -> None:
    await reader.read(WORKLOADS, at=0.0)
    cluster.reading = failing(500)
    for at in (5.0, targets.STALE_S - 1):
        told, absent = await reader.read(WORKLOADS, at=at)
        assert (told[ON_DEMAND], absent) == (TOLD, {})
    told, absent = await reader.read(WORKLOADS, at=targets.STALE_S)
    assert set(told) == {SPOT}
    why = "LeaderWorkerSet chat of leaderworkerset.x-k8s.io/v1: read LeaderWorkerSet chat: 500 no"
    assert absent == {ON_DEMAND: Absent(why=why)}
    cluster.reading = None
    told, absent = await reader.read(WORKLOADS, at=targets.STALE_S + 5)
    assert (told[ON_DEMAND], absent) == (TOLD, {})


@pytest.mark.parametrize("error", [failing(404), ForbiddenError("403", status=403)])
async def test_what_is_gone_or_forbidden_says_nothing_any_more(
    cluster: Cluster, reader: TargetReader, error: RefusedError
) -> None:
    await reader.read(WORKLOADS, at=0.0)
    cluster.reading = error
    told, absent = await reader.read(WORKLOADS, at=1.0)
    assert (set(told), set(absent)) == ({SPOT}, {ON_DEMAND})


async def test_without_the_right_to_list_deployments_each_is_asked_for(cluster: Cluster, reader: TargetReader) -> None:
    cluster.listing = ForbiddenError("list Deployments: 403", status=403)
    told, absent = await reader.read(WORKLOADS, at=0.0)
    assert {name: item.wanted for name, item in told.items()} == {SPOT: 3, ON_DEMAND: 3}
    assert absent == {}


async def test_an_api_server_that_answers_nothing_ends_the_tick(cluster: Cluster, reader: TargetReader) -> None:
    cluster.reading = ClusterError("read LeaderWorkerSet chat: the API server cannot be reached")
    with pytest.raises(ClusterError, match="cannot be reached"):
        await reader.read(WORKLOADS, at=0.0)


@pytest.mark.parametrize("value", ["many", None, 1.5, [3]])
async def test_a_count_that_is_none_is_told(cluster: Cluster, reader: TargetReader, value: Any) -> None:
    cluster.scale = {"replicas": value}
    _, absent = await reader.read(WORKLOADS, at=0.0)
    assert absent[ON_DEMAND].why == (
        f"the scale of LeaderWorkerSet chat of leaderworkerset.x-k8s.io/v1 says {str(value)!r} where a number belongs"
    )
