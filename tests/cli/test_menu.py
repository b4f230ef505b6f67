"""`tenbin menu` as a person and as a script sees it."""

from __future__ import annotations

import copy
import dataclasses
import html.parser
import json
import pathlib
import re
import string
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import browser
from support.stacks import plain_stack
from tenbin_cli import menu, menu_words
from tenbin_cli.__main__ import app
from tenbin_planner.menu import demand
from typer.testing import CliRunner

TWO_CLASSES = {
    "window": "30d",
    "default_class": "interactive",
    "classes": {
        "interactive": {"target": "0.99", "ttft_ms": 1000, "tpot_ms": 60},
        "batch": {"target": "0.95", "e2e_ms": 60_000},
    },
}


BEYOND = """
(() => {
  const edge = document.querySelector("main").getBoundingClientRect().right + 0.5;
  return [...document.querySelectorAll("main *")]
    .filter((element) => element.getBoundingClientRect().right > edge || element.scrollWidth > element.clientWidth + 1)
    .filter((element) => getComputedStyle(element).display !== "inline")
    .map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`);
})()
"""
"""What is wider than its place on the sheet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that is over."""

    code: int
    shown: str
    errors: str


@pytest.fixture(scope="module", autouse=True)
def _few_requests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demand, "REQUESTS", 8_000)
        yield


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    write(tmp_path)
    return tmp_path


def write(folder: pathlib.Path, name: str = "dev", **replacements: Any) -> None:
    replacements = {"services__chat__slo": copy.deepcopy(TWO_CLASSES)} | replacements
    file = {"config": {f"tenbin:{key}": value for key, value in plain_stack(**replacements).items()}}
    with (folder / f"Pulumi.{name}.yaml").open("w") as stream:
        YAML(typ="safe").dump(file, stream)


