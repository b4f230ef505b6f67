"""One streamed answer, timed as it comes and cheaply: no event is parsed as JSON, since two cores run everything.

A server-sent event ends with an empty line. The first one whose text is not empty is the first token; how many tokens
there were stands in the usage of the last event (`stream_options.include_usage`), since one event may carry several.
"""

from __future__ import annotations

import re

_CONTENT = re.compile(rb'"(?:content|reasoning_content|reasoning|text)": ?"[^"]')
_USAGE = re.compile(rb'"completion_tokens": ?(\d+)')
_ERROR = re.compile(rb'data: ?\{"(?:error|object": ?"error)"')
_DONE = b"data: [DONE]"
_TAIL_BYTES = 2048
"""More than the last events (usage, end) take."""


class AnswerMeter:
    r"""Times the bytes of one answer.

    >>> meter = AnswerMeter()
    >>> meter.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n', 1.5)
    >>> meter.feed(b'data: {"choices":[],"usage":{"completion_tokens":1}}\n\ndata: [DONE]\n\n', 1.6)
    >>> meter.first_at, meter.tokens, meter.done, meter.failed
    (1.5, 1, True, False)
    """

    __slots__ = ("_tail", "events", "first_at", "last_at")

    def __init__(self) -> None:
        self._tail = b""
        self.events = 0
        """Events that ended so far."""
        self.first_at: float | None = None
        """When the first token came, by the caller's clock."""
        self.last_at: float | None = None
        """When the last bytes came."""

    def feed(self, data: bytes, at: float) -> None:
        """Take bytes that came at an instant of the caller's clock, in seconds."""
        self.last_at = at
        self.events += data.count(b"\n\n") + (data[:1] == b"\n" and self._tail[-1:] == b"\n")
        # The head is searched until the first token has come, so that bytes split anywhere are still found.
        self._tail = self._tail + data
        if self.first_at is None and _CONTENT.search(self._tail):
            self.first_at = at
        if len(self._tail) > _TAIL_BYTES:
            self._tail = self._tail[-_TAIL_BYTES:]

    @property
    def done(self) -> bool:
        """Whether the server said that the answer is complete."""
        return _DONE in self._tail

    @property
    def failed(self) -> bool:
        """Whether the server sent an error in the stream."""
        return _ERROR.search(self._tail) is not None

    @property
    def tokens(self) -> int | None:
        """Output tokens by the server's own count; None when it said none."""
        counts = _USAGE.findall(self._tail)
        return int(counts[-1]) if counts else None

    @property
    def received(self) -> int:
        """Output tokens received: by the server's count, else an event each, less the first one that names the role."""
        return self.tokens if self.tokens is not None else max(self.events - 1, 0)
