"""The planner's programs as real processes that start at once: one process imports all of it, and forks each of them.

A signal ends one of them as it ends any process; only the imports, seconds on a busy machine, are not repeated.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOLDER = pathlib.Path(__file__).parents[1]


class Fork:
    """A process that was forked."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self.pid = pid
        self._forks = forks
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, minus the signal that killed it; None while it runs."""
        if self._status is None:
            self._status = self._forks.ask(poll=self.pid)
        return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it runs, and wait for its end."""
        self.send_signal(signal.SIGKILL)
        until(lambda: self.poll() is not None)


class Forks:
    """The process that forks; all of its children end with it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.forks"],
            cwd=_FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(
        self, arguments: Sequence[str], variables: Mapping[str, str], log: pathlib.Path, *, clock_ahead_s: float = 0.0
    ) -> Fork:
        """Start `tenbin-planner` with arguments, further variables, and a file in the place of its standard error.

        Its machine's clock seems to be ahead of the real one by `clock_ahead_s`.
        """
        wanted = {"variables": dict(variables), "log": str(log), "clock_ahead_s": clock_ahead_s}
        return Fork(self, self.ask(arguments=list(arguments), **wanted))

    def ask(self, **wanted: Any) -> Any:
        """Put one question and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    from kubernetes.aio import client  # noqa: PLC0415 - in the forking process alone
    from tenbin_planner import __main__ as program  # noqa: PLC0415
    from tenbin_planner.controller import process  # noqa: F401, PLC0415 - imported for all that will be forked
    from tenbin_planner.model import simulation, stepwise  # noqa: PLC0415
    from tenbin_planner.picker import process as _  # noqa: F401, PLC0415
    from tenbin_spec import catalogue  # noqa: PLC0415

    for name in ("AppsV1Api", "CoordinationV1Api", "CoreV1Api", "V1Lease"):
        getattr(client, name)  # is imported when it is asked for
    simulation.warm_up()
    stepwise.warm_up(next(iter(catalogue.profiles().values())))
    running: set[int] = set()
    for line in sys.stdin:
        wanted = json.loads(line)
        if "poll" in wanted:
            pid, status = os.waitpid(wanted["poll"], os.WNOHANG)
            running.discard(pid)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                _become(wanted)
                program.main()
            running.add(answer)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _become(wanted: dict[str, Any]) -> None:
    os.environ.update(wanted["variables"])
    sys.argv = ["tenbin-planner", *wanted["arguments"]]
    if ahead_s := wanted["clock_ahead_s"]:
        real = time.time
        time.time = lambda: real() + ahead_s
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)


if __name__ == "__main__":
    _serve()
