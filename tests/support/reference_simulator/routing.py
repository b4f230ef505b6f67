"""Which replica gets a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.reference_simulator.replica import Pass

if TYPE_CHECKING:
    from support.reference_simulator.replica import Replica, Request

WORD = 2**64 - 1
"""All bits of a word."""


class Router:
    """Chooses among the replicas that take requests now."""

    def __init__(self, routing: str, seed: int, expected_output_tokens: float) -> None:
        self.routing = routing
        self.seed = seed
        self.expected_output_tokens = expected_output_tokens
        """What the predicted latency takes for the length of an answer, since no router knows it."""
        self.last = -1
        """The replica chosen last."""

    def choose(self, ready: list[int], replicas: list[Replica], request: Request) -> int:
        """Return one of `ready`, positions in `replicas` in rising order, at least one."""
        self.last = getattr(self, self.routing.replace("-", "_"))(ready, replicas, request)
        return self.last

    def random(self, ready: list[int], _replicas: list[Replica], request: Request) -> int:
        """Any, by seed and row alone."""
        return ready[int(uniform(self.seed, request.row) * len(ready))]

    def round_robin(self, ready: list[int], _replicas: list[Replica], _request: Request) -> int:
        """The next one after the one chosen last, in the order of their positions and round again."""
        return min([index for index in ready if index > self.last] or ready)

    def least_request(self, ready: list[int], replicas: list[Replica], _request: Request) -> int:
        """The fewest requests in flight; the first of these."""
        return min(ready, key=lambda index: (len(replicas[index].held), index))

    def least_queued_tokens(self, ready: list[int], replicas: list[Replica], _request: Request) -> int:
        """The fewest tokens to compute before all decode; then the fewest requests in flight; the first of these."""
        return min(ready, key=lambda index: (queued_tokens(replicas[index]), len(replicas[index].held), index))

    def predicted_latency(self, ready: list[int], replicas: list[Replica], request: Request) -> int:
        """The soonest end of the answer; the first of these."""
        return min(
            ready, key=lambda index: (predicted_ms(replicas[index], request, self.expected_output_tokens), index)
        )


def queued_tokens(replica: Replica) -> int:
    """Return the tokens to compute before all requests decode, less those in passes that are put together.

    A preempted request computes its answer so far again; what the prefix cache holds is not computed.
    """
    return sum(max(0, request.prompt_end - request.computed) for request in replica.held)


def predicted_ms(replica: Replica, request: Request, answer: float) -> float:
    """Return the milliseconds until a request of an answer so long would end on a replica, roughly.

    First prompts are computed in full passes beside the decodes in flight, those before it and its own; then each of
    its tokens takes a pass of all. Where the prompts do not fit into the KV cache together, it waits for as large a
    share of the answers in flight as is too much.
    """
    limits = replica.profile.limits
    held = sum(other.input_tokens for other in replica.held)
    decodes = min(len(replica.held), limits.max_num_seqs - 1)
    prompts = queued_tokens(replica) + request.input_tokens - request.cached_tokens
    budget = max(1, limits.max_num_batched_tokens - decodes)
    context = (request.cached_tokens + request.input_tokens) / 2
    prompts_ms = 0.0
    while prompts > 0:
        tokens = min(prompts, budget)
        work = Pass(decodes=decodes, kv_tokens=held, prompt_tokens=tokens, prompt_context=tokens * context)
        prompts_ms += work.duration_ms(replica.profile)
        prompts -= tokens
    token_ms = Pass(decodes=decodes + 1, kv_tokens=held + request.input_tokens).duration_ms(replica.profile)
    excess = max(0, held + request.input_tokens - limits.kv_tokens)
    return prompts_ms + answer * token_ms * (1 + (excess / held if excess else 0))


def uniform(seed: int, draw: int) -> float:
    """Return a number in [0, 1) that belongs to seed and draw, by SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = seed * 0xD1342543DE82EF95 + (draw + 1) * 0x9E3779B97F4A7C15 & WORD
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & WORD
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & WORD
    return ((mixed ^ mixed >> 31) >> 11) / 2**53
