"""The page of a live planner in a real browser: what the plan has can be read on it, in light and in dark."""

from __future__ import annotations

import asyncio
import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from support import browser, planning
from support.gateway import traffic
from support.planning import SPOT
from support.waiting import until_async

if TYPE_CHECKING:
    from support.browser import Page
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(400)
AGREED = planning.document(
    planner={"interval_s": 1},
    cost={"hourly_usd": "10.00", "monthly_usd": "5000"},
    pools=planning.pools(lead_time_s=1800),
    services={"chat": planning.service(replicas={"min": 1, "max": 1})},
)
"""No start takes so long, on any machine."""
SEEN = """
({
  plan: last,
  text: document.body.innerText,
  rows: [...document.querySelectorAll("#services tbody tr")].map((row) => [...row.cells].map((cell) => cell.innerText)),
  reasons: [...document.querySelectorAll("#services li")].map((item) => item.innerText),
  chips: [...document.querySelectorAll(".chip")].map((item) => item.innerText),
  bars: [...document.querySelectorAll(".bar div")].map((item) => parseFloat(item.style.width)),
})
"""
"""What is shown and the plan that it was made of, at one moment."""
PALE = """
(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = rgb.map((part) => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parts(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.getClientRects().length) continue;
    const [one, other] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) found.push(`${element.innerText}: ${contrast.toFixed(2)}`);
  }
  return found;
})()
"""
"""Text that is hard to read: WCAG 2, success criterion 1.4.3, asks for a contrast of 4.5."""


def percent(share: float | None, digits: int = 2) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def rows_of(plan: dict[str, Any]) -> list[list[str]]:
    """Return the rows of a plan's first two tables, as far as no rounding of halves can tell them apart."""
    [service] = plan["services"]
    classes = [
        [name, percent(float(item["target"])), percent(item["attainment_window"]), percent(item["attainment_1m"])]
        for name, item in service["classes"].items()
    ]
    pools = [
        [item["pool"], *(str(item[name]) for name in ("wanted", "ready", "starting", "draining"))]
        for item in plan["workloads"]
    ]
    return [*classes, *pools]


async def looks(page: Page) -> dict[str, Any]:
    """Return what is shown, once the planner has answered often enough for a course to be drawn."""
    await until_async(lambda: page.evaluate("document.querySelectorAll('#services svg path').length === 2"))
    found: dict[str, Any] = await page.evaluate(SEEN)
    return found


def check(seen: dict[str, Any]) -> None:
    """Hold what is shown against the plan that it was made of."""
    plan, rows = seen["plan"], seen["rows"]
    [service] = plan["services"]
    shown = rows_of(plan)
    assert [row[: len(own)] for row, own in zip(rows, shown, strict=False)] == shown
    assert [row[-1] for row in rows[len(service["classes"]) : len(shown)]] == [
        item["reason"]["code"] for item in plan["workloads"]
    ]
    assert seen["reasons"] == [f"{item['code']} {item['detail']}" for item in service["reasons"]]
    assert seen["reasons"]
    assert seen["chips"] == ["leads"]
    assert f"{float(plan['hourly_usd']):.2f} USD/h" in seen["text"]
    assert f"of the cap of {float(plan['hourly_cap_usd']):.2f}" in seen["text"]
    assert f"of the cap of {float(plan['monthly_cap_usd']):.2f}" in seen["text"]
    assert seen["bars"] == [pytest.approx(100 * float(plan["hourly_usd"]) / float(plan["hourly_cap_usd"]))]
    assert seen["text"].startswith("stack test")
    assert all(note in seen["text"] for note in plan["notes"])


async def test_the_page_of_a_live_planner_shows_its_plan_in_light_and_in_dark(
    api: Api, planner: Planner, tmp_path: pathlib.Path
) -> None:
    api.put_document(AGREED.to_json())
    planner.start()
    async with traffic(planner.host), browser.running() as chromium:
        await until_async(lambda: asyncio.to_thread(_is_measured, planner))
        [pod] = await until_async(lambda: asyncio.to_thread(api.pods, SPOT))
        await asyncio.to_thread(api.set_ready, pod["metadata"]["name"])
        await until_async(lambda: asyncio.to_thread(planner.plan, leader=True))
        page = await chromium.open(f"{planner.url}/")
        backgrounds = []
        for scheme in ("light", "dark"):
            for width in (1280, 390):
                await page.show(scheme=scheme, width=width)
                check(await looks(page))
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                assert await page.evaluate(PALE) == []
                (tmp_path / f"{scheme}-{width}.png").write_bytes(await page.picture())
            backgrounds.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(set(backgrounds)) == 2
        assert page.problems == []

        await page.evaluate("document.querySelector('details').open = true")
        asked = await page.evaluate("history.get('chat').length")
        await until_async(lambda: page.evaluate(f"history.get('chat').length > {asked}"))
        assert await page.evaluate("document.querySelector('details').open"), "what is open stays open"

        await asyncio.to_thread(planner.kill)
        await until_async(lambda: page.evaluate("document.body.innerText.includes('the planner does not answer')"))
        check(await looks(page))


async def test_the_page_of_a_planner_without_a_plan_says_why(planner: Planner) -> None:
    planner.start()
    async with browser.running() as chromium:
        await until_async(lambda: asyncio.to_thread(planner.get, "/"))
        page = await chromium.open(f"{planner.url}/", scheme="dark")
        await until_async(
            lambda: page.evaluate("document.body.innerText.includes('ConfigMap tenbin-document is missing')")
        )
        assert "the planner has no plan: observe: " in await page.text()
        assert [json.loads(text)["text"] for text in page.problems if '"javascript"' in text] == []


def _is_measured(planner: Planner) -> bool:
    plan = planner.plan() or {"services": []}
    classes = [item for service in plan["services"] for item in service["classes"].values()]
    return bool(classes) and all(
        item[name] is not None for item in classes for name in ("attainment_1m", "ttft_p50_ms")
    )
