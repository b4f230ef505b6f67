"""An environment's network and ports: never shared, chosen once, kept."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from support import addresses
from tenbin_local.environment import identity
from tenbin_local.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path

    from tenbin_local.environment.layout import Layout


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def named(place: Layout, name: str) -> Layout:
    return dataclasses.replace(place, root=place.root.with_name(name))


def test_what_was_chosen_is_kept(place: Layout, cache: Path) -> None:
    first = identity.load_or_create(place, cache)
    assert identity.load_or_create(place, cache) == first
    assert identity.load(place) == first


def test_environments_never_share_a_network(place: Layout, cache: Path) -> None:
    octets = [identity.load_or_create(named(place, f"e{index}"), cache).octet for index in range(20)]
    assert len(set(octets)) == 20
    assert all(octet in identity.OCTETS for octet in octets)


def test_addresses_lie_in_the_own_network(place: Layout, cache: Path) -> None:
    own = identity.load_or_create(place, cache)
    assert own.address == f"127.{own.octet}.0.1"
    assert own.services_range == f"127.{own.octet}.128.0/17"
    assert own.first_service_address == f"127.{own.octet}.128.1"
    assert own.server == f"https://127.{own.octet}.0.1:{own.ports['kube-apiserver']}"


def test_a_port_that_is_taken_is_replaced_by_another() -> None:
    address = addresses.spare()
    with socket.create_server((address, 6443)):
        ports = identity._choose_ports(address)
    assert ports["kube-apiserver"] != 6443
    assert {**ports, "kube-apiserver": 6443} == identity.PREFERRED_PORTS
    assert len(set(ports.values())) == len(ports)


def test_the_network_of_a_removed_environment_is_free_again(place: Layout, cache: Path) -> None:
    gone = named(place, "gone")
    octet = identity.load_or_create(gone, cache).octet
    shutil.rmtree(gone.root)
    claim = cache / "octets" / f"{octet}.json"
    assert json.loads(claim.read_text()) == {"root": str(gone.root)}
    assert identity.load_or_create(gone, cache).octet == octet


def test_release_gives_back_the_own_network_only(place: Layout, cache: Path) -> None:
    other = named(place, "other")
    identity.load_or_create(place, cache)
    kept = identity.load_or_create(other, cache).octet
    identity.release(place, cache)
    assert [claim.name for claim in (cache / "octets").glob("*.json")] == [f"{kept}.json"]


def test_a_network_that_another_environment_took_is_not_used(place: Layout, cache: Path) -> None:
    own = identity.load_or_create(place, cache)
    other = named(place, "other")
    other.root.mkdir()
    (cache / "octets" / f"{own.octet}.json").write_text(json.dumps({"root": str(other.root)}))
    with pytest.raises(LocalError) as caught:
        identity.load_or_create(place, cache)
    assert str(caught.value) == (
        f"The network 127.{own.octet}.0.0/16 of environment 'balance' now belongs to {other.root}; "
        "`tenbin local down` and `up` give this one a new network"
    )


def test_with_every_network_taken_the_message_says_where_they_are(place: Layout, cache: Path) -> None:
    holder = named(place, "holder").root
    holder.mkdir(parents=True)
    folder = cache / "octets"
    folder.mkdir(parents=True)
    for octet in identity.OCTETS:
        (folder / f"{octet}.json").write_text(json.dumps({"root": str(holder)}))
    with pytest.raises(LocalError) as caught:
        identity.load_or_create(place, cache)
    assert str(caught.value) == (
        f"All 235 loopback networks are taken by the environments listed in {folder}; end one with `tenbin local down`"
    )


def test_an_environment_that_does_not_exist_is_named(place: Layout) -> None:
    with pytest.raises(LocalError) as caught:
        identity.load(place)
    assert str(caught.value) == (f"There is no environment 'balance' in {place.checkout}: `tenbin local up` makes it")


def test_a_damaged_file_is_an_error_that_says_how_to_go_on(place: Layout, cache: Path) -> None:
    identity.load_or_create(place, cache)
    place.identity.write_text("{")
    with pytest.raises(LocalError) as caught:
        identity.load(place)
    assert str(caught.value).startswith(f"{place.identity} is damaged; `tenbin local down` removes all of it: ")
