"""The planner as a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import httpx
from tenbin_spec import contract

from support import addresses
from support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from support.forks import Fork, Forks
    from support.planner_cluster import Api


class Planner:
    """The planner as a process, with the account of its pod."""

    def __init__(self, api: Api, forks: Forks, *arguments: str) -> None:
        self._api = api
        self._forks = forks
        self._arguments = arguments
        self.host = addresses.spare()
        self.url = f"http://{self.host}:{contract.PORT_PLANNER_HTTP}"
        self.is_killed = False
        self._fork: Fork | None = None
        self._log = api.pod_root.parent / f"planner-{self.host}.log"

    def start(
        self, *, identity: str = "planner-1", through: tuple[str, int] | None = None, clock_ahead_s: float = 0.0
    ) -> None:
        """Start it.

        Args:
            identity: its name in the Lease.
            through: where it finds the API server, when that is not where the API server is.
            clock_ahead_s: by how much its machine's clock is ahead, in seconds.
        """
        arguments = ["run", "--namespace", "tenbin", "--stack", "test", "--host", self.host, "--identity", identity]
        variables = self._api.environment()
        if through is not None:
            variables |= {"KUBERNETES_SERVICE_HOST": through[0], "KUBERNETES_SERVICE_PORT": str(through[1])}
        self.is_killed = False
        self._fork = self._forks.start(
            [*arguments, *self._arguments], variables, self._log, clock_ahead_s=clock_ahead_s
        )

    def end(self, number: signal.Signals) -> tuple[int, list[dict[str, Any]]]:
        """Send a signal; return the exit status and the log."""
        assert self._fork is not None
        self._fork.send_signal(number)
        until(self.has_ended)
        return self._fork.poll() or 0, self.log()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, and wait for nothing."""
        assert self._fork is not None
        self._fork.send_signal(number)

    def has_ended(self) -> bool:
        """Tell whether it runs no more."""
        return self._fork is not None and self._fork.poll() is not None

    def die(self) -> None:
        """Kill it at once, from any thread, without waiting for its end."""
        assert self._fork is not None
        self.is_killed = True
        os.kill(self._fork.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self._fork is not None and self._fork.poll() is None:
            self.end(signal.SIGKILL)

    def log(self) -> list[dict[str, Any]]:
        """Return what it has logged since it was started last."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def plan(self, **wanted: Any) -> dict[str, Any] | None:
        """Return the plan once it has these values, else None."""
        answer = self.get("/plan")
        plan: dict[str, Any] = answer.json() if answer is not None and answer.status_code == 200 else {}
        return plan if plan and wanted.items() <= plan.items() else None

    def get(self, path: str) -> httpx.Response | None:
        """Return what it answers; None when it does not."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url + path, timeout=PATIENCE_S)
        return None

    def wait_for_ticks(self, count: int) -> None:
        """Wait until so many further ticks have ended; the first of them may have begun before."""
        moments: set[str] = set()

        def is_over() -> bool:
            if plan := self.plan():
                moments.add(plan["at"])
            return len(moments) > count

        until(is_over)
