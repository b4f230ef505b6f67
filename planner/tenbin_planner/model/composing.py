"""Kernels that put one pass together, as the scheduler of vLLM V1 does (`vllm/v1/core/sched/scheduler.py`).

- A pass takes at most `max_num_batched_tokens` tokens. Running sequences come first, in the order of their admission:
  a decode takes one token, an unfinished prompt the rest of the budget. Then waiting requests are admitted, first come
  first served, while budget, `max_num_seqs` and KV blocks last.
- A request is admitted only when its whole sequence finds room (`scheduler_reserve_full_isl`), though it takes the
  blocks of its first chunk only.
- A running sequence that finds no free block preempts the sequence admitted last, itself if need be. That one loses its
  blocks, goes to the front of the queue and computes prompt and answer so far again. No request is admitted in a pass
  that preempts.
- What a preempted sequence computed stays in its blocks until they are handed out again (prefix caching, on by
  default). Free blocks are reused first in, first out, and a sequence's join their queue last one first, so that the
  head of its prompt is lost last: counting the blocks handed out since tells how much of it is left.

Decodes are counted, not walked through: since each takes part in every pass from the completion of its prompt to its
last token, the number of a pass tells its context and whether it needs a block. At most one prompt is unfinished, and
it is the last one running, since requests are admitted only while budget is left after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tenbin_planner import compiling
from tenbin_planner.model.state import NEVER, NOBODY

if TYPE_CHECKING:
    from tenbin_planner.model.state import Model, State


@compiling.kernel
def blocks_of(tokens: int, block_size: int) -> int:
    """Return the KV blocks that hold so many tokens."""
    return (tokens + block_size - 1) // block_size


@compiling.kernel
def _take(replica: Any, blocks: int) -> None:
    replica.free_blocks -= blocks
    replica.handed_out += blocks


@compiling.kernel
def append(state: State, r: int, row: int) -> None:
    """Put a request at the end of the waiting queue."""
    replica = state.replicas[r]
    state.requests[row].next = NOBODY
    if replica.waiting_tail == NOBODY:
        replica.waiting_head = row
    else:
        state.requests[replica.waiting_tail].next = row
    replica.waiting_tail = row


@compiling.kernel
def leave_queue(state: State, r: int, row: int) -> None:
    """Take a request that arrives or waits out of its queue."""
    replica, request = state.replicas[r], state.requests[row]
    replica.queued -= 1
    replica.queued_prompt_tokens -= request.input_tokens
    state.uncomputed[r] -= request.input_tokens + request.drawn - request.cached_tokens
    replica.waiting_head, replica.waiting_tail = _unlink(state, replica.waiting_head, replica.waiting_tail, row)
    replica.arriving_head, replica.arriving_tail = _unlink(state, replica.arriving_head, replica.arriving_tail, row)


@compiling.kernel
def _unlink(state: State, head: int, tail: int, row: int) -> tuple[int, int]:
    """Return head and tail of a queue without a row, whether it was there or not."""
    before, here = NOBODY, head
    while here != NOBODY and here != row:  # noqa: PLR1714 - compiled
        before, here = here, state.requests[here].next
    if here == NOBODY:
        return head, tail
    after = state.requests[row].next
    if before == NOBODY:
        head = after
    else:
        state.requests[before].next = after
    return head, before if tail == row else tail


@compiling.kernel
def compose(model: Model, state: State, r: int) -> int:
    """Put the next pass together from what is known at the replica's present.

    Returns:
        Its number; 0 when there is nothing to compute.
    """
    replica = state.replicas[r]
    while replica.arriving_head != NOBODY and state.requests[replica.arriving_head].admitted_ms <= replica.now_ms:
        row = replica.arriving_head
        replica.arriving_head = state.requests[row].next
        if replica.arriving_head == NOBODY:
            replica.arriving_tail = NOBODY
        append(state, r, row)
    number: int = replica.composed + 1
    if replica.next_last < number:
        _retire(model, state, r, number)
    profile = model.profiles[replica.profile]
    work = state.passes[r, number & 1]
    work.prefill_tokens = 0
    work.prefill_context = 0.0
    work.firsts = 0
    work.ends = False
    preempted = _grow_decodes(model, state, r, number)
    work.decodes = replica.decoding
    replica.kv_tokens += replica.decoding
    work.kv_tokens = replica.kv_tokens
    if replica.next_last == number:
        work.ends = True
    budget = profile.max_num_batched_tokens - replica.decoding
    if replica.partial != NOBODY:
        row = replica.partial
        request = state.requests[row]
        context = state.contexts[r, replica.running - 1]
        tokens = min(context - request.computed, budget)
        missing = blocks_of(request.computed + tokens, profile.block_size) - blocks_of(
            request.computed, profile.block_size
        )
        if missing > replica.free_blocks:
            preempt(model, state, r, number)
            preempted = True
        else:
            _take(replica, missing)
            _compute(model, state, r, number, replica.running - 1, tokens)
            budget -= tokens
    if not preempted:
        _admit(model, state, r, number, budget)
    if work.decodes == 0 and work.prefill_tokens == 0:
        return 0
    work.tokens = work.decodes + work.firsts
    replica.composed = number
    replica.peak_decodes = max(replica.peak_decodes, work.decodes)
    replica.peak_kv_tokens = max(replica.peak_kv_tokens, work.kv_tokens)
    replica.peak_prefill_tokens = max(replica.peak_prefill_tokens, work.prefill_tokens)
    return number


@compiling.kernel
def _retire(model: Model, state: State, r: int, number: int) -> None:
    """Take those whose last token came from an earlier pass out of the decodes; they keep place and blocks."""
    replica = state.replicas[r]
    size = model.profiles[replica.profile].block_size
    soonest = NEVER
    for slot in range(replica.running):
        last, start = state.lasts[r, slot], state.starts[r, slot]
        if last == number - 1 and start < last:
            replica.decoding -= 1
            replica.kv_tokens -= state.contexts[r, slot] + last - start
            state.phases[r, (start + 1 - state.contexts[r, slot]) % size] -= 1
        elif number <= last < soonest:
            soonest = last
    replica.next_last = soonest


@compiling.kernel
def _grow_decodes(model: Model, state: State, r: int, number: int) -> bool:
    """Give each decode the block that it needs in this pass; tell whether one had to be preempted for it."""
    replica = state.replicas[r]
    size = model.profiles[replica.profile].block_size
    need = state.phases[r, number % size]
    if need <= replica.free_blocks:
        _take(replica, need)
        return False
    slot = 0
    while slot < replica.running:
        start, last = state.starts[r, slot], state.lasts[r, slot]
        if start < number <= last and (number - start + state.contexts[r, slot] - 1) % size == 0:
            while replica.free_blocks == 0 and slot < replica.running:
                preempt(model, state, r, number)
            if slot >= replica.running:
                break
            _take(replica, 1)
        slot += 1
    return True


@compiling.kernel
def preempt(model: Model, state: State, r: int, number: int) -> None:
    """Take blocks and place of the sequence admitted last while pass `number` is put together."""
    replica = state.replicas[r]
    size = model.profiles[replica.profile].block_size
    slot = replica.running - 1
    row, start, last = state.rows[r, slot], state.starts[r, slot], state.lasts[r, slot]
    request = state.requests[row]
    if start == NEVER:
        computed = request.computed
        replica.partial = NOBODY
        state.uncomputed[r] += request.computed - request.cached_tokens
    else:
        drawn_in = min(number - 1, last)
        computed = state.contexts[r, slot] + drawn_in - start
        request.drawn += drawn_in - start + 1
        if last >= number:
            replica.decoding -= 1
            replica.kv_tokens -= state.contexts[r, slot] + number - 1 - start
            state.phases[r, (start + 1 - state.contexts[r, slot]) % size] -= 1
        if replica.current == number - 1 and last >= number - 1:
            rank = 0
            for before in range(slot):
                if state.starts[r, before] <= number - 1 <= state.lasts[r, before]:
                    rank += 1
            state.popped[r, replica.popped] = row
            state.popped_rank[r, replica.popped] = rank
            replica.popped += 1
        state.uncomputed[r] += request.input_tokens + request.drawn - request.cached_tokens
    replica.free_blocks += blocks_of(computed, size)
    request.cached_until = replica.handed_out + replica.free_blocks
    request.cached_blocks = computed // size
    request.computed = 0
    request.preemptions += 1
    request.next = replica.waiting_head
    replica.waiting_head = row
    if replica.waiting_tail == NOBODY:
        replica.waiting_tail = row
    replica.running -= 1
    replica.preemptions += 1
    replica.queued += 1
    replica.queued_prompt_tokens += request.input_tokens


@compiling.kernel
def _admit(model: Model, state: State, r: int, number: int, budget: int) -> None:
    """Admit waiting requests, first come first served, while budget, places and blocks last."""
    replica = state.replicas[r]
    profile = model.profiles[replica.profile]
    while replica.waiting_head != NOBODY and budget > 0 and replica.running < profile.max_num_seqs:
        row = replica.waiting_head
        request = state.requests[row]
        context = request.input_tokens + request.drawn
        if blocks_of(context, profile.block_size) > replica.free_blocks:
            return
        kept = min(
            max(request.cached_until - replica.handed_out, 0),
            request.cached_blocks,
            (context - 1) // profile.block_size,
        )
        computed = max(request.cached_tokens, kept * profile.block_size)
        tokens = min(context - computed, budget)
        _take(replica, blocks_of(computed + tokens, profile.block_size))
        replica.handed_out -= kept
        state.uncomputed[r] -= computed - request.cached_tokens
        replica.waiting_head = request.next
        if replica.waiting_head == NOBODY:
            replica.waiting_tail = NOBODY
        replica.queued -= 1
        replica.queued_prompt_tokens -= request.input_tokens
        if np.isnan(request.scheduled_ms):
            request.scheduled_ms = replica.now_ms
        slot = replica.running
        state.rows[r, slot] = row
        state.starts[r, slot] = state.lasts[r, slot] = NEVER
        state.contexts[r, slot] = context
        replica.running += 1
        request.computed = computed
        replica.partial = row
        _compute(model, state, r, number, slot, tokens)
        budget -= tokens


@compiling.kernel
def _compute(model: Model, state: State, r: int, number: int, slot: int, tokens: int) -> None:
    """Compute more of a prompt in this pass; when it is complete, the pass brings a token."""
    replica = state.replicas[r]
    size = model.profiles[replica.profile].block_size
    row = state.rows[r, slot]
    request = state.requests[row]
    work = state.passes[r, number & 1]
    work.prefill_tokens += tokens
    work.prefill_context += tokens * (request.computed + tokens / 2)
    request.computed += tokens
    state.uncomputed[r] -= tokens
    context = state.contexts[r, slot]
    if request.computed < context:
        return
    replica.partial = NOBODY
    last = number + request.output_tokens - request.drawn - 1
    state.starts[r, slot] = number
    state.lasts[r, slot] = last
    state.firsts[r, number & 1, work.firsts] = row
    work.firsts += 1
    if last == number:
        work.ends = True
        return
    replica.decoding += 1
    replica.kv_tokens += context
    state.phases[r, (number + 1 - context) % size] += 1
    replica.next_last = min(replica.next_last, last)
