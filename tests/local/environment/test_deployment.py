"""What a person sees of `pulumi up`."""

from __future__ import annotations

import io
import os
import pathlib
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from tenbin_local.environment import commands, deployment
from tenbin_local.errors import LocalError
from tenbin_local.toolchain.reporting import Report

if TYPE_CHECKING:
    from tenbin_local.environment.layout import Layout
    from tenbin_local.toolchain import Toolchain


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (["Resources:", "    + 32 created", "", "Duration: 3s"], "32 created"),
        (
            ["Resources:", "    ~ 1 updated", "    +-2 replaced", "    29 unchanged"],
            "1 updated, 2 replaced, 29 unchanged",
        ),
        (["Resources:", "    32 unchanged"], "32 unchanged"),
        ([], "no change"),
    ],
)
def test_the_summary_is_the_engines_own_count(output: list[str], expected: str) -> None:
    assert deployment.summary(output) == expected


def test_the_stack_that_ran_last_is_remembered(place: Layout) -> None:
    assert deployment.stack_of(place) == "local"
    place.root.mkdir(parents=True)
    place.deployment.write_text('{"stack": "dev"}')
    assert deployment.stack_of(place) == "dev"
    place.deployment.write_text("damaged")
    assert deployment.stack_of(place) == "local"


def test_a_failing_program_is_told_with_the_engines_diagnostics(place: Layout, tools: Toolchain) -> None:
    (place.checkout / "infra").mkdir()
    (place.checkout / "infra" / "__main__.py").write_text('raise ValueError("the balance has one pan")\n')
    (place.stacks / "Pulumi.local.yaml").write_text("config: {}\n")
    place.root.mkdir(parents=True)
    commands.prepare(place, tools)
    report = Report(Console(file=io.StringIO()))
    with pytest.raises(LocalError) as caught, report.step("up") as step:
        deployment.deploy(place, "local", commands.variables(place, tools, "local"), step)
    first, *rest = str(caught.value).splitlines()
    assert first == f"pulumi up of stack 'local' failed; all of its output is in {place.log('pulumi')}:"
    assert any("ValueError: the balance has one pan" in line for line in rest)
    assert "the balance has one pan" in place.log("pulumi").read_text()


def test_the_engine_is_told_to_end_when_this_process_is(
    place: Layout, tools: Toolchain, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = commands.variables(place, tools, "local")
    engine = tmp_path / "engine" / "pulumi"
    engine.parent.mkdir()
    engine.write_text(
        f'#!/bin/bash\n[ $1 = up ] || exec {tools.programs["pulumi"].path} "$@"\n'
        f"trap 'echo told > {tmp_path}/end; exit 1' INT\necho at work\nfor _ in $(seq 200); do sleep 0.1; done\n"
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{engine.parent}:{variables['PATH']}")
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    killer = threading.Thread(target=_terminate_once, args=(place.log("pulumi"), "at work"))
    killer.start()
    try:
        with Report().step("up") as step, pytest.raises(SystemExit):
            deployment.deploy(place, "local", {**variables, "PATH": os.environ["PATH"]}, step)
    finally:
        killer.join()
        signal.signal(signal.SIGTERM, previous)
    assert (tmp_path / "end").read_text() == "told\n"


def _terminate_once(log: pathlib.Path, text: str) -> None:
    """Send SIGTERM to this process as soon as a log holds a text, or after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (log.exists() and text in log.read_text()):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
