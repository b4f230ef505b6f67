"""The replica of the engine model in real time.

The event loop's clock is the replica's virtual time, times the time scale. The driver sleeps until the pass that runs
has ended, steps the replica, and gives each token to its stream; a wake-up that comes late makes the tokens of that
pass late and moves no later one, since the ends of passes come from the model and never from the clock.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import math
from typing import TYPE_CHECKING

from tenbin_planner.model import stepwise

if TYPE_CHECKING:
    from tenbin_planner.model.stepwise import Sequence, Step

    from tenbin_local.engine.metrics import EngineMetrics
    from tenbin_local.engine.protocol import Ask

PUNCTUAL_S = 0.001
"""A token due within this time is delivered at once: the event loop's timers are not finer."""


class Aborted(Exception):  # noqa: N818 - an outcome of the request, not a fault
    """The engine stopped before the answer was complete."""


class Stream:
    """The tokens of one request on their way to its client."""

    def __init__(self, ask: Ask, arrived: float) -> None:
        self.ask = ask
        self.arrived = arrived
        """Seconds of the event loop's clock."""
        self.newest = math.nan
        """When the newest token was delivered, same clock; NaN before the first."""
        self._delivered = 0
        self._taken = 0
        self._aborted = False
        self._wake: asyncio.Future[None] | None = None

    @property
    def delivered(self) -> int:
        """Tokens given to the client so far."""
        return self._delivered

    def deliver(self, now: float) -> None:
        """Give the client one more token."""
        self._delivered += 1
        self.newest = now
        self._notify()

    def abort(self) -> None:
        """End the stream before its answer is complete."""
        self._aborted = True
        self._notify()

    async def take(self) -> range:
        """Wait for tokens and return the positions of those that came since the last call.

        Raises:
            Aborted: when the engine stops first.
        """
        while self._taken == self._delivered:
            if self._aborted:
                raise Aborted
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        positions = range(self._taken, self._delivered)
        self._taken = self._delivered
        return positions

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


@dataclasses.dataclass(frozen=True, slots=True)
class _InFlight:
    stream: Stream
    sequence: Sequence


class Driver:
    """Drives one replica by the running event loop's clock."""

    def __init__(self, replica: stepwise.Replica, metrics: EngineMetrics, *, time_scale: float) -> None:
        self._replica = replica
        self._metrics = metrics
        self._seconds = time_scale / 1000
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._in_flight: dict[int, _InFlight] = {}
        self._next_id = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, ask: Ask) -> tuple[int, Stream] | None:
        """Take a request that has just arrived.

        Returns:
            Its id and stream; None when the queue is full.
        """
        now = self._loop.time()
        instant = max(self._virtual(now), self._replica.now_ms)
        self._catch_up(instant)
        request = stepwise.Request(
            id=self._next_id,
            arrival_ms=max(instant, self._replica.now_ms),
            input_tokens=ask.prompt_tokens,
            output_tokens=ask.output_tokens,
        )
        sequence = self._replica.add(request)
        self._arm()
        if sequence is None:
            self._metrics.rejected()
            return None
        self._next_id += 1
        stream = Stream(ask, now)
        self._in_flight[request.id] = _InFlight(stream, sequence)
        self._idle.clear()
        return request.id, stream

    def abort(self, request_id: int) -> None:
        """Forget a request whose client has gone; nothing happens when it is finished."""
        gone = self._in_flight.pop(request_id, None)
        if gone is not None:
            self._replica.abort(request_id)
            self._metrics.finished("abort")
            gone.stream.abort()
            self._arm()
            self._note_idle()

    def abort_all(self) -> None:
        """End every stream: the engine stops."""
        for request_id in list(self._in_flight):
            self.abort(request_id)

    async def idle(self) -> None:
        """Wait until no request is in flight."""
        await self._idle.wait()

    def _virtual(self, now: float) -> float:
        return (now - self._origin) / self._seconds

    def _arm(self) -> None:
        """Set the timer on what the replica does next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._replica.next_ms < math.inf:
            self._timer = self._loop.call_at(self._origin + self._replica.next_ms * self._seconds, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._catch_up(math.nextafter(max(self._virtual(self._loop.time()), self._replica.next_ms), math.inf))
        self._arm()

    def _catch_up(self, instant_ms: float) -> None:
        """Do all that the replica does before an instant."""
        while self._replica.next_ms < instant_ms:
            step = self._replica.step()
            if step is not None:
                self._emit(step)

    def _emit(self, step: Step) -> None:
        self._metrics.stepped(step)
        punctual = self._loop.time() + PUNCTUAL_S
        for position, sequence in enumerate(step.sequences):
            held = self._in_flight[sequence.request.id]
            due = self._origin + step.delivered_ms[position] * self._seconds
            if due <= punctual:
                self._deliver(held)
            else:
                self._loop.call_at(due, functools.partial(self._deliver, held))

    def _deliver(self, held: _InFlight) -> None:
        if held.sequence.request.id not in self._in_flight:
            return
        now = self._loop.time()
        self._metrics.token(held.stream, now)
        held.stream.deliver(now)
        if held.stream.delivered == held.sequence.request.output_tokens:
            del self._in_flight[held.sequence.request.id]
            self._metrics.answered(held.stream, held.sequence, now)
            self._note_idle()

    def _note_idle(self) -> None:
        if not self._in_flight:
            self._idle.set()
