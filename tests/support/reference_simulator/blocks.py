"""The blocks of a KV cache, each with a number of its own, and the queue of those that are free.

After `vllm/v1/core/block_pool.py`: free blocks are handed out from the head of the queue and come back to its tail, a
sequence's last block first. A block keeps what was computed in it until it is handed out again.
"""

from __future__ import annotations

import collections


class Blocks:
    """All blocks of one replica."""

    def __init__(self, count: int) -> None:
        self.free = collections.deque(range(count))
        """Head first."""
        self.kept: dict[int, tuple[int, int]] = {}
        """Of a free block that still holds something: whose, and which of its blocks."""

    def take(self, count: int) -> list[int]:
        """Hand out blocks from the head of the queue; what they hold is lost."""
        taken = [self.free.popleft() for _ in range(count)]
        for block in taken:
            self.kept.pop(block, None)
        return taken

    def give_back(self, blocks: list[int]) -> None:
        """Put blocks that nobody needs any more at the tail of the queue."""
        self.free.extend(reversed(blocks))

    def give_back_for_a_while(self, blocks: list[int], row: int, full: int) -> None:
        """Put blocks of a request that will return at the tail; the first `full` of them hold something of it."""
        self.kept = {block: held for block, held in self.kept.items() if held[0] != row}
        self.kept |= {block: (row, place) for place, block in enumerate(blocks[:full])}
        self.give_back(blocks)

    def find(self, row: int, at_most: int) -> list[int]:
        """Return the blocks that still hold the beginning of what a request has computed, without a gap."""
        places = {place: block for block, (owner, place) in self.kept.items() if owner == row}
        found: list[int] = []
        while len(found) < at_most and len(found) in places:
            found.append(places[len(found)])
        return found

    def take_again(self, blocks: list[int]) -> None:
        """Take found blocks out of the queue, wherever they stand."""
        for block in blocks:
            self.free.remove(block)
            del self.kept[block]
