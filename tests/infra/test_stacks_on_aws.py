"""The committed stacks on AWS, previewed by a real engine with the reference program."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from support import committed_stacks, golden, policy_pack, projects
from tenbin_cli import cost_sources
from tenbin_local import stack_files
from tenbin_spec import cost
from tenbin_spec.cost import words


def inventory(preview: dict[str, Any]) -> str:
    """Return what a preview would make: a line for each resource with its parent, provider and protection."""
    lines = []
    for step in preview["steps"]:
        state = step.get("newState", {})
        kind = state["type"]
        if kind == "pulumi:pulumi:Stack":
            continue
        words = [kind, name_of(state["urn"]), f"in {name_of(state.get('parent', ''))}"]
        if state.get("provider"):
            words.append(f"by {name_of(state['provider'].rpartition('::')[0])}")
        lines.append(" ".join([*words, *(["protected"] if state.get("protect") else [])]))
    return "\n".join(sorted(lines)) + "\n"


def name_of(urn: str) -> str:
    return urn.rpartition("::")[2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stack", committed_stacks.ON_AWS)
def test_a_committed_stack_makes_exactly_these_resources_tells_its_cost_and_breaks_no_rule(
    project: projects.Project, stack: str
) -> None:
    committed_stacks.configure(project, committed_stacks.configuration(stack))
    levels = policy_pack.PACK / "levels" / f"{stack}.json"
    preview, judged = project.judged(policy_pack.PACK, "--policy-pack-config", str(levels))
    # Every rule that is on is mandatory, and what is not known yet is told: nothing passes unseen.
    assert [item for item in judged if item["policy"] != "not-judged"] == []
    assert {item["message"].partition(" cannot")[0] for item in judged} == {"namespace-own", "policy-without-wildcards"}
    warnings = [item["message"] for item in preview.get("diagnostics", []) if item["severity"] != "info"]
    assert warnings == []
    golden.check(f"stack-{stack}.txt", inventory(preview))

    agreed = stack_files.read_stack_file(committed_stacks.file(stack)).stack
    told = [item["message"].strip() for item in preview["diagnostics"] if item["severity"] == "info"]
    assert words.sentence(cost.of(agreed)) in told
    file = project.root / "preview.json"
    file.write_text(json.dumps(preview))
    assert cost_sources.read(str(file), pathlib.Path("stacks")).stacks == {"test": agreed}