def run(folder: pathlib.Path, *arguments: str, stack: str = "dev", width: int = 100) -> Ran:
    asked = ["menu", "--folder", str(folder), "--stack", stack, *arguments]
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(app, asked)
    assert not isinstance(result.exception, Exception), result.exception
    return Ran(code=result.exit_code, shown=result.stdout, errors=result.stderr)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    """A menu in both languages."""

    ran: Mapping[str, Ran]
    plain: dict[str, Any]
    page: Mapping[str, str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("menu")
    write(folder)
    ran = {
        language: run(
            folder,
            *("--language", language, "--html", str(folder / f"{language}.html")),
            *("--json", str(folder / "figures.json")),
        )
        for language in menu.LANGUAGES
    }
    return Whole(
        ran=ran,
        plain=json.loads((folder / "figures.json").read_text()),
        page={language: (folder / f"{language}.html").read_text(encoding="utf-8") for language in menu.LANGUAGES},
    )


class Page(html.parser.HTMLParser):
    """Collects the words of a page and what it refers to, and checks how tags are nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in {"href", "src", "srcset", "data", "action"}]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words += data + " "
            if {"td", "th"} & set(self._open):
                self.rows[-1][-1] += data + " "


def test_the_table_shows_the_promise_the_ladder_and_what_a_step_costs(whole: Whole) -> None:
    ran = whole.ran["en"]
    assert (ran.code, ran.errors) == (0, "")
    shown = " ".join(ran.shown.split())
    for text in (
        "Service level menu: chat",
        "99 % of interactive requests get their first token within 1 s and each further token within 60 ms on average,",
        "Kept in every cell below: 95 % of batch requests get their whole answer within 60 s.",
        "One step from the agreement",
        "Fewer requests: 95 % good: costs the same: 525.60 USD per month",
        "Price per replica and hour in USD: l4-spot 0.36, l4 0.8048.",
        "Interruptions of spot nodes (l4-spot) are not counted.",
        "made up for tests, no real accelerator behaves like it",
        "Its error is unknown",
        "of the simulated requests are good; the target is 99 %.",
        "If the engine were 10 % slower than its profile, the agreement would need 3 replicas (2 l4-spot + 1 l4)",
    ):
        assert text in shown
    (row,) = re.findall(r"│ As agreed.*", ran.shown)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("As agreed", "526", "526", "● ◆ 526", "1,113", "1,701"),
    ]


def test_the_json_has_every_figure(whole: Whole) -> None:
    plain = whole.plain
    assert len(plain["offers"]) == 25
    assert plain["agreed"] in plain["offers"]
    assert plain["agreed"] | {"share": None} == {
        "step": "agreed",
        "ttft_ms": 1000,
        "tpot_ms": 60,
        "target": "0.99",
        "share": None,
        "replicas": 2,
        "replicas_by_pool": {"l4-spot": 2},
        "hourly_usd": "0.72",
        "monthly_usd": "525.60",
        "usd_per_million_output_tokens": "1.1111",
        "largest_replicas": 6,
        "is_above_hourly_cap": False,
    }
    assert plain["agreed"]["share"] >= 0.99
    assert (plain["knee"], plain["class"], plain["hours_a_month"]) == ("agreed", "interactive", 730)
    for offer in plain["offers"]:
        keys = ("replicas", "replicas_by_pool", "hourly_usd", "monthly_usd", "usd_per_million_output_tokens")
        is_met = offer["share"] >= float(offer["target"])
        assert all((offer[key] is not None) == is_met for key in keys)


@pytest.mark.parametrize("language", menu.LANGUAGES)
def test_the_page_says_all_that_is_signed(whole: Whole, language: str) -> None:
    page, words = Page(whole.page[language]), menu_words.WORDS[menu_words.Language(language)]
    assert f'<html lang="{language}">' in whole.page[language]
    for text in (
        *(words.agreement, words.others, words.beside, words.assumed, words.sureness, words.signatures),
        *(words.business, words.engineering, words.name, words.signature, words.date, words.knee_legend),
        *("525.60", "0.72", "1.11", words.good, words.constant, whole.plain["revision"]),
    ):
        assert text in page.words
    assert whole.page[language].count(f">{words.signature}<") == 2
    head, *rows = page.rows
    assert [len(row) for row in page.rows] == [6] * 6
    assert head[1:] == [
        words.target.format(share=share) + " " for share in ("90 %", "95 %", "99 %", "99.5 %", "99.9 %")
    ]
    agreed = rows[2][3]
    assert f"● {words.agreed_mark} ◆ {words.knee_mark}" in agreed
    assert sum("●" in cell for row in rows for cell in row) == 1
    for row, step in zip(rows, menu_words.StepName, strict=True):
        assert row[0].startswith(words.steps[step])
        for cell, offer in zip(row[1:], [item for item in whole.plain["offers"] if item["step"] == step], strict=True):
            assert (words.no_fleet in cell) == (offer["replicas"] is None)


@pytest.mark.parametrize("language", menu.LANGUAGES)
def test_the_page_needs_nothing_else(whole: Whole, language: str) -> None:
    page = whole.page[language]
    assert Page(page).references == []
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    assert "@page{size:A4 portrait" in page


@pytest.mark.parametrize("language", menu.LANGUAGES)
async def test_the_page_prints_on_one_sheet(whole: Whole, language: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / f"menu-{language}.html"
    file.write_text(whole.page[language], encoding="utf-8")
    async with browser.running() as chromium:
        page = await chromium.open(file.as_uri())
        assert await page.evaluate("document.documentElement.lang") == language
        assert page.problems == []
        sheet = await page.printed()
        await page.ask("Emulation.setEmulatedMedia", media="print")
        beyond = await page.evaluate(BEYOND)
        (tmp_path / f"menu-{language}.png").write_bytes(await page.picture())
    (tmp_path / f"menu-{language}.pdf").write_bytes(sheet)
    assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1
    assert beyond == [], "nothing is cut off at the right"


def test_the_languages_say_the_same_figures(whole: Whole) -> None:
    figures = [
        [
            re.findall(r"[\d,.]*\d", cell)
            for row in Page(whole.page[language]).rows[1:]
            for cell in row[1:]
            if "/h" in cell
        ]
        for language in menu.LANGUAGES
    ]
    assert figures[0] == figures[1]
    assert "合意する内容" in whole.page["ja"]
    assert "最初のトークンを 1 秒以内、以降の各トークンを平均 60 ミリ秒以内に返します" in Page(whole.page["ja"]).words


def test_both_languages_put_in_the_same_values() -> None:
    def fields(value: object) -> set[str | None]:
        texts = value.values() if isinstance(value, Mapping) else [value]
        return {name for text in texts for _, name, _, _ in string.Formatter().parse(str(text)) if name}

    for field in dataclasses.fields(menu_words.Words):
        en, ja = getattr(menu_words.EN, field.name), getattr(menu_words.JA, field.name)
        assert fields(en) == fields(ja), field.name
        if isinstance(en, Mapping):
            assert list(en) == list(ja)


def test_a_narrow_terminal_shows_all_cells(whole: Whole, folder: pathlib.Path) -> None:
    shown = run(folder, width=80).shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert whole.ran["en"].shown.count("repl.") == shown.count("repl.")


def test_a_recorded_trace_takes_the_place_of_the_declared_traffic(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    rows = "".join(f"{second / 4},300,60\n" for second in range(1200))
    (tmp_path / "day.csv").write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    ran = run(folder, "--trace", str(tmp_path / "day.csv"), "--json", "-")
    plain = json.loads(ran.shown)
    assert ran.code == 0
    assert plain["traffic"]["trace"] == "day"
    assert (plain["traffic"]["requests"], plain["agreed"]["replicas"]) == (1200, 1)
    assert "Traffic as recorded: the busiest hour of day, 1,200 requests (4 per second), replayed." in " ".join(
        ran.errors.split()
    )


def test_another_class_is_varied_on_request(folder: pathlib.Path) -> None:
    ran = run(folder, "--class", "batch")
    assert "95 % of batch requests get their whole answer within 60 s, counted over 30 days." in ran.shown
    assert "The bill has no knee" in ran.shown


def test_an_agreement_above_the_cap_ends_with_one_and_says_so(folder: pathlib.Path) -> None:
    write(folder, "tight", cost__hourly_usd="0.50")
    ran = run(folder, "--html", str(folder / "page.html"), stack="tight")
    assert ran.code == 1
    assert "Above the cap of 0.50 USD per hour." in ran.shown
    page = (folder / "page.html").read_text()
    assert '<p class="wrong">Above the cap of 0.50 USD per hour.</p>' in page
    assert "<b>† 526</b>" in page


def test_an_agreement_that_no_fleet_keeps_ends_with_one_and_has_no_price(folder: pathlib.Path) -> None:
    write(folder, "fast", services__chat__slo__classes={"interactive": {"target": "0.999", "ttft_ms": 60}})
    ran = run(folder, "--html", str(folder / "page.html"), stack="fast")
    assert ran.code == 1
    assert re.search(r"Cannot be met: \d+\.\d\d % of requests are good with 6 replicas", ran.shown)
    assert "<b>—</b>" in (folder / "page.html").read_text()


def test_a_pool_without_a_price_is_left_out_with_a_warning(folder: pathlib.Path) -> None:
    pools = plain_stack()["pools"]
    del pools["l4-spot"]["hourly_usd"]
    write(folder, "unpriced", pools=pools)
    ran = run(folder, stack="unpriced")
    assert "warning: Pool l4-spot is left out, as nobody knows its price." in ran.errors
    assert "Pool l4-spot is left out, as nobody knows its price." in ran.shown
    assert "in USD: l4 0.8048." in ran.shown


def test_no_name_can_break_the_page(folder: pathlib.Path) -> None:
    path = folder / "<b>&\"'.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0.0,300,60\n")
    run(folder, "--trace", str(path), "--html", str(folder / "page.html"))
    assert "busiest hour of <b>&\"'," in Page((folder / "page.html").read_text()).words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--service", "chta"], "--service: 'chta' is not a service of stack dev; did you mean 'chat'? Allowed: chat"),
        (["--class", "bulk"], "service chat: 'bulk' is not a class. Allowed: batch, interactive"),
        (["--language", "fr"], "--language: 'fr' is not a language. Allowed: en, ja"),
        (["--trace", "none.csv"], "--trace none.csv: none.csv cannot be read: No such file or directory"),
        (["--html", "/none/page.html"], "--html /none/page.html cannot be written: there is no folder /none"),
        (["--json", "/none/figures.json"], "--json /none/figures.json cannot be written: there is no folder /none"),
    ],
)
def test_wrong_input_ends_with_two_and_one_error(folder: pathlib.Path, arguments: list[str], message: str) -> None:
    ran = run(folder, *arguments)
    assert (ran.code, ran.shown) == (2, "")
    assert ran.errors == f"error: {message}\n"


def test_an_unknown_stack_is_refused_with_those_that_there_are(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    ran = run(folder, stack="dve")
    assert ran.errors == f"error: --stack: 'dve' is not a stack in {folder}; did you mean 'dev'? Allowed: dev\n"
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = run(empty)
    assert ran.code == 2
    assert f"--folder {empty} holds no file Pulumi.<stack>.yaml" in ran.errors


def test_an_empty_trace_is_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n")
    ran = run(folder, "--trace", str(path))
    assert (ran.code, ran.errors) == (2, f"error: --trace {path}: empty has no request; allowed is 1 or more\n")


def test_two_services_need_a_choice(folder: pathlib.Path) -> None:
    chat = plain_stack()["services"]["chat"]
    write(folder, "two", services={"chat": chat, "code": chat}, services__chat__slo=chat["slo"])
    ran = run(folder, stack="two")
    assert (ran.code, ran.errors) == (2, "error: --service missing: allowed are chat, code\n")
    assert run(folder, "--service", "code", stack="two").shown.startswith("Service level menu: code\n")


def test_a_service_without_price_and_profile_is_refused(folder: pathlib.Path) -> None:
    pools = {"l4": {"instance_type": "g6.xlarge", "capacity_type": "spot", "nodes": {"max": 2}}}
    chat = plain_stack()["services"]["chat"] | {"pools": ["l4"]}
    chat["engine"] = {
        "kind": "vllm",
        "image": "vllm/vllm-openai@sha256:" + "0" * 64,
        "max_model_len": 8192,
    }
    write(folder, "bare", pools=pools, services={"chat": chat}, services__chat__slo=TWO_CLASSES)
    ran = run(folder, stack="bare")
    assert ran.code == 2
    assert "error: service chat: pool l4 has no price and no engine profile. Allowed is" in ran.errors
