"""Log files of containers: written by the containers themselves, bounded by the agent."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import IO

TAIL_BYTES = 2048
TAIL_LINES = 80
"""What a kubelet shows of the log as termination message (`FallbackToLogsOnError`)."""


def log_path(folder: Path, container: str) -> Path:
    """Log of a container's present run."""
    return folder / f"{container}.log"


def previous_path(folder: Path, container: str) -> Path:
    """Log of the run before."""
    return folder / f"{container}.previous.log"


def open_log(folder: Path, container: str) -> IO[bytes]:
    """Start a new log; the one that is there becomes the previous one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = log_path(folder, container)
    with contextlib.suppress(FileNotFoundError):
        path.replace(previous_path(folder, container))
    rotated_path(folder, container).unlink(missing_ok=True)
    return path.open("ab")


def rotated_path(folder: Path, container: str) -> Path:
    """Older part of the present log, where it was too long."""
    return folder / f"{container}.log.1"


def bound(folder: Path, container: str, limit_bytes: int) -> bool:
    """Rotate the present log where it is longer than the limit; says whether it did.

    The writer keeps its open file, so the content is copied and the file cut; it writes in append mode and goes on at
    the new end. Lines written between the two steps are lost.
    """
    path = log_path(folder, container)
    try:
        if path.stat().st_size <= limit_bytes:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(path, rotated_path(folder, container))
    os.truncate(path, 0)
    return True


def tail(folder: Path, container: str) -> str:
    """Last lines of the present log, at most 80 lines and 2048 bytes."""
    try:
        with log_path(folder, container).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-TAIL_LINES:])
