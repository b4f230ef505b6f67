"""One replica: the scheduler of vLLM V1 pass by pass, and the API process in front of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_spec import profiles

from support.reference_simulator.blocks import Blocks

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineProfile


@dataclasses.dataclass(eq=False, kw_only=True)
class Request:
    """A request at a replica, and how far it is."""

    row: int
    arrival_ms: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    """First tokens of the prompt that the prefix cache holds: not computed, but read and stored."""

    admitted_ms: float = math.nan
    """When the API process hands it to the engine."""
    computed: int = 0
    """Tokens with keys and values, once all passes that are put together have ended."""
    prompt_end: int = 0
    """Tokens to compute before it decodes: the prompt and, after a preemption, the answer so far."""
    blocks: list[int] = dataclasses.field(default_factory=list)
    """Of the KV cache, in the order of its tokens."""
    drawn: int = 0
    """Tokens of the answer that have come out, or will in a pass that is put together."""
    out: int = 0
    """Tokens of the answer that have come out of the accelerator."""
    first_ms: float = math.nan
    """When the first token reached the client."""
    last_ms: float = math.nan
    """When the last one did; NaN until then."""
    scheduled_ms: float = math.nan
    """When it was first put into a pass."""
    gone: bool = False
    """Its client has hung up."""

    def __post_init__(self) -> None:
        self.computed = self.cached_tokens
        self.prompt_end = self.input_tokens

    @property
    def length(self) -> int:
        """Tokens of the prompt and of the answer so far."""
        return self.input_tokens + self.drawn


@dataclasses.dataclass(eq=False)
class Pass:
    """A forward pass."""

    decodes: int = 0
    kv_tokens: int = 0
    prompt_tokens: int = 0
    prompt_context: float = 0.0
    draws: list[Request] = dataclasses.field(default_factory=list)
    """Requests that get a token from it, in the order of the batch."""
    used_blocks: int = 0
    """KV blocks in use when it was put together."""
    start_ms: float = math.nan
    end_ms: float = math.nan

    def duration_ms(self, profile: EngineProfile) -> float:
        """Return its time by the profile's curves."""
        forward = profile.forward
        duration = profiles.curve_ms(forward.decode_ms, self.decodes)
        duration += profiles.curve_ms(forward.kv_ms, self.kv_tokens)
        if self.prompt_tokens:
            duration += profiles.curve_ms(forward.prefill_ms, self.prompt_tokens)
            duration += forward.per_prefill_context_ms * self.prompt_context
        return duration


