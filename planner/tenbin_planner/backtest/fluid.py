"""What requests cost if replicas were divisible and came and went at once: a lower bound of every fleet's bill.

Each request is given the best batch that its engine allows, all of whose sequences are like it, and whose passes keep
its time per output token:

    seconds = output tokens * min over b of pass(b, b * context) / b + uncomputed prompt tokens * prefill time at best

with context = prompt + answer / 2. No queue, no variance, no start and no idle replica is in it.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.backtest import scenario
    from tenbin_planner.model.arrivals import Arrivals

CHUNK = 16_384
"""Requests that are looked at together."""
STEP = 1.1
"""Batches between which the best is chosen grow by this factor, and by 1 at least."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """Time of one replica that each request takes at best, in seconds, each of shape (requests,)."""

    engine_s: NDArray[np.float64]
    api_s: NDArray[np.float64]
    """Of the API process, which works beside the engine."""

    def total(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice = slice(None)) -> float:
        """Return the replica-seconds that some requests take together."""
        return float(max(self.engine_s[rows].sum(), self.api_s[rows].sum()))


def work(
    profile: EngineProfile,
    *,
    input_tokens: NDArray[np.float64],
    output_tokens: NDArray[np.float64],
    cached_tokens: NDArray[np.float64] | float = 0.0,
    tpot_ms: float = np.inf,
) -> Work:
    """Return what requests take of a replica at best.

    Args:
        profile: engine.
        input_tokens: of each prompt, shape (requests,).
        output_tokens: of each answer, shape (requests,).
        cached_tokens: of each prompt, which need no computing.
        tpot_ms: time per output token that must be kept.
    """
    cost, most = profile.forward, profile.limits.max_num_batched_tokens
    amounts = np.array(
        sorted({most, *(min(amount, most) for amount, _ in cost.prefill_ms if amount)}), dtype=np.float64
    )
    prompt_ms = float((curve(cost.prefill_ms, amounts) / amounts).min())
    prompt = input_tokens - cached_tokens
    context_ms = cost.per_prefill_context_ms * (cached_tokens + prompt / 2)
    token_ms = _token_ms(profile, input_tokens + output_tokens / 2, tpot_ms)
    return Work(
        engine_s=(output_tokens * token_ms + prompt * (prompt_ms + context_ms)) / 1000,
        api_s=(profile.api.per_request_ms + profile.api.per_output_token_ms * output_tokens) / 1000,
    )


def of_arrivals(profile: EngineProfile, arrivals: Arrivals, objectives: Mapping[str, Objective]) -> Work:
    """Return what each request takes of a replica at best within the objective of its class.

    Raises:
        KeyError: when a class among the arrivals has no objective.
    """
    engine, api = np.empty(len(arrivals)), np.empty(len(arrivals))
    for index, name in enumerate(arrivals.classes):
        rows, limit = arrivals.class_index == index, objectives[name].tpot_ms
        found = work(
            profile,
            input_tokens=arrivals.input_tokens[rows].astype(np.float64),
            output_tokens=arrivals.output_tokens[rows].astype(np.float64),
            cached_tokens=arrivals.cached_tokens[rows].astype(np.float64),
            tpot_ms=np.inf if limit is None else float(limit),
        )
        engine[rows], api[rows] = found.engine_s, found.api_s
    return Work(engine_s=engine, api_s=api)


def usd(given: scenario.Scenario, service: str) -> float:
    """Return the fluid lower bound of a service's bill at its target, in dollars.

    The share of requests that may miss is taken from those that cost most, and each request goes where it is cheapest.
    """
    arrivals, objectives = given.arrivals(service), given.objectives(service)
    prices = []
    for item in given.workloads(service):
        if item.profile is not None and item.hourly_usd is not None:
            found = of_arrivals(item.profile, arrivals, objectives)
            prices.append(np.maximum(found.engine_s, found.api_s) * float(item.hourly_usd) / 3600)
    cheapest = np.sort(np.min(prices, axis=0))
    return float(cheapest[: int(np.ceil(given.target(service) * cheapest.size))].sum())


def curve(knots: tuple[tuple[int, float], ...], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the milliseconds of a profile's curve at amounts of 0 or more, in their shape."""
    at = np.array([knot[0] for knot in knots], dtype=np.float64)
    milliseconds = np.array([knot[1] for knot in knots], dtype=np.float64)
    found = np.interp(amounts, at, milliseconds)
    if len(knots) > 1:
        slope = (milliseconds[-1] - milliseconds[-2]) / (at[-1] - at[-2])
        found += slope * np.maximum(amounts - at[-1], 0.0)
    return found


def _token_ms(profile: EngineProfile, contexts: NDArray[np.float64], limit_ms: float) -> NDArray[np.float64]:
    """Return the least time of one token of an answer, by its context, within a time per output token."""
    cost, batches = profile.forward, _batches(profile.limits.max_num_seqs)[:, None]
    decode_ms, best = curve(cost.decode_ms, batches), np.empty(contexts.shape)
    for first in range(0, contexts.size, CHUNK):
        tokens = batches * contexts[first : first + CHUNK]
        each = decode_ms + curve(cost.kv_ms, tokens)
        fits = ((each <= limit_ms) & (tokens <= profile.limits.kv_tokens)) | (batches == 1)
        best[first : first + CHUNK] = np.where(fits, each / batches, np.inf).min(axis=0)
    return best


@functools.cache
def _batches(most: int) -> NDArray[np.float64]:
    """Return the batches to choose from, up to `most`, shape (batches,)."""
    found = [1]
    while found[-1] < most:
        found.append(min(max(found[-1] + 1, int(found[-1] * STEP)), most))
    return np.array(found, dtype=np.float64)
