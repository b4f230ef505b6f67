"""`tenbin check` as a person and as a script sees it."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from support.stacks import plain_stack
from tenbin_cli.check import check
from typer.testing import CliRunner

app = typer.Typer()
app.command()(check)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "stacks"


def write(folder: pathlib.Path, name: str, **replacements: Any) -> None:
    folder.mkdir(exist_ok=True)
    file = {"config": {f"tenbin:{key}": value for key, value in plain_stack(**replacements).items()}}
    with (folder / f"Pulumi.{name}.yaml").open("w") as stream:
        YAML(typ="safe").dump(file, stream)


def run(folder: pathlib.Path, *arguments: str, today: str = "2026-08-01") -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["--folder", str(folder), "--today", today, *arguments])
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_good_stack_is_shown_with_slo_replicas_pools_and_price(folder: pathlib.Path) -> None:
    write(folder, "dev")
    code, shown, _ = run(folder)
    assert code == 0
    for text in (
        "dev: 0.36 to 3.9392 USD per hour, cap 4.00",
        "99 % of interactive requests: first token within 1 s, each further token within 60 ms",
        "1 to 6, 0.36 to 3.9392",
        "l4-spot: up to 2 at 0.36, g6.xlarge spot",
        "1 stack checked, all keep the agreement.",
    ):
        assert text in shown


def test_findings_end_with_one_and_errors_with_two(folder: pathlib.Path) -> None:
    write(folder, "dev", cost__hourly_usd="0.10")
    assert run(folder)[0] == 1
    write(folder, "prod", services__chat__pools=["l40"])
    code, shown, errors = run(folder)
    assert code == 2
    assert "finding: tenbin:cost.hourly_usd: 0.10 is below the 0.36 USD per hour" in shown
    assert "'l40' is not a pool of this stack" in errors
    assert "2 stacks checked: 1 with errors, 1 findings." in shown


def test_an_old_price_is_a_warning_and_no_failure(folder: pathlib.Path) -> None:
    write(folder, "dev")
    code, shown, _ = run(folder, today="2027-01-01")
    assert code == 0
    assert "warning: tenbin:pools.l4: the price of g6.xlarge on-demand in us-east-1" in shown
    assert "1 stack checked, all keep the agreement. 1 warning." in shown


def test_the_price_file_of_the_project_counts(folder: pathlib.Path) -> None:
    write(folder, "dev", prices={"file": "prices.json"})
    (folder.parent / "Pulumi.yaml").write_text("name: tenbin\n")
    newer = {"source": "AWS", "date": "2026-12-01", "region": "us-east-1", "capacity_type": "on-demand"}
    (folder.parent / "prices.json").write_text(json.dumps({"lists": [{**newer, "hourly_usd": {"g6.xlarge": "0.90"}}]}))
    code, shown, _ = run(folder, today="2027-01-01")
    assert code == 0
    assert "l4: up to 4 at 0.90, g6.xlarge on-demand" in shown
    assert "1 stack checked, all keep the agreement." in shown
    assert "warning" not in shown


def test_a_price_file_that_is_missing_is_an_error(folder: pathlib.Path) -> None:
    write(folder, "dev", prices={"file": "prices.json"})
    code, _, errors = run(folder)
    assert code == 2
    assert "tenbin:prices.file: 'prices.json' cannot be read" in errors


def test_json_holds_the_same(folder: pathlib.Path) -> None:
    write(folder, "dev", cost__hourly_usd="0.10")
    write(folder, "prod", cost={})
    code, shown, _ = run(folder, "--json")
    plain = json.loads(shown)
    assert code == 2
    findings = [(item["id"], item["level"]) for item in plain["stacks"]["dev"]["findings"]]
    assert findings == [("cap-below-minimum", "breach")]
    assert plain["stacks"]["dev"]["hourly_usd"] == {"minimum": "0.36", "maximum": "0.10"}
    (problems,) = plain["errors"].values()
    assert problems == [{"path": "tenbin:cost.hourly_usd", "message": "is required and missing"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("config: [", "is not YAML"),
        ("", "config: is required and missing"),
        ("config: {}", "tenbin:services: is required and missing"),
        ("config: {tenbin:cost: 1, tenbin:cost: 2}", "is not YAML"),
    ],
    ids=["broken", "empty", "nothing configured", "key twice"],
)
def test_a_broken_file_is_one_clear_error(folder: pathlib.Path, text: str, expected: str) -> None:
    folder.mkdir()
    (folder / "Pulumi.dev.yaml").write_text(text)
    code, _, errors = run(folder)
    assert code == 2
    assert expected in errors
    assert "Traceback" not in errors


def test_a_missing_stack_is_named(folder: pathlib.Path) -> None:
    code, _, errors = run(folder, "nowhere")
    assert code == 2
    assert "Pulumi.nowhere.yaml has 1 problem" in errors.replace("\n", "")


def test_a_folder_without_stacks_is_an_error(folder: pathlib.Path) -> None:
    code, _, errors = run(folder)
    assert code == 2
    assert errors == f"{folder} holds no file Pulumi.<stack>.yaml. Name the folder with --folder.\n"


def test_schema_is_written(folder: pathlib.Path) -> None:
    code, shown, _ = run(folder, "--schema")
    assert code == 0
    assert json.loads(shown)["title"] == "Stack configuration of tenbin"
