"""Public traces as traffic, where their files are given."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner import traces
from tenbin_planner.traces import errors

if TYPE_CHECKING:
    import pathlib

    from tenbin_planner.traces import Trace

RATE = 4.0
"""Requests per second of a recording, about."""
KNOWN_S = 600.0
"""Seconds of a recording that whoever declared its workload has seen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded trace.

    One recording gives one day: with several copies each seed draws how far they are apart, else all seeds get the
    same requests in another world.
    """

    file: str
    copies: int = 1
    """Copies that lie on each other, each moved by up to `apart_s`."""
    apart_s: float = 60.0
    longest: int = 32_000
    """Requests of more tokens, prompt and answer together, are left out: the engine would refuse them."""

    def expected(self, duration_s: float) -> float:
        """Return about how many requests come."""
        return RATE * self.copies * duration_s

    def draw(self, name: str, *, seed: int, folder: pathlib.Path | None) -> tuple[Trace, Trace]:
        """Return the trace, and what is known of it beforehand.

        Raises:
            TraceError: when the file is missing or cannot be read.
        """
        if folder is None or not (folder / self.file).is_file():
            raise errors.TraceError(f"{name}: there is no file {self.file} in {folder}")
        read = traces.load(folder / self.file)
        read = read.select(read.input_tokens + read.output_tokens < self.longest)
        if self.copies > 1:
            moves = np.random.default_rng(seed).uniform(0.0, self.apart_s, self.copies)
            read = _laid_on_each_other(read, moves.tolist())
        named = dataclasses.replace(read, name=name)
        return named, named.window(0.0, KNOWN_S)


def _laid_on_each_other(read: Trace, moves: list[float]) -> Trace:
    times = np.concatenate([read.arrival_s + move for move in moves])
    order = np.argsort(times, kind="stable")
    rows = np.tile(np.arange(len(read)), len(moves))[order]
    columns = {
        field: getattr(read, field)[rows]
        for field in ("input_tokens", "output_tokens", "cached_tokens", "class_index", "tenant_index")
    }
    return dataclasses.replace(read, arrival_s=times[order], **columns)
