"""What a sweep asks for: lengths, batches and bursts that span the engine's limits. Pure."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineLimits

SETTLE = 3
"""Passes left out after the batch has changed: a pass more is scheduled already, and what left may still be in it."""
SLACK = 24
"""Passes at each batch size that go by while the measurement looks whether the batch has changed."""
KV_FILL = 0.9
"""Share of the KV cache that a batch may come to, so that none of it is preempted."""
SHORT_CONTEXT = 16
FLOODS = tuple(range(8, 65, 5))
"""Numbers of requests sent at once, for the cost per request of the API process."""
FLOOD_TOKENS = 8
"""Prompt of these: so short that the API process is busy for longer than the accelerator."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Staircase:
    """A batch that is measured while it shrinks: one wave of prompts serves many batch sizes."""

    prompt_tokens: int
    batches: tuple[int, ...]
    """Sequences that decode together, falling."""
    output_tokens: int
    """Longest answer that the measurement can need."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Burst:
    """Prompts that are computed in one pass, since they wait while a longer one is computed."""

    prompts: int
    tokens: int
    """Of each prompt."""
    blocker_tokens: int
    """Of the one before them."""


def lone_lengths(limits: EngineLimits) -> tuple[int, ...]:
    """Return lengths of prompts that are measured alone, rising.

    Up to a pass's budget each doubles; above it they are multiples of the budget, so that the difference of two is the
    time of whole passes.

    >>> from tenbin_spec.profiles import EngineLimits
    >>> lone_lengths(EngineLimits(max_num_seqs=8, max_num_batched_tokens=512, kv_blocks=500, block_size=16,
    ...                           max_model_len=4000))
    (1, 32, 64, 128, 256, 512, 1024, 2048, 3584)
    """
    budget, longest = limits.max_num_batched_tokens, limits.max_model_len - 1
    within = min(budget, longest)
    lengths = {1, within, *itertools.takewhile(lambda length: length < within, (32 << step for step in range(32)))}
    multiples = longest // budget
    if multiples > 1:
        lengths |= {budget * factor for factor in itertools.takewhile(lambda it: it < multiples, (2, 4, 8, 16, 32))}
        lengths.add(budget * multiples)
    return tuple(sorted(lengths))


def bursts(limits: EngineLimits) -> tuple[Burst, ...]:
    """Return bursts that fill a pass with short prompts.

    Beside a lone prompt of as many tokens they tell the cost of a prompt's tokens from that of its attention, and they
    reach the budget of a pass where no prompt is that long.
    """
    budget, longest = limits.max_num_batched_tokens, limits.max_model_len - 1
    fewest = max(2, -(-budget // longest))
    found = []
    for prompts in sorted({fewest, max(4, fewest), max(8, fewest)}):
        tokens = budget // prompts
        if prompts <= limits.max_num_seqs and tokens > 0:
            found.append(Burst(prompts=prompts, tokens=tokens, blocker_tokens=min(budget, longest)))
    return tuple(found)


def batches(largest: int) -> tuple[int, ...]:
    """Return batch sizes, falling: the largest, and the powers of two below it.

    >>> batches(24)
    (24, 16, 8, 4, 2, 1)
    """
    powers = itertools.takewhile(lambda size: size < largest, (1 << step for step in range(32)))
    return (largest, *sorted(powers, reverse=True))


def staircases(limits: EngineLimits, *, passes: int, max_batch: int) -> tuple[Staircase, ...]:
    """Return staircases at short to long contexts, each from the largest batch that the KV cache holds.

    Args:
        limits: of the engine.
        passes: passes measured at each batch size.
        max_batch: sequences at most.
    """
    largest = min(max_batch, limits.max_num_seqs)
    found: list[Staircase] = []
    lengths = [
        SHORT_CONTEXT,
        *itertools.takewhile(lambda it: it < limits.max_model_len, (512 << 2 * k for k in range(9))),
    ]
    for prompt_tokens in [*lengths, limits.max_model_len]:
        stair = _staircase(limits, prompt_tokens, largest, passes)
        if stair is not None and (not found or stair.prompt_tokens >= 1.5 * found[-1].prompt_tokens):
            found.append(stair)
    return tuple(found)


def _staircase(limits: EngineLimits, prompt_tokens: int, largest: int, passes: int) -> Staircase | None:
    """Return the staircase of a prompt length, shortened to leave room for its answers; None where there is none."""
    for batch in range(largest, 0, -1):
        steps = batches(batch)
        # One pass for each prompt at worst until the batch is full, while those already in it decode.
        arriving = batch + -(-batch * prompt_tokens // limits.max_num_batched_tokens)
        output_tokens = len(steps) * (passes + SETTLE + SLACK) + arriving + 32
        prompt = min(prompt_tokens, limits.max_model_len - output_tokens)
        if prompt < 1:
            continue
        blocks = -(-(prompt + output_tokens) // limits.block_size) * batch
        if blocks <= KV_FILL * limits.kv_blocks:
            return Staircase(prompt_tokens=prompt, batches=steps, output_tokens=output_tokens)
    return None
