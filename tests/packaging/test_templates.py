"""The templates of `pulumi new`: copied by the engine itself, then previewed with the wheels of this checkout."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import control_planes, policy_pack, projects, wheels
from support.registered import register
from tenbin_local.stack_files import read_configuration, read_stack_file
from tenbin_spec.checks import findings

pytestmark = pytest.mark.timeout(300)

FOLDER = wheels.ROOT / "templates"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
STACKS = {"eks": "dev", "existing": "dev", "local": "local"}
ACCESS_ENTRY = "aws:eks/accessEntry:AccessEntry"
ADMINISTRATOR = "arn:aws:iam::444455556666:role/inference"


@dataclasses.dataclass(frozen=True)
class Copy:
    """A project that was made from a template."""

    root: pathlib.Path
    stack: str
    output: str
    run: Callable[..., projects.Outcome]

    @property
    def stack_file(self) -> pathlib.Path:
        return self.root / "stacks" / f"Pulumi.{self.stack}.yaml"

    def preview(self, level: str) -> list[dict[str, Any]]:
        """Return the new state of each resource that a preview would make.

        Fail the test on any warning, and where the policy pack has something against it at a level.
        """
        pack, log = pack_of_the_checkout(self.root.parent / "pack"), self.root.parent / "events.json"
        done = self.run(
            *("preview", "--json", "--stack", self.stack, "--event-log", str(log)),
            *("--policy-pack", str(pack), "--policy-pack-config", str(pack / "levels" / f"{level}.json")),
        )
        assert done.code == 0, done.output
        assert [item for item in projects.told(log) if item["policy"] != "not-judged"] == []
        found = json.loads(done.output[done.output.index("{") :])
        warnings = [item["message"] for item in found.get("diagnostics", []) if item["severity"] != "info"]
        assert warnings == []
        return [step["newState"] for step in found["steps"]]


@pytest.fixture(scope="module")
def environment(built: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An environment with what a template depends on, of the wheels and of nothing else of this checkout."""
    root = tmp_path_factory.mktemp("environment")
    listed = root / "requirements.txt"
    (text,) = {
        line for name in NAMES for line in tomllib.loads(read(name, "pyproject.toml"))["project"]["dependencies"]
    }
    listed.write_text(f"{text}\n", encoding="utf-8")
    locked = root / "locked.txt"
    wheels.uv(
        *("export", "--quiet", "--frozen", "--no-hashes", "--no-emit-workspace", "--no-dev"),
        *("--format", "requirements-txt", "--output-file", str(locked)),
    )
    python = wheels.empty_environment(root / "venv")
    wheels.uv(
        *("pip", "install", "--quiet", "--python", str(python), "--find-links", str(built)),
        *("--constraint", str(locked), "--requirement", str(listed)),
    )
    return root / "venv"


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """The kubeconfig of a control plane that runs."""
    with control_planes.run(tmp_path_factory.mktemp("cluster"), "templates") as running:
        yield running.place.kubeconfig


@pytest.fixture
def new(tmp_path: pathlib.Path, environment: pathlib.Path) -> Iterator[Callable[..., Copy]]:
    """Return what makes a project of a template as `pulumi new` does."""
    variables = {"UV_PROJECT_ENVIRONMENT": str(environment), "TENBIN_AWS_STATE": str(tmp_path / "account")}
    ground = projects.Project(tmp_path / "ground", imports="", variables=variables)

    def make(template: str, *flags: str, **variables: str) -> Copy:
        root = tmp_path / "inference"
        root.mkdir()

        def run(*arguments: str) -> projects.Outcome:
            done = subprocess.run(
                ground.command(*arguments), cwd=root,
                env=ground.environment | variables | {"PULUMI_DEBUG_COMMANDS": "true"},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False,
            )  # fmt: skip
            return projects.Outcome(done.returncode, done.stdout)

        stack = STACKS[template]
        done = run("new", str(FOLDER / template), "--yes", "--offline", "--stack", stack, *flags)
        assert done.code == 0, done.output
        return Copy(root=root, stack=stack, output=done.output, run=run)

    yield make
    ground.end()


def read(template: str, name: str) -> str:
    return (FOLDER / template / name).read_text(encoding="utf-8")


def pack_of_the_checkout(folder: pathlib.Path) -> pathlib.Path:
    """Copy the policy pack so that it runs in the checkout's environment, not in the one of what it judges."""
    shutil.copytree(policy_pack.PACK, folder)
    described = folder / "PulumiPolicy.yaml"
    options = f"    toolchain: pip\n    virtualenv: {sys.prefix}"
    described.write_text(described.read_text(encoding="utf-8").replace("    toolchain: uv", options), encoding="utf-8")
    return folder


