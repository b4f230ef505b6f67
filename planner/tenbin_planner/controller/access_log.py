"""Access log of the gateway, taken over gRPC: Envoy's entries become entries of the demand log.

Envoy calls `AccessLogService` and never waits for an answer; where the planner is away it drops what its small buffer
does not hold, and requests go on. Each entry is read on its own: one that cannot be used is counted by cause and
changes nothing else.

Times between moments of one request are Envoy's; when an entry came is said by the planner's clock, so clocks that
differ do no harm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from tenbin_planner import demand, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_NOTHING = "-"
"""Stands in a route's name for a service or class where the request is no demand."""
_LONGEST_US = 86_400e6
_MOST_TOKENS = 10_000_000
_LONGEST_NAME = 128
_EVENT_STREAM = "text/event-stream"
_BROKEN_BY_CLIENT = ("downstream_connection_termination", "downstream_remote_reset")
_BROKEN_BY_US = (
    "local_reset",
    "upstream_remote_reset",
    "upstream_connection_termination",
    "upstream_connection_failure",
    "upstream_protocol_error",
    "upstream_request_timeout",
    "upstream_max_stream_duration_reached",
    "stream_idle_timeout",
    "duration_timeout",
)
_TOO_MANY_REQUESTS = 429
_MESSAGE_BYTES = 4 * 1024 * 1024


class UnusableEntryError(ValueError):
    """An entry that cannot be used; its text is the cause, from a closed list, for a counter."""


def read_entry(entry: accesslog_pb2.HTTPAccessLogEntry) -> demand.Started | demand.Running | demand.Ended | None:
    """Return what an entry of Envoy's log says about demand, None for a request that is no demand.

    Raises:
        UnusableEntryError: when it does not hold what the gateway's own configuration puts there.
    """
    common = entry.common_properties
    service, separator, class_name = common.route_name.partition("/")
    if not common.route_name or _NOTHING in (service, class_name):
        return None
    if not separator or not service or not class_name or len(common.route_name) > _LONGEST_NAME:
        raise UnusableEntryError("malformed route name")
    if not common.stream_id or len(common.stream_id) > _LONGEST_NAME:
        raise UnusableEntryError("malformed request id")
    tags = common.custom_tags
    request = common.stream_id
    is_streamed = tags.get("content_type", "").startswith(_EVENT_STREAM)
    output_bytes = entry.response.response_body_bytes
    match common.access_log_type:
        case accesslog_pb2.DownstreamStart:
            return demand.Started(request=request, service=service, class_name=class_name)
        case accesslog_pb2.DownstreamPeriodic:
            return demand.Running(
                request=request,
                service=service,
                class_name=class_name,
                is_streamed=is_streamed,
                output_bytes=output_bytes,
                age_ms=_age_ms(common),
                ttft_ms=_milliseconds(tags.get("ttft_us")),
            )
        case accesslog_pb2.DownstreamEnd:
            return demand.Ended(
                request=request,
                service=service,
                class_name=class_name,
                outcome=_outcome(entry),
                ttft_ms=_milliseconds(tags.get("ttft_us")),
                e2e_ms=_milliseconds(tags.get("e2e_us")),
                is_streamed=is_streamed,
                output_bytes=output_bytes,
                output_tokens=_tokens(tags.get("output_tokens")),
            )
        case _:
            raise UnusableEntryError("unknown type of entry")


def _outcome(entry: accesslog_pb2.HTTPAccessLogEntry) -> demand.Outcome:
    """Tell how a request ended. A status of 200 with a broken stream is a failure, unless the client broke it."""
    flags = entry.common_properties.response_flags
    status = entry.response.response_code.value
    if any(getattr(flags, name) for name in _BROKEN_BY_CLIENT):
        return demand.Outcome.CANCELLED
    if status == _TOO_MANY_REQUESTS:
        return demand.Outcome.SHED
    if status < 100 or status >= 500 or any(getattr(flags, name) for name in _BROKEN_BY_US):
        return demand.Outcome.FAILED
    if status >= 400:
        return demand.Outcome.REFUSED
    return demand.Outcome.ANSWERED


def _milliseconds(microseconds: str | None) -> float | None:
    value = _number(microseconds)
    if value is None:
        return None
    if not 0 <= value <= _LONGEST_US:
        raise UnusableEntryError("time out of range")
    return value / 1000


def _age_ms(common: accesslog_pb2.AccessLogCommon) -> float | None:
    """Read how long a request has been running; an age out of range is as good as none."""
    age_us = common.duration.ToMicroseconds() if common.HasField("duration") else -1
    return age_us / 1000 if 0 <= age_us <= _LONGEST_US else None


def _tokens(text: str | None) -> int | None:
    """Read a number of tokens; one out of range is as good as none, since engines write it."""
    try:
        value = _number(text)
    except UnusableEntryError:
        return None
    return int(value) if value is not None and 1 <= value <= _MOST_TOKENS else None


def _number(text: str | None) -> float | None:
    if text is None or text in ("", _NOTHING):
        return None
    try:
        value = float(text)
    except ValueError:
        raise UnusableEntryError("not a number") from None
    if not math.isfinite(value):
        raise UnusableEntryError("not a number")
    return value


def record(log: demand.DemandLog, entry: accesslog_pb2.HTTPAccessLogEntry, *, at: float) -> None:
    """Put one entry of Envoy's log into the demand log; an unusable one is counted there as ignored."""
    try:
        said = read_entry(entry)
    except UnusableEntryError as error:
        log.ignore(str(error))
        return
    match said:
        case demand.Started():
            log.started(said, at=at)
        case demand.Running():
            log.running(said, at=at)
        case demand.Ended():
            log.ended(said, at=at)
        case None:
            pass


class AccessLogServer(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """Takes the access log of any number of gateways into one demand log."""

    def __init__(self, log: demand.DemandLog, *, clock: Callable[[], float]) -> None:
        """Feed `log` with times of `clock`, in seconds."""
        self._log = log
        self._clock = clock
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen on `host`:`port` and return the port, which 0 leaves to the system.

        Raises:
            OSError: when the address cannot be bound.
        """
        server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.so_reuseport", 0)],
        )
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self, server)
        bound = await listening.listen_grpc(server, host, port, whom="the access log")
        self._server = server
        return bound

    async def stop(self) -> None:
        """Stop listening; streams of the gateways are ended at once, since they never end by themselves."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    async def StreamAccessLogs(  # noqa: N802 - the method's name in Envoy's protocol
        self, request_iterator: AsyncIterator[als_pb2.StreamAccessLogsMessage], _context: grpc.aio.ServicerContext
    ) -> als_pb2.StreamAccessLogsResponse:
        """Take one gateway's stream of entries until it ends."""
        gateway = ""
        async for message in request_iterator:
            if message.HasField("identifier"):
                gateway = message.identifier.node.id[:_LONGEST_NAME]
            at = self._clock()
            if gateway:
                self._log.heard(gateway, at=at)
            for entry in message.http_logs.log_entry:
                record(self._log, entry, at=at)
        return als_pb2.StreamAccessLogsResponse()
