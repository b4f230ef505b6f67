"""A real control plane and real Pulumi projects for the tests of the plugins.

The control plane is started once.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support import projects
from tenbin_local.environment import certificates, cluster, control_plane, identity, kubeconfigs, layout
from tenbin_local.toolchain import cache

IMPORTS = "import os\nimport pulumi\nimport pulumi_kubernetes as kubernetes\n"


@dataclasses.dataclass(frozen=True)
class Api:
    """The API server of the test's control plane, as its administrator."""

    kubeconfig: pathlib.Path
    client: cluster.Cluster

    def get(self, path: str) -> dict[str, Any]:
        return self.client.get(path)

    def status(self, path: str, manifest: Mapping[str, Any]) -> None:
        """Writes a status as a kubelet would."""
        self.client._call(
            "PATCH",
            f"{path}/status",
            json=dict(manifest),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def scale(self, path: str, replicas: int) -> None:
        """Writes the count through /scale, as the planner does."""
        self.client._call(
            "PATCH",
            f"{path}/scale",
            params={"fieldManager": "tenbin-planner"},
            json={"spec": {"replicas": replicas}},
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def edit(self, path: str, patch: Mapping[str, Any], manager: str) -> None:
        """Changes fields under another manager's name."""
        self.client._call(
            "PATCH",
            path,
            params={"fieldManager": manager},
            json=dict(patch),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def exists(self, path: str) -> bool:
        return self.client._http.get(path).status_code == 200


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A control plane of etcd, API server, controller manager and scheduler, without nodes."""
    tools = {part: projects.tool(part) for part in control_plane.PARTS}
    root = tmp_path_factory.mktemp("checkout")
    place = layout.Layout(root=root / ".tenbin" / "plugins", checkout=root)
    claims = cache.cache_root()
    own = identity.load_or_create(place, claims)
    try:
        pki = certificates.ensure(place.pki, own)
        kubeconfigs.write_all(place, own, pki)
        with cluster.Cluster(place.pki, own) as client:
            control_plane.ControlPlane(place, own, pki, client).start(tools)
            yield Api(kubeconfig=place.kubeconfig, client=client)
    finally:
        control_plane.stop(place)
        identity.release(place, claims)


@pytest.fixture
def project(api: Api, tmp_path: pathlib.Path) -> Iterator[projects.Project]:
    """A new project, whose objects are gone after the test."""
    made = projects.Project(tmp_path / "project", imports=IMPORTS, variables={"KUBECONFIG": str(api.kubeconfig)})
    done = made.pulumi("stack", "init", "test")
    assert done.code == 0, done.output
    yield made
    made.close()
