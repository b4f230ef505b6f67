"""Environments in temporary folders; one real control plane for each module that asks for it."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest
from tenbin_local import toolchain
from tenbin_local.environment import access, certificates, control_plane, identity, kubeconfigs
from tenbin_local.environment.cluster import Cluster
from tenbin_local.environment.layout import Layout
from tenbin_local.toolchain import bootstrap
from tenbin_local.toolchain.cache import cache_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def make_layout(checkout: Path, name: str = "balance") -> Layout:
    """Return an environment of a folder that looks like a checkout."""
    (checkout / "stacks").mkdir(parents=True, exist_ok=True)
    (checkout / "Pulumi.yaml").write_text("name: tenbin\nruntime: python\nmain: infra/\nstackConfigDir: stacks\n")
    return Layout(root=checkout / ".tenbin" / name, checkout=checkout)


@pytest.fixture
def place(tmp_path: Path) -> Layout:
    """An environment that was never brought up."""
    return make_layout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def tools() -> toolchain.Toolchain:
    """The programs, where they are cached or on PATH; `make toolchain` brings them."""
    found = bootstrap.present()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("the toolchain is missing: make toolchain")
        pytest.skip("the toolchain is missing: make toolchain")
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plane:
    """A running control plane."""

    place: Layout
    identity: identity.Identity
    pki: certificates.Pki
    cluster: Cluster
    tools: toolchain.Toolchain

    @property
    def parts(self) -> control_plane.ControlPlane:
        return control_plane.ControlPlane(self.place, self.identity, self.pki, self.cluster)

    def start(self) -> list[str]:
        """Start what does not run and return its names."""
        return self.parts.start({part: self.tools.path(part) for part in control_plane.PARTS})


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, tools: toolchain.Toolchain) -> Iterator[Plane]:
    place = make_layout(tmp_path_factory.mktemp("checkout"))
    own = identity.load_or_create(place, cache_root())
    try:
        pki = certificates.ensure(place.pki, own)
        kubeconfigs.write_all(place, own, pki)
        with Cluster(place.pki, own) as cluster:
            running = Plane(place=place, identity=own, pki=pki, cluster=cluster, tools=tools)
            running.start()
            access.grant_agent(cluster)
            yield running
    finally:
        control_plane.stop(place)
        identity.release(place, cache_root())
