"""A real control plane and real Pulumi projects for the tests of the plugins.

The control plane is started once. Projects have their own state and their own folder, with the plugins in
a `bin` folder that is on the PATH of their commands only.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import pytest
from tenbin_local.environment import certificates, cluster, control_plane, identity, kubeconfigs, layout
from tenbin_local.plugins import install
from tenbin_local.toolchain import cache

VERSIONS = {"etcd": "3.6.8", "pulumi": "3.250.0"}
KUBERNETES = "1.36.3"


def _tool(name: str) -> pathlib.Path:
    program = cache.Cache().program(name, VERSIONS.get(name, KUBERNETES))
    if not program.exists():
        pytest.skip(f"{name} is not in the toolchain cache")
    return program


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
    tools = {part: _tool(part) for part in control_plane.PARTS}
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


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command of the engine gave."""

    code: int
    output: str


class Project:
    """A Pulumi project with one stack `test`, its state and its plugins."""

    def __init__(self, root: pathlib.Path, kubeconfig: pathlib.Path) -> None:
        self.root = root
        self._pulumi = _tool("pulumi")
        (root / "infra").mkdir(parents=True)
        (root / "stacks").mkdir()
        (root / "state").mkdir()
        (root / ".venv").symlink_to(pathlib.Path(sys.prefix), target_is_directory=True)
        (root / "Pulumi.yaml").write_text(
            "name: plugins\nmain: infra/\nstackConfigDir: stacks\nruntime: {name: python, options: {toolchain: uv}}\n"
        )
        install.install_plugins(root / "bin", pulumi_home=root / "home")
        self.environment = {
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(root),
            "KUBECONFIG": str(kubeconfig),
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "tenbin-test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "NO_COLOR": "1",
        }

    def program(self, text: str) -> None:
        """Writes the program; `kubernetes` and `pulumi` are imported for it."""
        head = "import os\nimport pulumi\nimport pulumi_kubernetes as kubernetes\n"
        (self.root / "infra" / "__main__.py").write_text(head + textwrap.dedent(text))

    def pulumi(self, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
        """Runs a command of the engine to its end."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.root, env=self.environment | dict(env or {}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout)

    def command(self, *arguments: str) -> list[str]:
        return [str(self._pulumi), *arguments, "--non-interactive"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command of the engine in a session of its own."""
        return subprocess.Popen(
            self.command(*arguments), cwd=self.root, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def up(self, *flags: str, env: Mapping[str, str] | None = None) -> str:
        """Brings the stack up and returns the output; fails the test when that fails."""
        done = self.pulumi("up", "--yes", "--skip-preview", "--stack", "test", *flags, env=env)
        assert done.code == 0, done.output
        return done.output

    def preview(self, *flags: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The steps of a preview as the engine's JSON."""
        done = self.pulumi("preview", "--json", "--stack", "test", *flags, env=env)
        assert done.code == 0, done.output
        found: dict[str, Any] = json.loads(done.output[done.output.index("{") :])
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """The stack's state by logical name, secrets encrypted."""
        exported = json.loads(self.pulumi("stack", "export", "--stack", "test").output)
        return {entry["urn"].rsplit("::", 1)[-1]: entry for entry in exported["deployment"].get("resources", [])}

    def processes(self) -> list[psutil.Process]:
        """Processes that this project's engine started, plugins included."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PULUMI_HOME") == str(self.root / "home"):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def close(self) -> None:
        """Destroys what the stack made, and ends what is left running."""
        self.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test")
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # it may have ended
                process.send_signal(signal.SIGKILL)


@pytest.fixture
def project(api: Api, tmp_path: pathlib.Path) -> Iterator[Project]:
    """A new project, whose objects are gone after the test."""
    made = Project(tmp_path / "project", api.kubeconfig)
    done = made.pulumi("stack", "init", "test")
    assert done.code == 0, done.output
    yield made
    made.close()
