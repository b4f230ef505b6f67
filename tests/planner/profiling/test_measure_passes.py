"""Times of tokens at the client, made by the engine model in virtual time, give back the model's times of passes."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
from tenbin_planner.model import fleet, stepwise
from tenbin_planner.profiling import measure_ladder, measure_passes
from tenbin_spec import catalogue
from tenbin_spec.profiles import curve_ms

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineProfile

SYNTHETIC = catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"]


def with_api(
    *, per_request_ms: float = 2.0, per_output_token_ms: float = 0.2, first_token_ms: float = 0.0
) -> EngineProfile:
    api = SYNTHETIC.api.model_copy(
        update={
            "per_request_ms": per_request_ms,
            "per_output_token_ms": per_output_token_ms,
            "first_token_ms": first_token_ms,
        }
    )
    return SYNTHETIC.model_copy(update={"api": api})


def token_times(profile: EngineProfile, prompts: list[int], tokens: int) -> list[list[float]]:
    """Return when each token of requests that come at once reaches its client, in seconds."""
    replica = stepwise.Replica(profile)
    for number, prompt in enumerate(prompts):
        replica.add(stepwise.Request(id=number, arrival_ms=0.0, input_tokens=prompt, output_tokens=tokens))
    times: list[list[float]] = [[] for _ in prompts]
    while replica.next_ms < math.inf:
        step = replica.step()
        for sequence, instant in zip(step.sequences, step.delivered_ms, strict=True) if step else ():
            times[sequence.request.id].append(instant / 1000)
    return times


def stage(profile: EngineProfile, prompts: list[int], passes: int = 20) -> measure_passes.DecodeStage:
    times = token_times(profile, prompts, 80)
    since = max(own[0] for own in times) + 0.1
    found = measure_passes.decode_stage(list(zip(prompts, times, strict=True)), since, passes)
    assert found is not None
    return found


@pytest.mark.parametrize("prompts", [[5], [700, 20], [300] * 8, [10] * 24], ids=["one", "two", "eight", "full"])
def test_a_stretch_of_decodes_gives_the_time_and_the_context_of_its_passes(prompts: list[int]) -> None:
    profile = with_api()
    found = stage(profile, prompts)
    expected = curve_ms(profile.forward.decode_ms, len(prompts)) + curve_ms(profile.forward.kv_ms, found.kv_tokens)
    assert (found.batch, found.passes, found.note) == (len(prompts), 20, "")
    assert found.ms == pytest.approx(expected, rel=1e-3)
    assert found.delivery_ms == pytest.approx(0.2 * (len(prompts) - 1), abs=1e-6)


def test_context_counts_prompt_and_tokens_before() -> None:
    # One sequence: its tokens come 24.35 ms apart; 0.1 s after the first token four more have come.
    found = stage(with_api(per_output_token_ms=0.0), [100], passes=2)
    # The sixth and the seventh token, at index 5 and 6, start the two gaps: they read 106 and 107 tokens.
    assert found.kv_tokens == 106.5


def test_a_slow_api_process_is_not_taken_for_a_slow_pass() -> None:
    found = stage(with_api(per_output_token_ms=2.0), [10] * 24)
    assert found.ms > 40
    assert found.note.startswith("front-end backlog: tokens of a pass are delivered over 4")


def test_a_stretch_in_which_the_batch_changes_is_not_steady() -> None:
    times = token_times(with_api(), [10] * 24, 40)
    lone = token_times(with_api(), [10], 80)[0]
    joined = times[0] + [times[0][-1] + instant - lone[40] for instant in lone[41:]]
    found = measure_passes.decode_stage([(10, joined)], joined[28], 20)
    assert found is not None
    assert found.note == "not steady: 32.84 ms a pass at first, 24.37 ms later"


def test_an_answer_that_ends_too_early_gives_nothing() -> None:
    times = token_times(with_api(), [10, 10], 30)
    assert measure_passes.decode_stage([(10, own) for own in times], times[0][5], 40) is None


def test_the_api_process_is_told_from_floods_and_deliveries() -> None:
    profile = with_api(per_request_ms=9.0, per_output_token_ms=0.5, first_token_ms=4.0)
    floods = {}
    for requests in measure_ladder.FLOODS:
        result = fleet.simulate(
            fleet.Arrivals.of([0.0] * requests, [8] * requests, [1] * requests), fleet.fixed(profile, 1)
        )
        floods[requests] = [float(result.ttft_ms.max())]
    lone = token_times(profile, [1], 8)[0]
    gaps = [[1000 * (later - earlier) for earlier, later in itertools.pairwise(lone)]]
    stages = [stage(profile, [10] * batch) for batch in (24, 8, 1)]
    found = measure_passes.api_times(floods, stages, gaps_ms=gaps, shortest_ttft_ms=lone[0] * 1000)
    assert found.notes == ()
    assert found.per_request_ms == pytest.approx(9.0, rel=0.03)
    assert found.per_output_token_ms == pytest.approx(0.5, rel=1e-3)
    assert found.first_token_ms == pytest.approx(4.0, rel=0.01)
    assert found.first_ms == pytest.approx(13.5, rel=0.03)


def test_a_client_slower_than_the_api_process_cannot_make_it_cost_more_than_a_lone_request_leaves() -> None:
    stages = [stage(with_api(), [10])]
    found = measure_passes.api_times({8: [80.0], 16: [160.0]}, stages, shortest_ttft_ms=30.0)
    assert found.per_request_ms == pytest.approx(30.0 - stages[0].ms)
    assert found.notes == (
        "per_output_token_ms is not measured: 0 is taken",
        "per_request_ms is 10.00 by requests sent at once, 5.64 by a lone one",
    )


def test_what_was_not_measured_is_said() -> None:
    found = measure_passes.api_times({}, [])
    assert (found.per_request_ms, found.per_output_token_ms, found.first_token_ms) == (0.0, 0.0, 0.0)
    assert found.notes == (
        "per_output_token_ms is not measured: 0 is taken",
        "per_request_ms is not measured: 0 is taken",
    )
