"""NVIDIA Dynamo's planner in mode `agg` with target `sla`, in its best setting: exact engine model, both loops on.

Throughput loop, each 60 s: requests, mean prompt and mean answer of the next interval are forecast one by one; one
engine's capacity is the highest rate of a batch whose time to first token and whose time between tokens keep the
targets, on means and without a queue; N = ceil(rate / capacity), at most 8 away from now, is a floor.

Load loop, each 5 s, from the latest forward pass of each engine: one more when *all* engines exceed a target, one less
when all would stay below 80 % of both with one engine fewer, and nothing while a replica is starting.

Source: ai-dynamo/dynamo 1.6.1, components/src/dynamo/planner/core/{throughput_scaling,load_scaling,load/predictors}.py
and core/perf_model/engine_query.py. Targets are means there; tuning scales them down, as a user would who wants a
percentile, and chooses the predictor. The forecasters ARIMA and Prophet are left out. With several classes the tightest
thresholds count; an end-to-end threshold alone becomes one between tokens, since the planner knows no other.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.backtest import searching
from tenbin_planner.backtest.policies import dynamo_engine, hpa, latency_hpa
from tenbin_planner.backtest.policies.dynamo_engine import Lengths, Targets
from tenbin_planner.decide import observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.backtest import scenario, world

LOAD_S, THROUGHPUT_S = 5.0, 60.0
"""Between two looks of the loops (`load_adjustment_interval`, `throughput_adjustment_interval`)."""
LARGEST_STEP = 8
"""Replicas by which the throughput loop moves its floor at most (`max_throughput_scaling_replicas`)."""
SENSITIVITY = 0.8
"""Share of a target below which an engine counts as idle enough (`load_scaling_down_sensitivity`)."""
CONSTANT, KALMAN = 0.0, 1.0
"""Load predictors: the last value, and a local linear trend."""
LEAST_POINTS = 5
"""Values that the Kalman filter needs."""
MEMORY = 100
"""Intervals that are kept, after which a filter has forgotten where it began."""
Q_LEVEL, Q_TREND, NOISE = 1.0, 0.1, 10.0
"""Variances of the Kalman filter (`kalman_q_level`, `kalman_q_trend`, `kalman_r`)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine's latest forward pass."""

    queued_prefill_tokens: float
    """Prompt tokens that are not computed yet."""
    decoding: float
    """Sequences that decode."""
    kv_tokens: float
    """Their context."""


def forecast(values: Sequence[float], predictor: float) -> float | None:
    """Return the next value of a series, of 0 or more; None for a series that is empty.

    With `KALMAN` a filter of a local linear trend, once there are five values: state (level, trend), transition
    ((1, 1), (0, 1)), observation of the level.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    if predictor == CONSTANT or len(known) < LEAST_POINTS:
        return known[-1]
    level, trend = known[0], 0.0
    both, across, rising = NOISE, 0.0, NOISE
    for value in known[1:]:
        level, both, across, rising = (
            level + trend,
            both + 2 * across + rising + Q_LEVEL,
            across + rising,
            rising + Q_TREND,
        )
        gain, push = both / (both + NOISE), across / (both + NOISE)
        surprise = value - level
        level, trend = level + gain * surprise, trend + push * surprise
        both, across, rising = (1 - gain) * both, (1 - gain) * across, rising - push * across
    return max(level + trend, 0.0)


def floor(*, requests: float, current: int, capacity_rps: float, least: int, most: int) -> int | None:
    """Return the throughput loop's floor; None when a number is none.

    Args:
        requests: forecast of one interval.
        current: replicas that the cluster is told to run.
        capacity_rps: of one engine.
        least: `min_endpoint`.
        most: what the GPU budget allows.
    """
    if not (0 <= requests < math.inf and 0 < capacity_rps < math.inf):
        return None
    wanted = max(math.ceil(requests / THROUGHPUT_S / capacity_rps - 1e-9), least)
    return min(max(wanted, current - LARGEST_STEP), current + LARGEST_STEP, most)


def step(engines: Sequence[Engine], *, profile: EngineProfile, lengths: Lengths, targets: Targets) -> int:
    """Return the load loop's move: 1, 0 or -1.

    TTFT of an engine is the drain of what is queued and one mean prompt; ITL is the pass of its decodes and their
    context, one mean answer longer.
    """
    if not engines or not lengths.is_known or not all(_is_known(engine) for engine in engines):
        return 0
    alone = dynamo_engine.drain_ms(profile, lengths.input_tokens, decoding=0.0, kv_tokens=0.0)
    spread = len(engines) / (len(engines) - 1) if len(engines) > 1 else math.inf
    late, slow, idle = [], [], []
    for engine in engines:
        waits, itl = _estimate(profile, lengths, engine, 1.0)
        late.append(waits + alone > targets.ttft_ms)
        slow.append(itl > targets.itl_ms)
        if spread < math.inf:
            waits, itl = _estimate(profile, lengths, engine, spread)
            idle.append(
                waits < SENSITIVITY * (targets.ttft_ms - alone)
                and itl < SENSITIVITY * targets.itl_ms
                and engine.kv_tokens * spread < profile.limits.kv_tokens
            )
    if all(late) or all(slow):
        return 1
    return -1 if idle and all(idle) else 0


def _estimate(profile: EngineProfile, lengths: Lengths, engine: Engine, factor: float) -> tuple[float, float]:
    """Return the wait of a prompt beyond its own time, and the time between tokens, at `factor` times the load."""
    decoding, kv_tokens = engine.decoding * factor, engine.kv_tokens * factor
    queued = engine.queued_prefill_tokens * factor
    ttft = dynamo_engine.drain_ms(profile, queued + lengths.input_tokens, decoding=decoding, kv_tokens=kv_tokens)
    alone = dynamo_engine.drain_ms(profile, lengths.input_tokens, decoding=0.0, kv_tokens=0.0)
    itl = dynamo_engine.pass_ms(profile, decoding=decoding, kv_tokens=kv_tokens + lengths.output_tokens)
    return max(ttft - alone, 0.0), itl


def _is_known(engine: Engine) -> bool:
    return all(0 <= amount < math.inf for amount in dataclasses.astuple(engine))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What somebody sets up for a service."""

    share: float = 1.0
    """Of the thresholds that the planner is given as targets."""
    predictor: float = CONSTANT


