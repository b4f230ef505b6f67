"""One replica: the scheduler of vLLM V1 and its API process as a state machine over virtual time.

What it does, after `vllm/v1/core/sched/scheduler.py` and `vllm/v1/engine/core.py`:

- A pass takes at most `max_num_batched_tokens` tokens. Running sequences come first, in the order of their admission:
  a decode takes one token, an unfinished prompt the rest of the budget. Then waiting requests are admitted, first come
  first served, while budget, `max_num_seqs` and KV blocks last.
- A running sequence that finds no free block preempts the sequence admitted last, itself if need be. That one loses its
  blocks, goes to the front of the queue and computes prompt and answer so far again. No request is admitted in a pass
  that preempts.
- Scheduling is asynchronous: the pass after the current one is put together when the current one starts. A request that
  comes during pass n joins pass n+2, and what pass n finishes leaves its place and its blocks to pass n+2.
- The API process in front is a serial server of its own: each request costs it `per_request_ms` before the engine sees
  it, each output token `per_output_token_ms` before the client does.

Whoever drives it adds the requests that arrive at an instant before it steps past that instant.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.model import forward

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineProfile


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a client asks for."""

    id: int
    arrival_ms: float
    """When the API process gets it."""
    input_tokens: int
    output_tokens: int
    """Length of the answer; the engine learns it only by reaching it."""
    request_class: str = ""


class Sequence:
    """A request inside a replica, and what became of it so far. Read it; only the replica writes it."""

    __slots__ = (
        "aborted",
        "admitted_ms",
        "blocks",
        "computed",
        "drawn",
        "emitted",
        "first_token_ms",
        "last_token_ms",
        "preemptions",
        "prefill_end",
        "request",
        "room",
        "scheduled_ms",
    )

    def __init__(self, request: Request, admitted_ms: float) -> None:
        self.request = request
        self.admitted_ms = admitted_ms
        """When the API process hands it to the engine."""
        self.scheduled_ms = math.nan
        """When it was first put into a pass; NaN before."""
        self.first_token_ms = math.nan
        """When its first token reached the client; NaN before."""
        self.last_token_ms = math.nan
        """When its newest token reached the client; NaN before the first."""
        self.emitted = 0
        """Output tokens that came out of the accelerator."""
        self.preemptions = 0
        self.aborted = False
        self.drawn = 0
        """Output tokens that are out or on their way in a pass that is already scheduled."""
        self.computed = 0
        """Tokens whose keys and values are in the cache once all scheduled passes have ended."""
        self.prefill_end = 0
        """Tokens to compute before it decodes: the prompt and, after a preemption, the answer so far."""
        self.blocks = 0
        self.room = 0
        """Tokens that its blocks hold."""

    @property
    def finished(self) -> bool:
        """Whether the whole answer is out."""
        return self.emitted == self.request.output_tokens


@dataclasses.dataclass(slots=True)
class Batch:
    """The work of one pass."""

    sampled: list[Sequence] = dataclasses.field(default_factory=list)
    """Sequences that get a token from it."""
    decode_sequences: int = 0
    kv_tokens: int = 0
    prefill_tokens: int = 0
    prefill_context: float = 0.0
    start_ms: float = 0.0
    end_ms: float = 0.0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compute."""
        return not (self.decode_sequences or self.prefill_tokens)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A pass that ended, and the tokens that it brought."""

    batch: Batch
    sequences: list[Sequence]
    """Sequences that got a token, in the order in which the API process delivers them."""
    delivery_start_ms: float
    """When the API process takes up the first of these tokens."""
    per_token_ms: float

    def delivered_ms(self, position: int) -> float:
        """Return when the token of `sequences[position]` reaches the client."""
        return self.delivery_start_ms + (position + 1) * self.per_token_ms


