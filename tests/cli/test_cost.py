"""`tenbin cost` as a person, a script and a pull request see it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import golden
from support.stacks import plain_stack
from tenbin_cli.cost import app
from typer.testing import CliRunner

TODAY = "2026-08-01"


def write(folder: pathlib.Path, configuration: Mapping[str, Any], name: str = "local") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"Pulumi.{name}.yaml").open("w") as stream:
        YAML(typ="safe").dump({"config": {f"tenbin:{key}": value for key, value in configuration.items()}}, stream)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Return a folder to work in, with a stack that runs one replica in `before` and three in `stacks`."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "before", plain_stack())
    write(tmp_path / "stacks", plain_stack(services__chat__replicas={"min": 3, "max": 6}))
    return tmp_path


def git(*arguments: str) -> None:
    who = {f"GIT_{role}_{field}": "test" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], check=True, capture_output=True, env={**os.environ, **who, **quiet})


@pytest.mark.usefixtures("work")
def test_show_says_what_each_line_costs() -> None:
    code, shown, _ = run("show", "--stack", "local")
    assert code == 0
    for part in (
        "chat on l4 ",
        "1 / 1 / 4",
        "587.50",
        "525.60",
        "1,113.10",
        "2,875.62",
        "2.3531 USD per million output",
    ):
        assert part in shown
    _, plain, _ = run("show", "--json")
    assert json.loads(plain)["local"]["monthly_usd"]["maximum"] == "2875.62"
    _, markdown, _ = run("show", "--markdown")
    assert "| **Together** |  | **1,113.10** | **1,113.10** | **2,875.62** |" in markdown


def test_show_ends_with_one_where_something_is_unknown(work: pathlib.Path) -> None:
    write(work / "stacks", plain_stack(pools__l4__region="eu-north-1"))
    code, shown, _ = run("show")
    assert code == 1
    assert "unknown, so that it is in no sum: the price of g6.xlarge on-demand in eu-north-1 (pool l4)" in shown


@pytest.mark.usefixtures("work")
def test_diff_of_folders_explains_the_change() -> None:
    code, shown, _ = run("diff", "before", "--today", TODAY)
    assert code == 0
    assert "local: 262.80 to 1,113.10 USD a month expected, +850.30 (+323.6 %): within the limits" in shown
    assert "chat: minimum raised from 1 to 3 replicas" in shown
    code, plain, _ = run("diff", "before", "stacks", "--json", "--today", TODAY)
    found = json.loads(plain)["stacks"]["local"]
    assert found["monthly_usd"]["change"] == {"minimum": "850.30", "expected": "850.30", "maximum": "0.00"}
    [cause] = found["causes"]
    assert sum(Decimal(line["monthly_usd"]["minimum"]) for line in cause["lines"]) == Decimal("850.30")


@pytest.mark.parametrize(
    ("review", "flags", "code", "words"),
    [
        ({"approval": {"percent": 500}}, (), 0, ""),
        ({"approval": {"percent": 50}}, (), 1, "warning: needs approval: run again with --approved once"),
        ({"approval": {"percent": 50}}, ("--approved",), 0, ""),
        ({"refusal": {"monthly_usd": "100.00"}}, (), 2, "warning: refused: the change is beyond what tenbin:review"),
        ({"refusal": {"monthly_usd": "100.00"}}, ("--approved",), 2, "whoever agrees"),
        ({"expected_monthly_usd": "1000.00"}, ("--approved",), 2, "whoever agrees"),
    ],
)
def test_limits_give_the_exit_status(
    work: pathlib.Path, review: dict[str, Any], flags: tuple[str, ...], code: int, words: str
) -> None:
    for folder, changes in (("before", {}), ("stacks", {"services__chat__replicas": {"min": 3, "max": 6}})):
        write(work / folder, {**plain_stack(**changes), "review": review})
    found, _, told = run("diff", "before", "--today", TODAY, *flags)
    assert found == code
    assert words in told


def test_the_limits_before_the_change_count(work: pathlib.Path) -> None:
    write(work / "before", {**plain_stack(), "review": {"refusal": {"percent": 1}}})
    code, shown, _ = run("diff", "before", "--today", TODAY)
    assert code == 2
    assert "the limits of review change: those from before count here" in shown


def test_a_git_ref_is_read_with_its_own_price_file_and_leaves_the_tree_alone(work: pathlib.Path) -> None:
    configuration = {**plain_stack(), "prices": {"file": "prices.json"}}
    listed = {"source": "AWS", "date": "2026-07-01", "region": "us-east-1", "capacity_type": "on-demand"}

    def price(usd: str) -> None:
        (work / "prices.json").write_text(json.dumps({"lists": [{**listed, "hourly_usd": {"g6.xlarge": usd}}]}))

    (work / "Pulumi.yaml").write_text("name: tenbin\nruntime: python\n")
    write(work / "stacks", configuration)
    price("0.70")
    git("init", "--quiet", "--initial-branch", "main")
    git("add", "Pulumi.yaml", "prices.json", "stacks")
    git("commit", "--quiet", "--message", "Begin")
    git("tag", "base")
    price("0.90")
    code, shown, _ = run("diff", "base", "--today", TODAY)
    assert code == 0
    assert "price of pool l4 from 0.70 to 0.90" in shown
    # Four nodes of a fifth of a dollar more at the most.
    assert "+584.00" in shown
    done = subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [" M prices.json", "?? before/"]
    assert "no file, no folder and no git ref" in run("diff", "missing")[2]


def test_bad_input_is_one_clear_error(work: pathlib.Path) -> None:
    (work / "text.json").write_text("not JSON")
    (work / "state.json").write_text('{"version": 3, "deployment": {}}')
    (work / "empty.json").write_text('{"steps": []}')
    other = {"urn": "urn:pulumi:local::tenbin::tenbin:index:Platform::platform", "type": "tenbin:index:Platform"}
    state = {**other, "inputs": {"version": 7, "agreement": {}}}
    (work / "newer.json").write_text(json.dumps({"steps": [{"op": "create", "newState": state}]}))
    write(work / "broken", plain_stack(services__chat__pools=["l40"]))
    lost = {**plain_stack(), "prices": {"file": "lost.json"}}
    write(work / "lost", lost)
    for base, words in {
        "nowhere": "nowhere is no file, no folder and no git ref",
        "--help-me": "No such option",
        "text.json": "text.json is not JSON",
        "state.json": "state.json has no steps, so that it is not what `pulumi preview --json` of today writes",
        "empty.json": "empty.json has 0 resources tenbin:index:Platform; allowed is a preview of one platform",
        "newer.json": "7 is not a version that this program reads. Allowed: 1; make the preview anew",
        "broken": "broken: Pulumi.local.yaml has 1 problem: - tenbin:services.chat.pools[0]: 'l40' is not a pool",
        "lost": "'lost.json' cannot be read",
    }.items():
        code, _, told = run("diff", base, "stacks")
        assert code == 2, base
        assert words in told, base
    assert "--stack: 'prd' is not a stack of before or stacks" in run("diff", "before", "stacks", "--stack", "prd")[2]
    assert "allowed is one of them" in run("diff", "before", "stacks", "--json", "--markdown")[2]
    code, _, told = run("diff", "before", "stacks", "--max-price-age", "10", "--today", TODAY)
    assert code == 2
    assert "0.8048 USD per hour, is of 2026-07-20, 12 days ago" in told


def test_stacks_that_are_new_or_gone_are_told(work: pathlib.Path) -> None:
    write(work / "before", plain_stack(), "gone")
    write(work / "stacks", plain_stack(), "fresh")
    _, shown, _ = run("diff", "before", "--today", TODAY)
    assert "fresh: 0.00 to 262.80 USD a month expected, +262.80" in shown
    assert "gone: 262.80 to 0.00 USD a month expected, -262.80" in shown


def test_the_comment_of_a_pull_request_is_as_recorded(work: pathlib.Path) -> None:
    review = {"approval": {"monthly_usd": "100.00"}}
    write(work / "before", {**plain_stack(), "review": review}, "prod")
    changed = {**plain_stack(pools__l4__nodes={"max": 5}), "review": review}
    changed["services"]["chat"]["slo"]["classes"]["interactive"] |= {"target": "0.999", "tpot_ms": 40}
    changed["services"]["summary"] = {**changed["services"]["chat"], "replicas": {"min": 1, "max": 4}}
    write(work / "after", changed, "prod")
    arguments = ("diff", "before", "after", "--stack", "prod", "--markdown", "--today", TODAY)
    code, first, _ = run(*arguments)
    assert code == 1
    assert first.startswith("<!-- tenbin cost diff -->\n")
    assert run(*arguments)[1] == first
    golden.check("cost-comment.md", first)


@pytest.mark.timeout(400)
def test_a_backtested_expectation_says_so_and_tells_attainment(work: pathlib.Path) -> None:
    seldom = {"planner": {"interval_s": 60}}
    write(work / "before", plain_stack(**seldom))
    write(work / "stacks", plain_stack(services__chat__replicas={"min": 3, "max": 6}, **seldom))
    code, plain, _ = run("diff", "before", "--backtest", "0.2", "--json", "--today", TODAY)
    assert code == 0
    found = json.loads(plain)
    assert found["expectation"] == "back-test of 0.2 h"
    stack = found["stacks"]["local"]
    [objective] = stack["objectives"]
    assert objective["target"] == ["99 %", "99 %"]
    assert [share.endswith(" %") for share in objective["attainment"]] == [True, True]
    assert Decimal(stack["monthly_usd"]["after"]["expected"]) >= Decimal("1113.10")
    for line in stack["lines"]:
        parts = [
            Decimal(part["monthly_usd"]["expected"])
            for cause in stack["causes"]
            for part in cause["lines"]
            if part["line"] == line["line"]
        ]
        assert sum(parts, Decimal(0)) == Decimal(line["monthly_usd"]["change"]["expected"])
    _, markdown, _ = run("diff", "stacks", "--backtest", "0.2", "--markdown", "--today", TODAY)
    assert "| expected, back-tested over 0.2 h |" in markdown
    assert "| chat | interactive | 99 % |" in markdown
