"""Kernels that send requests through a fleet.

A replica is advanced only when it is chosen or when something that a router sees may have changed in it, so that a
request costs little more in a large fleet than in a small one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tenbin_planner import compiling
from tenbin_planner.model import routing
from tenbin_planner.model.advancing import add, advance, due, pass_ms
from tenbin_planner.model.state import FAILED, IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tenbin_planner.model.lives import ReplicaLife
    from tenbin_planner.model.state import Model, State

RANDOM, ROUND_ROBIN, LEAST_REQUEST, LEAST_QUEUED_TOKENS, PREDICTED_LATENCY = range(5)
"""Position of each routing in `routing.Routing`."""


class Times(NamedTuple):
    """When replicas serve, in milliseconds, each of shape (replicas,)."""

    ready_ms: NDArray[np.float64]
    """It takes requests from then on."""
    stop_ms: NDArray[np.float64]
    """It is given none from then on and finishes what it has."""
    kill_ms: NDArray[np.float64]
    """It is gone; requests in it fail."""
    takes: NDArray[np.bool_]
    """Scratch: whether it takes requests now."""
    scores: NDArray[np.float64]
    """Scratch: what the router predicts of it."""


def times_of(lives: Sequence[ReplicaLife]) -> Times:
    """Return the times of replicas."""
    return Times(
        ready_ms=np.array([life.ready_s * 1000.0 for life in lives]),
        stop_ms=np.array([life.stop_s * 1000.0 for life in lives]),
        kill_ms=np.array([life.kill_s * 1000.0 for life in lives]),
        takes=np.zeros(len(lives), dtype=np.bool_),
        scores=np.zeros(len(lives)),
    )


def joined(times: Times, more: Times) -> Times:
    """Return the times of some replicas and then of others."""
    return Times._make(np.concatenate(columns) for columns in zip(times, more, strict=True))


def copied(times: Times) -> Times:
    """Return times of their own with the same content."""
    return Times._make(column.copy() for column in times)


class Rules(NamedTuple):
    """How requests are taken."""

    routing: int
    seed: int
    max_queued: int
    max_queued_tokens: int
    expected_output_tokens: float
    """What the predicted latency takes for the length of an answer, since no router knows it."""


@compiling.kernel
def _advance_to(model: Model, state: State, times: Times, r: int, instant_ms: float) -> None:
    """Advance one replica; passes that would end at or after its death never do."""
    advance(model, state, r, min(instant_ms, times.kill_ms[r]))
    state.due_ms[r] = due(model, state, r)


@compiling.kernel
def predicted_ms(model: Model, state: State, r: int, input_tokens: int, cached_tokens: int, answer: float) -> float:
    """Return when a request's answer would end on a replica, in milliseconds from now, by the engine model.

    Prompts before it and its own are computed in full passes beside the decodes of all in flight; then each token of
    the answer takes a pass of all of them. Where the keys and values of all prompts do not fit, it waits for the share
    of the answers in flight that must end first.
    """
    profile = state.replicas[r].profile
    limits = model.profiles[profile]
    decodes = min(state.in_flight[r], limits.max_num_seqs - 1)
    held = state.held[r]
    prompt = state.uncomputed[r] + input_tokens - cached_tokens
    budget = max(limits.max_num_batched_tokens - decodes, 1)
    full, rest = prompt // budget, prompt % budget
    context = cached_tokens + (input_tokens - cached_tokens) / 2
    first = full * pass_ms(model, profile, decodes, held, budget, budget * context)
    if rest > 0:
        first += pass_ms(model, profile, decodes, held, rest, rest * context)
    each = pass_ms(model, profile, decodes + 1, held + input_tokens, 0, 0.0)
    excess = held + input_tokens - limits.kv_blocks * limits.block_size
    waits = each * answer * excess / held if excess > 0 and held > 0 else 0.0
    return float(first + waits + each * answer)


@compiling.kernel
def _choose(
    model: Model, state: State, rules: Rules, takes: NDArray[np.bool_], scores: NDArray[np.float64], row: int
) -> int:
    if rules.routing == RANDOM:
        return routing.pick_random(takes, routing.uniform(rules.seed, row))
    if rules.routing == ROUND_ROBIN:
        previous = state.requests[row - 1].replica if row > 0 else -1
        return routing.pick_next(takes, previous)
    if rules.routing == LEAST_REQUEST:
        return routing.pick_least(takes, state.in_flight, state.in_flight)
    if rules.routing == LEAST_QUEUED_TOKENS:
        return routing.pick_least(takes, state.uncomputed, state.in_flight)
    request = state.requests[row]
    for r in range(takes.size):
        if takes[r]:
            scores[r] = predicted_ms(
                model, state, r, request.input_tokens, request.cached_tokens, rules.expected_output_tokens
            )
    return routing.pick_soonest(takes, scores)


@compiling.kernel
def replay(model: Model, state: State, times: Times, rules: Rules, first: int, stop: int) -> None:
    """Send the requests of rows `first` to `stop`, in the order of their arrival, to the replicas chosen for them."""
    count = state.replicas.size
    takes, scores = times.takes, times.scores
    sees_replicas = rules.routing >= LEAST_REQUEST
    changes_ms = -math.inf
    for row in range(first, stop):
        instant = state.requests[row].arrival_ms
        if instant >= changes_ms:
            changes_ms = math.inf
            for r in range(count):
                end = min(times.stop_ms[r], times.kill_ms[r])
                takes[r] = times.ready_ms[r] <= instant < end
                for change in (times.ready_ms[r], end):
                    if instant < change < changes_ms:
                        changes_ms = change
        if sees_replicas:
            for r in range(count):
                if state.due_ms[r] < instant:
                    _advance_to(model, state, times, r, instant)
        r = _choose(model, state, rules, takes, scores, row)
        if r < 0:
            state.requests[row].outcome = FAILED
            continue
        _advance_to(model, state, times, r, instant)
        add(model, state, r, row, rules.max_queued, rules.max_queued_tokens)
        state.due_ms[r] = due(model, state, r)


@compiling.kernel
def advance_all(model: Model, state: State, times: Times, instant_ms: float) -> None:
    """Advance every replica to an instant, and fail what is still in those that are dead by then."""
    dead = False
    for r in range(state.replicas.size):
        _advance_to(model, state, times, r, instant_ms)
        dead = dead or (times.kill_ms[r] <= instant_ms and state.in_flight[r] > 0)
    if not dead:
        return
    for row in range(state.requests.size):
        request = state.requests[row]
        if request.outcome == IN_FLIGHT and times.kill_ms[request.replica] <= instant_ms:
            request.outcome = FAILED
            state.in_flight[request.replica] -= 1
