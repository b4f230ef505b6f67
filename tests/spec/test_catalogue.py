"""The catalogue holds together and says where it comes from."""

from __future__ import annotations

from tenbin_spec import catalogue
from tenbin_spec.catalogue import Architecture
from tenbin_spec.pools import CapacityType, Pool


def test_every_instance_has_a_known_accelerator() -> None:
    strangers = {
        name for name, item in catalogue.instances().items() if item.accelerator not in catalogue.accelerators()
    }
    assert strangers == set()


def test_every_instance_is_whole_and_of_a_plausible_size() -> None:
    for name, item in catalogue.instances().items():
        assert min(item.accelerators, item.vcpu, item.memory_gib, item.network_mbps, item.network_cards) > 0, name
        assert item.network_cards - item.efa_interfaces in {0, 1}, f"{name}: at most the first card goes without EFA"
        assert item.vcpu >= 4 * item.accelerators, name
        assert item.architecture is (Architecture.ARM64 if name.startswith("g5g.") else Architecture.AMD64), name


def test_efa_cards_leave_out_a_first_card_without_efa() -> None:
    cards = {name: item.efa_cards for name, item in catalogue.instances().items()}
    assert cards["g6.xlarge"] == range(1, 1)
    assert (cards["p5.48xlarge"], cards["p6-b300.48xlarge"]) == (range(32), range(1, 17))


def test_neuron_devices_are_another_resource() -> None:
    plain = {name: (item.vendor, item.resource) for name, item in catalogue.accelerators().items()}
    neuron = {name for name, found in plain.items() if found == ("aws", "aws.amazon.com/neuron")}
    assert neuron == {"Inferentia2", "Trainium", "Trainium2"}
    assert {plain[name] for name in plain.keys() - neuron} == {("nvidia", "nvidia.com/gpu")}


def test_every_price_is_of_a_known_instance_and_above_zero() -> None:
    for item in catalogue.price_book().lists:
        assert set(item.hourly_usd) <= set(catalogue.instances()), item.key
        assert min(item.hourly_usd.values()) > 0, item.key


def test_every_price_says_source_and_day() -> None:
    book = catalogue.price_book()
    fixed = [price for item in book.fixed for name, price in item if name not in {"region", "node_hour"} and price]
    dated = [*book.lists, *fixed, *(price for item in book.fixed for price in (item.node_hour or {}).values())]
    assert all(item.source and item.date.year >= 2025 for item in dated)


def test_capacity_blocks_are_priced_where_aws_sells_them() -> None:
    priced = {
        name
        for item in catalogue.price_book().lists
        if item.capacity_type is CapacityType.CAPACITY_BLOCK
        for name in item.hourly_usd
    }
    assert priced == {name for name, item in catalogue.instances().items() if item.capacity_block}


def test_profiles_are_named_for_what_they_are() -> None:
    for name, profile in catalogue.profiles().items():
        assert profile.name == name
        assert f"tp{profile.tensor_parallel}" in name
        assert profile.accelerator in catalogue.accelerators()
        assert profile.source


def test_a_synthetic_profile_is_never_chosen_by_itself() -> None:
    found = catalogue.find_profile(
        model="meta-llama/Llama-3.1-8B-Instruct", accelerator="L4", tensor_parallel=1, engine="vllm"
    )
    assert found is None


def test_the_measured_profile_is_found() -> None:
    found = catalogue.find_profile(
        model="meta-llama/Llama-3.1-8B-Instruct", accelerator="H200", tensor_parallel=1, engine="vllm"
    )
    assert found is not None
    assert (found.name, found.kind) == ("h200-llama-3.1-8b-bf16-tp1-vllm-0.23", "measured")


def test_a_stack_price_overrides_the_catalogue() -> None:
    plain = {"instance_type": "g6.xlarge", "nodes": {"max": 1}}
    assert str(catalogue.node_price(Pool.model_validate(plain))) == "0.8048"
    assert str(catalogue.node_price(Pool.model_validate({**plain, "hourly_usd": "0.10"}))) == "0.10"
    assert catalogue.node_price(Pool.model_validate({**plain, "instance_type": "p5e.48xlarge"})) is None
