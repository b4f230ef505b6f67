"""Wheels of this checkout, built once for the tests of a worker."""

from __future__ import annotations

import pathlib

import pytest
from support import wheels


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a folder with the wheels of all packages."""
    return wheels.build(tmp_path_factory.mktemp("wheels"))
