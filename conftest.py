"""Runs the documentation: every code block of the Markdown files and every example in a docstring is a test."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import subprocess
import sys

import click
import typer.main
from ruamel.yaml import YAML
from sybil import Example, Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import CodeBlockParser
from sybil.parsers.rest import DocTestParser
from tenbin_spec.stack import DOMAINS, PREFIX, parse_stack

ROOT = pathlib.Path(__file__).parent
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def evaluate_python(example: Example) -> None:
    """Run a Python block as a Pulumi program with the local stack's configuration under mocks."""
    program = (ROOT / "tests/docs/preamble.py").read_text() + "\n" + str(example.parsed)
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def evaluate_yaml(example: Example) -> None:
    """Parse a YAML block: a whole stack file, fragments of the domains that it shows, or a scenario of a back-test."""
    plain = YAML(typ="safe", pure=True).load(str(example.parsed))
    if "traces" in plain:
        from tenbin_planner.backtest import scenario_file  # noqa: PLC0415 heavy, needed by few files

        scenario_file.parse(plain)
        return
    configuration = {key.removeprefix(PREFIX): value for key, value in plain.get("config", plain).items()}
    assert set(configuration) <= set(DOMAINS), f"not domains of a stack: {sorted(set(configuration) - set(DOMAINS))}"
    # A guard, and a way in from outside, come with what a stack builds on AWS; the local one builds nothing there.
    stack = "dev" if "guard" in configuration or "exposure" in configuration.get("gateway", {}) else "local"
    whole = YAML(typ="safe", pure=True).load((ROOT / f"stacks/Pulumi.{stack}.yaml").read_text())["config"]
    rest = {key.removeprefix(PREFIX): value for key, value in whole.items()}
    parse_stack(configuration if set(configuration) >= {"cluster", "services"} else {**rest, **configuration})


def evaluate_shell(example: Example) -> None:
    """Hold each command of a shell block against the Makefile's targets and the command line's own parser."""
    for line in str(example.parsed).splitlines():
        words = shlex.split(line, comments=True)
        if words:
            check_command(words)


def check_command(words: list[str]) -> None:
    """Fail unless a command exists with these arguments."""
    if words[0] == "make":
        targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
        assert set(words[1:]) <= targets, f"no such target: {words[1:]}"
        return
    assert words[0] == "tenbin", f"neither make nor tenbin: {shlex.join(words)}"
    from tenbin_cli.__main__ import app  # noqa: PLC0415 heavy, needed by few files

    command: click.Command = typer.main.get_command(app)
    arguments = words[1:]
    while isinstance(command, click.Group):
        context = command.make_context(command.name or "tenbin", arguments, ignore_unknown_options=False)
        name, found, arguments = command.resolve_command(context, [*context._protected_args, *context.args])  # noqa: SLF001
        assert found is not None, f"no such command: {name}"
        command = found
    command.make_context(command.name, arguments)


def evaluate_json(example: Example) -> None:
    """Parse a JSON block."""
    json.loads(str(example.parsed))


pytest_collect_file = (
    Sybil(
        parsers=[
            CodeBlockParser("python", evaluate_python),
            CodeBlockParser("yaml", evaluate_yaml),
            CodeBlockParser("sh", evaluate_shell),
            CodeBlockParser("json", evaluate_json),
        ],
        patterns=["README.md", "ARCHITECTURE.md", "docs/*.md", "docs/**/*.md"],
    )
    + Sybil(
        parsers=[DocTestParser()],
        patterns=[
            f"{folder}{'/*' * depth}.py"
            for folder in ("spec", "planner", "local", "components", "policies", "cli")
            for depth in range(1, 5)
        ],
        document_types={".py": PythonDocStringDocument},
    )
).pytest()
