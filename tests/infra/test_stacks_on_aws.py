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


@pytest.mark.timeout(300)
def test_a_service_whose_replicas_span_nodes_comes_with_all_that_it_needs(project: projects.Project) -> None:
    config = committed_stacks.configuration("prod")
    widen(config)
    committed_stacks.configure(project, config)
    production = json.loads((policy_pack.PACK / "levels" / "prod.json").read_text(encoding="utf-8"))
    levels = project.root / "levels.json"
    levels.write_text(json.dumps({**production, "profile-known": {"enforcementLevel": "advisory"}}))
    preview, judged = project.judged(policy_pack.PACK, "--policy-pack-config", str(levels))
    made = {tuple(line.split(" in ")[0].split()) for line in inventory(preview).splitlines()}
    assert {
        ("kubernetes:apps/v1:DaemonSet", "platform-accelerators-efa"),
        ("kubernetes:helm.sh/v3:Release", "platform-groups"),
        ("kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet", "platform-frontier-serve-h200-reserved"),
        ("kubernetes:policy/v1:PodDisruptionBudget", "platform-frontier-serve-h200-reserved"),
        ("tenbin:index:LeaderWorkerSetController", "platform-groups"),
    } <= made
    [warning] = [item["message"] for item in preview["diagnostics"] if item["severity"] != "info"]
    # Nobody has measured one yet, which is all that keeps it from production.
    assert [item["policy"] for item in judged if item["policy"] != "not-judged"] == ["profile-known"]
    assert "no engine profile is known for meta-llama/Llama-3.1-405B-Instruct on pool h200-reserved" in warning


def widen(configuration: dict[str, Any]) -> None:
    """Add a service of two whole nodes for a replica, on two reserved ones instead of one and a block."""
    pools, services = configuration["tenbin:pools"], configuration["tenbin:services"]
    del pools["h200-block"]
    services["assistant"]["pools"] = ["h200-reserved"]
    pools["h200-reserved"] |= {"nodes": {"max": 2}, "hourly_usd": "50.00"}
    engine = {"tensor_parallel": 8, "pipeline_parallel": 2, "nodes_per_replica": 2}
    services["frontier"] = {
        **services["assistant"],
        "model": {"id": "meta-llama/Llama-3.1-405B-Instruct"},
        "engine": {**services["assistant"]["engine"], **engine},
        "pools": ["h200-reserved"],
        "replicas": {"min": 0, "max": 1},
    }
