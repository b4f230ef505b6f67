"""Detached processes that are known by process id *and* start time, so that a reused id is never taken for ours.

Each process carries `TENBIN_ENVIRONMENT=<root>` in its environment: a process whose record was lost (a crash between
start and record) is still found by `strays`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tenbin_local.environment.files import write_atomically
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import PartError

MARK = "TENBIN_ENVIRONMENT"
"""Environment variable that names the environment a process belongs to."""

_START_TOLERANCE_S = 1.0
_LOG_LIMIT_BYTES = 20_000_000
_KILL_S = 5.0
_POLL_S = 0.02

# Run by a short-lived Python: its child is adopted by init when it ends, so nobody has to wait for it later.
_LAUNCHER = """
import subprocess, sys
with open(sys.argv[1], "ab") as log:
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
print(child.pid, flush=True)
child.returncode = 0
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A started process."""

    pid: int
    started: float
    """Start time of the process, seconds since the epoch, as the operating system says."""
    command: tuple[str, ...]

    def process(self) -> psutil.Process | None:
        """Return the process while it runs; None when it ended, or its id belongs to another one."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _START_TOLERANCE_S
            return process if same and _runs(process) else None
        except psutil.NoSuchProcess:
            return None


def read(layout: Layout, part: str) -> Record | None:
    """Return the record of a part, or None when it was never started or its file is damaged."""
    try:
        data = json.loads((layout.run / f"{part}.json").read_text())
        return Record(pid=int(data["pid"]), started=float(data["started"]), command=tuple(data["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(layout: Layout, part: str) -> psutil.Process | None:
    """Return a part's process while it runs."""
    record = read(layout, part)
    return record.process() if record else None


def recorded_parts(layout: Layout) -> list[str]:
    """Return the parts that have a record, by name."""
    return sorted(path.stem for path in layout.run.glob("*.json"))


def start(layout: Layout, part: str, command: Sequence[str | Path], variables: Mapping[str, str]) -> Record:
    """Start a part as a process of its own that outlives this one.

    Args:
        layout: the environment.
        part: names the record and the log.
        command: the program and its arguments.
        variables: the whole environment of the process, less the mark.

    Raises:
        PartError: the program does not start.
    """
    words = [str(word) for word in command]
    log = layout.log(part)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old.log"))
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(log), *words],
        env={**variables, MARK: str(layout.root)},
        cwd=layout.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PartError(f"{part} does not start: {reason}")
    pid = int(answer.stdout)
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        started = time.time()
    record = Record(pid=pid, started=started, command=tuple(words))
    content = {"pid": record.pid, "started": record.started, "command": list(record.command)}
    write_atomically(layout.run / f"{part}.json", json.dumps(content, indent=2) + "\n")
    return record


def end(layout: Layout, part: str, grace_s: float) -> None:
    """End a part: ask, wait, then kill; forget its record."""
    process = running(layout, part)
    if process is not None:
        end_processes([process], grace_s)
    (layout.run / f"{part}.json").unlink(missing_ok=True)


def strays(layout: Layout) -> list[psutil.Process]:
    """Return the processes that carry this environment's mark, recorded or not."""
    found = []
    own = os.getpid()
    for process in psutil.process_iter():
        try:
            if process.pid != own and process.environ().get(MARK) == str(layout.root):
                found.append(process)
        except psutil.Error:
            continue  # not ours to look into, or gone
    return found


def end_processes(asked: Sequence[psutil.Process], grace_s: float) -> None:
    """Ask processes to end, wait, and kill those that are left."""
    for process in asked:
        _signal(process, kill=False)
    left = _wait(asked, grace_s)
    for process in left:
        _signal(process, kill=True)
    _wait(left, _KILL_S)


def _wait(waited_for: Sequence[psutil.Process], limit_s: float) -> list[psutil.Process]:
    """Wait until processes ended, and return those that did not in time."""
    deadline = time.monotonic() + limit_s
    while (left := [process for process in waited_for if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return left


def _runs(process: psutil.Process) -> bool:
    """Say whether a process runs; one that ended and that nobody has collected yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, *, kill: bool) -> None:
    # psutil compares the start time before it sends a signal.
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        pass


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a log, indented; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
