"""The price file of a project: read, and changed in one step by one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterable, Iterator

from tenbin_local.environment import files
from tenbin_spec.catalogue import prices
from tenbin_spec.catalogue.prices import PriceBook, PriceList

from tenbin_cli.refusals import UsageError


def load(path: pathlib.Path) -> PriceBook:
    """Return what a price file holds, nothing when there is none.

    Raises:
        UsageError: when it cannot be read.
        ConfigurationError: when it is no price file, with every problem.
    """
    try:
        return prices.parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return PriceBook()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def replace(path: pathlib.Path, *, seen: PriceBook, lists: Iterable[PriceList]) -> None:
    """Put lists in the place of those of the same region and way of buying; other regions stay as they are by now.

    The file is whole at each instant, and as it was when this fails.

    Args:
        path: the file.
        seen: what it held when its changes were shown.
        lists: what comes into it.

    Raises:
        UsageError: when somebody else changed what was shown, or the file cannot be written.
        ConfigurationError: when it is no price file any more.
    """
    new = tuple(lists)
    regions = {item.region for item in new}
    try:
        with _alone_in(path.absolute().parent):
            book = load(path)
            if _of(book, regions) != _of(seen, regions):
                names = ", ".join(sorted(regions))
                raise UsageError(f"{path}: the prices of {names} have changed meanwhile. Run the command again")
            files.write_atomically(path, book.with_lists(new).to_json())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _of(book: PriceBook, regions: set[str]) -> dict[object, PriceList]:
    return {item.key: item for item in book.lists if item.region in regions}


@contextlib.contextmanager
def _alone_in(folder: pathlib.Path) -> Iterator[None]:
    """Wait until nobody else changes a price file of the folder; the lock is the folder itself and leaves no file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
