"""The policy pack under a real engine, on a stack of raw resources that breaks twenty rules."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support import policy_pack, projects

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
