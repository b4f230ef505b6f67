"""Logs of parts and pods: finding them, reading their end, following them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from tenbin_local.environment import pods
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import LocalError

_POLL_S = 0.25


def names(layout: Layout) -> list[str]:
    """Return what has a log: parts, then pods."""
    return [*sorted(path.stem for path in layout.logs.glob("*.log") if ".old" not in path.name), *pods.names(layout)]


def find(layout: Layout, name: str) -> list[Path]:
    """Return the log files of a part, or of the pods that the name fits.

    Raises:
        LocalError: nothing has that name; the message lists what there is.
    """
    part = layout.log(name)
    found = [part] if part.exists() else pods.logs(layout, name)
    if not found:
        raise LocalError(f"There is no log of {name!r}. Logs here: {', '.join(names(layout)) or 'none'}")
    return found


def read(paths: Sequence[Path], *, lines: int, follow: bool) -> Generator[str]:
    """Yield the last lines of each file, then, when following, what is written to them from now on.

    With several files each line begins with the folder and name of its file.
    """
    prefixes = {path: f"[{path.parent.name}/{path.stem}] " if len(paths) > 1 else "" for path in paths}
    with contextlib.ExitStack() as stack:
        files = {path: stack.enter_context(path.open(errors="replace")) for path in paths}
        for path, file in files.items():
            written = file.read().splitlines()
            for line in written[len(written) - lines if lines < len(written) else 0 :]:
                yield prefixes[path] + line
        while follow:
            silent = True
            for path, file in files.items():
                for line in file:
                    silent = False
                    yield prefixes[path] + line.rstrip("\n")
            if silent:
                time.sleep(_POLL_S)
