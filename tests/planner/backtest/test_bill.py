"""Money, by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from support import backtests
from tenbin_planner.backtest import bill
from tenbin_planner.backtest.replicas import Replica

if TYPE_CHECKING:
    from collections.abc import Mapping


def replica(node_s: float, gone_s: float, **changes: Any) -> Replica:
    """Return a replica for 3.60 USD per hour, which is a tenth of a cent per second."""
    workload = backtests.scenario(backtests.every(1, 10)).workload(backtests.WORKLOAD).model_copy(update=changes)
    return Replica(name="r", workload=workload, asked_s=node_s, node_s=node_s, gone_s=gone_s)


def billed(*replicas: Replica, minimum: Mapping[str, float] | None = None) -> bill.Bill:
    return bill.bill(bill.of_replicas(replicas, end_s=1000.0), minimum_billed_s=minimum or {})


def test_each_second_from_node_to_end_costs() -> None:
    found = billed(replica(0, 100), replica(50, 250))
    assert found.usd == Decimal("0.300")
    assert found.usd_by_pool == {"pool": Decimal("0.300")}
    assert found.usd_by_service == {"service": Decimal("0.300")}
    assert found.gpu_hours == 300 / 3600


def test_nothing_costs_beyond_the_end() -> None:
    assert billed(replica(900, float("inf")), replica(1000, 1100)).usd == Decimal("0.100")


def test_who_has_no_node_costs_nothing() -> None:
    assert billed(replica(float("inf"), float("inf")), replica(10, 10)).usd == 0


def test_a_begun_second_costs_in_full() -> None:
    assert billed(replica(0.5, 10.75)).usd == Decimal("0.011")
    assert billed(replica(0.1 + 0.2, 10.3)).usd == Decimal("0.010")


def test_a_start_costs_its_pools_least_time() -> None:
    minimum = {"pool": 60.0, "other": 600.0}
    assert billed(replica(0, 10), replica(100, 200), replica(990, 1001), minimum=minimum).usd == Decimal("0.220")


def test_all_accelerators_of_a_replica_are_counted() -> None:
    found = billed(replica(0, 360, accelerators=4), replica(0, 360, pool="other"))
    assert found.gpu_hours == 0.5
    assert found.usd_by_pool == {"other": Decimal("0.360"), "pool": Decimal("0.360")}


def test_an_unknown_price_adds_nothing() -> None:
    assert billed(replica(0, 100, hourly_usd=None), replica(0, 100)).usd == Decimal("0.100")


def test_the_highest_price_of_an_instant_is_told() -> None:
    found = billed(replica(0, 100), replica(50, 150), replica(100, 200), replica(149.5, 160), replica(150, 170))
    assert found.peak_hourly_usd == Decimal("10.80")


def test_what_ends_when_another_begins_does_not_add_to_it() -> None:
    assert billed(replica(0, 100), replica(100, 200)).peak_hourly_usd == Decimal("3.60")
