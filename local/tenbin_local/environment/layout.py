"""Where the files of one environment lie.

<checkout>/.tenbin/<name>/
    environment.json     name, octet, ports: chosen once (`identity`)
    kubeconfig           of the administrator; kubeconfig-<part> of each part
    pki/ etcd/           certificates and the cluster's state
    run/ logs/           a record and a log of each process
    deployment.json      which stack runs here
    nodes.json           the simulated nodes, from the stack's pools
    bin/                 stand-ins for Pulumi plugins; on PATH of this environment's commands only
    pulumi-home/ pulumi-state/
    pods/                volumes and logs of the pods, written by the node agent
    load/                reports of `make load`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tenbin_local.errors import LocalError

FOLDER = ".tenbin"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
PROJECT_FILE = "Pulumi.yaml"
PASSPHRASE = "tenbin-test"  # noqa: S105 - documented; the committed stacks hold no secret
"""Passphrase of the committed stack files."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Paths of one environment."""

    root: Path
    checkout: Path
    """The folder with Pulumi.yaml."""

    @property
    def name(self) -> str:
        """Name of the environment."""
        return self.root.name

    @property
    def identity(self) -> Path:
        """Name, octet and ports."""
        return self.root / "environment.json"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.root / "pki"

    @property
    def etcd(self) -> Path:
        """State of the cluster."""
        return self.root / "etcd"

    @property
    def run(self) -> Path:
        """A record of each process."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """A log of each process."""
        return self.root / "logs"

    @property
    def kubeconfig(self) -> Path:
        """Access as administrator."""
        return self.root / "kubeconfig"

    @property
    def nodes(self) -> Path:
        """The simulated nodes."""
        return self.root / "nodes.json"

    @property
    def deployment(self) -> Path:
        """Which stack runs here."""
        return self.root / "deployment.json"

    @property
    def stacks(self) -> Path:
        """Stack files of the checkout."""
        return self.checkout / "stacks"

    @property
    def bin(self) -> Path:
        """Stand-ins for Pulumi plugins."""
        return self.root / "bin"

    @property
    def pulumi_home(self) -> Path:
        """Pulumi's own files."""
        return self.root / "pulumi-home"

    @property
    def pulumi_state(self) -> Path:
        """Pulumi's backend."""
        return self.root / "pulumi-state"

    @property
    def pods(self) -> Path:
        """Files of the pods."""
        return self.root / "pods"

    def part_kubeconfig(self, part: str) -> Path:
        """Access of a part of the control plane, or of the node agent."""
        return self.root / f"kubeconfig-{part}"

    def log(self, part: str) -> Path:
        """Log of a process."""
        return self.logs / f"{part}.log"

    def exists(self) -> bool:
        """Say whether the environment was ever brought up."""
        return self.identity.exists()


def find(name: str, start: Path | None = None) -> Layout:
    """Return the environment of a name in the checkout that `start` (the working folder) lies in.

    Raises:
        LocalError: there is no checkout around, or the name cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise LocalError(
            f"{name!r} cannot name an environment: allowed are up to 30 lower-case letters, digits and dashes"
        )
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return Layout(root=folder / FOLDER / name, checkout=folder)
    raise LocalError(f"No {PROJECT_FILE} in {here} or above it: run this inside a checkout of the project")
