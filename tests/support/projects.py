"""Real Pulumi projects with this environment's plugins, each with its own folder and state."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import psutil
import pytest
from tenbin_local.plugins import install
from tenbin_local.toolchain import cache

VERSIONS = {"etcd": "3.6.8", "pulumi": "3.250.0"}
KUBERNETES = "1.36.3"


def tool(name: str) -> pathlib.Path:
    """Return a program of the toolchain; skip the test where it is not in the cache."""
    program = cache.Cache().program(name, VERSIONS.get(name, KUBERNETES))
    if not program.exists():
        pytest.skip(f"{name} is not in the toolchain cache")
    return program


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command of the engine gave."""

    code: int
    output: str


def told(log: pathlib.Path) -> list[dict[str, str]]:
    """What policy packs say in a log of events: `policy`, `level`, `message` and the `resource` of each report."""
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [
        {
            "policy": event["policyEvent"]["policyName"],
            "level": event["policyEvent"]["enforcementLevel"],
            "message": event["policyEvent"]["message"].partition("\n")[2].strip(),
            "resource": event["policyEvent"]["resourceUrn"].rpartition("::")[2],
        }
        for event in events
        if "policyEvent" in event
    ]


class Project:
    """A Pulumi project with one stack `test`, its state and its plugins."""

    def __init__(self, root: pathlib.Path, *, imports: str, variables: Mapping[str, str]) -> None:
        """Make a project.

        Args:
            root: its folder.
            imports: what every program of it begins with.
            variables: environment of its commands, besides the engine's own.
        """
        self.root = root
        self._pulumi = tool("pulumi")
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
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "tenbin-test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "NO_COLOR": "1",
            **variables,
        }
        self._imports = imports

    def program(self, text: str) -> None:
        """Writes the program, without its imports."""
        (self.root / "infra" / "__main__.py").write_text(self._imports + textwrap.dedent(text))

    def pulumi(self, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
        """Runs a command of the engine to its end."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.root, env=self.environment | dict(env or {}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
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

    def changes(self, *flags: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Brings the stack up and returns what was done to each of a provider's resources, as `Kind::name`.

        What is replaced has the one word `replace`, what stayed as it was is left out; fails the test when the
        command fails.
        """
        done = self.pulumi("up", "--yes", "--skip-preview", "--json", "--stack", "test", *flags, env=env)
        assert done.code == 0, done.output
        found = {}
        for line in done.output.splitlines():
            event = json.loads(line).get("resOutputsEvent") if line.startswith("{") else None
            step = event["metadata"] if event else {"op": "same"}
            if step["op"] in {"same", "create-replacement", "delete-replaced"} or not step["provider"]:
                continue
            kind, name = step["type"].rpartition(":")[2], step["urn"].rpartition("::")[2]
            found[f"{kind}::{name}"] = step["op"]
        return found

    def preview(self, *flags: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The steps of a preview as the engine's JSON."""
        done = self.pulumi("preview", "--json", "--stack", "test", *flags, env=env)
        assert done.code == 0, done.output
        found: dict[str, Any] = json.loads(done.output[done.output.index("{") :])
        return found

    def judged(self, pack: pathlib.Path, *flags: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """The preview under a policy pack, and what the pack says: policy, level and message of each report.

        The engine's JSON leaves out what packs say; its log of events has it.
        """
        log = self.root / "events.json"
        log.unlink(missing_ok=True)
        found = self.preview(
            "--policy-pack", str(pack), *flags, "--event-log", str(log), env={"PULUMI_DEBUG_COMMANDS": "true"}
        )
        return found, told(log)

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
        self.end()

    def end(self) -> None:
        """Ends what is left running, for a project whose resources go with its folder."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # it may have ended
                process.send_signal(signal.SIGKILL)
