"""What a person sees of `pulumi up`."""

from __future__ import annotations

import io
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
