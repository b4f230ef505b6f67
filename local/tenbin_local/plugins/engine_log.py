"""Messages to the engine, shown beside the resource that they are about."""

import contextlib
import threading

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

TIMEOUT_S = 5.0
"""Seconds after which a message is given up."""


class EngineLog:
    """Sends messages to the engine; without an engine it drops them."""

    def __init__(self, address: str = "") -> None:
        self._channel = grpc.insecure_channel(address) if address else None
        self._engine = engine_pb2_grpc.EngineStub(self._channel) if self._channel else None
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def status(self, urn: str, message: str) -> None:
        """Shows what is being waited for while the update runs; "" clears it. A repetition is not sent."""
        with self._lock:
            if self._last.get(urn, "") == message:
                return
            self._last[urn] = message
        self._send(engine_pb2.LogSeverity.INFO, urn, message, ephemeral=True)

    def info(self, urn: str, message: str) -> None:
        """Leaves a message in the update's record."""
        self._send(engine_pb2.LogSeverity.INFO, urn, message)

    def warning(self, urn: str, message: str) -> None:
        """Leaves a warning in the update's record."""
        self._send(engine_pb2.LogSeverity.WARNING, urn, message)

    def close(self) -> None:
        """Closes the connection."""
        if self._channel is not None:
            self._channel.close()

    def _send(
        self, severity: engine_pb2.LogSeverity.ValueType, urn: str, message: str, *, ephemeral: bool = False
    ) -> None:
        if self._engine is None:
            return
        request = engine_pb2.LogRequest(severity=severity, urn=urn, message=message, ephemeral=ephemeral)
        # An engine that is leaving no longer listens; its messages are nobody's loss. A closed channel is a ValueError.
        with contextlib.suppress(grpc.RpcError, ValueError):
            self._engine.Log(request, timeout=TIMEOUT_S)
