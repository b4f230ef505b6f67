"""A stack's whole life: the real engine, an account of the AWS stand-in, and a real control plane behind it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from support import cluster_objects, committed_stacks, karpenter_kinds, projects
from support.waiting import until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from tenbin_local.environment import cluster

FAULTS = "TENBIN_AWS_FAULTS"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    """A committed stack from its first `up` to the last thing that it leaves behind."""

    project: projects.Project
    account: pathlib.Path
    client: cluster.Cluster
    config: dict[str, Any]
    """Its configuration, for a test to change before `configure`."""
    before: set[str]
    """What was in the cluster before the stack."""

    def configure(self) -> None:
        """Write the configuration as it stands now."""
        committed_stacks.configure(self.project, self.config)

    def pool(self, name: str) -> dict[str, Any]:
        """Return a pool's configuration."""
        found: dict[str, Any] = self.config["tenbin:pools"][name]
        return found

    def changed(self) -> dict[str, str]:
        """Bring the changed configuration up, and return what was done to what."""
        self.configure()
        return self.project.changes()

    def missing_objects(self) -> set[str]:
        """Return what of Kubernetes the stack's state has and the cluster has not; fails for a state without any."""
        done = self.project.pulumi("stack", "export", "--stack", "test")
        resources = json.loads(done.output)["deployment"].get("resources", [])
        wanted = cluster_objects.names_of_stack(resources)
        assert wanted, done.output
        return wanted - cluster_objects.names(self.client)

    def in_account(self, *, kind: str = "*") -> list[str]:
        """Return the files of what exists in the account, of one type or of all."""
        return sorted(path.name for path in self.account.glob(f"*/{kind}/*.json"))

    def destroy(self) -> None:
        """Destroy the stack, and see that nothing of it is left: neither in the account nor in the cluster."""
        done = self.project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test")
        assert done.code == 0, done.output
        assert list(self.account.rglob("*.json")) == []
        left: set[str] = set()

        def is_empty() -> bool:
            nonlocal left
            left = cluster_objects.names(self.client) - self.before
            return not left

        with contextlib.suppress(AssertionError):
            until(is_empty)
        assert left == set()


@contextlib.contextmanager
def of(stack: str, root: pathlib.Path, *, client: cluster.Cluster, kubeconfig: pathlib.Path) -> Iterator[Life]:
    """Give a committed stack an account of its own, backed by a control plane that runs.

    Args:
        stack: its name.
        root: an empty folder.
        client: of the control plane.
        kubeconfig: of its administrator.
    """
    karpenter_kinds.define(client)
    account = root / "account" / "123456789012"
    project = projects.Project(
        root / "project",
        imports="",
        variables={
            "AWS_REGION": "us-east-1",
            "TENBIN_AWS_STATE": str(account.parent),
            "TENBIN_AWS_KUBECONFIG": str(kubeconfig),
        },
    )
    try:
        done = project.pulumi("stack", "init", "test")
        assert done.code == 0, done.output
        config = committed_stacks.configuration(stack)
        before = cluster_objects.names(client)
        life = Life(project=project, account=account, client=client, config=config, before=before)
        life.configure()
        yield life
    finally:
        project.end()
