"""The committed stack for a cluster of any vendor, with the reference program, on a real API server."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import control_planes, projects

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Iterator[projects.Project]:
    """A project with the reference program and the committed stack, which knows a kubeconfig and nothing else."""
    with control_planes.run(tmp_path / "cluster", "existing") as running:
        variables = {"KUBECONFIG": str(running.place.kubeconfig)}
        made = projects.Project(tmp_path / "project", imports="", variables=variables)
        done = made.pulumi("stack", "init", "test")
        assert done.code == 0, done.output
        configure(made.root / "stacks" / "Pulumi.test.yaml")
        made.program((ROOT / "infra" / "__main__.py").read_text(encoding="utf-8"))
        yield made
        made.close()


def configure(path: pathlib.Path) -> None:
    """Give a new stack the committed stack's configuration; its passphrase stays its own."""
    yaml = YAML()
    plain = yaml.load(path.read_text(encoding="utf-8"))
    committed = ROOT / "stacks" / "Pulumi.existing.yaml"
    plain["config"] = yaml.load(committed.read_text(encoding="utf-8"))["config"]
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(plain, stream)


def kinds(preview: dict[str, Any]) -> dict[str, list[str]]:
    """Return the sorted names of what a preview would make, by the last part of the type."""
    found: dict[str, list[str]] = {}
    for step in preview["steps"]:
        state = step["newState"]
        found.setdefault(state["type"].rpartition(":")[2], []).append(state["urn"].rpartition("::")[2])
    return {kind: sorted(names) for kind, names in found.items()}


@pytest.mark.timeout(300)
def test_a_kubeconfig_is_all_that_the_stack_for_existing_clusters_needs(project: projects.Project) -> None:
    preview = project.preview()
    assert [item["message"] for item in preview.get("diagnostics", []) if item["severity"] != "info"] == []
    found = kinds(preview)
    assert found["kubernetes"] == ["platform"], "one provider, and none of a cloud"
    assert found["Namespace"] == ["platform"]
    assert found["Deployment"] == [
        *("platform-chat-serve-l40s", "platform-gateway", "platform-picker", "platform-planner")
    ]
