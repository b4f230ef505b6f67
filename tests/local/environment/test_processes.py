"""Processes: detached, known by id and start time, ended without harm to anybody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from support.waiting import PATIENCE_S, until
from tenbin_local.environment import processes
from tenbin_local.errors import PartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenbin_local.environment.layout import Layout

VARIABLES = {"PATH": os.environ["PATH"]}
SLEEP = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('awake', flush=True); time.sleep(600)",
]


@pytest.fixture
def there(place: Layout) -> Iterator[Layout]:
    place.root.mkdir(parents=True)
    yield place
    processes.end_processes(processes.strays(place), 1)


def start(place: Layout, command: list[str] = SLEEP) -> processes.Record:
    record = processes.start(place, "part", command, VARIABLES)
    until(lambda: "awake" in processes.tail(place.log("part"), 1))
    return record


def test_a_started_part_is_known_and_ended(there: Layout) -> None:
    record = start(there)
    process = processes.running(there, "part")
    assert process is not None
    assert process.pid == record.pid
    assert os.getsid(record.pid) != os.getsid(0), "it must outlive the terminal"
    processes.end(there, "part", grace_s=PATIENCE_S)
    assert not psutil.pid_exists(record.pid) or psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE
    assert processes.read(there, "part") is None


def test_a_part_that_ignores_the_request_is_killed(there: Layout) -> None:
    record = start(there, STUBBORN)
    started = time.monotonic()
    processes.end(there, "part", grace_s=0.3)
    assert record.process() is None
    assert time.monotonic() - started >= 0.3


def test_a_killed_part_counts_as_not_running(there: Layout) -> None:
    record = start(there)
    os.kill(record.pid, 9)
    until(lambda: processes.running(there, "part") is None)
    assert processes.read(there, "part") == record


def test_another_process_with_the_recorded_id_is_left_alone(there: Layout) -> None:
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL) as bystander:
        there.run.mkdir(parents=True)
        record = {"pid": bystander.pid, "started": time.time() - 3600, "command": ["part"]}
        (there.run / "part.json").write_text(json.dumps(record))
        assert processes.running(there, "part") is None
        processes.end(there, "part", grace_s=0.1)
        assert bystander.poll() is None
        bystander.kill()


def test_a_process_without_a_record_is_found_by_its_mark(there: Layout) -> None:
    record = start(there)
    (there.run / "part.json").unlink()
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL, env={**VARIABLES, processes.MARK: "/elsewhere"}) as other:
        assert [process.pid for process in processes.strays(there)] == [record.pid]
        other.kill()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "started": 1, "command": []}', '{"pid": 1}'])
def test_a_damaged_record_is_no_record(there: Layout, content: str) -> None:
    there.run.mkdir(parents=True)
    (there.run / "part.json").write_text(content)
    assert processes.read(there, "part") is None
    assert processes.running(there, "part") is None


def test_a_program_that_is_not_there_is_an_error(there: Layout) -> None:
    with pytest.raises(PartError) as caught:
        processes.start(there, "part", ["/nowhere/balance"], VARIABLES)
    assert str(caught.value) == (
        "part does not start: FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/balance'"
    )


def test_the_tail_of_a_log_is_indented_and_bounded(there: Layout) -> None:
    there.logs.mkdir()
    there.log("part").write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert processes.tail(there.log("part"), 2) == "    line 9998\n    line 9999"
    assert processes.tail(there.log("nothing"), 2) == ""
