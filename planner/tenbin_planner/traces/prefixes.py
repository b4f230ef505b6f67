"""What a prefix cache would have held, told by the ids of a prompt's blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


class PrefixCache:
    """One cache that all requests share, as if every request went where its prefix is; an upper estimate for a fleet.

    Answers are not kept, since a log names their blocks only when they come back in a prompt.

    >>> cache = PrefixCache(blocks=4, block_tokens=512)
    >>> cache.cached_tokens([1, 2, 3], 1500), cache.cached_tokens([1, 2, 9], 1500)
    (0, 1024)
    """

    def __init__(self, *, blocks: float, block_tokens: int) -> None:
        self._blocks = blocks
        self._block_tokens = block_tokens
        self._held: dict[object, None] = {}

    def cached_tokens(self, ids: Sequence[object], input_tokens: int) -> int:
        """Take a prompt and return how many of its tokens, from its beginning, were there already.

        Only whole blocks are found, and never the whole prompt: an engine computes at least its last token.

        Args:
            ids: of the prompt's blocks, in order; equal ids are equal prefixes.
            input_tokens: of the prompt.
        """
        found = sum(1 for _ in itertools.takewhile(self._held.__contains__, ids))
        # From the last to the first: a prefix is of no use without its beginning, which must live longest.
        for block in reversed(ids):
            self._held.pop(block, None)
            self._held[block] = None
        while len(self._held) > self._blocks:
            del self._held[next(iter(self._held))]
        return min(found, (input_tokens - 1) // self._block_tokens) * self._block_tokens
