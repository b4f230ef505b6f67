"""`tenbin suite` as a person and as a script sees it, on a cell of minutes."""

from __future__ import annotations

import html.parser
import json
import pathlib
from typing import Any

import pytest
from support import suites
from tenbin_cli.__main__ import app
from tenbin_planner.backtest.suite import own, records, tasks
from typer.testing import CliRunner

TINY = suites.cell(trouble=(180.0, 300.0))
OPTIONS = ("--lead-times", "30", "--seeds", "2", "--jobs", "1", "--policies", "tenbin,fixed,trend,hpa,clairvoyant")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a cell of minutes in the place of the suite."""
    monkeypatch.setattr(own, "OWN", (TINY,))
    monkeypatch.setattr(own, "CELLS", {TINY.name: TINY})
    monkeypatch.setattr(own, "ABLATED", (TINY.name,))
    monkeypatch.setattr(records, "sources", lambda *, of_planner: f"sources {of_planner}")


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["suite", *words])
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_whole_command_and_again_from_its_own_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures, page, words = tmp_path / "suite.json", tmp_path / "suite.html", tmp_path / "suite.md"
    files = ["--json", str(figures), "--html", str(page), "--markdown", str(words)]
    code, shown, _ = run(*OPTIONS, *files)
    plain = json.loads(figures.read_text())
    _check_rows(plain["results"])
    verdicts = {claim["name"]: claim["verdict"] for claim in plain["claims"]}
    assert code == (1 if "not held" in verdicts.values() else 0)
    assert verdicts["runs"] == verdicts["cap"] == "held"
    assert "tiny: three times the load within minutes" in shown
    assert all(part in shown for part in tasks.PARTS)
    _check_markdown(words.read_text(), plain)
    _check_page(page.read_text())

    ran: list[str] = []
    usual = tasks.carry_out

    def noted(task: tasks.Task, told: tasks.Told, **more: Any) -> dict[str, Any]:
        ran.append(task.key)
        return usual(task, told, **more)

    monkeypatch.setattr(tasks, "carry_out", noted)
    assert run(*OPTIONS, *files, "--resume", str(figures))[0] == code
    assert ran == []
    assert json.loads(figures.read_text())["results"] == plain["results"]
    spoiled = plain | {
        "records": [record | {"digest": "old"} for record in plain["records"][:1]] + plain["records"][1:]
    }
    figures.write_text(json.dumps(spoiled))
    run(*OPTIONS, "--resume", str(figures))
    assert ran == [plain["records"][0]["key"]], "what has changed is made anew"


def _check_rows(rows: list[dict[str, Any]]) -> None:
    counts = {policy: sum(row["policy"] == policy for row in rows) for policy in ("tenbin", "trend", "hpa", "fixed")}
    assert counts == {"tenbin": 2, "trend": 2, "hpa": 1, "fixed": 2}
    assert sum(row["left_out"] is not None for row in rows) == len(tasks.PARTS)
    for row in rows:
        assert {"cell", "trace", "lead_time_s", "seed", "attainment", "usd", "captured_saving", "cap"} <= set(row)
        assert row["policy"] == "fixed" or set(row["spans"]) == {"before", "during", "after"}


def _check_markdown(text: str, plain: dict[str, Any]) -> None:
    assert text.startswith("# Results of the suite\n")
    assert plain["command"] in text
    assert "| without look ahead |" in text
    assert "The trouble lasts from 3 to 5 minutes." in text
    for claim in plain["claims"]:
        assert claim["law"] in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


class _Nesting(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pictures += tag == "svg"
        assert not {"href", "src"} & {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check_page(text: str) -> None:
    parser = _Nesting()
    parser.feed(text)
    assert parser.open == []
    assert parser.pictures == 1


def test_the_cells_are_listed_with_what_they_show() -> None:
    code, shown, _ = run("--list")
    assert code == 0
    assert shown.split() == ["tiny", "0.1", "h", "three", "times", "the", "load", "within", "minutes"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--cells", "tinny"), "--cells: 'tinny'"),
        (("--lead-times", "60,soon"), "--lead-times: 'soon' is none"),
        (("--lead-times", "0"), "--lead-times: '0' is none"),
        (("--policies", "magic"), "--policies: 'magic'"),
        (("--json", "/nowhere/at/all.json"), "--json /nowhere/at/all.json cannot be written"),
        (("--traces", "/nowhere"), "--traces /nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(words: tuple[str, ...], told: str) -> None:
    code, _, errors = run(*words)
    assert code == 2
    assert told in errors.replace("\n", " ")


def test_a_file_that_is_no_suite_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "other.json").write_text("[1]")
    code, _, errors = run("--resume", str(tmp_path / "other.json"))
    assert (code, "this is no JSON of a suite" in errors) == (2, True)


def test_a_suite_that_is_interrupted_leaves_what_it_has(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, usual = tmp_path / "suite.json", tasks.carry_out

    def stopped(task: tasks.Task, told: tasks.Told, **more: Any) -> dict[str, Any]:
        if task.policy == "fixed":
            raise KeyboardInterrupt
        return usual(task, told, **more)

    monkeypatch.setattr(tasks, "carry_out", stopped)
    words = ["suite", "--lead-times", "30", "--seeds", "1", "--jobs", "1", "--policies", "clairvoyant,fixed"]
    assert CliRunner().invoke(app, [*words, "--json", str(figures)]).exit_code == 130
    assert [record["key"] for record in json.loads(figures.read_text())["records"]] == ["clairvoyant tiny 30 s seed 0"]
