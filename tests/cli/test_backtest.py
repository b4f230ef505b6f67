"""`tenbin backtest` as a person and as a script sees it."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import pathlib
import re
from typing import Any

import pytest
from tenbin_cli import backtest_options, backtest_svg
from tenbin_cli.__main__ import app
from tenbin_spec.plan import PlanView
from typer.testing import CliRunner

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
TRAFFIC = "generate:step,before=3,after=14,at_s=180,minutes=8,input=300/900,output=60/160,longest=4000,seed=3"
SLO = "ttft<=1000,tpot<=60@0.99"
COLUMNS = {
    *("policy", "trace", "lead_time_s", "seed", "attainment", "worst_5min_attainment", "minutes_below_target", "usd"),
    *("gpu_hours", "usd_per_million_output_tokens", "usd_per_million_good_tokens", "replica_changes"),
    *("fixed_usd_at_same_attainment", "captured_saving", "target_met", "attainment_by_class", "usd_by_pool"),
    *("peak_hourly_usd", "requests", "shed", "failed", "replicas", "setting"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that is over."""

    code: int
    shown: str
    errors: str


def run(*arguments: str, trace: str = TRAFFIC, slo: str = SLO, price: str = "0.80") -> Ran:
    asked = ["backtest", "--profile", PROFILE, "--trace", trace, "--slo", slo, "--price", price, *arguments]
    return invoke(*asked)


def invoke(*words: str) -> Ran:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, list(words))
    assert not isinstance(result.exception, Exception), result.exception
    return Ran(code=result.exit_code, shown=result.stdout, errors=result.stderr)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    """A run of everything."""

    ran: Ran
    plain: dict[str, Any]
    page: str

    def rows(self, policy: str) -> list[dict[str, Any]]:
        return [row for row in self.plain["results"] if row["policy"] == policy]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("backtest")
    figures, page = folder / "figures.json", folder / "page.html"
    options = ["--lead-time", "30,60/60", "--seeds", "2", "--max-replicas", "6"]
    ran = run(*options, "--json", str(figures), "--html", str(page))
    return Whole(ran=ran, plain=json.loads(figures.read_text()), page=page.read_text())


