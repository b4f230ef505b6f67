"""The bytes of a streamed answer as times of tokens, cheaply: no event is parsed as JSON."""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"choices": ?\[\{')
_PROMPT = re.compile(rb'"prompt_tokens": ?(\d+)')
_COMPLETION = re.compile(rb'"completion_tokens": ?(\d+)')
_ERROR = re.compile(rb'^data: ?\{"(?:error|object": ?"error)".*', re.DOTALL)
_DONE = b"data: [DONE]"


class Answer:
    r"""Times of the tokens of one answer by the caller's clock, one for each event that carries a choice.

    >>> answer = Answer()
    >>> answer.feed(b'data: {"choices":[{"text":"a"}]}\n\ndata: {"choi', 1.5)
    >>> answer.feed(b'ces":[{"text":"b"}]}\n\ndata: {"choices":[],"usage":{"completion_tokens":2}}\n\n', 1.6)
    >>> answer.times, answer.output_tokens, answer.complete
    ([1.5, 1.6], 2, False)
    """

    __slots__ = ("_rest", "complete", "error", "output_tokens", "prompt_tokens", "times")

    def __init__(self) -> None:
        self._rest = b""
        self.times: list[float] = []
        """When each token came, in seconds."""
        self.output_tokens: int | None = None
        """Tokens of the answer by the server's own count; None while it has said none."""
        self.prompt_tokens: int | None = None
        """Tokens of the prompt by the server's own count; None while it has said none."""
        self.complete = False
        """Whether the server said that the answer is complete."""
        self.error = ""
        """What the server said instead of a token, at most 200 characters."""

    def feed(self, data: bytes, at: float) -> None:
        """Take bytes that came at an instant, in seconds; events may be split anywhere."""
        *events, self._rest = (self._rest + data.replace(b"\r", b"")).split(b"\n\n")
        for event in events:
            if _TOKEN.search(event):
                self.times.append(at)
            elif event == _DONE:
                self.complete = True
            elif _ERROR.match(event):
                self.error = event[:200].decode(errors="replace")
            for name, pattern in (("output_tokens", _COMPLETION), ("prompt_tokens", _PROMPT)):
                if counts := pattern.findall(event):
                    setattr(self, name, int(counts[-1]))
