"""Open loop: each request is sent at its own time, whatever became of those before it, as independent users do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tenbin_local.load import bounds, records
from tenbin_local.load.arrivals import PlannedRequest
from tenbin_local.load.records import RequestRecord


class Traffic:
    """The requests of a run, on their way."""

    def __init__(
        self,
        requests: Sequence[PlannedRequest],
        send: Callable[[PlannedRequest], Awaitable[RequestRecord]],
        clock: Callable[[], float],
        *,
        max_in_flight: int = bounds.MAX_IN_FLIGHT,
    ) -> None:
        """Prepare a run.

        Args:
            requests: in the order of their arrival.
            send: follows one request to its end; failures are records, not exceptions.
            clock: seconds since the start of the run.
            max_in_flight: requests that may be open at once.
        """
        self._requests = requests
        self._send = send
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._tasks: dict[asyncio.Future[RequestRecord], PlannedRequest] = {}
        self._failure: BaseException | None = None
        self.sent_s: list[float] = []
        """When each request was sent, those included that the limit kept back; rising."""
        self.records: list[RequestRecord] = []
        """Requests that ended, in the order of their end."""

    @property
    def in_flight(self) -> int:
        """Requests that are sent and not ended."""
        return len(self._tasks)

    async def run(self, stop: asyncio.Event) -> None:
        """Send everything, each at its time, and wait for the answers; cut it all off when `stop` is set."""
        sending = asyncio.create_task(self._send_all())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            left: list[asyncio.Future[Any]] = [sending, stopping, *self._tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def _send_all(self) -> None:
        for request in self._requests:
            # Sleep even when late: the loop must get its turn to read answers.
            await asyncio.sleep(max(request.arrival_s - self._clock(), 0.0))
            now = self._clock()
            self.sent_s.append(now)
            if len(self._tasks) >= self._max_in_flight:
                self.records.append(RequestRecord(planned=request, status=records.CLIENT_LIMIT, ended_s=now))
                continue
            task = asyncio.ensure_future(self._send(request))
            self._tasks[task] = request
            task.add_done_callback(self._ended)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Future[RequestRecord]) -> None:
        request = self._tasks.pop(task)
        if task.cancelled():
            cancelled = RequestRecord(planned=request, status=records.CANCELLED, ended_s=self._clock())
            self.records.append(cancelled)
        elif error := task.exception():
            self._failure = error
        else:
            self.records.append(task.result())
