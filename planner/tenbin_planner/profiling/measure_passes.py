"""From the times at which tokens reached the client to times of forward passes. Pure.

What a client sees of a pass is shifted by the API process and the network, so all that can be is taken from
differences: a decode from token to token of the same answer, a chunk of a long prompt from two prompts, a burst from
the answer before it. Only a lone prompt of one pass needs the API process's cost itself.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

BACKLOG = 0.8
"""Share of a pass that the delivery of its tokens may take: above it the API process sets the pace."""
UNSTEADY = 0.1
"""How far the two halves of a stretch may differ."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeStage:
    """A stretch of passes in which the same sequences decoded."""

    batch: int
    kv_tokens: float
    """Tokens of context that a pass read, on average."""
    passes: int
    ms: float
    """Time of one pass."""
    spread_ms: float
    """Half the inter-quartile range of what the passes took."""
    delivery_ms: float
    """From the first to the last token of a pass, at the client."""
    note: str = ""
    """Why it cannot be used; empty when it can."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BurstTime:
    """What the pass of a burst took, once for each repetition."""

    prompts: int
    tokens: int
    ms: tuple[float, ...] = ()
    note: str = ""
    """Why it cannot be used; empty when it can."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApiTimes:
    """Cost of the API process, in milliseconds."""

    per_request_ms: float
    per_output_token_ms: float
    first_token_ms: float
    """What a first token takes more on its way to the client than a later one."""
    notes: tuple[str, ...] = ()
    """What is missing or doubtful, in words."""
    is_known: bool = True
    """False when not even the cost per request could be measured."""

    @property
    def first_ms(self) -> float:
        """What it adds to the first token of a lone prompt."""
        return self.per_request_ms + self.per_output_token_ms + self.first_token_ms


def decode_stage(streams: Sequence[tuple[int, Sequence[float]]], since: float, passes: int) -> DecodeStage | None:
    """Return what a stretch of decodes says.

    Args:
        streams: prompt tokens and times of tokens (seconds) of each answer that was decoding.
        since: when the stretch begins, in seconds.
        passes: length of the stretch.

    Returns:
        None when an answer has too few tokens after `since`.
    """
    starts = _first_of_a_pass([times for _, times in streams], since)
    if any(start + passes >= len(times) for start, (_, times) in zip(starts, streams, strict=True)):
        return None
    at_ms = 1000 * np.array(
        [times[start : start + passes + 1] for start, (_, times) in zip(starts, streams, strict=True)]
    )
    centre = np.median(at_ms, axis=0)
    half = max(passes // 2, 1)
    spans = (centre[half:] - centre[:-half]) / half
    ms = float(np.median(spans))
    offsets = np.median(at_ms - centre, axis=1)
    delivery = float(np.ptp(offsets))
    # The pass that yields the token at index i of an answer reads its prompt and the i tokens before.
    kv_tokens = sum(prompt + start for start, (prompt, _) in zip(starts, streams, strict=True))
    return DecodeStage(
        batch=len(streams),
        kv_tokens=kv_tokens + len(streams) * (passes + 1) / 2,
        passes=passes,
        ms=ms,
        spread_ms=_half_range(np.diff(centre)),
        delivery_ms=delivery,
        note=_stage_note(ms, delivery, centre),
    )


def _first_of_a_pass(times: Sequence[Sequence[float]], since: float) -> list[int]:
    """Return for each answer the index of its first token of one and the same pass, the first whole one in sight.

    The tokens of a pass come close together, passes are apart: the pass begins after the widest gap.
    """
    after = [[instant for instant in own if instant >= since] for own in times]
    firsts = [len(own) - len(left) for own, left in zip(times, after, strict=True)]
    if not all(len(own) > 2 for own in after):
        return firsts
    a_pass = statistics.median(later - earlier for own in after for earlier, later in itertools.pairwise(own))
    merged = sorted(instant for own in after for instant in own if instant < since + 2.5 * a_pass)
    gaps = [
        (later - earlier, later)
        for earlier, later in itertools.pairwise([since, *merged])
        if later < since + 1.5 * a_pass
    ]
    begin = max(gaps)[1] if gaps else since
    return [sum(instant < begin for instant in own) for own in times]


def _stage_note(ms: float, delivery_ms: float, centre: NDArray[np.float64]) -> str:
    took = np.diff(centre)
    before, later = (float(np.median(half)) for half in np.array_split(took, 2))
    if delivery_ms > BACKLOG * ms:
        return f"front-end backlog: tokens of a pass are delivered over {delivery_ms:.1f} ms"
    if abs(later - before) > UNSTEADY * ms:
        return f"not steady: {before:.2f} ms a pass at first, {later:.2f} ms later"
    return ""


def _half_range(values: NDArray[np.float64]) -> float:
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high - low) / 2


def api_times(
    floods_ms: Mapping[int, Sequence[float]],
    stages: Sequence[DecodeStage],
    *,
    gaps_ms: Sequence[Sequence[float]] = (),
    shortest_ttft_ms: float | None = None,
) -> ApiTimes:
    """Return the cost of the API process.

    Per request: how much longer the last answer takes for each request more that is sent at once, since the API
    process takes them up one by one. It cannot be more than what a lone request leaves beside one decoding pass.
    Per output token: how much later each answer's token of a pass comes than that of the answer before it.
    First token: how much shorter the first gap of a lone answer is than its other gaps.

    Args:
        floods_ms: time to the last answer, once for each repetition, by the number of requests sent at once.
        stages: decodes.
        gaps_ms: times between the tokens of lone answers.
        shortest_ttft_ms: TTFT of a lone prompt of one token, less the network.
    """
    notes = []
    per_token = _per_token_ms(stages)
    if per_token is None:
        notes.append("per_output_token_ms is not measured: 0 is taken")
        per_token = 0.0
    later = [statistics.median(gaps[1:]) - gaps[0] for gaps in gaps_ms if len(gaps) > 2]
    first = max(statistics.median(later), 0.0) if later else 0.0
    points = [(number, milliseconds) for number, repeats in floods_ms.items() for milliseconds in repeats]
    is_known = len({number for number, _ in points}) > 1
    if not is_known:
        notes.append("per_request_ms is not measured: 0 is taken")
        per_request = 0.0
    else:
        numbers, last_ms = np.array(points, dtype=np.float64).T
        per_request = max(float(np.polyfit(numbers, last_ms, 1)[0]), 0.0)
    alone = [stage.ms for stage in stages if stage.batch == 1 and not stage.note]
    if shortest_ttft_ms is not None and alone:
        most = max(shortest_ttft_ms - per_token - first - min(alone), 0.0)
        # A pass for a prompt of one token may take a little less than one that decodes.
        if per_request > most + UNSTEADY * min(alone):
            notes.append(f"per_request_ms is {per_request:.2f} by requests sent at once, {most:.2f} by a lone one")
            per_request = most
    return ApiTimes(per_request_ms=per_request, per_output_token_ms=per_token, first_token_ms=first, notes=tuple(notes))


def _per_token_ms(stages: Sequence[DecodeStage]) -> float | None:
    """Return the slope of the delivery of a pass over its tokens, large batches first; None without any."""
    usable = [(stage.batch - 1, stage.delivery_ms) for stage in stages if not stage.note and stage.batch > 1]
    if not usable:
        return None
    tokens, delivery_ms = np.array(usable, dtype=np.float64).T
    return float(tokens @ delivery_ms / (tokens @ tokens))
