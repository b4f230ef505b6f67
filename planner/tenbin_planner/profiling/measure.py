"""Measures a live OpenAI-compatible server: the passes from which a profile is fitted, within a bound of work.

    measure_ladder   what is asked for
    measure_server   the server and its answers
    measure_answers  bytes of an answer to times of tokens
    measure_passes   times of tokens to times of passes
    measure_rows     a row for each kind of pass
    measure_file     the file that holds them

The sweep asks for many tiny requests at once (the API process), for lone prompts, for batches that shrink step by step
while they decode, and for bursts of prompts in one pass. Prompts are random token ids, so that no prefix cache helps;
answers have a fixed length. What was measured before a bound, an error or an interruption is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from tenbin_spec.profiles import EngineLimits

from tenbin_planner.profiling import measure_ladder, measure_passes, measure_rows
from tenbin_planner.profiling.measure_server import BudgetSpentError, MeasureError, Server, Stream

POLL_S = 0.005
METRICS_POLL_S = 0.05
"""Rarer, since a page costs the server's API process several milliseconds."""
LEAVE_S = 3.0
"""How long the server is given to let go of requests whose client has gone."""
PROBE_TOKENS = 8
ADMITTED = 0.7
"""Share of the pass before a burst within which the API process must have taken up all of its prompts."""


class Phase(enum.StrEnum):
    """Parts of a sweep, in their order."""

    FLOOD = "requests at once"
    LONE = "lone prompts"
    DECODE = "decodes"
    BURST = "prompts in one pass"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a sweep is."""

    phase: Phase
    point: str
    """What is being measured, in words."""
    done: int
    total: int
    """Points, all phases together."""
    requests: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a sweep may cost, and how thorough it is."""

    max_requests: int = 5000
    max_seconds: float = 1800.0
    max_batch: int = 1024
    repeats: int = 5
    """Of each lone prompt; half as many of each burst, which times a difference and so scatters less."""
    passes: int = 40
    """At each batch size."""


@dataclasses.dataclass
class Observations:
    """What a sweep has seen so far."""

    round_trip_ms: float = 0.0
    lone_ms: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    """TTFT by prompt tokens, less the round trip."""
    floods_ms: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    """Time to the last answer by number of requests sent at once."""
    gaps_ms: list[list[float]] = dataclasses.field(default_factory=list)
    """Times between the tokens of each answer to a lone prompt of one token."""
    stages: list[measure_passes.DecodeStage] = dataclasses.field(default_factory=list)
    bursts: list[measure_passes.BurstTime] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    """What is missing or doubtful, in words."""
    requests: int = 0
    seconds: float = 0.0

    def api(self) -> measure_passes.ApiTimes:
        """Return the cost of the API process."""
        shortest = self.lone_ms.get(1)
        return measure_passes.api_times(
            self.floods_ms,
            self.stages,
            gaps_ms=self.gaps_ms,
            shortest_ttft_ms=statistics.median(shortest) if shortest else None,
        )

    def rows(self, budget: int) -> list[measure_rows.MeasuredPass]:
        """Return the rows of a file; `budget` is the tokens of a pass, `max_num_batched_tokens`."""
        return measure_rows.rows(
            stages=self.stages, lone_ms=self.lone_ms, bursts=self.bursts, api=self.api(), budget=budget
        )


Report = Callable[[Progress], None]
_Point = tuple[Phase, str, Callable[[], Awaitable[None]]]


async def sweep(
    server: Server, limits: EngineLimits, bounds: Bounds, *, seen: Observations, report: Report = lambda _: None
) -> None:
    """Measure an idle server and write what it says into `seen`, point by point.

    A bound that is reached ends the sweep and leaves a note. The caller may cancel it at any time.

    Raises:
        MeasureError: when the server is busy with other work, does not stream, refuses, or stops answering.
    """
    await _Sweep(server, limits, bounds, seen, report).run()


