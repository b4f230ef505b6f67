"""Kernels of requests that leave a replica before their answer is complete, and of who got a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_planner import compiling
from tenbin_planner.model.composing import blocks_of, leave_queue
from tenbin_planner.model.state import FAILED, NEVER, NOBODY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tenbin_planner.model.state import Model, State


@compiling.kernel
def sampled(state: State, r: int, into: NDArray[np.int64]) -> int:
    """Write the rows that get a token from the pass that runs, in the order of its batch, and return their number."""
    replica = state.replicas[r]
    number, count = replica.current, 0
    for slot in range(replica.running):
        if state.starts[r, slot] <= number <= state.lasts[r, slot]:
            into[count] = state.rows[r, slot]
            count += 1
    for position in range(replica.popped):
        into[state.popped_rank[r, position]] = state.popped[r, position]
        count += 1
    return count


@compiling.kernel
def abort(model: Model, state: State, r: int, row: int) -> None:
    """Forget a request in flight; its share of passes that are already composed is still computed."""
    replica, request = state.replicas[r], state.requests[row]
    state.in_flight[r] -= 1
    state.held[r] -= request.input_tokens
    request.outcome = FAILED
    for slot in range(replica.running):
        if state.rows[r, slot] == row:
            _leave_slot(model, state, r, slot)
            return
    leave_queue(state, r, row)
    for position in range(replica.popped):
        if state.popped[r, position] == row:
            rank = state.popped_rank[r, position]
            replica.popped -= 1
            state.popped[r, position] = state.popped[r, replica.popped]
            state.popped_rank[r, position] = state.popped_rank[r, replica.popped]
            state.passes[r, replica.current & 1].tokens -= 1
            _close_rank(state, r, rank)
            break


@compiling.kernel
def _close_rank(state: State, r: int, rank: int) -> None:
    for position in range(state.replicas[r].popped):
        if state.popped_rank[r, position] > rank:
            state.popped_rank[r, position] -= 1


@compiling.kernel
def _leave_slot(model: Model, state: State, r: int, slot: int) -> None:
    replica, request = state.replicas[r], state.requests[state.rows[r, slot]]
    size = model.profiles[replica.profile].block_size
    start, last, context = state.starts[r, slot], state.lasts[r, slot], state.contexts[r, slot]
    if start == NEVER:
        replica.free_blocks += blocks_of(request.computed, size)
        replica.partial = NOBODY
        state.uncomputed[r] -= context - request.computed
    else:
        drawn_in = min(replica.composed, last)
        replica.free_blocks += blocks_of(context + drawn_in - start, size)
        # Those whose last pass was composed last are decodes until the next one is put together.
        if start < last and (last > replica.composed or last == replica.composed == replica.next_last):
            replica.decoding -= 1
            replica.kv_tokens -= context + drawn_in - start
            state.phases[r, (start + 1 - context) % size] -= 1
        _leave_passes(state, r, slot, start, last)
    for behind in range(slot + 1, replica.running):
        state.rows[r, behind - 1] = state.rows[r, behind]
        state.starts[r, behind - 1] = state.starts[r, behind]
        state.lasts[r, behind - 1] = state.lasts[r, behind]
        state.contexts[r, behind - 1] = state.contexts[r, behind]
    replica.running -= 1


@compiling.kernel
def _leave_passes(state: State, r: int, slot: int, start: int, last: int) -> None:
    """Take a running sequence's token out of the passes that are composed."""
    replica = state.replicas[r]
    row = state.rows[r, slot]
    rank = 0
    for before in range(slot):
        if state.starts[r, before] <= replica.current <= state.lasts[r, before]:
            rank += 1
    for number in (replica.current, replica.following):
        if number and start <= number <= last:
            work = state.passes[r, number & 1]
            work.tokens -= 1
            if number == replica.current:
                _close_rank(state, r, rank)
            if start == number:
                kept = 0
                for position in range(work.firsts):
                    other = state.firsts[r, number & 1, position]
                    if other != row:
                        state.firsts[r, number & 1, kept] = other
                        kept += 1
                work.firsts = kept
