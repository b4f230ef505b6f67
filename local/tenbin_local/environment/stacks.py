"""Pulumi stacks of the checkout in this environment's own backend.

`pulumi stack init` rewrites the stack file that it finds. The stack is therefore initialised in a copy of the project
in a temporary folder: a backend knows a stack by project and name, not by folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil
from ruamel.yaml import YAML
from tenbin_spec.stack import Stack

from tenbin_local import stack_files
from tenbin_local.environment.layout import PROJECT_FILE, Layout
from tenbin_local.errors import LocalError


def stack_configuration(layout: Layout, stack: str) -> Stack:
    """Parse a stack's file.

    Raises:
        LocalError: there is no such file.
        ConfigurationError: the file has problems; all are named.
    """
    path = stack_files.stack_file_path(layout.stacks, stack)
    if not path.exists():
        names = stack_files.stack_names(layout.stacks)
        raise LocalError(f"There is no stack {stack!r}: {path} is missing. Stacks here: {', '.join(names) or 'none'}")
    return stack_files.read_stack_file(path).stack


def project_name(layout: Layout) -> str:
    """Return the project's name from Pulumi.yaml."""
    return str(YAML(typ="safe", pure=True).load(layout.checkout / PROJECT_FILE)["name"])


def create_missing(layout: Layout, variables: Mapping[str, str]) -> list[str]:
    """Create each stack of the checkout that the backend does not have, and return their names.

    Args:
        layout: the environment.
        variables: environment of Pulumi commands.

    Raises:
        LocalError: Pulumi refuses.
    """
    layout.pulumi_state.mkdir(parents=True, exist_ok=True)
    project = project_name(layout)
    created = []
    for name in stack_files.stack_names(layout.stacks):
        if (layout.pulumi_state / ".pulumi" / "stacks" / project / f"{name}.json").exists():
            continue
        _create(layout, project, name, variables)
        created.append(name)
    return created


def _create(layout: Layout, project: str, name: str, variables: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=layout.root, prefix=".init.") as folder:
        place = Path(folder)
        (place / PROJECT_FILE).write_text(json.dumps({"name": project, "runtime": "python"}))
        source = stack_files.stack_file_path(layout.stacks, name)
        shutil.copyfile(source, place / source.name)
        answer = subprocess.run(
            ["pulumi", "stack", "init", name, "--non-interactive", "--no-select"],
            cwd=place,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode != 0 and "already exists" not in answer.stderr:
        raise LocalError(f"The stack {name!r} cannot be created in {layout.pulumi_state}: {answer.stderr.strip()}")


def release_dead_locks(layout: Layout) -> None:
    """Remove locks of Pulumi processes that are gone; a killed update leaves one.

    Raises:
        LocalError: a Pulumi process that runs holds a lock.
    """
    for lock in (layout.pulumi_state / ".pulumi" / "locks").rglob("*.json"):
        try:
            pid = int(json.loads(lock.read_text())["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if psutil.pid_exists(pid) and _is_pulumi(pid):
            raise LocalError(f"Pulumi (process {pid}) is at work on this environment's stack; wait for it, or end it")
        lock.unlink(missing_ok=True)


def _is_pulumi(pid: int) -> bool:
    try:
        return "pulumi" in psutil.Process(pid).name()
    except psutil.Error:
        return False
