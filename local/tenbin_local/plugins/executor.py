"""Finds `pulumi-language-python-exec`, the official program that runs a Python program under the engine.

It is part of the Go module github.com/pulumi/pulumi/sdk/v3 (python/cmd); the toolchain bootstrap keeps it in the cache.
"""

import pathlib
import re

from tenbin_local import errors
from tenbin_local.toolchain import cache

NAME = "pulumi-language-python-exec"


def find(given: pathlib.Path | None = None) -> pathlib.Path:
    """The executor's path: the given one, else the newest version in the toolchain cache.

    Raises:
        errors.ToolchainError: There is none; the message says where it was looked for.
    """
    if given is not None:
        if not given.is_file():
            raise errors.ToolchainError(f"{given}: no such file; expected the official {NAME}")
        return given
    folder = cache.cache_root() / "toolchain" / NAME
    found = sorted(folder.glob(f"*/{NAME}"), key=lambda path: _version(path.parent.name))
    if not found:
        raise errors.ToolchainError(f"{folder} holds no <version>/{NAME}; the toolchain bootstrap puts it there")
    return found[-1]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
