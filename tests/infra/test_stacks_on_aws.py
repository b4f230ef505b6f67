"""The committed stacks on AWS, previewed by a real engine with the reference program."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import golden, policy_pack, projects
from tenbin_cli import cost_sources
from tenbin_local import stack_files
from tenbin_spec import cost
from tenbin_spec.cost import words

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = (ROOT / "infra" / "__main__.py").read_text(encoding="utf-8")
STACKS = sorted(
    path.name.split(".")[1]
    for path in (ROOT / "stacks").glob("Pulumi.*.yaml")
    if "kind: eks" in path.read_text(encoding="utf-8")
)


def configure(project: projects.Project, stack: str) -> None:
    """Give a project the configuration of a committed stack, and the reference program."""
    yaml = YAML()
    own = project.root / "stacks" / "Pulumi.test.yaml"
    plain = yaml.load(own.read_text(encoding="utf-8")) if own.exists() else {}
    plain["config"] = yaml.load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    with own.open("w", encoding="utf-8") as stream:
        yaml.dump(plain, stream)
    project.program(PROGRAM)


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
@pytest.mark.parametrize("stack", STACKS)
def test_a_committed_stack_makes_exactly_these_resources_tells_its_cost_and_breaks_no_rule(
    project: projects.Project, stack: str
) -> None:
    configure(project, stack)
    levels = policy_pack.PACK / "levels" / f"{stack}.json"
    preview, judged = project.judged(policy_pack.PACK, "--policy-pack-config", str(levels))
    # Every rule that is on is mandatory, and what is not known yet is told: nothing passes unseen.
    assert [item for item in judged if item["policy"] != "not-judged"] == []
    assert {item["message"].partition(" cannot")[0] for item in judged} == {"namespace-own", "policy-without-wildcards"}
    warnings = [item["message"] for item in preview.get("diagnostics", []) if item["severity"] != "info"]
    assert warnings == []
    golden.check(f"stack-{stack}.txt", inventory(preview))

    agreed = stack_files.read_stack_file(ROOT / "stacks" / f"Pulumi.{stack}.yaml").stack
    told = [item["message"].strip() for item in preview["diagnostics"] if item["severity"] == "info"]
    assert words.sentence(cost.of(agreed)) in told
    file = project.root / "preview.json"
    file.write_text(json.dumps(preview))
    assert cost_sources.read(str(file), pathlib.Path("stacks")).stacks == {"test": agreed}
