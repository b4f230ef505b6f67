"""Compilation of the engine model's kernels: when first called, kept on disk, and told to whoever waits for it.

A kernel is a plain function over arrays. Numba compiles it when it is first called; importing its module compiles
nothing. The machine code is kept for the next process under a name that changes with any of the model's sources: a
kernel contains those that it calls, and Numba alone would look at the file of the outermost one only.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

SOURCES = pathlib.Path(__file__).with_name("model")
CONFIG: Any = numba.config
OPTIONS: dict[str, Any] = {"error_model": "numpy", "forceinline": True, "nogil": True, "_nrt": False}


def kernel(function: Function) -> Function:
    """Mark a function for compilation when it is first called.

    Division by zero gives infinity or NaN as in numpy, and floating point is not reordered, so that results do not
    depend on the processor. Calls are inlined: the arrays of a fleet are a long list of arguments, which costs more
    to pass than a kernel to run. No kernel may allocate, since none counts references.
    """
    folder = cache_folder()
    before, CONFIG.CACHE_DIR = CONFIG.CACHE_DIR, str(folder or "")
    try:
        return cast("Function", numba.njit(cache=folder is not None, **OPTIONS)(function))
    finally:
        CONFIG.CACHE_DIR = before


@functools.cache
def cache_folder() -> pathlib.Path | None:
    """Return where machine code is kept; None where nothing can be written, and each process compiles anew.

    The first of these that can be written: `NUMBA_CACHE_DIR`, beside the sources, the user's cache, the folder of
    temporary files.
    """
    digest = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"tenbin-{digest.hexdigest()[:16]}"
    user = os.environ.get("XDG_CACHE_HOME") or pathlib.Path("~/.cache").expanduser()
    parents = (
        *([CONFIG.CACHE_DIR] if CONFIG.CACHE_DIR else []),
        SOURCES / "__pycache__",
        pathlib.Path(user) / "tenbin" / "kernels",
        tempfile.gettempdir(),
    )
    for parent in parents:
        folder = pathlib.Path(parent) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def is_compiled(function: Callable[..., Any]) -> bool:
    """Whether machine code of a kernel lies on disk, so that its first call only loads it."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob(f"*.{function.__name__}-*.nbc"))
