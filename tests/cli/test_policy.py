"""`tenbin policy`."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import policy_pack
from tenbin_cli.__main__ import app
from tenbin_policies import catalogue
from typer.testing import CliRunner, Result

PLANNER = policy_pack.base("planner")
IMAGE = "spec.template.spec.containers[0].image"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments])


def preview(path: pathlib.Path, *items: policy_pack.Item) -> str:
    """Write what `pulumi preview --json` would."""
    steps = [
        {"op": "create", "newState": {"type": item.type, "urn": item.urn, "inputs": item.properties}} for item in items
    ]
    path.write_text(json.dumps({"steps": steps}))
    return str(path)


def written(path: pathlib.Path, plain: Any) -> str:
    path.write_text(json.dumps(plain))
    return str(path)


def test_every_rule_is_listed_with_its_level() -> None:
    done = run("list", "--json")
    assert done.exit_code == 0
    assert {item["id"]: item["level"] for item in json.loads(done.stdout)} == {
        rule.id: rule.level for rule in catalogue.RULES
    }


def test_the_levels_of_a_configuration_are_listed(tmp_path: pathlib.Path) -> None:
    done = run("list", "--json", "--config", written(tmp_path / "levels.json", {"spot-floor": "advisory"}))
    found = {item["id"]: item for item in json.loads(done.stdout)}
    assert found["spot-floor"]["level"] == "advisory"


def test_an_unknown_rule_of_a_configuration_is_refused(tmp_path: pathlib.Path) -> None:
    done = run("list", "--config", written(tmp_path / "levels.json", {"spot-flor": "advisory"}))
    assert done.exit_code == 2
    assert "spot-flor: unknown key; did you mean 'spot-floor'?" in done.stderr


@pytest.mark.parametrize("rule", catalogue.BY_ID)
def test_a_rule_is_explained_with_reason_repair_standard_and_example(rule: str) -> None:
    done = run("explain", rule)
    assert done.exit_code == 0
    text, own = " ".join(done.stdout.split()), catalogue.BY_ID[rule]
    parts = (own.wish, own.why, own.repair, *map(str, own.standards), "Before", "After")
    assert [part for part in parts if " ".join(part.split()) not in text] == []


def test_a_rule_that_is_not_there_is_refused_with_its_neighbour() -> None:
    done = run("explain", "image-pined")
    assert done.exit_code == 2
    assert "did you mean 'image-pinned'?" in done.stderr


def test_a_preview_without_violation_ends_well(tmp_path: pathlib.Path) -> None:
    done = run("test", preview(tmp_path / "preview.json", PLANNER))
    assert done.exit_code == 0, done.stdout
    assert f"1 resource judged by {len(catalogue.RULES)} rules: no violation." in done.stdout


def test_a_violation_is_told_and_ends_with_1(tmp_path: pathlib.Path) -> None:
    path = preview(tmp_path / "preview.json", policy_pack.base("planner", set={IMAGE: "web:latest"}))
    done = run("test", path)
    assert done.exit_code == 1
    assert "mandatory image-pinned" in done.stdout
    told = json.loads(run("test", path, "--json").stdout)
    assert [item["rule"] for item in told["violations"]] == ["image-pinned"]
    assert run("test", path, "--config", written(tmp_path / "c.json", {"image-pinned": "advisory"})).exit_code == 0


def test_secrets_and_unknown_values_are_told_as_not_judged(tmp_path: pathlib.Path) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "AAA"}
    path = preview(tmp_path / "preview.json", policy_pack.base("planner", set={IMAGE: secret}))
    done = run("test", path)
    assert done.exit_code == 0
    assert f"image-pinned cannot be judged in preview: {IMAGE} is unknown of Deployment planner" in done.stdout


def test_manifests_are_judged_too(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "role.yaml"
    with path.open("w") as stream:
        rules = [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]
        manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "a"}}
        YAML().dump({**manifest, "rules": rules}, stream)
    done = run("test", str(path), "--json")
    assert [item["rule"] for item in json.loads(done.stdout)["violations"]] == ["role-without-wildcards"]


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 9}', '{"steps": []}'], ids=repr)
def test_a_file_of_another_form_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "preview.json"
    path.write_text(text)
    done = run("test", str(path))
    assert done.exit_code == 2
    assert str(path) in done.stderr.replace("\n", "")


def test_a_file_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    assert run("test", str(tmp_path / "none.json")).exit_code == 2
