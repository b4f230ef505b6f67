"""Dynamo's planner: predictors, capacity and both loops by hand, and in a world."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from typing import Any

import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import faults, running
from tenbin_planner.backtest.policies import dynamo, dynamo_engine
from tenbin_planner.backtest.policies.dynamo import CONSTANT, KALMAN, Engine
from tenbin_planner.backtest.policies.dynamo_engine import Lengths, Targets
from tenbin_spec.objectives import Objective

PROFILE = backtests.profile()
"""A pass takes 10 ms, and 0.1 ms more per prompt token; 8 sequences, 1000 tokens a pass, 100,000 tokens of cache."""
LENGTHS = Lengths(input_tokens=100.0, output_tokens=100.0)
EASY = Targets(ttft_ms=1000.0, itl_ms=50.0)


def test_the_constant_predictor_gives_the_last_value() -> None:
    assert dynamo.forecast([3.0, 9.0, 4.0], CONSTANT) == 4.0
    assert dynamo.forecast([3.0, math.nan], CONSTANT) == 3.0
    assert dynamo.forecast([], CONSTANT) is None
    assert dynamo.forecast([math.nan], KALMAN) is None


def test_the_kalman_filter_follows_a_line_and_waits_for_five_values() -> None:
    rising = [10.0 * index for index in range(60)]
    assert dynamo.forecast(rising, KALMAN) == pytest.approx(600.0, rel=1e-3)
    assert dynamo.forecast(rising[:4], KALMAN) == 30.0
    assert dynamo.forecast([7.0] * 9, KALMAN) == pytest.approx(7.0)
    assert dynamo.forecast([100.0, 50.0, 25.0, 5.0, 0.0, 0.0, 0.0], KALMAN) == 0.0


def test_a_prompt_drains_in_chunks_beside_the_decodes() -> None:
    def drain(tokens: float, decoding: float = 0.0) -> float:
        return dynamo_engine.drain_ms(PROFILE, tokens, decoding=decoding, kv_tokens=0.0)

    assert drain(0.0) == 0.0
    assert drain(100.0) == pytest.approx(20.0)
    assert drain(1000.0) == pytest.approx(110.0)
    assert drain(2500.0) == pytest.approx(110.0 * 2 + 60.0)
    assert drain(1000.0, decoding=8.0) == pytest.approx(10 + 99.2 + 10 + 0.8)


def test_capacity_is_the_best_batch_that_keeps_both_targets() -> None:
    # Batch b computes b prompt tokens a pass, so ITL is 10 + b / 10 ms: 10.8 ms at 8, and the rate b / (100 * ITL).
    assert dynamo_engine.capacity_rps(PROFILE, LENGTHS, EASY) == pytest.approx(1000 * 8 / (100 * 10.8))
    assert dynamo_engine.capacity_rps(PROFILE, LENGTHS, Targets(ttft_ms=1000, itl_ms=10.45)) == pytest.approx(
        1000 * 4 / (100 * 10.4)
    )
    # TTFT is 10 + (b + 100) / 10 ms: 20.5 ms at 5.
    assert dynamo_engine.capacity_rps(PROFILE, LENGTHS, Targets(ttft_ms=20.55, itl_ms=50)) == pytest.approx(
        1000 * 5 / (100 * 10.5)
    )


def test_targets_that_no_batch_keeps_are_sized_for_the_most_throughput() -> None:
    impossible = Targets(ttft_ms=1.0, itl_ms=50.0)
    assert dynamo_engine.capacity_rps(PROFILE, LENGTHS, impossible) == dynamo_engine.capacity_rps(
        PROFILE, LENGTHS, EASY
    )


def test_the_cache_bounds_the_batch() -> None:
    small = backtests.profile(kv_blocks=31)  # 310 tokens: two contexts of 150
    assert dynamo_engine.capacity_rps(small, LENGTHS, EASY) == pytest.approx(1000 * 2 / (100 * 10.2))


def test_the_floor_is_demand_over_capacity_and_moves_by_eight() -> None:
    def floor(requests: float, current: int, **more: Any) -> int | None:
        return dynamo.floor(
            **{"requests": requests, "current": current, "capacity_rps": 5.0, "least": 1, "most": 50, **more}
        )

    assert floor(0.0, 3) == 1
    assert floor(60 * 12.0, 3) == 3
    assert floor(60 * 15.1, 3) == 4
    assert floor(60 * 100.0, 3) == 11
    assert floor(0.0, 20) == 12
    assert floor(60 * 100.0, 3, most=7) == 7
    for number in (math.nan, math.inf, -1.0):
        assert floor(number, 3) is None
    assert floor(60.0, 3, capacity_rps=0.0) is None
    assert floor(60.0, 3, capacity_rps=math.nan) is None


IDLE = Engine(queued_prefill_tokens=0.0, decoding=1.0, kv_tokens=100.0)
LATE = Engine(queued_prefill_tokens=20_000.0, decoding=8.0, kv_tokens=800.0)
BUSY = Engine(queued_prefill_tokens=7000.0, decoding=8.0, kv_tokens=800.0)
"""7100 prompt tokens take 0.8 s: within the second, and not idle."""


def step(*engines: Engine, targets: Targets = EASY, lengths: Lengths = LENGTHS) -> int:
    return dynamo.step(engines, profile=PROFILE, lengths=lengths, targets=targets)


def test_one_more_only_when_all_engines_are_late() -> None:
    assert step(LATE) == 1
    assert step(LATE, LATE) == 1
    assert step(LATE, IDLE) == 0


def test_one_more_when_all_engines_are_slow() -> None:
    slow = Targets(ttft_ms=1000.0, itl_ms=9.0)
    assert step(IDLE, IDLE, targets=slow) == 1


def test_one_less_only_when_all_engines_stay_idle_with_one_fewer() -> None:
    assert step(IDLE, IDLE) == -1
    assert step(IDLE, BUSY) == 0
    assert step(BUSY, BUSY) == 0
    assert step(IDLE) == 0  # the last one stays
    # With two engines all of it falls to one: half a full cache is too much.
    full = dataclasses.replace(IDLE, kv_tokens=60_000.0)
    assert step(full, full) == 0
    assert step(*[full] * 3) == -1


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("field", ["queued_prefill_tokens", "decoding", "kv_tokens"])
def test_an_engine_that_tells_no_number_holds(field: str, number: float) -> None:
    assert step(dataclasses.replace(LATE, **{field: number}), LATE) == 0


def test_without_engines_or_lengths_it_holds() -> None:
    assert step() == 0
    for number in (math.nan, 0.0, math.inf):
        assert step(LATE, lengths=Lengths(input_tokens=number, output_tokens=10.0)) == 0


def test_targets_are_a_share_of_the_thresholds() -> None:
    def found(**thresholds: int) -> Targets:
        agreed = {"objectives": {"": Objective(target=Decimal("0.9"), **thresholds)}}
        given = backtests.scenario(backtests.every(1.0, 5), agreed=agreed)
        return dynamo.targets(given, SERVICE, LENGTHS, 0.5)

    assert found(ttft_ms=1000, tpot_ms=40) == Targets(ttft_ms=500.0, itl_ms=20.0)
    assert found(ttft_ms=1000) == Targets(ttft_ms=500.0, itl_ms=math.inf)
    assert found(e2e_ms=5000) == Targets(ttft_ms=math.inf, itl_ms=25.0)


def run(given: Any, **setting: float) -> running.Run:
    return running.run(given, dynamo.Dynamo({SERVICE: dynamo.Setting(**setting)}))


def test_in_a_world_the_floor_jumps_and_the_load_loop_grows_one_by_one_while_nothing_starts() -> None:
    busy = backtests.every(1 / 30, 300)  # four times what one replica does at best
    made = run(backtests.scenario(busy, initial={WORKLOAD: 1}), share=1.0)
    asked = sorted(item.asked_s for item in made.replicas if item.asked_s > 0)
    assert asked[0] == 60.0  # until then no mean length is known
    assert asked[:3] == [60.0] * 3  # ceil(30 / 7.4) = 5, less the first
    later = [at for at in asked if at > 60.0]
    assert later == sorted(set(later))
    assert all(later[index + 1] - later[index] >= backtests.LEAD_S for index in range(len(later) - 1))


def test_in_a_world_it_shrinks_by_one_each_look_to_the_floor() -> None:
    made = run(backtests.scenario(backtests.every(1.0, 120), initial={WORKLOAD: 4}), share=1.0)
    removed = sorted(item.removed_s for item in made.replicas if item.removed_s < math.inf)
    assert removed == [60.0, 65.0, 70.0]


def test_without_metrics_counts_stay() -> None:
    given = backtests.scenario(
        backtests.every(0.05, 200), initial={WORKLOAD: 2}, faults=(faults.Blind(at_s=0.0, for_s=200.0),)
    )
    assert run(given, share=1.0).changes == 0


def test_a_point_of_the_search_is_a_setting() -> None:
    built = dynamo.Dynamo.of({SERVICE: dynamo.searching.Choice(amount=0.7, variant=KALMAN)})
    assert built._settings == {SERVICE: dynamo.Setting(share=0.7, predictor=KALMAN)}
