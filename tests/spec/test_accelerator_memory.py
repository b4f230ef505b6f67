"""A model that does not fit is refused with its numbers and a way out; nothing that runs is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stacks import plain_stack
from tenbin_spec import accelerator_memory, catalogue
from tenbin_spec.accelerator_memory import DEFAULT_SHARE, Need
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.stack import parse_stack

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"


def refused(model: str, pools: dict[str, str], **engine: Any) -> list[str]:
    """Return the problems of a service on pools of these instance types."""
    plain = plain_stack(
        pools={name: {"instance_type": kind, "nodes": {"max": 2}} for name, kind in pools.items()},
        services__chat__model={"id": model},
        services__chat__pools=[next(iter(pools))],
        services__chat__engine={"kind": "vllm", "image": "vllm/vllm-openai:v0.33.0", "max_model_len": 8192, **engine},
    )
    try:
        parse_stack(plain)
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


def need(model: str, tokens: int) -> Need:
    return Need(model=model, shape=catalogue.models()[model], tokens=tokens, share=DEFAULT_SHARE)


@pytest.mark.parametrize(
    ("model", "pools", "engine", "problem"),
    [
        (
            LLAMA_70B,
            {"l4": "g6.12xlarge", "h200": "p5en.48xlarge", "l40s": "g6e.12xlarge"},
            {"tensor_parallel": 4},
            (
                "'l4' is too small for meta-llama/Llama-3.3-70B-Instruct: 131.5 GiB of weights and 2.5 GiB of KV cache"
                " for one request of 8192 tokens, but 4 x L4 at 0.92 have 82.3 GiB. Allowed: pools h200, l40s"
            ),
        ),
        (
            LLAMA_70B,
            {"h100": "p5.48xlarge"},
            {},
            (
                "'h100' is too small for meta-llama/Llama-3.3-70B-Instruct: 131.5 GiB of weights and 2.5 GiB of KV"
                " cache for one request of 8192 tokens, but 1 x H100 at 0.92 has 73.6 GiB."
                " Allowed: tensor_parallel 2 there"
            ),
        ),
        (
            LLAMA_8B,
            {"l4": "g6.xlarge"},
            {"max_model_len": 131_072},
            (
                "'l4' is too small for meta-llama/Llama-3.1-8B-Instruct: 15.0 GiB of weights and 16.0 GiB of KV cache"
                " for one request of 131072 tokens, but 1 x L4 at 0.92 has 20.6 GiB."
                " Allowed: a pool of A100-40GB, L40S, A100-80GB, H100"
                " or max_model_len of 45927 or less"
            ),
        ),
        (
            LLAMA_8B,
            {"l4": "g6.xlarge"},
            {"gpu_memory_utilization": "0.65"},
            (
                "'l4' is too small for meta-llama/Llama-3.1-8B-Instruct: 15.0 GiB of weights and 1.0 GiB of KV cache"
                " for one request of 8192 tokens, but 1 x L4 at 0.65 has 14.5 GiB."
                " Allowed: a pool of A100-40GB, L40S, A100-80GB, H100"
            ),
        ),
        (
            "meta-llama/Llama-3.1-405B-Instruct",
            {"l4": "g6.xlarge"},
            {},
            (
                "'l4' is too small for meta-llama/Llama-3.1-405B-Instruct: 756.0 GiB of weights and 3.9 GiB of KV"
                " cache for one request of 8192 tokens, but 1 x L4 at 0.92 has 20.6 GiB."
                " Allowed: more accelerators for a replica"
            ),
        ),
    ],
    ids=["other pools", "more accelerators", "shorter context", "larger share", "nothing of this size"],
)
def test_what_does_not_fit_is_refused_with_its_numbers(
    model: str, pools: dict[str, str], engine: dict[str, Any], problem: str
) -> None:
    assert refused(model, pools, **engine) == [f"tenbin:services.chat.pools[0]: {problem}"]


def test_what_is_not_known_or_not_real_is_not_judged() -> None:
    assert refused("somebody/their-own-90b", {"l4": "g6.xlarge"}) == []
    profile = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
    assert refused(LLAMA_70B, {"l4": "g6.xlarge"}, kind="simulated", profile=profile) == []


@pytest.mark.parametrize("engine", [{"max_model_len": "8k"}, {"tensor_parallel": "two"}, {"gpu_memory_utilization": 1}])
def test_what_is_misshapen_is_told_by_its_own_problem_alone(engine: dict[str, Any]) -> None:
    [problem] = refused(LLAMA_70B, {"l4": "g6.xlarge"}, **engine)
    assert problem.startswith(f"tenbin:services.chat.engine.{next(iter(engine))}")


@pytest.mark.parametrize(
    "name", [name for name, profile in catalogue.profiles().items() if profile.kind != "synthetic"]
)
def test_no_profile_of_an_engine_that_ran_is_refused(name: str) -> None:
    profile = catalogue.profiles()[name]
    tokens = min(profile.limits.max_model_len, profile.limits.kv_tokens)
    assert need(profile.model, tokens).fits(profile.accelerator, profile.tensor_parallel)


@given(
    model=st.sampled_from(sorted(catalogue.models())),
    accelerator=st.sampled_from(sorted(catalogue.accelerators())),
    tokens=st.integers(1, 2_000_000),
    accelerators=st.sampled_from([1, 2, 4, 8]),
)
def test_a_shorter_context_or_more_accelerators_never_fit_less(
    model: str, accelerator: str, tokens: int, accelerators: int
) -> None:
    if need(model, tokens).fits(accelerator, accelerators):
        assert need(model, max(1, tokens // 2)).fits(accelerator, accelerators)
        assert need(model, tokens).fits(accelerator, 2 * accelerators)


def test_more_accelerators_than_heads_keep_copies() -> None:
    own = need("Qwen/Qwen3-30B-A3B", 8192)
    assert own.context_gib(8) == 2 * own.context_gib(4) == 2 * own.context_gib(1)


def test_the_way_out_that_is_named_is_one() -> None:
    found = accelerator_memory.too_small(need(LLAMA_8B, 131_072), "l4", {"l4": {"instance_type": "g6.xlarge"}}, 1)
    assert found is not None
    tokens = int(found.rpartition("max_model_len of ")[2].split()[0])
    assert need(LLAMA_8B, tokens).fits("L4", 1)
    assert not need(LLAMA_8B, tokens + 1).fits("L4", 1)