class _Sweep:
    def __init__(
        self, server: Server, limits: EngineLimits, bounds: Bounds, seen: Observations, report: Report
    ) -> None:
        self._server = server
        self._limits = limits
        self._bounds = bounds
        self._seen = seen
        self._report = report

    async def run(self) -> None:
        start = time.perf_counter()
        points = [*self._flood_points(), *self._lone_points(), *self._decode_points(), *self._burst_points()]
        done = 0
        try:
            async with asyncio.timeout(self._bounds.max_seconds):
                await self._probe()
                for phase, words, measure in points:
                    progress = Progress(
                        phase=phase, point=words, done=done, total=len(points), requests=self._server.requests
                    )
                    self._report(progress)
                    await self._idle()
                    await measure()
                    done += 1
        except TimeoutError:
            left = f"{len(points) - done} of {len(points)} points are missing"
            self._seen.notes.append(f"the allowed {self._bounds.max_seconds:g} s are used up: {left}")
        except BudgetSpentError as error:
            self._seen.notes.append(f"{error}: {len(points) - done} of {len(points)} points are missing")
        finally:
            self._seen.requests = self._server.requests
            self._seen.seconds = time.perf_counter() - start

    async def _probe(self) -> None:
        """Refuse a server that is busy, or whose tokens do not come one by one.

        Raises:
            MeasureError: in these cases.
        """
        # An interrupted measurement just before may still be leaving.
        await self._holds(0)
        occupancy = await self._server.occupancy()
        if occupancy is None:
            self._seen.notes.append("the server has no vLLM metrics: other work on it would not have been noticed")
        elif not occupancy.idle:
            raise MeasureError(
                f"{self._server.url} is busy: {occupancy.running} requests run and {occupancy.waiting} wait there. "
                "Measure a server that nobody else uses"
            )
        stream = await self._server.ask(1, PROBE_TOKENS).wait()
        times = stream.answer.times
        if len(times) < 2 or times[-1] - times[0] < 0.2 * (times[-1] - stream.sent) / PROBE_TOKENS:
            raise MeasureError(
                f"{self._server.url} does not stream token by token: {PROBE_TOKENS} tokens came in {len(times)} events "
                f"within {(times[-1] - times[0]) * 1000:.1f} ms. Measure the engine itself, not what stands before it"
            )
        self._seen.round_trip_ms = await self._server.round_trip_ms()

    async def _idle(self) -> None:
        """Wait until nothing of the point before is left.

        Raises:
            MeasureError: when something stays: another client has come.
        """
        if not await self._holds(0):
            raise MeasureError(
                f"{self._server.url} does work that this measurement did not ask for: another client came"
            )

    async def _holds(self, requests: int) -> bool:
        """Tell whether the server comes to hold exactly so many requests; True where it does not say."""
        deadline = time.perf_counter() + LEAVE_S
        while (occupancy := await self._server.occupancy()) is not None:
            if occupancy.running == requests and occupancy.waiting == 0:
                return True
            if time.perf_counter() > deadline:
                return False
            await asyncio.sleep(METRICS_POLL_S)
        return True

    def _lone_points(self) -> list[_Point]:
        def point(tokens: int) -> _Point:
            async def measure() -> None:
                # The shortest goes on, to show by how much its first token is later than those after it.
                answers = [
                    await self._server.ask(tokens, PROBE_TOKENS if tokens == 1 else 1).wait()
                    for _ in range(self._bounds.repeats)
                ]
                self._seen.lone_ms[tokens] = [answer.ttft_ms - self._seen.round_trip_ms for answer in answers]
                if tokens == 1:
                    self._seen.gaps_ms = [answer.gaps_ms() for answer in answers]

            return Phase.LONE, f"{tokens} tokens", measure

        return [point(tokens) for tokens in measure_ladder.lone_lengths(self._limits)]

    def _flood_points(self) -> list[_Point]:
        def point(requests: int) -> _Point:
            async def measure() -> None:
                async with self._asked([(measure_ladder.FLOOD_TOKENS, 1)] * requests) as streams:
                    await asyncio.gather(*(stream.wait() for stream in streams))
                last = max(stream.answer.times[-1] for stream in streams)
                lasted_ms = (last - min(stream.sent for stream in streams)) * 1000
                self._seen.floods_ms.setdefault(requests, []).append(lasted_ms)

            return Phase.FLOOD, f"{requests} requests", measure

        return [point(requests) for requests in measure_ladder.FLOODS]

    def _decode_points(self) -> list[_Point]:
        def point(stair: measure_ladder.Staircase) -> _Point:
            words = f"{stair.prompt_tokens} tokens, {stair.batches[0]} down to 1 at once"
            return Phase.DECODE, words, lambda: self._descend(stair)

        stairs = measure_ladder.staircases(self._limits, passes=self._bounds.passes, max_batch=self._bounds.max_batch)
        return [point(stair) for stair in stairs]

    async def _descend(self, stair: measure_ladder.Staircase) -> None:
        """Measure a batch at its full size, let some of it go, measure the rest, down to a single sequence."""
        async with self._asked([(stair.prompt_tokens, stair.output_tokens)] * stair.batches[0]) as streams:
            await self._tokens(streams, 1)
            if not await self._holds(len(streams)):
                self._seen.notes.append(
                    f"{len(streams)} sequences of {stair.prompt_tokens} tokens did not run at once: "
                    "max_num_seqs or the KV cache is smaller than was said"
                )
                return
            was_behind = False
            for batch in stair.batches:
                left = streams[:batch]
                await asyncio.gather(*(stream.stop() for stream in streams[batch:]))
                if not await self._holds(batch):
                    self._seen.notes.append(f"{self._server.url} goes on with requests whose client has gone")
                    return
                settle = measure_ladder.SETTLE + (self._bounds.passes if was_behind else 0)
                stage = await self._stage(left, settle)
                if stage is None:
                    self._seen.notes.append(f"a batch of {batch} at {stair.prompt_tokens} tokens ended early")
                    return
                self._seen.stages.append(stage)
                was_behind = bool(stage.note)

    async def _stage(self, streams: Sequence[Stream], settle: int) -> measure_passes.DecodeStage | None:
        await self._tokens(streams, settle, more=True)
        since = time.perf_counter()
        await self._tokens(streams, self._bounds.passes + 3, more=True)
        return measure_passes.decode_stage(
            [(stream.prompt_tokens, list(stream.answer.times)) for stream in streams], since, self._bounds.passes
        )

    async def _tokens(self, streams: Sequence[Stream], least: int, *, more: bool = False) -> None:
        """Wait until each answer has `least` tokens, or `least` more than now, or one of them has ended.

        Raises:
            MeasureError: when an answer fails.
        """
        wanted = [least + (stream.tokens if more else 0) for stream in streams]
        while any(stream.tokens < number for stream, number in zip(streams, wanted, strict=True)):
            ended = [stream for stream in streams if stream.task is not None and stream.task.done()]
            if ended:
                await asyncio.gather(*(stream.wait() for stream in ended))
                return
            await asyncio.sleep(POLL_S)

    def _burst_points(self) -> list[_Point]:
        def point(burst: measure_ladder.Burst) -> _Point:
            words = f"{burst.prompts} of {burst.tokens} tokens"
            return Phase.BURST, words, lambda: self._burst(burst)

        return [point(burst) for burst in measure_ladder.bursts(self._limits)]

    async def _burst(self, burst: measure_ladder.Burst) -> None:
        """Time the pass that computes all prompts of a burst: from the answer to the long one before it to theirs."""
        blocked_ms, api = self._blocked_ms(burst), self._seen.api()
        admitted_ms = burst.prompts * api.per_request_ms
        if admitted_ms > ADMITTED * blocked_ms:
            note = f"the API process takes {admitted_ms:.0f} ms for them, the pass before lasts {blocked_ms:.0f} ms"
            self._seen.bursts.append(measure_passes.BurstTime(prompts=burst.prompts, tokens=burst.tokens, note=note))
            return
        # Prompts of a second pass come at least the shortest pass later than those of the first.
        apart_ms = (
            burst.prompts * api.per_output_token_ms + min((stage.ms for stage in self._seen.stages), default=0) / 2
        )
        times, apart = [], 0
        for _ in range((self._bounds.repeats + 1) // 2):
            async with self._asked([(burst.blocker_tokens, 1)]) as (blocker,):
                await asyncio.sleep(blocked_ms / 10_000)
                async with self._asked([(burst.tokens, 1)] * burst.prompts) as streams:
                    await asyncio.gather(*(stream.wait() for stream in [blocker, *streams]))
            firsts = [stream.answer.times[0] for stream in streams]
            if (max(firsts) - min(firsts)) * 1000 > apart_ms:
                apart += 1
            else:
                times.append((min(firsts) - blocker.answer.times[0]) * 1000)
        note = "" if times else f"they were never computed in one pass, {apart} times tried"
        self._seen.bursts.append(
            measure_passes.BurstTime(prompts=burst.prompts, tokens=burst.tokens, ms=tuple(times), note=note)
        )

    def _blocked_ms(self, burst: measure_ladder.Burst) -> float:
        lone = self._seen.lone_ms.get(burst.blocker_tokens)
        return statistics.median(lone) if lone else 0.0

    @contextlib.asynccontextmanager
    async def _asked(self, shapes: Sequence[tuple[int, int]]) -> AsyncIterator[list[Stream]]:
        """Send requests of (prompt tokens, output tokens); whatever happens, none is left behind."""
        streams: list[Stream] = []
        try:
            for prompt_tokens, output_tokens in shapes:
                streams.append(self._server.ask(prompt_tokens, output_tokens))
            yield streams
        finally:
            await asyncio.gather(*(stream.stop() for stream in streams))
