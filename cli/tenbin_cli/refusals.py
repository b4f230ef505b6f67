"""What is wrong with a command's input, told on the standard error, and the exit statuses of commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import typer
from rich.console import Console
from tenbin_spec.problems import TenbinError

EXIT_FINDINGS = 1
EXIT_USAGE = 2


class UsageError(TenbinError):
    """Something in the command line that does not go."""


def error_console() -> Console:
    """Return the console of errors and warnings; the terminal wraps long lines, so that they can be copied."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


@contextlib.contextmanager
def as_usage_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Tell errors of these kinds, and every error that tenbin raises on purpose, and end with status 2."""
    told: tuple[type[Exception], ...] = (TenbinError, *kinds)
    try:
        yield
    except told as error:
        tell(error)
        raise typer.Exit(EXIT_USAGE) from error


def tell(error: Exception) -> None:
    """Tell an error."""
    error_console().print(f"error: {error}", style="red", markup=False)


def warn(text: str) -> None:
    """Tell something that does not stop the command."""
    error_console().print(f"warning: {text}", style="yellow", markup=False)
