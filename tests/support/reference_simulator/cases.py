"""Small fleets on which two simulators are compared: tiny caches, tiny budgets, bursts, replicas that come and go.

`exact_cases` draws from numbers whose sums, products and slopes are exact in binary: many things happen at the same
instant there, and whoever computes right computes the same bits. `random_case` draws real numbers from a seed: hardly
anything coincides, and rounding shows.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tenbin_spec.profiles import EngineProfile

UNIT_MS = 1000 / 1024
"""A millisecond that is exact in seconds too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    """A replica; the fields are those of the planner's `ReplicaLife`."""

    profile: EngineProfile
    ready_s: float = 0.0
    stop_s: float = math.inf
    kill_s: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Requests for a fleet."""

    rows: list[tuple[float, int, int, int]]
    """Arrival in seconds, tokens of prompt and answer, cached tokens."""
    lives: list[Life]
    options: dict[str, Any]
    """Keyword arguments of `simulate`, without the routing."""

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The rows by column, as `Arrivals.of` takes them."""
        names = ("arrival_s", "input_tokens", "output_tokens", "cached_tokens")
        return {name: [row[place] for row in self.rows] for place, name in enumerate(names)}


def profile_of(*, forward: dict[str, Any], limits: dict[str, int], api: dict[str, float]) -> EngineProfile:
    """Return a made-up profile."""
    return EngineProfile.model_validate(
        {
            "name": "made-up",
            "model": "m",
            "accelerator": "L4",
            "tensor_parallel": 1,
            "engine": "vllm",
            "engine_version": "0.23.0",
            "kind": "synthetic",
            "source": "drawn for a test",
            "date": "2026-11-24",
            "forward": forward,
            "limits": limits,
            "api": api,
        }
    )


@st.composite
def exact_curves(draw: st.DrawFn, *, first: int, rises: int, span: int) -> list[tuple[int, float]]:
    """Draw a curve whose pieces are as wide as powers of two, so that its slopes are exact."""
    widths = draw(st.lists(st.integers(0, span), max_size=3))
    amounts = itertools.accumulate((2**width for width in widths), initial=0)
    heights = draw(st.lists(st.integers(0, rises), min_size=len(widths), max_size=len(widths)))
    start = draw(st.integers(0, first))
    times = itertools.accumulate(heights, initial=start)
    return [(amount, time * UNIT_MS) for amount, time in zip(amounts, times, strict=True)]


@st.composite
def exact_profiles(draw: st.DrawFn, longest: int) -> EngineProfile:
    """Draw a profile with room for one sequence of `longest` tokens and little more."""
    block_size, places = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    return profile_of(
        forward={
            "decode_ms": draw(exact_curves(first=16, rises=8, span=2)),
            "kv_ms": draw(exact_curves(first=0, rises=8, span=7)),
            "prefill_ms": draw(exact_curves(first=4, rises=16, span=5)),
            "per_prefill_context_ms": draw(st.sampled_from([0.0, UNIT_MS / 256])),
        },
        limits={
            "max_num_seqs": places,
            "max_num_batched_tokens": places + draw(st.integers(0, 40)),
            "kv_blocks": math.ceil(longest / block_size) + draw(st.integers(0, 6)),
            "block_size": block_size,
            "max_model_len": longest,
        },
        api={
            "per_request_ms": draw(st.sampled_from([0.0, 0.0, UNIT_MS / 4, 4 * UNIT_MS])),
            "per_output_token_ms": draw(st.sampled_from([0.0, 0.0, UNIT_MS / 16, UNIT_MS])),
            "first_token_ms": draw(st.sampled_from([0.0, UNIT_MS / 2, 40 * UNIT_MS])),
        },
    )


