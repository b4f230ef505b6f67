"""How many tokens an answer had that does not say so: from its bytes.

The gateway does not count tokens: an event of a stream has a nearly constant size per token, so bytes of the body
divided by bytes per token is a fair estimate. Bytes per token are learned per service, from the best source there is:

1. answers that carry their usage (`stream_options.include_usage`): tokens and bytes of the very same answers;
2. the engines' counters of generated tokens against the bytes that all answers grew by in the same time;
3. a prior.
"""

from __future__ import annotations

import dataclasses

PRIOR_BYTES_PER_TOKEN = 230.0
"""An event of vLLM's chat completion stream with one token: a frame of JSON, the model's name, four bytes of text."""
PLAIN_BYTES_PER_TOKEN = 4.5
"""English text of an answer in one piece."""
LEAST_BYTES_PER_TOKEN = 4.0
MOST_BYTES_PER_TOKEN = 4000.0
_ENOUGH_SAID = 50.0
_ENOUGH_COUNTED = 2000.0
"""Counters and bytes are read at different moments, so little of them says nothing."""
_MEMORY_TOKENS = 200_000.0
"""Sums are halved above this many tokens, so that the recent past weighs most."""


@dataclasses.dataclass(kw_only=True, slots=True)
class _Ratio:
    """Bytes over tokens, with the recent past weighing most."""

    streamed_bytes: float = 0.0
    tokens: float = 0.0

    def add(self, streamed_bytes: float, tokens: float) -> None:
        self.streamed_bytes += streamed_bytes
        self.tokens += tokens
        while self.tokens > _MEMORY_TOKENS:
            self.streamed_bytes /= 2
            self.tokens /= 2

    def bytes_per_token(self) -> float:
        return min(max(self.streamed_bytes / self.tokens, LEAST_BYTES_PER_TOKEN), MOST_BYTES_PER_TOKEN)


class TokenEstimate:
    """Learned bytes per token of one service."""

    def __init__(self) -> None:
        self._said = _Ratio()
        self._counted = _Ratio()
        self._streamed_bytes = 0.0
        self._plain_bytes = 0.0

    def see_bytes(self, count: int, *, is_streamed: bool) -> None:
        """Take note that answers grew by `count` bytes."""
        if is_streamed:
            self._streamed_bytes += count
        else:
            self._plain_bytes += count

    def learn_usage(self, *, output_bytes: int, output_tokens: int) -> None:
        """Learn from a streamed answer that says how many tokens it had."""
        if output_tokens > 0:
            self._said.add(output_bytes, output_tokens)

    def learn_counter(self, tokens: float) -> None:
        """Learn from the engines' counters: tokens generated since the last call.

        Tokens of answers in one piece are subtracted at the usual size of text.
        """
        streamed_tokens = tokens - self._plain_bytes / PLAIN_BYTES_PER_TOKEN
        if streamed_tokens > 0:
            self._counted.add(self._streamed_bytes, streamed_tokens)
        self._streamed_bytes = self._plain_bytes = 0.0

    def bytes_per_token(self) -> float:
        """Return the bytes that one token takes in a streamed answer."""
        if self._said.tokens >= _ENOUGH_SAID:
            return self._said.bytes_per_token()
        if self._counted.tokens >= _ENOUGH_COUNTED:
            return self._counted.bytes_per_token()
        return PRIOR_BYTES_PER_TOKEN

    def tokens(self, output_bytes: int) -> int:
        """Estimate the tokens of a streamed answer from its bytes; at least one."""
        return max(1, round(output_bytes / self.bytes_per_token()))
