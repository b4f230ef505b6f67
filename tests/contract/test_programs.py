"""Command lines that the components write against the programs that read them."""

from __future__ import annotations

from typing import Any

import tenbin
from support import stacks
from support.registered import register
from tenbin._layout import engine_command
from tenbin_local.agent.unimplemented import unimplemented_fields
from tenbin_local.engine import arguments
from tenbin_local.images import find_image, known_images
from tenbin_spec import contract

EVERYTHING = {
    "tensor_parallel": 1,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 2048,
    "max_num_queued_reqs": 100,
    "gpu_memory_utilization": "0.9",
    "drain_s": 45,
    "time_scale": 0.5,
}


def test_the_simulated_engine_takes_every_flag_that_an_agreement_can_set() -> None:
    plain = stacks.plain_stack(services__chat__model={"id": "a/b", "revision": "main"})
    plain["services"]["chat"]["engine"].update(EVERYTHING)
    service = stacks.stack(services=plain["services"]).services["chat"]
    words = [word.replace("$(POD_IP)", "127.0.0.1") for word in engine_command.arguments(service)]
    options = arguments.parse(words)
    assert (options.host, options.port) == ("127.0.0.1", contract.PORT_ENGINE)
    assert options.model == "a/b"
    assert options.profile.name == stacks.PROFILE
    assert options.profile.limits.max_num_seqs == 64
    assert options.profile.limits.max_num_batched_tokens == 2048
    assert options.max_queued == 100
    assert options.shutdown_timeout_s == 45
    assert options.time_scale == 0.5
    assert 1.0 in options.buckets["time_to_first_token"]
    assert 0.06 in options.buckets["inter_token_latency"]


def test_the_local_node_agent_implements_every_field_of_a_platforms_pods() -> None:
    args: Any = stacks.plain_stack(
        services__chat__model={"id": "a/b", "credentials": {"secret": "hf-token", "key": "token"}}
    )
    deployments = [
        item
        for item in register(lambda: tenbin.Platform("platform", args)).resources
        if item.type == "kubernetes:apps/v1:Deployment"
    ]
    assert len(deployments) == 5
    for item in deployments:
        template = item.inputs["spec"]["template"]
        assert unimplemented_fields(template) == [], item.key
        [container] = template["spec"]["containers"]
        assert find_image(container["image"], known_images()) is not None, item.key
