"""The catalogue holds together and says where it comes from."""

from __future__ import annotations

from tenbin_spec import catalogue
from tenbin_spec.pools import Pool


def test_every_instance_has_a_known_accelerator() -> None:
    strangers = {
        name for name, item in catalogue.instances().items() if item.accelerator not in catalogue.accelerators()
    }
    assert strangers == set()


def test_every_price_is_of_a_known_instance_and_above_zero() -> None:
    prices = catalogue.price_list().hourly_usd
    assert set(prices) <= set(catalogue.instances())
    assert min(prices.values()) > 0


def test_prices_say_source_and_date() -> None:
    prices = catalogue.price_list()
    assert (prices.region, prices.date.year >= 2026, "karpenter" in prices.source) == ("us-east-1", True, True)


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
