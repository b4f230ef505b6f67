"""A cluster of any vendor, from the committed stack and from programs of other languages, on a real API server."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import control_planes, policy_pack, projects

pytestmark = pytest.mark.timeout(400)

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "yaml" / "Pulumi.yaml"
DEPLOYMENTS = ["platform-chat-serve-l40s", "platform-gateway", "platform-picker", "platform-planner"]
REMOTE = """
import json
import pathlib
import pulumi


class Platform(pulumi.ComponentResource):
    def __init__(self, properties):
        super().__init__("tenbin:index:Platform", "platform", {**properties, "findings": None}, None, remote=True)


properties = json.loads((pathlib.Path(__file__).parent / "properties.json").read_text())
pulumi.export("findings", pulumi.get(Platform(properties), "findings"))
"""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """The kubeconfig of a control plane that runs."""
    with control_planes.run(tmp_path_factory.mktemp("cluster"), "existing") as running:
        yield running.place.kubeconfig


@pytest.fixture
def project(tmp_path: pathlib.Path, kubeconfig: pathlib.Path) -> Iterator[projects.Project]:
    """A project with a stack, which knows a kubeconfig and nothing else."""
    made = projects.Project(tmp_path / "project", imports="", variables={"KUBECONFIG": str(kubeconfig)})
    done = made.pulumi("stack", "init", "test")
    assert done.code == 0, done.output
    yield made
    made.end()


def load(path: pathlib.Path) -> dict[str, Any]:
    plain: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return plain


def edit(path: pathlib.Path, change: Callable[[dict[str, Any]], None]) -> None:
    plain = load(path)
    change(plain)
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(plain, stream)


def kinds(preview: dict[str, Any]) -> dict[str, list[str]]:
    """Return the sorted names of what a preview would make, by the last part of the type; fail on any warning."""
    assert [item["message"] for item in preview.get("diagnostics", []) if item["severity"] != "info"] == []
    found: dict[str, list[str]] = {}
    for step in preview["steps"]:
        state = step["newState"]
        found.setdefault(state["type"].rpartition(":")[2], []).append(state["urn"].rpartition("::")[2])
    return {kind: sorted(names) for kind, names in found.items()}


def test_a_kubeconfig_is_all_that_the_stack_for_existing_clusters_needs_and_it_breaks_no_rule(
    project: projects.Project,
) -> None:
    committed = load(ROOT / "stacks" / "Pulumi.existing.yaml")
    edit(project.root / "stacks" / "Pulumi.test.yaml", lambda plain: plain.update(config=committed["config"]))
    project.program((ROOT / "infra" / "__main__.py").read_text(encoding="utf-8"))
    levels = policy_pack.PACK / "levels" / "existing.json"
    preview, judged = project.judged(policy_pack.PACK, "--policy-pack-config", str(levels))
    assert [item for item in judged if item["policy"] != "not-judged"] == []
    found = kinds(preview)
    assert found["kubernetes"] == ["platform"], "one provider, and none of a cloud"
    assert found["Namespace"] == ["platform"]
    assert found["Deployment"] == DEPLOYMENTS


def test_the_engine_builds_a_platform_for_a_program_that_knows_its_schema_alone(project: projects.Project) -> None:
    """The properties of the YAML example, sent as its language host sends them: by the `Construct` call."""
    properties = load(EXAMPLE)["resources"]["platform"]["properties"]
    provider = {"name": "tenbin", "path": str(ROOT / "components")}
    edit(project.root / "Pulumi.yaml", lambda plain: plain.update(plugins={"providers": [provider]}))
    (project.root / "infra" / "properties.json").write_text(json.dumps(properties), encoding="utf-8")
    project.program(REMOTE)
    found = kinds(project.preview())
    assert found["Platform"] == ["platform"]
    assert found["Deployment"] == DEPLOYMENTS


def test_the_example_in_yaml_builds_the_same(project: projects.Project) -> None:
    if shutil.which("pulumi-language-yaml", path=project.environment["PATH"]) is None:
        pytest.skip("pulumi-language-yaml, which comes with the official Pulumi, is not on PATH")
    plain = load(EXAMPLE)
    plain["plugins"]["providers"][0]["path"] = str(ROOT / "components")
    (project.root / "Pulumi.yaml").write_text(json.dumps({**plain, "name": "plugins", "stackConfigDir": "stacks"}))
    assert kinds(project.preview())["Deployment"] == DEPLOYMENTS
