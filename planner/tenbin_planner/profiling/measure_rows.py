"""From what a sweep has seen to rows of passes, one time and one amount of work each. Pure."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenbin_planner.profiling.measure_passes import ApiTimes, BurstTime, DecodeStage


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredPass:
    """Passes of one kind: amounts and time are those of one of them."""

    kind: str
    """Where it comes from: `decode`, `prefill`, `chunk` or `burst`."""
    passes: int
    decode_sequences: int
    kv_tokens: float
    """Tokens of context that the decodes read together."""
    prefill_tokens: float
    prefill_context: float
    """Sum over chunks of tokens * (tokens computed before + tokens / 2)."""
    ms: float
    samples: int
    spread_ms: float
    """Half the inter-quartile range of the samples."""
    note: str = ""
    """Why it is not to be fitted; empty when it is."""


def rows(
    *,
    stages: Sequence[DecodeStage],
    lone_ms: Mapping[int, Sequence[float]],
    bursts: Sequence[BurstTime],
    api: ApiTimes,
    budget: int,
) -> list[MeasuredPass]:
    """Return all rows of a sweep, whole or in part.

    Args:
        stages: decodes.
        lone_ms: TTFT of lone prompts by their tokens, less the network.
        bursts: prompts that shared a pass.
        api: cost of the API process.
        budget: tokens of a pass, `max_num_batched_tokens`.
    """
    return [
        *(_decode(stage) for stage in stages),
        *_prefills(lone_ms, api, budget),
        *_chunks(lone_ms, budget),
        *(_burst(burst) for burst in bursts),
    ]


def _decode(stage: DecodeStage) -> MeasuredPass:
    return MeasuredPass(
        kind="decode",
        passes=stage.passes,
        decode_sequences=stage.batch,
        kv_tokens=stage.kv_tokens,
        prefill_tokens=0,
        prefill_context=0,
        ms=stage.ms,
        samples=stage.passes,
        spread_ms=stage.spread_ms,
        note=stage.note,
    )


def _prefills(lone_ms: Mapping[int, Sequence[float]], api: ApiTimes, budget: int) -> Iterator[MeasuredPass]:
    """Yield the lone prompts that one pass computes: time to first token less the API process's share."""
    for tokens, times in sorted(lone_ms.items()):
        if tokens <= budget:
            ms = statistics.median(times) - api.first_ms
            note = "" if api.is_known else "holds the API process's share, which was not measured"
            note = note if ms > 0 else "the API process's share is larger than the whole"
            yield _prefill("prefill", tokens, context=tokens * tokens / 2, ms=ms, times=times, note=note)


def _chunks(lone_ms: Mapping[int, Sequence[float]], budget: int) -> Iterator[MeasuredPass]:
    """Yield the whole passes by which one prompt takes longer than the next shorter one."""
    multiples = sorted(tokens for tokens in lone_ms if tokens % budget == 0)
    for shorter, longer in itertools.pairwise(multiples):
        passes = (longer - shorter) // budget
        lasted = statistics.median(lone_ms[longer]) - statistics.median(lone_ms[shorter])
        # Chunk by chunk the tokens computed before grow evenly, so their mean stands for all of them.
        context = budget * ((shorter + longer - budget) / 2 + budget / 2)
        note = "" if lasted > 0 else "the longer prompt was not slower"
        row = _prefill("chunk", budget, context=context, ms=lasted / passes, times=lone_ms[longer], note=note)
        yield dataclasses.replace(row, passes=passes, spread_ms=row.spread_ms / passes)


def _burst(burst: BurstTime) -> MeasuredPass:
    context = burst.prompts * burst.tokens**2 / 2
    ms = statistics.median(burst.ms) if burst.ms else 0.0
    return _prefill("burst", burst.prompts * burst.tokens, context=context, ms=ms, times=burst.ms, note=burst.note)


def _prefill(kind: str, tokens: int, *, context: float, ms: float, times: Sequence[float], note: str) -> MeasuredPass:
    return MeasuredPass(
        kind=kind,
        passes=1,
        decode_sequences=0,
        kv_tokens=0,
        prefill_tokens=tokens,
        prefill_context=context,
        ms=ms,
        samples=len(times),
        spread_ms=_half_range(times),
        note=note,
    )


def _half_range(times: Sequence[float]) -> float:
    if len(times) < 2:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4, method="inclusive")
    return (high - low) / 2
