"""Measured data made from a known profile, as files of the kinds that are read."""

from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from tenbin_planner.model import fit, fleet
from tenbin_planner.model.measurements import Measurements
from tenbin_spec.profiles import EngineProfile

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Sequence

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTEXTS = (100, 1000, 4000)
PROMPTS = (16, 64, 128, 256, 512, 1024, 2048)


def known_profile(**api: float) -> EngineProfile:
    """A made-up engine with knots at powers of two."""
    return EngineProfile.model_validate(
        {
            "name": "known",
            "model": "m",
            "accelerator": "H200",
            "tensor_parallel": 1,
            "engine": "vllm",
            "engine_version": "0.23.0",
            "kind": "synthetic",
            "source": "made up",
            "date": "2026-11-24",
            "forward": {
                "decode_ms": [[0, 5.0], [32, 5.6], [128, 8.0], [256, 13.0]],
                "kv_ms": [[0, 0.0], [1_024_000, 30.0]],
                "prefill_ms": [[0, 0.5], [256, 6.0], [2048, 60.0]],
                "per_prefill_context_ms": 2e-6,
            },
            "limits": {
                "max_num_seqs": 256,
                "max_num_batched_tokens": 2048,
                "kv_blocks": 50_000,
                "block_size": 16,
                "max_model_len": 16_384,
            },
            "api": {"per_request_ms": 4.0, "per_output_token_ms": 0.05, "first_token_ms": 2.0, **api},
        }
    )


def measurements(
    profile: EngineProfile, passes: Iterable[Sequence[Sequence[float]]], kind: str = "pass"
) -> Measurements:
    """Exact times of sums of passes (decodes, KV tokens, prompt tokens, prompt context)."""
    groups = [np.array(group, dtype=np.float64).reshape(-1, 4) for group in passes]
    rows = np.concatenate(groups)
    blank = Measurements(
        decode_sequences=rows[:, 0],
        kv_tokens=rows[:, 1],
        prefill_tokens=rows[:, 2],
        prefill_context=rows[:, 3],
        of=np.repeat(np.arange(len(groups)), [len(group) for group in groups]),
        ms=np.ones(len(groups)),
        trust=np.ones(len(groups)),
        kinds=(kind,) * len(groups),
        places=tuple(f"row {index}" for index in range(len(groups))),
    )
    return with_times(blank, fit.predict(profile.forward, blank))


def with_times(passes: Measurements, ms: Any) -> Measurements:
    """The same passes with other times."""
    names = ("decode_sequences", "kv_tokens", "prefill_tokens", "prefill_context", "of", "trust", "kinds", "places")
    return Measurements(ms=np.asarray(ms, dtype=np.float64), **{name: getattr(passes, name) for name in names})


def grid() -> list[list[tuple[float, float, float, float]]]:
    """Decodes of every batch at every context, lone prompts of every length, and later chunks of a long one."""
    decodes = [[(batch, batch * context, 0, 0)] for batch in BATCHES for context in CONTEXTS]
    chunks = [[(0, 0, 2048, 2048 * (before + 1024))] for before in (2048, 4096, 8192)]
    return decodes + [[(0, 0, tokens, tokens**2 / 2)] for tokens in PROMPTS] + chunks


def table_text(header: str, rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV under a header, numbers as short as they read back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return text.getvalue()


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    """Write a file, packed when its name says so."""
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def pass_rows(profile: EngineProfile) -> list[tuple[object, ...]]:
    """The grid as rows of a pass file without remarks."""
    exact = measurements(profile, grid())
    return [
        ("decode" if decodes else "prefill", decodes, kv, tokens, context, ms)
        for decodes, kv, tokens, context, ms in zip(
            exact.decode_sequences,
            exact.kv_tokens,
            exact.prefill_tokens,
            exact.prefill_context,
            exact.ms,
            strict=True,
        )
    ]


PASS_HEADER = "kind,decode_sequences,kv_tokens,prefill_tokens,prefill_context,ms"


def traffic(seed: int, requests: int, per_s: float) -> fleet.Arrivals:
    """Requests at random times with lengths around 1,000 and 100."""
    rng = np.random.default_rng(seed)
    return fleet.Arrivals.of(
        np.cumsum(rng.exponential(1 / per_s, requests)),
        np.clip(rng.lognormal(6.6, 0.8, requests), 10, 8000).astype(int),
        np.clip(rng.lognormal(4.3, 0.8, requests), 1, 1000).astype(int),
    )


def records_text(profile: EngineProfile, arrivals: fleet.Arrivals) -> str:
    """What a client of a server with this profile would have recorded."""
    result = fleet.simulate(arrivals, fleet.fixed(profile, 1))
    rows = zip(
        arrivals.arrival_s,
        arrivals.input_tokens,
        arrivals.output_tokens,
        result.ttft_ms / 1000,
        result.e2e_ms / 1000,
        ["ok"] * len(arrivals),
        strict=True,
    )
    return table_text("sent,isl,osl,ttft,e2e,state", rows)
