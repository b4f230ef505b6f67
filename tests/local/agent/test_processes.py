"""Processes of containers: groups, grace, and what is left when the agent dies."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from support.waiting import PATIENCE_S, until, until_async
from tenbin_local.agent import logs, processes

VARIABLES = {"PATH": os.environ["PATH"]}


def start(tmp_path: pathlib.Path, script: str) -> processes.Process:
    with (tmp_path / "out").open("ab") as output:
        return processes.start(["sh", "-c", script], variables=VARIABLES, folder=tmp_path, output=output.fileno())


def alive(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_the_return_code_is_the_exit_code_or_minus_the_signal(tmp_path: pathlib.Path) -> None:
    assert await start(tmp_path, "exit 7").wait() == 7
    assert await start(tmp_path, "kill -KILL $$").wait() == -9


async def test_the_whole_group_ends_with_its_leader(tmp_path: pathlib.Path) -> None:
    process = start(tmp_path, "sleep 60 & echo $!; sleep 0.2")
    await process.wait()
    child = int((tmp_path / "out").read_text())
    await until_async(lambda: not alive(child))


async def test_a_polite_process_ends_on_sigterm_and_a_stubborn_one_after_the_grace_period(
    tmp_path: pathlib.Path,
) -> None:
    polite = start(tmp_path, "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done")
    stubborn = start(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.05; done")
    await until_async(lambda: (tmp_path / "out").read_text() == "up\nup\n")
    assert await polite.end(PATIENCE_S) == 5
    begun = time.monotonic()
    assert await stubborn.end(0.3) == -9
    assert time.monotonic() - begun > 0.25


async def test_a_missing_program_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(processes.StartError) as caught:
        processes.start(["not-there"], variables=VARIABLES, folder=tmp_path, output=subprocess.DEVNULL)
    assert str(caught.value) == 'exec: "not-there": executable file not found in $PATH'


def test_processes_die_with_the_agent_and_strangers_children_are_found_by_their_mark(tmp_path: pathlib.Path) -> None:
    program = textwrap.dedent(f"""
        import asyncio, pathlib, subprocess
        from tenbin_local.agent import processes
        async def main():
            variables = {{"PATH": {os.environ["PATH"]!r}, "TENBIN_ROOT": {str(tmp_path / "pods" / "p" / "root")!r}}}
            # setsid: a grandchild that leaves the group and does not die with its parent.
            script = "setsid sleep 60 & echo $! > grandchild; exec sleep 60"
            process = processes.start(["sh", "-c", script], variables=variables,
                folder=pathlib.Path({str(tmp_path)!r}), output=subprocess.DEVNULL)
            print(process.pid, flush=True)
            await process.wait()
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        child = int(agent.stdout.readline())
        told = tmp_path / "grandchild"
        grandchild = int(until(lambda: told.exists() and told.read_text()))
        until(lambda: set(processes.left_over(tmp_path)) >= {child, grandchild})
        agent.send_signal(signal.SIGKILL)
        agent.wait()
    until(lambda: not alive(child))
    assert processes.left_over(tmp_path) == [grandchild]
    assert processes.kill_left_over(tmp_path) == 1
    until(lambda: processes.left_over(tmp_path) == [])


def test_a_long_log_is_rotated_while_its_writer_goes_on(tmp_path: pathlib.Path) -> None:
    with logs.open_log(tmp_path, "c") as writer:
        writer.write(b"a" * 5000 + b"\n")
        writer.flush()
        assert not logs.bound(tmp_path, "c", 6000)
        assert logs.bound(tmp_path, "c", 4096)
        writer.write(b"new line\n")
    assert logs.log_path(tmp_path, "c").read_text() == "new line\n"
    assert logs.rotated_path(tmp_path, "c").stat().st_size == 5001
    with logs.open_log(tmp_path, "c"):
        pass
    assert logs.previous_path(tmp_path, "c").read_text() == "new line\n"
    assert logs.log_path(tmp_path, "c").read_text() == ""
    assert not logs.rotated_path(tmp_path, "c").exists()


def test_the_tail_is_at_most_80_lines_and_2048_bytes(tmp_path: pathlib.Path) -> None:
    logs.log_path(tmp_path, "c").write_text("".join(f"{number}\n" for number in range(200)))
    assert logs.tail(tmp_path, "c").splitlines() == [str(number) for number in range(120, 200)]
    logs.log_path(tmp_path, "c").write_text("x" * 5000)
    assert logs.tail(tmp_path, "c") == "x" * 2048
    assert logs.tail(tmp_path, "none") == ""
