"""Laws of a network's subnets."""

from __future__ import annotations

import ipaddress
import itertools

import pydantic
from hypothesis import assume, given
from hypothesis import strategies as st
from tenbin._layout import subnets
from tenbin_spec.networks import Network

ZONES = tuple(f"eu-west-1{letter}" for letter in "abcdef")
prefixes = st.integers(min_value=16, max_value=28)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Draw a network whose subnets fit."""
    length = draw(st.integers(min_value=16, max_value=24))
    first = draw(st.integers(min_value=0, max_value=2**length - 1)) << (32 - length)
    try:
        return Network(
            cidr=str(ipaddress.IPv4Network((first, length))),
            zones=ZONES[: draw(st.integers(min_value=2, max_value=6))],
            private_prefix=draw(st.integers(min_value=length + 1, max_value=28)),
            public_prefix=draw(st.integers(min_value=length + 2, max_value=28)),
            intra_prefix=draw(st.integers(min_value=length + 2, max_value=28)),
        )
    except pydantic.ValidationError:
        assume(condition=False)
        raise


def ranges(network: Network) -> list[ipaddress.IPv4Network]:
    found = subnets.layout(network)
    return [ipaddress.IPv4Network(text) for item in found for text in (item.public, item.private, item.intra)]


@given(networks())
def test_subnets_lie_inside_and_never_overlap(network: Network) -> None:
    whole = ipaddress.IPv4Network(network.cidr)
    found = ranges(network)
    assert all(item.subnet_of(whole) for item in found)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(found, 2))


@given(networks())
def test_subnets_have_the_sizes_that_were_asked_for(network: Network) -> None:
    lengths = [network.public_prefix, network.private_prefix, network.intra_prefix]
    assert [item.prefixlen for item in ranges(network)] == lengths * len(network.zones)


@given(networks())
def test_a_zone_that_is_added_at_the_end_moves_nothing(network: Network) -> None:
    assume(len(network.zones) > 2)
    fewer = network.model_copy(update={"zones": network.zones[:-1]})
    assert subnets.layout(network)[:-1] == subnets.layout(fewer)


@given(st.integers(min_value=16, max_value=28), prefixes, prefixes, prefixes)
def test_a_range_holds_as_many_zones_as_the_model_says(length: int, private: int, public: int, intra: int) -> None:
    asked = {"cidr": f"10.0.0.0/{length}", "private_prefix": private, "public_prefix": public, "intra_prefix": intra}
    for count in range(2, 7):
        try:
            network = Network.model_validate({**asked, "zones": ZONES[:count]})
        except pydantic.ValidationError:
            continue
        found = ranges(network)
        assert sum(item.num_addresses for item in found) <= 2 ** (32 - length)
        assert len({item.network_address for item in found}) == 3 * count
