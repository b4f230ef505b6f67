"""Whole runs against a small gateway, API server and planner, by the command that people use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from support import addresses
from support.traffic import PLAN, api_server, pod, served, streaming_server
from support.waiting import PATIENCE_S
from tenbin_local.load import preparation, shape

pytestmark = pytest.mark.timeout(300)


@contextlib.asynccontextmanager
async def planner() -> AsyncIterator[str]:
    async def plan(_: web.Request) -> web.Response:
        return web.json_response(PLAN)

    async with served([web.get("/plan", plan)]) as url:
        yield url


async def command(*arguments: str | pathlib.Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tenbin_cli",
        "load",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )


async def test_a_run_reports_what_users_got_and_what_it_cost(tmp_path: pathlib.Path) -> None:
    pods = [pod("l4-spot")]
    async with streaming_server() as gateway, api_server(pods, tmp_path) as access, planner() as planner_url:
        to: list[str | pathlib.Path] = [
            "--gateway",
            gateway.url,
            "--planner",
            planner_url,
            "--kubeconfig",
            access,
            "--out",
            tmp_path / "out",
        ]
        process = await command("--shape", "7s@1", "--rate", "10", *to)
        out, err = await process.communicate()
    text = out.decode()
    assert (process.returncode, err.decode()) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert 30 < report["requests"] == len(gateway.asked) < 100
    assert (report["errors"], report["attainment"]["interactive"]) == (0, 1)
    assert (report["replicas_max"], report["replicas_end"]) == (1, 1)
    assert report["usd"] == pytest.approx(report["duration_s"] * 0.36 / 3600, abs=2e-6)
    assert report["decisions"][0]["detail"] == "one replica does"
    assert re.search(r"^0:0[567] 1/1 steady at x1: ", text, re.MULTILINE)
    assert "steady: one replica does" in text
    assert (tmp_path / "out" / "report.svg").stat().st_size > 10_000


async def test_an_interrupt_ends_the_run_at_once_with_a_report_of_what_was_done(tmp_path: pathlib.Path) -> None:
    async with streaming_server() as gateway, api_server([], tmp_path) as access, planner() as planner_url:
        to: list[str | pathlib.Path] = [
            "--gateway",
            gateway.url,
            "--planner",
            planner_url,
            "--kubeconfig",
            access,
            "--out",
            tmp_path,
        ]
        process = await command("--shape", "600s@1", "--rate", "20", "--json", *to)
        async with asyncio.timeout(PATIENCE_S):
            await gateway.enough.wait()
            process.send_signal(signal.SIGINT)
            out, _ = await process.communicate()
    report = json.loads(out)
    assert report["interrupted"]
    # What was cancelled may have been on its way yet.
    assert report["requests"] <= len(gateway.asked) <= report["requests"] + report["cancelled"]
    assert report["duration_s"] < 300
    assert process.returncode == report_exit(report)


def report_exit(report: dict[str, Any]) -> int:
    return 0 if report["attained"] and report["errors"] <= 0.01 * report["requests"] else 1


async def test_a_gateway_that_is_down_gives_errors_and_still_a_report(tmp_path: pathlib.Path) -> None:
    with addresses.refusing() as gateway, addresses.refusing() as nobody:
        async with api_server([], tmp_path) as access:
            to: list[str | pathlib.Path] = [
                "--gateway",
                "http://{}:{}".format(*gateway),
                "--planner",
                "http://{}:{}".format(*nobody),
                "--kubeconfig",
                access,
                "--out",
                tmp_path,
            ]
            process = await command("--shape", "1s@1", "--rate", "20", "--json", *to)
            out, _ = await process.communicate()
    report = json.loads(out)
    assert process.returncode == 1
    assert report["errors"] == report["requests"] == report["errors_by_kind"]["connection"] > 0
    assert re.match(r"[1-9]\d* looks at the planner failed: the planner does not answer: ", report["problems"][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "none"], "Environment 'none' is not running: `make up` starts it"),
        (["--class", "fast"], "--class: 'fast' is no class that clients may choose. Allowed: batch, interactive"),
        (["--service", "talk"], "--service 'talk' is no service of the stack. Allowed: chat"),
        (
            ["--gateway", "http://192.0.2.1:8080"],
            (
                "The gateway http://192.0.2.1:8080 is not on this machine, and traffic there may cost money or disturb "
                "others: --allow-remote sends it"
            ),
        ),
        ([], "Namespace 'tenbin' has no gateway yet: `make up` brings the stack up"),
    ],
)
async def test_what_cannot_be_sent_is_told_in_one_line(
    tmp_path: pathlib.Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: tenbin\n")
    async with api_server([], tmp_path) as access:
        place: list[str | pathlib.Path] = []
        if "--env" not in arguments:
            place = ["--kubeconfig", access, "--out", tmp_path]
        gateway = ["--gateway", "http://127.0.0.1:9"] if arguments and "--gateway" not in arguments else []
        process = await command("--rate", "1", *arguments, *gateway, *place)
        out, err = await process.communicate()
    assert (process.returncode, out.decode(), err.decode()) == (2, "", f"error: {message}\n")


def test_only_addresses_of_this_machine_are_loopback() -> None:
    for url in ("http://127.16.128.4:8080", "http://localhost:1", "http://[::1]:8080"):
        assert preparation.check_gateway(url, allow_remote=False) == url
    assert preparation.check_gateway("http://example.com", allow_remote=True) == "http://example.com"
    for url in ("ftp://127.0.0.1", "127.0.0.1:8080", ""):
        with pytest.raises(shape.UsageError) as caught:
            preparation.check_gateway(url, allow_remote=True)
        assert str(caught.value) == f"--gateway {url!r}: allowed is http:// or https:// with an address"
