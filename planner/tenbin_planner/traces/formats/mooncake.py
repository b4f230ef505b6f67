"""Mooncake (Qin et al., FAST 2025): an object a line, `timestamp` in ms, `input_length`, `output_length`, `hash_ids`.

Equal ids are equal prefixes in blocks of 512 tokens. Timestamps of some files were taken from a clock of three seconds,
which shows in the times and is not assumed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import columns, errors, files, prefixes, reader_options, tables, ticks, trace
from tenbin_planner.traces.formats import logged

NEEDED = ("timestamp", "input_length", "output_length")
EXCLUDED = ("chat_id",)
"""Traces of another origin have the same keys and this one, with seconds and other blocks."""
BLOCK_TOKENS = 512

_MILLISECONDS = columns.Number(least=0, most=columns.LONGEST_S * 1000, whole=False, unit="milliseconds")


def read(source: files.Source, chosen: reader_options.Options) -> trace.Trace:
    """Read a trace of Mooncake.

    Cached tokens are those that one cache of `chosen.prefix_cache_blocks` blocks would have held; 0 without a cache.

    Raises:
        TraceError: for values that cannot be.
    """
    problems = errors.Problems(str(source.path))
    wanted: dict[str, tables.Convert] = {
        "timestamp": _MILLISECONDS,
        "input_length": columns.LOGGED_TOKENS,
        "output_length": columns.LOGGED_TOKENS,
    }
    if chosen.prefix_cache_blocks > 0:
        wanted["hash_ids"] = _Cached(chosen.prefix_cache_blocks)
    found = tables.gathered(source.chunks(problems), wanted, problems)
    rng = np.random.default_rng(chosen.seed)
    times, notes = ticks.spread_if_coarse(found["timestamp"] / 1000, rng, wanted=chosen.spread)
    if "hash_ids" in found:
        share = found["hash_ids"].sum() / max(found["input_length"].sum(), 1)
        size = f"{chosen.prefix_cache_blocks:,.15g} blocks" if chosen.prefix_cache_blocks < np.inf else "no limit"
        notes += (f"a shared prefix cache ({size}) is taken to hold {share:.1%} of the prompt tokens",)
    return logged.taken(
        source,
        arrival_s=times,
        input_tokens=found["input_length"],
        output_tokens=found["output_length"],
        cached_tokens=found.get("hash_ids"),
        notes=notes,
    )


class _Cached:
    """Turns ids of blocks into the tokens that a cache would have held."""

    def __init__(self, blocks: float) -> None:
        self._cache = prefixes.PrefixCache(blocks=blocks, block_tokens=BLOCK_TOKENS)

    def __call__(self, chunk: tables.Chunk, column: str, problems: errors.Problems) -> NDArray[np.int64]:
        rows = chunk.columns[column]
        good = np.array([isinstance(ids, list) and all(type(one) in {int, str} for one in ids) for ids in rows], bool)
        columns.refuse(chunk, column, good, "a list of numbers", problems)
        prompts = columns.LOGGED_TOKENS(chunk, "input_length", errors.Problems("")).astype(np.int64).tolist()
        cached = [
            self._cache.cached_tokens(ids, tokens) if fits and tokens else 0
            for ids, fits, tokens in zip(rows, good.tolist(), prompts, strict=True)
        ]
        return np.array(cached, dtype=np.int64)
