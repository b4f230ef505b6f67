"""Every profile of the catalogue against what its accelerator can do at best, so that no wrong unit gets in."""

from __future__ import annotations

import dataclasses
import re

import pytest
from tenbin_spec import catalogue
from tenbin_spec.model_shapes import ModelShape
from tenbin_spec.profiles import EngineProfile, curve_ms

MIB = 1024**2


TFLOPS = {"A100-80GB": 312, "B200": 2250, "H100": 989, "H200": 989, "L40S": 362, "RTX-PRO-6000": 504}
"""Dense bf16 peak of the vendor's data sheets; FP8 has twice as much."""
PATTERN = re.compile(r"^(?P<on>[a-z0-9-]+?)-(?P<model>(llama|qwen|gpt).+)-(?P<weights>bf16|fp8|mxfp4)-tp\d+-vllm")
REAL = [profile for profile in catalogue.profiles().values() if profile.kind != "synthetic"]


@dataclasses.dataclass(frozen=True)
class Best:
    """A profile beside the bounds of its accelerators."""

    profile: EngineProfile
    shape: ModelShape
    weight_bytes: float
    kv_bytes: float

    @property
    def bytes_per_ms(self) -> float:
        """Peak memory bandwidth of all its accelerators."""
        bandwidth_gb_s = catalogue.accelerators()[self.profile.accelerator].bandwidth_gb_s
        assert bandwidth_gb_s is not None
        return bandwidth_gb_s * 1e6 * self.profile.tensor_parallel


def best(profile: EngineProfile) -> Best:
    found = PATTERN.match(profile.name)
    assert found, f"{profile.name} does not say model, weights, parallelism and engine"
    assert found["on"] == profile.accelerator.lower()
    shape = catalogue.models()[profile.model]
    assert found["weights"] == shape.weights
    assert found["model"] in profile.model.lower()
    kv_bytes = 1.0 if re.search(r"\bFP8 KV cache", profile.source) else 2.0
    return Best(profile, shape, shape.weights.bytes, kv_bytes * shape.kv_values_per_token)


each_profile = pytest.mark.parametrize("own", [best(profile) for profile in REAL], ids=[p.name for p in REAL])


@each_profile
def test_a_lone_decode_takes_longer_than_reading_the_weights_but_not_by_much(own: Best) -> None:
    shape = own.shape
    assert shape.active
    read = 2 * shape.active_16_bit + own.weight_bytes * (shape.active - shape.active_16_bit)
    ratio = curve_ms(own.profile.forward.decode_ms, 1) / (read * 1e9 / own.bytes_per_ms)
    # The many small kernels of a mixture take time beside few bytes.
    assert 1.0 < ratio < (5.5 if shape.mixture else 3.0)


@each_profile
def test_a_large_batch_takes_longer_than_reading_all_that_it_needs(own: Best) -> None:
    profile = own.profile
    batch = profile.forward.decode_ms[-1][0]
    weights_ms = own.shape.parameters * 1e9 * own.weight_bytes / own.bytes_per_ms
    ratio = curve_ms(profile.forward.decode_ms, batch) / weights_ms
    assert 1.2 < ratio < 8.0


@each_profile
def test_context_is_read_at_less_than_the_peak_bandwidth_but_not_far_below(own: Best) -> None:
    tokens, milliseconds = own.profile.forward.kv_ms[-1]
    floor_ms = tokens * own.kv_bytes / own.bytes_per_ms
    assert 1.0 < milliseconds / floor_ms < 3.0


@each_profile
def test_prompts_are_computed_below_the_peak_but_not_far_below(own: Best) -> None:
    profile = own.profile
    tokens = min(4096, profile.limits.max_num_batched_tokens)
    forward = profile.forward
    taken_ms = (
        curve_ms(forward.decode_ms, 0)
        + curve_ms(forward.prefill_ms, tokens)
        + forward.per_prefill_context_ms * tokens**2 / 2
    )
    per_ms = TFLOPS[profile.accelerator] * 1e9 * profile.tensor_parallel * (2 if "fp8" in profile.name else 1)
    assert own.shape.active
    floor_ms = 2 * own.shape.active * 1e9 * tokens / per_ms
    assert 1.0 < taken_ms / floor_ms < (4.0 if own.shape.mixture else 3.0)


@each_profile
def test_weights_and_kv_cache_fit_into_the_memory_and_fill_most_of_it(own: Best) -> None:
    profile = own.profile
    memory = catalogue.accelerators()[profile.accelerator].memory_mib * MIB * profile.tensor_parallel
    needed = own.shape.parameters * 1e9 * own.weight_bytes + profile.limits.kv_tokens * own.kv_bytes
    assert 0.75 < needed / memory < 0.93


@each_profile
def test_more_of_everything_takes_longer_up_to_the_limits(own: Best) -> None:
    profile = own.profile
    forward, limits = profile.forward, profile.limits
    for knots, most in (
        (forward.decode_ms, limits.max_num_seqs),
        (forward.kv_ms, limits.kv_tokens),
        (forward.prefill_ms, limits.max_num_batched_tokens),
    ):
        assert curve_ms(knots, most) > curve_ms(knots, 0)
    assert limits.max_num_batched_tokens >= limits.max_num_seqs


@each_profile
def test_source_and_error_say_what_was_done(own: Best) -> None:
    profile = own.profile
    assert "tenbin profile fit" in profile.source
    assert profile.error
    assert re.search(r"\d %", profile.error)