class Replica:
    """One engine replica over virtual time.

    >>> import math
    >>> from tenbin_planner.model.scheduler import Replica, Request
    >>> from tenbin_spec import catalogue
    >>> replica = Replica(catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"])
    >>> answer = replica.add(Request(id=1, arrival_ms=0.0, input_tokens=300, output_tokens=2))
    >>> while replica.next_ms < math.inf:
    ...     step = replica.step()
    >>> round(answer.first_token_ms, 2), round(answer.last_token_ms, 2)
    (56.47, 80.95)
    """

    def __init__(self, profile: EngineProfile, *, max_queued: int | None = None) -> None:
        """Start an empty replica.

        Args:
            profile: timing and limits.
            max_queued: requests that may wait; more are refused (`--max-num-queued-reqs`). None: no limit.

        Raises:
            ValueError: when the KV cache cannot hold one sequence of `max_model_len` tokens; the engine refuses to
                start then, and a scheduler without this rule could preempt for ever.
        """
        if profile.limits.kv_tokens < profile.limits.max_model_len:
            raise ValueError(
                f"profile {profile.name}: a KV cache of {profile.limits.kv_tokens} tokens cannot hold one sequence of "
                f"max_model_len {profile.limits.max_model_len}"
            )
        self.profile = profile
        self.now_ms = 0.0
        """The instant up to which it has been driven."""
        self._max_queued = max_queued
        self._sequences: dict[int, Sequence] = {}
        self._arriving: collections.deque[Sequence] = collections.deque()
        self._waiting: collections.deque[Sequence] = collections.deque()
        self._running: list[Sequence] = []
        self._free_blocks = profile.limits.kv_blocks
        self._current: Batch | None = None
        self._following: Batch | None = None
        self._api_free_ms = 0.0
        self.preemptions = 0
        """Preemptions so far."""

    @property
    def next_ms(self) -> float:
        """When `step` has something to do next, in milliseconds; infinite while the replica is idle."""
        if self._current is not None:
            return self._current.end_ms
        return max(self._arriving[0].admitted_ms, self.now_ms) if self._arriving else math.inf

    @property
    def in_flight(self) -> int:
        """Requests that are not finished."""
        return len(self._sequences)

    @property
    def running(self) -> int:
        """Sequences in execution."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait for their admission or, preempted, for their return."""
        return len(self._waiting) + len(self._arriving)

    @property
    def kv_usage(self) -> float:
        """Share of KV blocks in use, 0 to 1."""
        return 1 - self._free_blocks / self.profile.limits.kv_blocks

    def add(self, request: Request) -> Sequence | None:
        """Take a request at its `arrival_ms`.

        Returns:
            Its sequence; None when the queue is full and the request is refused.

        Raises:
            ValueError: for a length or an instant that is impossible; the message names it.
        """
        self._check(request)
        if self._max_queued is not None and self.waiting >= self._max_queued:
            return None
        self._api_free_ms = max(self._api_free_ms, request.arrival_ms) + self.profile.api.per_request_ms
        sequence = Sequence(request, admitted_ms=self._api_free_ms)
        self._sequences[request.id] = sequence
        self._arriving.append(sequence)
        return sequence

    def abort(self, request_id: int) -> Sequence | None:
        """Forget a request whose client has gone; its share of passes already scheduled is still computed.

        Returns:
            The sequence; None when the replica does not hold it.
        """
        sequence = self._sequences.pop(request_id, None)
        if sequence is None:
            return None
        sequence.aborted = True
        for queue in (self._arriving, self._waiting, self._running):
            if sequence in queue:
                queue.remove(sequence)
        self._release(sequence)
        return sequence

    def step(self) -> Step | None:
        """Go to `next_ms`: end the pass that runs and start the next one, or start the first one after idleness.

        Returns:
            The pass that ended; None when none ran.

        Raises:
            RuntimeError: when the replica is idle.
        """
        instant = self.next_ms
        if instant == math.inf:
            raise RuntimeError("the replica is idle: it has no next step")
        self.now_ms = instant
        ended = self._deliver(self._current) if self._current is not None else None
        self._current, self._following = self._following, None
        if self._current is None:
            self._current = self._compose()
        if self._current is not None:
            self._current.start_ms = instant
            self._current.end_ms = instant + self._duration_ms(self._current)
            self._following = self._compose()
        return ended

    def _check(self, request: Request) -> None:
        limit = self.profile.limits.max_model_len
        if request.input_tokens < 1 or request.output_tokens < 1:
            raise ValueError(
                f"request {request.id}: input_tokens {request.input_tokens} and output_tokens {request.output_tokens} "
                "must be 1 or more"
            )
        if request.input_tokens + request.output_tokens > limit:
            raise ValueError(
                f"request {request.id}: {request.input_tokens} + {request.output_tokens} tokens exceed "
                f"max_model_len {limit}"
            )
        if not self.now_ms <= request.arrival_ms < math.inf:
            raise ValueError(
                f"request {request.id}: arrival_ms {request.arrival_ms} must be finite and not before {self.now_ms}"
            )
        if request.id in self._sequences:
            raise ValueError(f"request {request.id}: this id is already in flight")

    def _duration_ms(self, batch: Batch) -> float:
        return forward.pass_ms(
            self.profile.forward,
            decode_sequences=batch.decode_sequences,
            kv_tokens=batch.kv_tokens,
            prefill_tokens=batch.prefill_tokens,
            prefill_context=batch.prefill_context,
        )

    def _deliver(self, batch: Batch) -> Step:
        """Bring out the tokens of a pass that ended now, and let go of the sequences that are finished by them."""
        per_token_ms = self.profile.api.per_output_token_ms
        sequences = [sequence for sequence in batch.sampled if not sequence.aborted]
        start = clock = max(self._api_free_ms, self.now_ms)
        finished = False
        for position, sequence in enumerate(sequences, start=1):
            clock = start + position * per_token_ms
            if sequence.emitted == 0:
                sequence.first_token_ms = clock
            sequence.last_token_ms = clock
            sequence.emitted += 1
            if sequence.emitted == sequence.request.output_tokens:
                finished = True
                del self._sequences[sequence.request.id]
                self._release(sequence)
        if sequences:
            self._api_free_ms = clock
        if finished:
            self._running = [sequence for sequence in self._running if not sequence.finished]
            self._waiting = collections.deque(sequence for sequence in self._waiting if not sequence.finished)
        return Step(batch, sequences, start, per_token_ms)

    def _release(self, sequence: Sequence) -> None:
        self._free_blocks += sequence.blocks
        sequence.blocks = sequence.room = 0

    def _compose(self) -> Batch | None:
        """Put the next pass together from what is known now; None when there is nothing to compute."""
        while self._arriving and self._arriving[0].admitted_ms <= self.now_ms:
            self._waiting.append(self._arriving.popleft())
        batch = Batch()
        preemptions = self.preemptions
        budget = self._take_running(batch, self.profile.limits.max_num_batched_tokens)
        if self.preemptions == preemptions:
            self._take_waiting(batch, budget)
        return None if batch.empty else batch

    def _take_running(self, batch: Batch, budget: int) -> int:
        running, position = self._running, 0
        while position < len(running) and budget:
            sequence = running[position]
            position += 1
            if sequence.drawn == sequence.request.output_tokens:
                continue  # its last token is on its way: vLLM schedules no pass for it any more
            tokens = sequence.request.input_tokens + sequence.drawn - sequence.computed
            tokens = min(tokens, budget)
            while sequence.computed + tokens > sequence.room and not self._grow(sequence, tokens):
                victim = running.pop()
                self._preempt(victim)
                if victim is sequence:
                    return budget
            self._schedule(sequence, tokens, batch)
            budget -= tokens
        return budget

    def _take_waiting(self, batch: Batch, budget: int) -> None:
        while self._waiting and budget and len(self._running) < self.profile.limits.max_num_seqs:
            sequence = self._waiting[0]
            sequence.prefill_end = sequence.request.input_tokens + sequence.drawn
            tokens = min(sequence.prefill_end, budget)
            if not self._grow(sequence, tokens):
                return
            self._running.append(self._waiting.popleft())
            if math.isnan(sequence.scheduled_ms):
                sequence.scheduled_ms = self.now_ms
            self._schedule(sequence, tokens, batch)
            budget -= tokens

    def _grow(self, sequence: Sequence, tokens: int) -> bool:
        """Give a sequence the blocks for `tokens` more; tell whether there were enough."""
        block_size = self.profile.limits.block_size
        missing = -(-(sequence.computed + tokens) // block_size) - sequence.blocks
        if missing > self._free_blocks:
            return False
        self._free_blocks -= missing
        sequence.blocks += missing
        sequence.room = sequence.blocks * block_size
        return True

    def _preempt(self, victim: Sequence) -> None:
        self._release(victim)
        victim.computed = 0
        victim.preemptions += 1
        self.preemptions += 1
        self._waiting.appendleft(victim)

    @staticmethod
    def _schedule(sequence: Sequence, tokens: int, batch: Batch) -> None:
        if sequence.computed < sequence.prefill_end:
            batch.prefill_tokens += tokens
            batch.prefill_context += forward.chunk_context(tokens, sequence.computed)
            sequence.computed += tokens
        else:
            sequence.computed += tokens
            batch.decode_sequences += 1
            batch.kv_tokens += sequence.computed
        if sequence.computed == sequence.request.input_tokens + sequence.drawn:
            sequence.drawn += 1
            batch.sampled.append(sequence)
