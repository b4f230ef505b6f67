"""A real Pulumi engine with the stand-in for AWS, for the reference program and for what it is made of."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from support import projects


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Iterator[projects.Project]:
    """A new project with an account of its own."""
    made = projects.Project(
        tmp_path / "project",
        imports="",
        variables={"AWS_REGION": "eu-west-1", "TENBIN_AWS_STATE": str(tmp_path / "account")},
    )
    done = made.pulumi("stack", "init", "test")
    assert done.code == 0, done.output
    yield made
    made.close()
