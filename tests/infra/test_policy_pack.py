"""The policy pack under a real engine, on a stack of raw resources that breaks twenty rules."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib

import pytest
from support import committed_stacks, control_planes, policy_pack, projects

PROGRAM = """
import json
import pathlib
import pulumi
import pulumi_kubernetes as kubernetes

planted = json.loads(pathlib.Path(__file__).with_name("planted.json").read_text())


def register(item, **options):
    opts = pulumi.ResourceOptions(protect=item["protect"], **options)
    return pulumi.CustomResource(item["type"], item["name"], dict(item["properties"]), opts)


on_aws = [register(item) for item in planted if item["type"].startswith("aws:")]
# The cluster is made by the same update, so that nothing can be asked of it yet.
provider = kubernetes.Provider("cluster", kubeconfig=on_aws[0].id.apply(lambda _: "{}"))
for item in planted:
    if item["type"].startswith("kubernetes:"):
        register(item, provider=provider)
"""


@pytest.mark.timeout(300)
def test_each_of_twenty_planted_violations_is_found_and_up_does_not_begin(project: projects.Project) -> None:
    planted = policy_pack.planted()
    wanted = sorted((rule, item.name) for item, rule in planted if rule)
    assert len(wanted) == len({rule for rule, _ in wanted}) == 20

    project.program(PROGRAM)
    plain = [dataclasses.asdict(item) for item, _ in planted]
    (project.root / "infra" / "planted.json").write_text(json.dumps(plain))
    log = project.root / "events.json"
    flags = ("--stack", "test", "--policy-pack", str(policy_pack.PACK), "--event-log", str(log))
    done = project.pulumi("up", "--yes", *flags, env={"PULUMI_DEBUG_COMMANDS": "true"})

    assert done.code != 0, done.output
    told = projects.told(log)
    found = sorted((item["policy"], item["resource"]) for item in told if item["level"] == "mandatory")
    assert found == wanted, done.output
    assert "hf_0123456789" not in "".join(item["message"] for item in told)
    assert project.resources() == {}


@pytest.mark.timeout(400)
def test_the_local_stack_keeps_its_rules_and_any_existing_cluster_those_of_production(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: pathlib.Path
) -> None:
    with control_planes.run(tmp_path_factory.mktemp("rules"), "rules") as running:
        variables = {"KUBECONFIG": str(running.place.kubeconfig)}
        made = projects.Project(tmp_path / "project", imports="", variables=variables)
        with contextlib.closing(made):
            assert made.pulumi("stack", "init", "test").code == 0
            committed_stacks.configure(made, committed_stacks.configuration("local"))
            levels = policy_pack.PACK / "levels" / "local.json"
            _, told = made.judged(policy_pack.PACK, "--policy-pack-config", str(levels))
            assert {item["policy"] for item in told} <= {"not-judged"}, told

            # The levels of production ask for one thing more: replicas that stay when spot nodes are taken back.
            _, told = made.judged(policy_pack.PACK, "--policy-pack-config", str(_advisory(tmp_path)))
            assert [item["policy"] for item in told if item["policy"] != "not-judged"] == ["spot-floor"]


def _advisory(folder: pathlib.Path) -> pathlib.Path:
    """Write a configuration in which the floor of spot is shown alone; all others are as in production."""
    path = folder / "advisory.json"
    path.write_text(json.dumps({"spot-floor": "advisory"}))
    return path