@dataclasses.dataclass(frozen=True, kw_only=True)
class History:
    """What the throughput loop saw, one value for each interval."""

    requests: tuple[float, ...] = ()
    input_tokens: tuple[float, ...] = ()
    output_tokens: tuple[float, ...] = ()

    def lengths(self, predictor: float) -> Lengths:
        """Return the mean lengths of the next interval, NaN where nothing is known."""
        found = [forecast(values, predictor) for values in (self.input_tokens, self.output_tokens)]
        prompt, answer = (math.nan if value is None else value for value in found)
        return Lengths(input_tokens=prompt, output_tokens=answer)


class Dynamo:
    """The rule in the back-tester."""

    name = "dynamo"
    interval_s = LOAD_S
    search = searching.Search(lean=3.0, generous=0.1, variants=(CONSTANT, KALMAN))

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        """Take a setting for each service."""
        self._settings = settings
        self._histories: dict[str, History] = {}
        self._lengths: dict[str, Lengths] = {}
        self._floors: dict[str, int] = {}
        self._looked_s = 0.0

    @classmethod
    def of(cls, choices: Mapping[str, searching.Choice]) -> Dynamo:
        """Build it from points of its search; the variant is the predictor."""
        return cls({name: Setting(share=item.amount, predictor=item.variant) for name, item in choices.items()})

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the scenario begins with."""
        return given.start

    def tick(self, world: world.World) -> None:
        """Look once."""
        is_interval = world.now_s - self._looked_s >= THROUGHPUT_S
        for service, setting in sorted(self._settings.items()):
            profile = world.scenario.workloads(service)[0].profile
            if profile is None:
                continue
            if is_interval:
                self._histories[service] = _observed(world, service, self._histories.get(service, History()))
                self._lengths[service] = self._histories[service].lengths(setting.predictor)
            lengths = self._lengths.get(service)
            if lengths is None or not lengths.is_known:
                continue
            goals = targets(world.scenario, service, lengths, setting.share)
            self._decide(world, service, profile, lengths, goals, is_interval=is_interval)
        if is_interval:
            self._looked_s = world.now_s

    def _decide(
        self,
        world: world.World,
        service: str,
        profile: EngineProfile,
        lengths: Lengths,
        goals: Targets,
        *,
        is_interval: bool,
    ) -> None:
        current = hpa.told(world, service)
        least, most = hpa.bounds(world.scenario, service)
        if is_interval:
            requests = forecast(self._histories[service].requests, self._settings[service].predictor)
            found = floor(
                requests=math.nan if requests is None else requests,
                current=current,
                capacity_rps=dynamo_engine.capacity_rps(profile, lengths, goals),
                least=least,
                most=most,
            )
            self._floors[service] = self._floors.get(service, least) if found is None else found
        if current != world.count(service, observation.Phase.READY):
            return
        seen = world.engines(service)
        engines = [
            Engine(queued_prefill_tokens=float(queued), decoding=float(decoding), kv_tokens=float(kv_tokens))
            for queued, decoding, kv_tokens in zip(seen.prefill_tokens, seen.decoding, seen.kv_tokens, strict=True)
        ]
        move = step(engines, profile=profile, lengths=lengths, targets=goals)
        world.scale_service(service, min(max(current + move, self._floors.get(service, least), least), most))


def targets(given: scenario.Scenario, service: str, lengths: Lengths, share: float) -> Targets:
    """Return a share of the tightest thresholds as targets."""
    found = latency_hpa.tightest(given.objectives(service).values())
    each = found.get("e2e_ms", math.inf) / lengths.output_tokens if found.keys() == {"e2e_ms"} else math.inf
    return Targets(ttft_ms=share * found.get("ttft_ms", math.inf), itl_ms=share * found.get("tpot_ms", each))


def _observed(world: world.World, service: str, before: History) -> History:
    """Add what an interval's metrics say; a mean without requests is left out."""
    arrived, finished = world.arrived(service, THROUGHPUT_S), world.finished(service, THROUGHPUT_S)
    prompts = (float(arrived.input_tokens.mean()),) if arrived.input_tokens.size else ()
    answers = (float(finished.output_tokens.mean()),) if finished.output_tokens.size else ()
    return History(
        requests=(*before.requests, float(world.arrivals(service, THROUGHPUT_S)))[-MEMORY:],
        input_tokens=(*before.input_tokens, *prompts)[-MEMORY:],
        output_tokens=(*before.output_tokens, *answers)[-MEMORY:],
    )
