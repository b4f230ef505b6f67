"""Kernels that drive one replica through time: pass by pass, or over a stretch of equal passes at once.

- Scheduling is asynchronous (`vllm/v1/engine/core.py`): the pass after the current one is put together when the current
  one starts. A request that comes during pass n joins pass n+2, and what pass n finishes leaves its place and its
  blocks to pass n+2.
- The API process in front is a serial server of its own: each request costs it `per_request_ms` before the engine sees
  it, each output token `per_output_token_ms` before the client does.
- A stretch is a run of passes in which the same sequences decode and nobody comes, ends or needs a block that is not
  there. On one straight piece of `kv_ms` its passes take d, d + g, d + 2g, ... where g is the piece's slope times the
  sequences, so that ends of passes are a quadratic, and a whole stretch costs as much as one pass.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner import compiling
from tenbin_planner.model.composing import blocks_of, compose, leave_queue
from tenbin_planner.model.state import FAILED, FINISHED, IN_FLIGHT, NOBODY, SHED

if TYPE_CHECKING:
    from tenbin_planner.model.state import Model, State


@compiling.kernel
def kv_piece(model: Model, profile: int, tokens: int) -> int:
    """Return the straight piece of `kv_ms` on which an amount of tokens lies."""
    piece = 0
    while piece + 1 < model.profiles[profile].kv_knots and model.kv_from[profile, piece + 1] <= tokens:
        piece += 1
    return piece


@compiling.kernel
def pass_ms(
    model: Model, profile: int, decodes: int, kv_tokens: int, prefill_tokens: int, prefill_context: float
) -> float:
    """Return the time of one forward pass in milliseconds; `tenbin_spec.profiles.ForwardPass` has the formula."""
    piece = kv_piece(model, profile, kv_tokens)
    milliseconds = (
        model.decode_ms[profile, decodes]
        + model.kv_ms[profile, piece]
        + model.kv_slope[profile, piece] * (kv_tokens - model.kv_from[profile, piece])
    )
    if prefill_tokens > 0:
        milliseconds += (
            model.prefill_ms[profile, prefill_tokens] + model.profiles[profile].per_prefill_context_ms * prefill_context
        )
    return float(milliseconds)


@compiling.kernel
def next_ms(state: State, r: int) -> float:
    """Return when the replica does something next; infinite while it is idle."""
    replica = state.replicas[r]
    if replica.current:
        return float(replica.end_ms)
    if replica.arriving_head == NOBODY:
        return math.inf
    return float(max(state.requests[replica.arriving_head].admitted_ms, replica.now_ms))


@compiling.kernel
def step(model: Model, state: State, r: int) -> None:
    """Go to `next_ms`: end the pass that runs and start the next one, or start the first one after idleness."""
    replica = state.replicas[r]
    replica.now_ms = next_ms(state, r)
    replica.events += 1
    if replica.current:
        _deliver(model, state, r)
    replica.current, replica.following = replica.following, 0
    if not replica.current:
        replica.current = compose(model, state, r)
    if replica.current:
        work = state.passes[r, replica.current & 1]
        replica.end_ms = replica.now_ms + pass_ms(
            model, replica.profile, work.decodes, work.kv_tokens, work.prefill_tokens, work.prefill_context
        )
        replica.following = compose(model, state, r)


@compiling.kernel
def _deliver(model: Model, state: State, r: int) -> None:
    """Bring out the tokens of the pass that ended, in the order of its batch, and let go of who is finished."""
    replica = state.replicas[r]
    number = replica.current
    work = state.passes[r, number & 1]
    profile = model.profiles[replica.profile]
    per_token = profile.per_output_token_ms
    start = max(replica.api_free_ms, replica.now_ms)
    for position in range(work.firsts):
        request = state.requests[state.firsts[r, number & 1, position]]
        if np.isnan(request.first_ms):
            place = work.tokens - work.firsts + position + 1
            request.first_ms = start + place * per_token + profile.first_token_ms
    for position in range(replica.popped):
        row = state.popped[r, position]
        if state.requests[row].drawn == state.requests[row].output_tokens:
            leave_queue(state, r, row)
            _finish(state, r, row, start + (state.popped_rank[r, position] + 1) * per_token)
    replica.popped = 0
    if work.ends:
        _end(model, state, r, number, start)
    if work.tokens:
        replica.api_free_ms = start + work.tokens * per_token


@compiling.kernel
def _end(model: Model, state: State, r: int, number: int, start: float) -> None:
    """Finish those running whose last token came from this pass, and close their gaps."""
    replica = state.replicas[r]
    profile = model.profiles[replica.profile]
    kept, rank = 0, 0
    for slot in range(replica.running):
        first, last = state.starts[r, slot], state.lasts[r, slot]
        if first <= number <= last:
            rank += 1
        if last == number:
            replica.free_blocks += blocks_of(state.contexts[r, slot] + last - first, profile.block_size)
            _finish(state, r, state.rows[r, slot], start + rank * profile.per_output_token_ms)
            continue
        if kept != slot:
            state.rows[r, kept] = state.rows[r, slot]
            state.starts[r, kept] = first
            state.lasts[r, kept] = last
            state.contexts[r, kept] = state.contexts[r, slot]
        kept += 1
    replica.running = kept


@compiling.kernel
def _finish(state: State, r: int, row: int, instant_ms: float) -> None:
    request = state.requests[row]
    request.last_ms = max(instant_ms, request.first_ms)
    request.outcome = FINISHED
    state.in_flight[r] -= 1
    state.held[r] -= request.input_tokens


@compiling.kernel
def _blocked(model: Model, state: State, r: int) -> bool:
    """Whether nobody that waits could be admitted while the sequences that run go on as they are."""
    replica = state.replicas[r]
    if replica.waiting_head == NOBODY:
        return True
    profile = model.profiles[replica.profile]
    if replica.running >= profile.max_num_seqs:
        return True
    if replica.decoding >= profile.max_num_batched_tokens:
        return True
    request = state.requests[replica.waiting_head]
    return bool(blocks_of(request.input_tokens + request.drawn, profile.block_size) > replica.free_blocks)


@compiling.kernel
def _steady(model: Model, state: State, r: int) -> bool:
    """Whether the pass that runs, the following one and those after it are decodes of the same sequences."""
    replica = state.replicas[r]
    if not replica.current or not replica.following or replica.partial != NOBODY or replica.popped:
        return False
    now, then = state.passes[r, replica.current & 1], state.passes[r, replica.following & 1]
    return bool(
        now.prefill_tokens == 0
        and then.prefill_tokens == 0
        and now.decodes == then.decodes == replica.decoding
        and not now.ends
        and not then.ends
        and _blocked(model, state, r)
    )


@compiling.kernel
def _passes_with_blocks(state: State, r: int, size: int, at_most: int) -> int:
    """Return how many of the passes to be composed next find their blocks, at most so many."""
    replica = state.replicas[r]
    rounds = replica.free_blocks // replica.decoding
    if rounds * size >= at_most:
        return at_most
    left = replica.free_blocks - rounds * replica.decoding
    count: int = rounds * size
    while count < at_most:
        left -= state.phases[r, (replica.composed + 1 + count) % size]
        if left < 0:
            return count
        count += 1
    return at_most


@compiling.kernel
def _take_blocks(state: State, r: int, size: int, passes: int) -> None:
    replica = state.replicas[r]
    rounds = passes // size
    taken = rounds * replica.decoding
    for count in range(rounds * size, passes):
        taken += state.phases[r, (replica.composed + 1 + count) % size]
    replica.free_blocks -= taken
    replica.handed_out += taken


@compiling.kernel
def _stretch(model: Model, state: State, r: int, until_ms: float) -> bool:
    """Do a stretch of steps before `until_ms` at once; tell whether there was one of two steps or more."""
    replica = state.replicas[r]
    if replica.arriving_head != NOBODY:
        until_ms = min(until_ms, state.requests[replica.arriving_head].admitted_ms)
    if replica.end_ms >= until_ms or not _steady(model, state, r):
        return False
    then = state.passes[r, replica.following & 1]
    profile, decodes = replica.profile, replica.decoding
    piece = kv_piece(model, profile, then.kv_tokens)
    steps = replica.next_last - replica.composed
    if piece + 1 < model.profiles[profile].kv_knots:
        steps = min(steps, (model.kv_from[profile, piece + 1] - then.kv_tokens) // decodes + 1)
    first_ms = pass_ms(model, profile, decodes, then.kv_tokens, 0, 0.0)
    growth_ms = model.kv_slope[profile, piece] * decodes
    steps = _steps_before(first_ms, growth_ms, until_ms - replica.end_ms, steps)
    size = model.profiles[profile].block_size
    steps = _passes_with_blocks(state, r, size, steps)
    if steps < 2:
        return False
    _take_blocks(state, r, size, steps)
    delivery_ms = decodes * model.profiles[profile].per_output_token_ms
    # Ends of passes less what the API process has worked off by then are convex: the first or the last one is highest.
    last_end = replica.end_ms + _sum_ms(first_ms, growth_ms, steps - 1)
    free = max(replica.api_free_ms, replica.end_ms) + steps * delivery_ms
    replica.api_free_ms = max(free, last_end + delivery_ms)
    replica.now_ms = last_end
    replica.end_ms = last_end + first_ms + (steps - 1) * growth_ms
    kv_tokens = then.kv_tokens + steps * decodes
    replica.current += steps
    replica.following += steps
    replica.composed += steps
    replica.kv_tokens += steps * decodes
    replica.peak_kv_tokens = max(replica.peak_kv_tokens, kv_tokens)
    replica.events += 1
    current, following = state.passes[r, replica.current & 1], state.passes[r, replica.following & 1]
    current.kv_tokens = kv_tokens - decodes
    following.kv_tokens = kv_tokens
    following.ends = replica.next_last == replica.following
    return True


@compiling.kernel
def _sum_ms(first_ms: float, growth_ms: float, passes: int) -> float:
    return passes * first_ms + growth_ms * passes * (passes - 1) / 2


@compiling.kernel
def _steps_before(first_ms: float, growth_ms: float, room_ms: float, at_most: int) -> int:
    """Return how many steps come before an instant, `room_ms` after the first of them, at most so many.

    Step i + 1 comes when i passes have ended: the largest i with i * first + growth * i * (i - 1) / 2 < room.
    """
    if math.isinf(room_ms):
        return at_most
    if growth_ms > 0:
        slope = first_ms - growth_ms / 2
        guess = 2 * room_ms / (slope + math.sqrt(slope * slope + 2 * room_ms * growth_ms))
    else:
        guess = room_ms / first_ms if first_ms > 0 else float(at_most)
    passes = int(min(guess, float(at_most)))
    while passes > 0 and _sum_ms(first_ms, growth_ms, passes) >= room_ms:
        passes -= 1
    while passes + 1 < at_most and _sum_ms(first_ms, growth_ms, passes + 1) < room_ms:
        passes += 1
    return min(passes + 1, at_most)


@compiling.kernel
def advance(model: Model, state: State, r: int, until_ms: float) -> None:
    """Do all that the replica does before an instant."""
    while next_ms(state, r) < until_ms:
        if not _stretch(model, state, r, until_ms):
            step(model, state, r)


@compiling.kernel
def due(model: Model, state: State, r: int) -> float:
    """Return an instant before which no request leaves and no prompt is computed, unless a request comes."""
    replica = state.replicas[r]
    if replica.queued or state.uncomputed[r] or not _steady(model, state, r):
        return next_ms(state, r)
    then = state.passes[r, replica.following & 1]
    profile, decodes = replica.profile, replica.decoding
    piece = kv_piece(model, profile, then.kv_tokens)
    until_last = replica.next_last - replica.composed
    passes = _passes_with_blocks(state, r, model.profiles[profile].block_size, until_last)
    if passes == until_last:
        passes += 1
    first_ms = pass_ms(model, profile, decodes, then.kv_tokens, 0, 0.0)
    growth_ms = model.kv_slope[profile, piece] * decodes
    if (
        piece + 1 < model.profiles[profile].kv_knots
        and then.kv_tokens + passes * decodes > model.kv_from[profile, piece + 1]
    ):
        growth_ms = 0.0
    # A little less, since the same sum in another order may come out a rounding apart.
    return float(replica.end_ms + _sum_ms(first_ms, growth_ms, passes) * (1 - 1e-9))


@compiling.kernel
def add(model: Model, state: State, r: int, row: int, max_queued: int, max_queued_tokens: int) -> None:
    """Give a replica, advanced to this instant, the request of a row; it may be refused or shed."""
    replica, request = state.replicas[r], state.requests[row]
    profile = model.profiles[replica.profile]
    request.replica = r
    if request.input_tokens + request.output_tokens > profile.max_model_len:
        request.outcome = FAILED
        return
    if replica.queued >= max_queued or (
        replica.queued and replica.queued_prompt_tokens + request.input_tokens > max_queued_tokens
    ):
        request.outcome = SHED
        return
    request.outcome = IN_FLIGHT
    replica.api_free_ms = max(replica.api_free_ms, request.arrival_ms) + profile.per_request_ms
    request.admitted_ms = replica.api_free_ms
    request.next = NOBODY
    if replica.arriving_tail == NOBODY:
        replica.arriving_head = row
    else:
        state.requests[replica.arriving_tail].next = row
    replica.arriving_tail = row
    replica.queued += 1
    replica.queued_prompt_tokens += request.input_tokens
    state.in_flight[r] += 1
    state.held[r] += request.input_tokens
    state.uncomputed[r] += request.input_tokens - request.cached_tokens
