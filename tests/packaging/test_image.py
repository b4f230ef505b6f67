"""The image of planner and picker, without a builder: its steps are run in a folder, then its entry point.

Whatever the Containerfile says is what runs here: files, commands, environment, entry point.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support import addresses, wheels
from support.waiting import until
from tenbin._layout import picker, planner
from tenbin_spec import contract

pytestmark = pytest.mark.timeout(300)

ROOT = wheels.ROOT
FILE = ROOT / "Containerfile"
PORTS = {"planner": contract.PORT_PLANNER_HTTP, "picker": contract.PORT_PICKER_HEALTH}
CHEAP = {"UV_COMPILE_BYTECODE": "0", "UV_LINK_MODE": "hardlink"}
"""What makes the steps quick here and changes nothing of what is installed."""
HOME = "/opt/tenbin"
"""Where the image keeps the programs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction of the Containerfile."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        found: list[str] = json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """What the last stage makes of a folder that stands for the image's own root."""

    root: pathlib.Path
    stage: list[Instruction]

    def environment(self) -> dict[str, str]:
        """Return the variables of the stage, its folders below the root."""
        found = {}
        for item in self.stage:
            if item.name == "ENV":
                found |= dict(word.split("=", 1) for word in item.words)
        return {name: value.replace(HOME, f"{self.root}{HOME}") for name, value in found.items()}

    def command(self, *arguments: str) -> list[str]:
        """Return what a container runs: the entry point, found on the stage's PATH, and the arguments."""
        entry, *rest = only(self.stage, "ENTRYPOINT").words
        program = shutil.which(entry, path=self.environment()["PATH"])
        assert program is not None, f"{entry} is not in the image"
        return [program, *rest, *arguments]


def pod_of(name: str) -> dict[str, Any]:
    """Return what the pods of the planner or the picker are made of."""
    common: dict[str, Any] = {"image": "tenbin/planner:0", "namespace": "tenbin", "stack": "test", "scrape": False}
    made = picker.deployment(**common) if name == "picker" else planner.deployment(**common, enabled=True)
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


def stages() -> list[list[Instruction]]:
    """Return the instructions of each stage, `FROM` first."""
    text = re.sub(r"\\\n", " ", FILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found: list[list[Instruction]] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name=name, text=rest.strip()))
    return found


def only(stage: list[Instruction], name: str) -> Instruction:
    [found] = [item for item in stage if item.name == name]
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Run the steps of the first stage in a folder of their own, and give what the last one takes from it."""
    root = tmp_path_factory.mktemp("image")
    building, running = stages()
    source = root / only(building, "WORKDIR").text.strip("/")
    source.mkdir()
    variables = {
        **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        "PATH": f"{pathlib.Path(wheels.program()).parent}:{os.environ['PATH']}",
        "UV_PYTHON": sys.executable,
        **Image(root=root, stage=building).environment(),
        **CHEAP,
    }
    for item in building:
        if item.name == "COPY":
            copy(item.words, source)
        if item.name == "RUN" and not item.text.startswith("pip install"):
            done = subprocess.run(item.words, cwd=source, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{item.text}\n{done.stdout}{done.stderr}"
    assert only(running, "COPY").words == ["--from=build", HOME, HOME]
    return Image(root=root, stage=running)


def copy(words: list[str], source: pathlib.Path) -> None:
    *files, target = words
    for name in files:
        if (ROOT / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / target, ignore=unwanted, dirs_exist_ok=True)
        else:
            (source / target).mkdir(exist_ok=True)
            shutil.copy(ROOT / name, source / target)


@contextlib.contextmanager
def container(image: Image, tmp_path: pathlib.Path, host: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a container's command on an address of its own, with an API server that nobody answers for."""
    with addresses.refusing() as (address, port):
        access = {
            "clusters": [{"name": "away", "cluster": {"server": f"http://{address}:{port}"}}],
            "users": [{"name": "nobody", "user": {"token": "none"}}],
            "contexts": [{"name": "away", "context": {"cluster": "away", "user": "nobody"}}],
        }
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "away"} | access))
        variables = {
            "POD_IP": host,
            "TENBIN_NAMESPACE": "tenbin",
            "TENBIN_STACK": "test",
            "TENBIN_KUBECONFIG": str(kubeconfig),
            "HOME": str(tmp_path),
        }
        process = subprocess.Popen(
            image.command(*arguments), env=image.environment() | variables, cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def healthy(process: subprocess.Popen[bytes], url: str) -> bool:
    assert process.poll() is None, f"ended with {process.returncode}"
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    return False


@pytest.mark.parametrize(("name", "port"), PORTS.items())
def test_what_a_pod_calls_runs_in_the_image_and_ends_when_it_is_asked_to(
    image: Image, tmp_path: pathlib.Path, name: str, port: int
) -> None:
    [pod] = pod_of(name)["containers"]
    assert pod["command"] == only(image.stage, "ENTRYPOINT").words
    host = addresses.spare()
    with container(image, tmp_path, host, *pod["args"]) as process:
        until(lambda: healthy(process, f"http://{host}:{port}/healthz"), seconds=200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_the_image_runs_the_planner_where_nothing_else_is_said(image: Image) -> None:
    assert only(image.stage, "CMD").words == pod_of("planner")["containers"][0]["args"]


def test_the_user_of_the_image_is_the_user_of_the_pods(image: Image) -> None:
    user, group = map(int, only(image.stage, "USER").text.split(":"))
    for name in PORTS:
        context = pod_of(name)["securityContext"]
        assert (user, group) == (context["runAsUser"], context["runAsGroup"])
    assert user > 0


def test_the_image_holds_the_locked_versions_and_no_pulumi(image: Image) -> None:
    python = f"{image.root}{HOME}/bin/python"
    shown = json.loads(wheels.uv("pip", "list", "--quiet", "--format", "json", "--python", python))
    installed = {item["name"]: item["version"] for item in shown}
    assert {"tenbin-planner", "tenbin-spec"} <= set(installed)
    assert not {name for name in installed if name.startswith("pulumi") or name in {"tenbin", "tenbin-local"}}
    exported = wheels.uv("export", "--quiet", "--frozen", "--package", "tenbin-planner", "--no-dev")
    locked = re.findall(r"^([\w-]+)==([\w.]+)", exported, re.MULTILINE)
    assert {item for item in installed.items() if not item[0].startswith("tenbin")} <= set(locked)


def test_both_stages_stand_on_the_version_of_python_that_the_tests_run_on() -> None:
    bases = {only(stage, "FROM").text.partition(" AS ")[0] for stage in stages()}
    [base] = bases
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base)


def test_the_image_is_built_with_the_makefiles_version_of_uv() -> None:
    [version] = re.findall(r"^UV_VERSION := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"uv=={version}\n" in FILE.read_text(encoding="utf-8")


def test_a_builder_is_sent_what_the_containerfile_copies_and_nothing_else() -> None:
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    sent = [pathlib.PurePath(line[1:]) for line in lines if line.startswith("!")]
    building, _ = stages()
    copied = {pathlib.PurePath(name) for item in building if item.name == "COPY" for name in item.words[:-1]}
    assert set(sent) <= copied
    assert [name for name in copied if not any(name.is_relative_to(place) for place in sent)] == []
    assert "*" in lines
    assert (ROOT / ".dockerignore").resolve() == ROOT / ".containerignore"
