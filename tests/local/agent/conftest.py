"""A real control plane and a real node agent, started once for the tests of a file."""

from __future__ import annotations

import pathlib
import signal
import ssl
from collections.abc import Iterator

import httpx
import pytest
from support.node_agent import NODES, World
from support.waiting import PATIENCE_S, until
from tenbin_local.environment import access, certificates, cluster, control_plane, identity, kubeconfigs, layout
from tenbin_local.environment import processes as environment_processes
from tenbin_local.toolchain import cache

VERSIONS = {"etcd": "3.6.8"}
KUBERNETES = "1.36.3"


def _tool(name: str) -> pathlib.Path:
    program = cache.Cache().program(name, VERSIONS.get(name, KUBERNETES))
    if not program.exists():
        pytest.skip(f"{name} is not in the toolchain cache")
    return program


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Control plane and agent."""
    tools = {part: _tool(part) for part in control_plane.PARTS}
    root = tmp_path_factory.mktemp("w")
    place = layout.Layout(root=root / ".tenbin" / "t", checkout=root)
    claims = cache.cache_root()
    own = identity.load_or_create(place, claims)
    made: World | None = None
    try:
        pki = certificates.ensure(place.pki, own)
        kubeconfigs.write_all(place, own, pki)
        with cluster.Cluster(place.pki, own) as client:
            control_plane.ControlPlane(place, own, pki, client).start(tools)
            access.grant_agent(client)
        context = ssl.create_default_context(cafile=str(pki.authority.certificate))
        context.load_cert_chain(pki.pair("admin").certificate, pki.pair("admin").key)
        with httpx.Client(base_url=own.server, verify=context, trust_env=False, timeout=PATIENCE_S) as http:
            made = World(place=place, octet=own.octet, http=http)
            made.write_nodes(NODES)
            made.start_agent()
            until(lambda: len(made.ready_nodes()) == 4)
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            until(lambda: made.get(account))
            yield made
    finally:
        if made and made.agent and made.agent.poll() is None:
            made.end_agent(signal.SIGTERM)
        control_plane.stop(place)
        environment_processes.end_processes(environment_processes.strays(place), 2.0)
        identity.release(place, claims)