@st.composite
def exact_cases(
    draw: st.DrawFn, *, replicas: int = 3, lives: bool = True, queues: bool = True, requests: int = 16
) -> Case:
    """Draw a fleet and its requests.

    Args:
        draw: of Hypothesis.
        replicas: most replicas.
        lives: whether replicas come late, drain and die, and the simulation ends early.
        queues: whether queues are limited.
        requests: most requests.
    """
    longest = draw(st.integers(4, 48))
    instants = st.integers(0, 300).map(lambda units: units / 1024)
    never = st.just(math.inf)
    ends = st.one_of(never, never, never, instants) if lives else never
    fleet = st.builds(
        Life,
        profile=exact_profiles(longest),
        ready_s=st.one_of(st.just(0.0), st.just(0.0), instants) if lives else st.just(0.0),
        stop_s=ends,
        kill_s=ends,
    )
    rows = st.tuples(
        st.just(0.0) | instants, st.integers(1, longest // 2), st.integers(1, longest // 2 + 1), st.integers(0, longest)
    )
    count = draw(st.integers(1, requests))
    cached = draw(st.booleans())
    return Case(
        rows=[
            (arrival_s, prompt, answer, min(known, prompt - 1) if cached else 0)
            for arrival_s, prompt, answer, known in draw(st.lists(rows, min_size=count, max_size=count))
        ],
        lives=draw(st.lists(fleet, min_size=1, max_size=replicas)),
        options={
            "max_queued": draw(st.none() | st.integers(0, 4)) if queues else None,
            "max_queued_tokens": draw(st.none() | st.integers(0, 3 * longest)) if queues else None,
            "until_s": draw(ends),
        },
    )


def random_case(seed: int) -> Case:
    """Return the fleet and the requests of a seed: up to 4 replicas and 60 requests of up to 120 tokens."""
    rng = np.random.default_rng(seed)
    longest, span_s = int(rng.integers(8, 120)), float(rng.choice([0.02, 0.2, 1.0, 3.0]))
    lives = [_random_life(rng, longest, span_s) for _ in range(rng.integers(1, 5))]
    count = int(rng.integers(1, 60))
    times = rng.uniform(0, span_s, count)
    if rng.random() < 0.4:
        times = rng.choice(times[:4], count)  # bursts
    prompts, answers = (rng.integers(1, max(2, int(longest * rng.uniform(0.1, 0.8))), count) for _ in range(2))
    cached = (prompts - 1) * rng.uniform(0, 1, count) * rng.choice([0, 1], count)
    return Case(
        rows=list(
            zip(times.tolist(), prompts.tolist(), answers.tolist(), cached.astype(np.int64).tolist(), strict=True)
        ),
        lives=lives,
        options={
            "max_queued": None if rng.random() < 0.6 else int(rng.integers(0, 6)),
            "max_queued_tokens": None if rng.random() < 0.6 else int(rng.integers(0, 4 * longest)),
            "until_s": math.inf if rng.random() < 0.7 else span_s * float(rng.uniform(0.3, 2)),
        },
    )


def _random_life(rng: np.random.Generator, longest: int, span_s: float) -> Life:
    block_size, places = int(rng.integers(1, 17)), int(rng.integers(1, 9))
    kv_blocks = math.ceil(longest / block_size)
    roomy = rng.random() < 0.3
    profile = profile_of(
        forward={
            "decode_ms": _random_curve(rng, first=8.0, rises=6.0, span=2 * places),
            "kv_ms": _random_curve(rng, first=0.0, rises=3.0, span=3 * longest),
            "prefill_ms": _random_curve(rng, first=1.0, rises=8.0, span=60),
            "per_prefill_context_ms": float(rng.choice([0.0, 0.0007, 0.01])),
        },
        limits={
            "max_num_seqs": places,
            "max_num_batched_tokens": places + int(rng.integers(0, 80)),
            "kv_blocks": 20 * kv_blocks if roomy else kv_blocks + int(rng.integers(0, 1 + kv_blocks)),
            "block_size": block_size,
            "max_model_len": longest,
        },
        api={
            "per_request_ms": float(rng.choice([0.0, 0.9, 7.0])),
            "per_output_token_ms": float(rng.choice([0.0, 0.063, 1.7])),
            "first_token_ms": float(rng.choice([0.0, 1.3, 30.0])),
        },
    )
    end = (math.inf, math.inf, span_s * float(rng.uniform(0, 2)))
    return Life(
        profile=profile,
        ready_s=float(rng.choice([0.0, 0.0, span_s * rng.uniform(0, 1)])),
        stop_s=float(rng.choice(end)),
        kill_s=float(rng.choice(end)),
    )


def _random_curve(rng: np.random.Generator, *, first: float, rises: float, span: int) -> list[tuple[int, float]]:
    amounts = np.unique(rng.integers(1, span + 1, rng.integers(0, 5)))
    rise = rng.uniform(0, rises, amounts.size) * (rng.random(amounts.size) < 0.85)
    times = first * rng.uniform(0.2, 1) + np.concatenate([[0.0], np.cumsum(rise)])
    return list(zip([0, *amounts.tolist()], times.tolist(), strict=True))