class Replica:
    """An engine: what arrives at its API process, what waits, what runs, and two passes."""

    def __init__(
        self, profile: EngineProfile, *, max_queued: int | None = None, max_queued_tokens: int | None = None
    ) -> None:
        self.profile = profile
        self.max_queued = max_queued
        self.max_queued_tokens = max_queued_tokens
        self.blocks = Blocks(profile.limits.kv_blocks)
        self.now_ms = 0.0
        self.api_free_ms = 0.0
        self.arriving: list[Request] = []
        """In the API process, in the order of arrival."""
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        """In the order of admission."""
        self.current: Pass | None = None
        """The pass that the accelerator computes."""
        self.following: Pass | None = None
        """The pass after it, put together when the current one started."""
        self.done: list[Pass] = []
        self.preemptions = 0

    @property
    def held(self) -> list[Request]:
        """All requests that are not finished."""
        return self.arriving + self.waiting + self.running

    @property
    def used_blocks(self) -> int:
        """KV blocks that the running requests hold."""
        return sum(len(request.blocks) for request in self.running)

    def blocks_of(self, tokens: int) -> int:
        """Return the KV blocks that hold so many tokens."""
        return math.ceil(tokens / self.profile.limits.block_size)

    def offer(self, request: Request) -> bool:
        """Take a request that arrives now, or shed it: return whether it was taken."""
        queue = self.arriving + self.waiting
        if self.max_queued is not None and len(queue) >= self.max_queued:
            return False
        if self.max_queued_tokens is not None and queue:
            tokens = sum(waiting.input_tokens for waiting in queue) + request.input_tokens
            if tokens > self.max_queued_tokens:
                return False
        self.api_free_ms = max(self.api_free_ms, request.arrival_ms) + self.profile.api.per_request_ms
        request.admitted_ms = self.api_free_ms
        self.arriving.append(request)
        return True

    def abort(self, request: Request) -> None:
        """Forget a request; what passes that are put together compute of it is still computed."""
        request.gone = True
        for place in (self.arriving, self.waiting, self.running):
            if request in place:
                place.remove(request)
        self.release(request)

    def next_ms(self) -> float:
        """Return when the next turn is due; infinite for an idle replica."""
        if self.current is not None:
            return self.current.end_ms
        if self.arriving:
            return max(self.now_ms, self.arriving[0].admitted_ms)
        return math.inf

    def turn(self) -> None:
        """Go to the end of the current pass, deliver its tokens, start the following one, put the next one together."""
        self.now_ms = self.next_ms()
        if self.current is not None:
            self.deliver(self.current)
        self.current = self.following
        if self.current is None:
            self.current = self.compose()
        self.following = None
        if self.current is not None:
            self.current.start_ms = self.now_ms
            self.current.end_ms = self.now_ms + self.current.duration_ms(self.profile)
            self.following = self.compose()

    def deliver(self, ended: Pass) -> None:
        """Send the tokens of a pass through the API process; requests that are finished give up place and blocks."""
        self.done.append(ended)
        api = self.profile.api
        start_ms = max(self.api_free_ms, self.now_ms)
        ended.draws = [request for request in ended.draws if not request.gone]
        for position, request in enumerate(ended.draws, start=1):
            self.api_free_ms = start_ms + position * api.per_output_token_ms
            request.out += 1
            if request.out == 1:
                request.first_ms = self.api_free_ms + api.first_token_ms
            if request.out == request.output_tokens:
                request.last_ms = max(self.api_free_ms, request.first_ms)
                self.release(request)
        self.running = [request for request in self.running if request.out < request.output_tokens]
        self.waiting = [request for request in self.waiting if request.out < request.output_tokens]

    def compose(self) -> Pass | None:
        """Put a pass together from what the engine knows now: first what runs, then what waits."""
        while self.arriving and self.arriving[0].admitted_ms <= self.now_ms:
            self.waiting.append(self.arriving.pop(0))
        made = Pass()
        preemptions = self.preemptions
        self.take_running(made)
        if self.preemptions == preemptions:
            self.take_waiting(made)
        made.used_blocks = self.used_blocks
        return made if made.decodes + made.prompt_tokens > 0 else None

    def take_running(self, made: Pass) -> None:
        """One token for each decode, the rest of the budget for unfinished prompts, in the order of admission."""
        position = 0
        while position < len(self.running):
            request = self.running[position]
            position += 1
            if request.drawn == request.output_tokens:
                continue  # its last token is on its way
            tokens = min(request.length - request.computed, self.budget_left(made))
            if tokens == 0:
                return
            while not self.fits(request, tokens):
                victim = self.running.pop()
                self.preempt(victim)
                if victim is request:
                    return
            self.compute(request, tokens, made)

    def preempt(self, victim: Request) -> None:
        """Send a request to the front of the queue; what it has computed stays until its blocks are handed out."""
        full = victim.computed // self.profile.limits.block_size
        self.blocks.give_back_for_a_while(victim.blocks, victim.row, full)
        victim.blocks = []
        victim.computed = victim.cached_tokens
        victim.prompt_end = victim.length
        self.waiting.insert(0, victim)
        self.preemptions += 1

    def take_waiting(self, made: Pass) -> None:
        """First come, first served, while budget, places, and blocks for the whole of a sequence last."""
        while self.waiting and len(self.running) < self.profile.limits.max_num_seqs and self.budget_left(made) > 0:
            request = self.waiting[0]
            if self.blocks_of(request.prompt_end) > len(self.blocks.free):
                return
            request.blocks = self.blocks.find(
                request.row, at_most=(request.prompt_end - 1) // self.profile.limits.block_size
            )
            self.blocks.take_again(request.blocks)
            request.computed = max(request.cached_tokens, len(request.blocks) * self.profile.limits.block_size)
            self.running.append(self.waiting.pop(0))
            if math.isnan(request.scheduled_ms):
                request.scheduled_ms = self.now_ms
            self.compute(request, min(request.prompt_end - request.computed, self.budget_left(made)), made)

    def release(self, request: Request) -> None:
        """Give back the blocks of a request that has left."""
        self.blocks.give_back(request.blocks)
        request.blocks = []

    def budget_left(self, made: Pass) -> int:
        """Return the tokens that a pass still takes."""
        return self.profile.limits.max_num_batched_tokens - made.decodes - made.prompt_tokens

    def fits(self, request: Request, tokens: int) -> bool:
        """Tell whether the KV cache has room for so many more tokens of a request."""
        return self.blocks_of(request.computed + tokens) <= len(request.blocks) + len(self.blocks.free)

    def compute(self, request: Request, tokens: int, made: Pass) -> None:
        """Put so many tokens of a request into a pass; the one that completes it draws the next token."""
        if request.computed < request.prompt_end:
            made.prompt_tokens += tokens
            made.prompt_context += tokens * (request.computed + tokens / 2)
        else:
            made.decodes += 1
            made.kv_tokens += request.computed + 1
        request.computed += tokens
        request.blocks += self.blocks.take(self.blocks_of(request.computed) - len(request.blocks))
        if request.computed == request.length:
            request.drawn += 1
            made.draws.append(request)
