"""The fluid bound: by hand, and below what any fleet pays."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import backtests
from support.backtests import SERVICE
from tenbin_planner.backtest import fluid, schedules
from tenbin_planner.model import fleet
from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective
from tenbin_spec.profiles import curve_ms

ONE = np.array([100.0])


def seconds(**changes: float) -> float:
    more = {"tpot_ms": math.inf, **changes}
    return fluid.work(backtests.profile(), input_tokens=ONE, output_tokens=ONE, **more).total()


def test_the_best_batch_and_the_best_prompt_pass_count() -> None:
    assert seconds() == pytest.approx(0.1 * 10 / 8 + 0.1 * 0.1)
    assert seconds(cached_tokens=60.0) == pytest.approx(0.1 * 10 / 8 + 0.04 * 0.1)


def test_the_time_per_token_bounds_the_batch() -> None:
    profile = backtests.profile().model_copy(
        update={
            "forward": backtests.profile().forward.model_copy(update={"decode_ms": ((0, 8.0), (8, 16.0))}),
        }
    )

    def found(tpot_ms: float) -> float:
        return fluid.work(profile, input_tokens=ONE, output_tokens=ONE, tpot_ms=tpot_ms).total() - 0.01

    assert found(math.inf) == pytest.approx(0.1 * 16 / 8)
    assert found(12.5) == pytest.approx(0.1 * 12 / 4)
    assert found(1.0) == pytest.approx(0.1 * 9)  # a batch of one, since no batch keeps it


def test_the_cache_bounds_the_batch() -> None:
    small = backtests.profile(kv_blocks=31)
    found = fluid.work(small, input_tokens=ONE, output_tokens=ONE).total()
    assert found == pytest.approx(0.1 * 10 / 2 + 0.01)


def test_the_api_process_works_beside_the_engine() -> None:
    slow = backtests.profile().model_copy(
        update={"api": backtests.profile().api.model_copy(update={"per_request_ms": 500.0})}
    )
    assert fluid.work(slow, input_tokens=ONE, output_tokens=ONE).total() == pytest.approx(0.5)


def test_each_class_has_its_own_threshold() -> None:
    profile = backtests.profile()
    arrivals = fleet.Arrivals.of([0.0, 1.0], [100, 100], [100, 100], ["slow", "quick"])
    objectives = {
        "quick": Objective(target=Decimal("0.9"), tpot_ms=1),
        "slow": Objective(target=Decimal("0.9"), ttft_ms=100),
    }
    found = fluid.of_arrivals(profile, arrivals, objectives)
    assert found.engine_s.tolist() == pytest.approx([0.135, 1.01])


@given(st.lists(st.integers(0, 500_000), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_curves_are_those_of_the_profiles(amounts: list[int]) -> None:
    for profile in catalogue.profiles().values():
        for knots in (profile.forward.decode_ms, profile.forward.kv_ms, profile.forward.prefill_ms):
            found = fluid.curve(knots, np.array(amounts, dtype=np.float64))
            assert found.tolist() == pytest.approx([curve_ms(knots, amount) for amount in amounts])


def test_a_curve_of_one_knot_is_constant() -> None:
    assert fluid.curve(((0, 5.0),), np.array([0.0, 7.0])).tolist() == [5.0, 5.0]


def test_the_bound_leaves_out_the_dearest_requests_that_may_miss() -> None:
    requests = backtests.trace(np.arange(100.0))
    given_ = backtests.scenario(requests)
    assert fluid.usd(given_, SERVICE) == pytest.approx(95 * 0.135 * 0.001)


def test_no_constant_fleet_that_reaches_the_target_pays_less() -> None:
    for gap_s in (0.05, 0.2, 1.0):
        given_ = backtests.scenario(backtests.every(gap_s, 120), agreed={"max_replicas": 20})
        constant = schedules.cheapest_constant(given_, SERVICE)
        assert constant.attainment >= 0.95
        assert fluid.usd(given_, SERVICE) < constant.usd
