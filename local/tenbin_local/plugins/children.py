"""Child processes of a plugin, ended with it."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

GRACE_S = 2.0
"""Seconds between the request to end and the kill."""


class Children:
    """Starts processes in sessions of their own and ends those that still run when the plugin does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        captured: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Starts `command`; its output is this process's own, or piped when `captured`."""
        with self._lock:
            if self._closed:
                raise InterruptedError("the plugin is ending and starts no further process")
            pipe = subprocess.PIPE if captured else None
            process = subprocess.Popen(
                command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe,
                start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
            return process

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for the end of the process and returns its exit code, negative for a signal."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        # What the program left in its session has nobody else to end it. The leader is not reaped yet, so the
        # group's number cannot belong to anybody else.
        _signal(process, signal.SIGKILL)
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Ends one process and its descendants: SIGTERM first, SIGKILL after the grace time."""
        if process.poll() is not None:
            return
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        _signal(process, signal.SIGKILL)

    def close(self) -> None:
        """Ends every process that still runs and refuses new ones."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            self.end(process)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group may be gone, and a group whose members have changed their user is out of reach.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
