"""What became of each request, and the file of all of them, from which the back-tester can replay the run."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
from collections.abc import Iterable
from pathlib import Path

from tenbin_spec.objectives import Slo

from tenbin_local.environment.files import write_atomically
from tenbin_local.load.arrivals import PlannedRequest

OK = "ok"
CANCELLED = "cancelled"
"""The run was interrupted while the request was in flight: it counts neither as good nor as missed."""
TIMEOUT = "timeout"
CONNECTION = "connection"
"""No connection, or one that broke before an answer began."""
BROKEN_STREAM = "broken-stream"
"""The answer began and ended too early: the connection broke, or the end was never said."""
STREAM_ERROR = "stream-error"
"""The server sent an error inside the stream."""
SHORT_ANSWER = "short-answer"
"""The answer ended in order with fewer tokens than were asked for, as an engine ends it when it aborts a request."""
CLIENT_LIMIT = "client-limit"
"""Never sent, since --max-in-flight requests were in flight already."""

COLUMNS = (
    "arrival_s",
    "input_tokens",
    "output_tokens",
    "class",
    "ttft_ms",
    "tpot_ms",
    "e2e_ms",
    "status",
)


def http_status(code: int) -> str:
    """Return the status of a request that was answered with an HTTP error."""
    return f"http-{code}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RequestRecord:
    """One request and its outcome, measured at the client."""

    planned: PlannedRequest
    status: str
    """`ok`, or one of the kinds of error above, or `http-<code>`."""
    detail: str = ""
    """What was said about an error, for people."""
    ended_s: float
    """When its end was known, in seconds after the start of the run."""
    late_ms: float = 0.0
    """How much later than planned it was sent, in milliseconds: the client's own delay."""
    ttft_ms: float | None = None
    """From sending to the first token."""
    tpot_ms: float | None = None
    """(e2e - ttft) / (tokens - 1); None for fewer than two tokens."""
    e2e_ms: float | None = None
    """From sending to the end of the answer; None without a complete answer."""
    tokens: int = 0
    """Output tokens received."""

    @property
    def counts(self) -> bool:
        """Whether it counts in the attainment: a client's own cancel does not."""
        return self.status != CANCELLED

    @property
    def is_error(self) -> bool:
        """Whether it failed, for whatever cause but the client's own cancel."""
        return self.status not in {OK, CANCELLED}

    def is_good(self, slo: Slo) -> bool:
        """Whether it is complete and within all thresholds of its class."""
        objective = slo.classes[self.planned.request_class]
        return self.status == OK and objective.is_good(ttft_ms=self.ttft_ms, tpot_ms=self.tpot_ms, e2e_ms=self.e2e_ms)


def time_per_token_ms(*, ttft_ms: float | None, e2e_ms: float | None, tokens: int) -> float | None:
    """Return (e2e - ttft) / (tokens - 1) in milliseconds; None when a time is missing or for fewer than two tokens."""
    if ttft_ms is None or e2e_ms is None or tokens < 2:
        return None
    return (e2e_ms - ttft_ms) / (tokens - 1)


def write_csv(path: Path, records: Iterable[RequestRecord]) -> None:
    """Write the records as gzipped CSV in the order of arrival; equal records give equal bytes.

    Token counts are those that were asked for, so that a replay of the file asks for the same.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in sorted(records, key=lambda record: record.planned.number):
        planned = record.planned
        times = ["" if value is None else f"{value:.3f}" for value in (record.ttft_ms, record.tpot_ms, record.e2e_ms)]
        writer.writerow(
            [
                f"{planned.arrival_s:.6f}",
                planned.input_tokens,
                planned.output_tokens,
                planned.request_class,
                *times,
                record.status,
            ]
        )
    write_atomically(path, gzip.compress(text.getvalue().encode(), mtime=0))
