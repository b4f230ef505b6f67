"""Processes of containers: each the leader of its own session and process group, none outlives the agent."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tenbin_spec import contract

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """A command cannot be started; the message is that of a container runtime."""


def _die_with_parent() -> None:
    """In the child, before exec: SIGKILL when the agent ends, however it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """A running command and all that it started in its process group.

    Its end is seen through a pidfd: no thread waits for it, so the agent stays single-threaded and may fork safely.
    """

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        loop.add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        # While the leader is a zombie its group id cannot be given to anybody else. What it left behind ends with it,
        # as in a container.
        self.signal(signal.SIGKILL)
        code = self._popen.wait()
        if not self._ended.done():
            self._ended.set_result(code)

    @property
    def ended(self) -> bool:
        """Whether the leader has ended."""
        return self._ended.done()

    async def wait(self) -> int:
        """Return code of the leader; minus the signal where a signal ended it. Cancelling leaves the process alone."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; nothing happens where it has ended."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def end(self, grace_s: float) -> int:
        """SIGTERM, then SIGKILL once the grace is over; returns as `wait`."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, grace_s)):
                return await self.wait()
        self.signal(signal.SIGKILL)
        return await self.wait()


def start(argv: Sequence[str], *, variables: Mapping[str, str], folder: Path, output: IO[bytes] | int) -> Process:
    """Start a command in a folder, its output going to an open file.

    Raises:
        StartError: There is no such program, or it cannot be executed.
    """
    path = shutil.which(argv[0], path=variables.get("PATH"))
    if path is None:
        raise StartError(f'exec: "{argv[0]}": executable file not found in $PATH')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        popen = subprocess.Popen(
            argv,
            executable=path,
            env=dict(variables),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the agent has one thread: code between fork and exec is safe
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise StartError(f'exec: "{argv[0]}": {error}') from error
    return Process(popen)


def left_over(root: Path) -> list[int]:
    """Process ids of all processes that were started for pods of the environment at `root`.

    They are known by the variable TENBIN_ROOT, which every container's process has and its descendants inherit. After
    an agent died by SIGKILL its children are gone, but a grandchild may be left.
    """
    mark = f"{contract.ROOT_VARIABLE}={root.resolve() / 'pods'}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                content = (entry / "environ").read_bytes()
                if content.startswith(mark) or b"\0" + mark in content:
                    found.append(int(entry.name))
    return sorted(found)


def kill_left_over(root: Path) -> int:
    """SIGKILL all processes of `left_over`; returns how many there were."""
    pids = [pid for pid in left_over(root) if pid != os.getpid()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)