def of_type(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item["inputs"] for item in resources if item["type"] == kind]


def test_the_environment_has_the_wheels_and_nothing_of_the_checkout(environment: pathlib.Path) -> None:
    shown = subprocess.run(
        [str(environment / "bin" / "python"), "-I", "-c", "import tenbin, tenbin_spec; print(tenbin, tenbin_spec)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(wheels.ROOT) not in shown.stdout
    assert shown.stdout.count(str(environment)) == 2


def test_a_template_for_eks_builds_a_cluster_for_whom_pulumi_new_asked(new: Callable[..., Copy]) -> None:
    copy = new("eks", "--config", f"administrator={ADMINISTRATOR}")
    resources = copy.preview("dev")
    assert [item["principalArn"] for item in of_type(resources, ACCESS_ENTRY)] == [ADMINISTRATOR]
    [cluster] = of_type(resources, "aws:eks/cluster:Cluster")
    assert cluster["tags"]["tenbin.dev/owner"] == "inference"
    assert cluster["vpcConfig"]["endpointPublicAccess"] is False


def test_a_template_for_eks_takes_the_stack_files_administrators_where_no_answer_is_configured(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "stacks" / "Pulumi.dev.yaml"
    path.parent.mkdir()
    path.write_text(read("eks", "stacks/Pulumi.dev.yaml").replace("${PROJECT}", "inference"), encoding="utf-8")
    values = {f"tenbin:{key}": json.dumps(value) for key, value in read_configuration(path).items()}

    def program() -> Any:
        runpy.run_path(str(FOLDER / "eks" / "__main__.py"), run_name="__main__")

    entries = [item for item in register(program, configuration=values).resources if item.type == ACCESS_ENTRY]
    assert [item.inputs["principalArn"] for item in entries] == ["arn:aws:iam::111122223333:role/platform-admin"]


@pytest.mark.parametrize(("template", "asks"), [("existing", True), ("local", False)])
def test_a_template_for_a_cluster_that_exists_puts_a_platform_into_it(
    new: Callable[..., Copy], kubeconfig: pathlib.Path, template: str, *, asks: bool
) -> None:
    context = json.loads(kubeconfig.read_text(encoding="utf-8"))["current-context"] if asks else None
    answers = ["--config", f"context={context}"] if asks else []
    resources = new(template, *answers, KUBECONFIG=str(kubeconfig)).preview(template)
    [provider] = of_type(resources, "pulumi:providers:kubernetes")
    assert provider.get("context") == context
    assert not [item["type"] for item in resources if item["type"].startswith("aws:")]
    names = {item["metadata"]["name"] for item in of_type(resources, "kubernetes:apps/v1:Deployment")}
    assert {"tenbin-planner", "tenbin-picker", "tenbin-gateway"} < names


@pytest.mark.parametrize("template", NAMES)
def test_what_pulumi_new_makes_is_whole(new: Callable[..., Copy], template: str) -> None:
    copy = new(template, "--description", "Chat for everybody")
    assert findings(read_stack_file(copy.stack_file).stack) == ()
    files = {str(path.relative_to(copy.root)) for path in copy.root.rglob("*") if path.is_file()}
    assert files == {".gitignore", "Pulumi.yaml", "__main__.py", "pyproject.toml", f"stacks/Pulumi.{copy.stack}.yaml"}
    assert not [name for name in files if "${" in (copy.root / name).read_text(encoding="utf-8")]
    project = YAML(typ="safe", pure=True).load((copy.root / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert (project["name"], project["description"]) == ("inference", "Chat for everybody")
    assert tomllib.loads((copy.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"] == "inference"
    assert f"stacks/Pulumi.{copy.stack}.yaml holds" in copy.output


def test_templates_are_told_apart_by_their_descriptions() -> None:
    shown = [YAML(typ="safe", pure=True).load(read(name, "Pulumi.yaml"))["template"] for name in NAMES]
    assert len({item["description"] for item in shown}) == len({item["displayName"] for item in shown}) == 3


def test_every_question_of_a_template_says_what_it_is_for() -> None:
    for name in NAMES:
        asked = YAML(typ="safe", pure=True).load(read(name, "Pulumi.yaml"))["template"].get("config", {})
        assert all(item["description"] for item in asked.values()), name
