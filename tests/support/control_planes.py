"""A real control plane, without nodes, for the tests of one folder."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from typing import TYPE_CHECKING

import pytest
from tenbin_local.environment import certificates, cluster, control_plane, identity, kubeconfigs, layout, processes
from tenbin_local.toolchain import cache

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunningPlane:
    """A control plane that runs, and an administrator's client of it."""

    plane: control_plane.ControlPlane
    place: layout.Layout
    own: identity.Identity
    pki: certificates.Pki
    tools: dict[str, pathlib.Path]
    client: cluster.Cluster


@contextlib.contextmanager
def run(root: pathlib.Path, name: str) -> Iterator[RunningPlane]:
    """Run a control plane with its state below `root`; skip the test when its programs are not in the cache."""
    tools = {}
    for part in control_plane.PARTS:
        tools[part] = cache.Cache().program(part, "3.6.8" if part == "etcd" else "1.36.3")
        if not tools[part].exists():
            pytest.skip(f"{part} is not in the toolchain cache")
    place = layout.Layout(root=root / ".tenbin" / name, checkout=root)
    own = identity.load_or_create(place, cache.cache_root())
    try:
        pki = certificates.ensure(place.pki, own)
        kubeconfigs.write_all(place, own, pki)
        with cluster.Cluster(place.pki, own) as client:
            plane = control_plane.ControlPlane(place, own, pki, client)
            plane.start(tools)
            yield RunningPlane(plane=plane, place=place, own=own, pki=pki, tools=tools, client=client)
    finally:
        for part in control_plane.PARTS:  # nothing is kept, so nobody is asked to end in good order
            record = processes.running(place, part)
            if record is not None:
                os.kill(record.pid, signal.SIGKILL)
        control_plane.stop(place)
        identity.release(place, cache.cache_root())
