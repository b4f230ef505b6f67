"""What a person sees while tools are found, fetched and built: one line per step, with elapsed time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text


class Step:
    """One piece of work in progress."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._task = progress.add_task(title, total=None, note="")

    def note(self, text: str) -> None:
        """Show what the step is at."""
        self._progress.update(self._task, note=text)

    def total_bytes(self, count: int) -> None:
        """Say how many bytes a download has; 0 when unknown."""
        self._progress.reset(self._task, total=count or None, note=f"{count / 1e6:.0f} MB" if count else "")

    def received(self, count: int) -> None:
        """Say that bytes of a download came."""
        self._progress.advance(self._task, count)


class Report:
    """Progress on a console; on one that is no terminal, plain lines."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def line(self, mark: str, text: str) -> None:
        """Print a finished line behind a mark."""
        style = {"✓": "green", "!": "yellow", "✗": "red"}.get(mark, "dim")
        self.console.print(Text.assemble((mark, style), " ", text), soft_wrap=True)

    @contextmanager
    def step(self, title: str, *, download: bool = False) -> Iterator[Step]:
        """Show a step while it runs, and how long it took when it is done."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *((BarColumn(bar_width=24), DownloadColumn()) if download else ()),
            TextColumn("[dim]{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        if not self.console.is_terminal:
            self.line("·", f"{title} …")
        started = time.monotonic()
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            yield Step(progress, title)
        self.line("✓", f"{title} ({elapsed(time.monotonic() - started)})")


def elapsed(seconds: float) -> str:
    """Write a duration for people: `0.4 s`, `12 s`, `3 min 04 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
