"""Grids of predicted latencies: told by their columns, read as passes, refused as a whole when something cannot be."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import measured
from tenbin_planner.profiling import errors, fitting, reading
from tenbin_spec.profiles import ProfileKind, curve_ms

if TYPE_CHECKING:
    import pathlib

HEADER = "model,system,backend,backend_version,tp,phase,context_tokens,batch,latency_ms"
ONE = "org/m-8B,h100_sxm,vllm,0.24.0,2"
SMALL = f"""{HEADER},note
{ONE},prefill,1000,1,20.5,
{ONE},decode,256,4,5.5,
{ONE},prefill,1000,8,99.0,
{ONE},decode,256,8,33.0,suspect
"""


def test_a_grid_brings_lone_prompts_and_batches_of_equal_decodes(tmp_path: pathlib.Path) -> None:
    data = reading.read([measured.write(tmp_path / "grid.csv.gz", SMALL)])
    (passes,) = data.passes
    assert passes.ms.tolist() == [20.5, 5.5]
    assert (passes.decode_sequences.tolist(), passes.kv_tokens.tolist()) == ([0, 4], [0, 1024])
    assert (passes.prefill_tokens.tolist(), passes.prefill_context.tolist()) == ([1000, 0], [500_000, 0])
    assert (passes.kinds, passes.places) == (("prefill", "decode"), ("grid.csv.gz line 2", "grid.csv.gz line 3"))
    assert [(left.place, left.why) for left in data.left_out] == [
        ("grid.csv.gz line 4", "prompts sent at once share their passes"),
        ("grid.csv.gz line 5", "suspect"),
    ]
    assert data.about == {
        "model": "org/m-8B",
        "engine": "vllm",
        "engine_version": "0.24.0",
        "tensor_parallel": "2",
        "accelerator": "H100",
    }


def test_a_system_that_the_catalogue_does_not_know_is_not_named(tmp_path: pathlib.Path) -> None:
    data = reading.read([measured.write(tmp_path / "grid.csv", SMALL.replace("h100_sxm", "gb10"))])
    assert "accelerator" not in data.about


BAD = {
    "cells": (
        f"{HEADER}\n{ONE},decode,0,1.5,-1\n{ONE},decode,256,x,5\n",
        (
            "{path} has 4 problems:\n"
            "  - line 2, context_tokens: '0'; allowed is a whole number from 1 to 1e+09\n"
            "  - line 2, batch: '1.5'; allowed is a whole number from 1 to 1e+06\n"
            "  - line 3, batch: 'x'; allowed is a whole number from 1 to 1e+06\n"
            "  - line 2, latency_ms: '-1'; allowed is a number above 0 to 1e+06"
        ),
    ),
    "several": (
        f"{HEADER}\n{ONE},decode,256,1,5\norg/m-8B,h100_sxm,vllm,0.24.0,4,mixed,256,1,5\n",
        (
            "{path} has 3 problems:\n"
            "  - line 3, phase: 'mixed'; allowed are decode and prefill\n"
            "  - rows of model org/m-8B, system h100_sxm, backend vllm, backend_version 0.24.0, tp 2; "
            "allowed is one configuration in a file\n"
            "  - rows of model org/m-8B, system h100_sxm, backend vllm, backend_version 0.24.0, tp 4; "
            "allowed is one configuration in a file"
        ),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_grids_that_cannot_be_are_refused_with_everything_at_once(tmp_path: pathlib.Path, case: str) -> None:
    text, expected = BAD[case]
    path = measured.write(tmp_path / "grid.csv", text)
    with pytest.raises(errors.DataError) as refused:
        reading.read([path])
    assert str(refused.value) == expected.format(path=path)


def test_a_profile_fitted_to_a_grid_gives_its_times_back(tmp_path: pathlib.Path) -> None:
    rows = [
        f"{ONE},decode,{context},{batch},{5 + 0.02 * batch + 3e-5 * batch * context:.6f}"
        for context in (256, 1024, 4096)
        for batch in (1, 2, 4, 8, 16, 32, 64)
    ]
    rows += [
        f"{ONE},prefill,{tokens},1,{5 + 0.02 * tokens + 1e-6 * tokens**2 / 2:.6f}"
        for tokens in (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
    ]
    path = measured.write(tmp_path / "grid.csv", "\n".join([HEADER, *rows]) + "\n")
    about = fitting.About(
        name="h100-m-8b",
        kind=ProfileKind.VENDOR_MODEL,
        source="A grid",
        date=datetime.date(2026, 11, 24),
        max_num_seqs=64,
        max_num_batched_tokens=8192,
        kv_blocks=20_000,
        block_size=16,
        max_model_len=32_768,
        api_per_request_ms=3.0,
        api_per_output_token_ms=0.06,
        api_first_token_ms=0.0,
    )
    profile = fitting.fit([path], about).profile
    assert (profile.model, profile.accelerator, profile.tensor_parallel) == ("org/m-8B", "H100", 2)
    assert (profile.engine, profile.engine_version, profile.kind) == ("vllm", "0.24.0", "vendor-model")
    assert profile.source == "A grid. Made by `tenbin profile fit grid.csv`."
    forward = profile.forward
    decode = curve_ms(forward.decode_ms, 48) + curve_ms(forward.kv_ms, 48 * 2000)
    prompt = (
        curve_ms(forward.decode_ms, 0)
        + curve_ms(forward.prefill_ms, 3000)
        + forward.per_prefill_context_ms * 3000**2 / 2
    )
    assert (decode, prompt) == pytest.approx((5 + 0.96 + 2.88, 5 + 60 + 4.5), rel=0.01)
    assert np.all(np.diff([milliseconds for _, milliseconds in forward.prefill_ms]) >= 0)