class References(html.parser.HTMLParser):
    """Collects what a page refers to, and how tags are nested."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "srcset", "data", "action"}]
        if tag == "svg":
            self.pictures.append(given["aria-label"] or "")
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_each_policy_has_a_row_for_each_lead_time_and_seed(whole: Whole) -> None:
    expected = [(30.0, 0), (30.0, 1), (60.0, 0), (60.0, 1)]
    for policy in backtest_options.POLICIES:
        cells = [(row["lead_time_s"], row["seed"]) for row in whole.rows(policy)]
        assert sorted(set(cells)) == ([(30.0, 0), (60.0, 0)] if policy == "fixed" else expected), policy
        assert policy == "fixed" or len(cells) == 4
    assert all(row["trace"] == TRAFFIC for row in whole.plain["results"])


def test_rows_have_exactly_these_columns(whole: Whole) -> None:
    assert all(set(row) == COLUMNS for row in whole.plain["results"])
    assert {row["replicas"] for row in whole.rows("fixed")} == {1, 2, 3, 4, 5, 6}
    for row in whole.plain["results"]:
        assert (row["replicas"] is not None) == (row["policy"] == "fixed")
        assert (row["setting"] is not None) == (row["policy"] in {"trend", "hpa", "keda", "dynamo", "latency-hpa"})


def test_the_json_says_where_its_figures_come_from(whole: Whole) -> None:
    assert set(whole.plain) == {"results", "hull", "traces", "arguments", "versions", "wall_s"}
    assert whole.plain["arguments"]["price"] == "0.80"
    assert set(whole.plain["versions"]) == {"python", "tenbin-cli", "tenbin-planner", "numpy", "numba"}
    (trace,) = whole.plain["traces"]
    assert trace["target"] == {"service": 0.99}
    assert trace["lead_times_s"] == [{"median": 30.0, "p95": 37.5}, {"median": 60.0, "p95": 60.0}]
    smallest = trace["smallest_fixed_replicas"]["service"]
    assert [row["target_met"] for row in whole.rows("fixed")[:6]] == [count >= smallest for count in range(1, 7)]


def test_constant_fleets_lie_on_or_above_their_hull(whole: Whole) -> None:
    for lead_s in (30.0, 60.0):
        corners = [corner for corner in whole.plain["hull"] if corner["lead_time_s"] == lead_s]
        hull = [(corner["attainment"], corner["usd"]) for corner in corners]
        assert hull[0] == (0.0, 0.0)
        assert hull == sorted(hull)
    for row in whole.rows("fixed"):
        if row["fixed_usd_at_same_attainment"] is not None:
            assert row["usd"] >= row["fixed_usd_at_same_attainment"] - 1e-6


def test_nobody_is_cheaper_than_the_fluid_bound(whole: Whole) -> None:
    (trace,) = whole.plain["traces"]
    assert 0 < trace["fluid_usd"] < min(row["usd"] for row in whole.plain["results"] if row["target_met"])


def test_the_table_has_a_line_for_each_policy_the_cheapest_that_reaches_the_target_first(whole: Whole) -> None:
    for lead in ("30 s until a new replica serves", "60 s until a new replica serves"):
        table = whole.ran.shown.split(lead)[1].split("until a new replica")[0]
        lines = [line.split() for line in table.splitlines() if line.split()[-1:] in (["met"], ["missed"])]
        assert sorted(line[0].rstrip(",") for line in lines) == sorted(backtest_options.POLICIES)
        reaching = [float(re.findall(r"% +\d+ +([\d.]+) ", " ".join(line))[0]) for line in lines if line[-1] == "met"]
        assert reaching == sorted(reaching)
        assert [line[-1] for line in lines] == sorted(line[-1] for line in lines)
    assert "the hull costs " in whole.ran.shown
    assert "fluid lower bound " in whole.ran.shown
    assert all(len(line) <= 81 or line.startswith(("generate:", "  ")) for line in whole.ran.shown.splitlines())


def test_the_status_says_whether_the_planner_reaches_its_target_in_every_run(whole: Whole) -> None:
    missed = [row for row in whole.rows("tenbin") if not row["target_met"]]
    assert whole.ran.code == (1 if missed else 0)
    words = f"misses the target in {len(missed)} of 4 runs" if missed else "reaches the target in all 4 runs"
    assert f"tenbin {words}" in whole.ran.shown


def test_the_page_refers_to_nothing_outside_itself(whole: Whole) -> None:
    parser = References()
    parser.feed(whole.page)
    assert parser.open == []
    assert all(reference.startswith("#cell-") for reference in parser.found)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link|<img", whole.page)


def test_the_page_has_a_frontier_and_each_policy_over_time_for_each_lead_time(whole: Whole) -> None:
    parser = References()
    parser.feed(whole.page)
    assert parser.pictures.count("attainment over US dollars") == 2
    for policy in backtest_options.POLICIES:
        assert len([label for label in parser.pictures if re.match(rf"{policy}(, \d)? over time: ", label)]) == 2, (
            policy
        )
    assert "nan" not in re.findall(r"[a-z]+", " ".join(re.findall(r' d="[^"]*"', whole.page)).lower())


def test_the_page_says_on_what_it_rests(whole: Whole) -> None:
    for words in (
        PROFILE,
        "0.80 USD an hour for a replica; service has 1 to 6",
        "TTFT &lt;= 1,000 ms, TPOT &lt;= 60 ms for 99 %",
        "median 30 s, 95th percentile 37.5 s, log-normal, drawn for each start",
        "none: the planner begins without memory",
        "unknown: never held against a measurement",
        "tenbin backtest --trace",
    ):
        assert words in whole.page


def test_the_same_command_gives_the_same_rows() -> None:
    first, again = (
        json.loads(run("--policies", "tenbin,hpa", "--max-replicas", "4", "--json", "-").shown)["results"]
        for _ in range(2)
    )
    assert first == again
    assert [row["fixed_usd_at_same_attainment"] for row in first] == [None, None]


def test_an_objective_that_no_fleet_reaches_is_said_to_be_one(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.html"
    options = ["--policies", "tenbin,fixed,clairvoyant", "--max-replicas", "3", "--json", "-", "--html", str(page)]
    ran = run(*options, slo="ttft<=1@0.999")
    assert ran.code == 1
    assert "no constant fleet of up to 3 replicas reaches 99.9 %: the best is 0.00 %, with 1" in ran.errors
    assert json.loads(ran.shown)["traces"][0]["smallest_fixed_replicas"] == {"service": None}
    assert "No constant fleet of up to 3 replicas reaches 99.9 %" in page.read_text()


def test_a_window_and_the_time_before_it_can_be_given() -> None:
    plain = json.loads(
        run("--policies", "tenbin", "--window", "1m:4m", "--history", TRAFFIC, "--json", "-").shown,
    )
    (row,) = plain["results"]
    assert plain["arguments"]["history"] == [TRAFFIC]
    whole = json.loads(run("--policies", "fixed", "--max-replicas", "2", "--json", "-").shown)["results"][0]["requests"]
    assert 0 < row["requests"] < whole


def test_a_trace_of_one_request_is_enough(tmp_path: pathlib.Path) -> None:
    trace, page = tmp_path / "<one>.csv", tmp_path / "page.html"
    trace.write_text("arrival_s,input_tokens,output_tokens\n2.5,100,1\n")
    ran = run("--policies", "tenbin,fixed,clairvoyant,trend", "--html", str(page), trace=str(trace))
    assert ran.code == 0
    assert "<one>" not in page.read_text()


def test_classes_have_objectives_of_their_own() -> None:
    mixed = TRAFFIC.replace("seed=3", "seed=4,classes=chat:0.8+batch:0.2")
    ran = run("--policies", "tenbin", "--slo", "batch:e2e<=60000@0.9", "--json", "-", trace=mixed)
    (row,) = json.loads(ran.shown)["results"]
    assert set(row["attainment_by_class"]) == {"service/chat", "service/batch"}


def test_a_stack_says_prices_pools_and_objectives(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.html"
    traffic = f"chat={TRAFFIC}"
    ran = invoke(
        "backtest", "--stack", "local", "--trace", traffic, "--policies", "fixed", "--json", "-", "--html", str(page)
    )
    plain = json.loads(ran.shown)
    assert ran.code == 0
    assert {(row["trace"], row["lead_time_s"]) for row in plain["results"]} == {("local", 20.0)}
    assert plain["traces"][0]["lead_times_s"] == ["as declared"]
    assert "Stack local" in page.read_text()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ["--policies", ","],
            "--policies ',' names none; allowed are tenbin, fixed, trend, hpa, keda, dynamo, latency-hpa, ",
        ),
        (["--policies", "fixd"], "--policies: 'fixd' is not a policy; did you mean 'fixed'? Allowed: clairvoyant, "),
        (["--lead-time", "60,x"], "--lead-time 'x': allowed are whole seconds, 0 to 86,400, or MEDIAN/P95 "),
        (["--lead-time", "90/60"], "--lead-time '90/60': allowed are whole seconds, "),
        (["--lead-time", "60,60"], "--lead-time '60,60': 60 is given twice; allowed is each once"),
        (["--window", "9"], "--window '9': allowed is START:END, seconds or with s, m, h or d, such as 6h:18h"),
        (["--window", "9:3"], "--window '9:3': the end is not after the start; allowed is START before END"),
        (["--window", "2h:3h"], "arrives from 7200 s until before 10800 s; its arrivals go from "),
        (["--hourly-cap", "0.5"], "--hourly-cap 0.5: allowed is 0.80 or more, what the smallest fleet costs"),
        (["--hourly-cap", "nan"], "--hourly-cap 'nan': allowed are US dollars per hour above 0, up to 1,000,000"),
        (["--min-replicas", "9", "--max-replicas", "3"], "--min-replicas 9: allowed is up to --max-replicas, 3"),
        (["--html", "/missing/page.html"], "--html /missing/page.html cannot be written: there is no folder /missing"),
        (["--history", "missing.csv"], "missing.csv cannot be read: No such file or directory"),
        (["--history", TRAFFIC, "--history", TRAFFIC], "--history is given 2 times for 1 traces; allowed is once, or "),
        (["--stack", "local"], "--profile, --price, --slo and --stack: the stack says this itself"),
        (["--slo", "chats:ttft<=1"], "--slo: 'chats' is not a class of these requests"),
        (["--seeds", "1000000"], "Invalid value for '--seeds'"),
    ],
)
def test_wrong_options_end_with_two_and_say_what_is_allowed(options: list[str], expected: str) -> None:
    ran = run(*options)
    assert ran.code == 2
    assert expected in ran.errors
    assert "Traceback" not in ran.errors


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--trace", TRAFFIC],
            "--profile, --price, --slo missing: a back-test needs --trace with --profile, --price and --slo or with ",
        ),
        ([], "--profile, --price, --slo, --trace missing: a back-test needs "),
        (["--stack", "local"], "--trace missing: --stack needs one for each service that counts, SERVICE=FILE"),
        (["--stack", "local", "--trace", "x.csv"], "--trace 'x.csv': with --stack allowed is SERVICE=FILE"),
        (
            ["--stack", "local", "--trace", "chats=x.csv"],
            "--trace: 'chats' is not a service of the stack; did you mean 'chat'?",
        ),
        (["--stack", "nowhere", "--trace", "chat=x.csv"], "Pulumi.nowhere.yaml"),
    ],
)
def test_what_is_missing_is_named(words: list[str], expected: str) -> None:
    ran = invoke("backtest", *words)
    assert ran.code == 2
    assert expected in ran.errors


@pytest.mark.parametrize("price", ["0", "-1", "free", "inf", "1e9"])
def test_a_price_must_be_one(price: str) -> None:
    ran = run(price=price)
    assert ran.code == 2
    assert f"error: --price {price!r}: allowed are US dollars per hour above 0, up to 1,000,000" in ran.errors


def test_a_scale_of_nines_puts_each_nine_as_far_from_the_next() -> None:
    place = backtest_svg.nines(0.0, 0.0, 100.0)
    assert place(0.99) - place(0.9) == pytest.approx(place(0.999) - place(0.99))
    assert place(0.0) == 0.0
    assert place(1.0) == pytest.approx(100.0)


def test_every_policy_has_a_colour_and_a_mark_of_its_own() -> None:
    drawn = [backtest_svg.mark(policy, 0, 0, "") for policy in backtest_options.POLICIES]
    assert len({re.search(r'd="([^"]*)"', mark)[1] for mark in drawn}) == len(drawn)  # type: ignore[index]
    assert len(set(backtest_svg.COLOURS.values())) == len(drawn)


def test_plans_of_each_tick_are_kept_of_the_first_run(tmp_path: pathlib.Path) -> None:
    kept = tmp_path / "plans.jsonl"
    run("--policies", "tenbin", "--lead-time", "30,60", "--seeds", "2", "--plans", str(kept))
    plans = [PlanView.model_validate_json(line) for line in kept.read_text().splitlines()]
    assert [(plan.at - plans[0].at).total_seconds() for plan in plans] == [15.0 * tick for tick in range(32)]
    assert any(plan.services[0].considered is not None for plan in plans)
    refused = run("--policies", "fixed", "--plans", str(kept))
    assert (refused.code, "--policies must name tenbin" in refused.errors) == (2, True)
