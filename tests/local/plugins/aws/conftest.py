"""Real Pulumi projects against the stand-in for AWS."""

import pathlib
from collections.abc import Iterator

import pytest
from support import projects

IMPORTS = "import json\nimport os\nimport pulumi\nimport pulumi_aws as aws\n"


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Iterator[projects.Project]:
    """A new project with an account of its own."""
    made = projects.Project(
        tmp_path / "project",
        imports=IMPORTS,
        variables={"AWS_REGION": "eu-west-1", "TENBIN_AWS_STATE": str(tmp_path / "account")},
    )
    done = made.pulumi("stack", "init", "test")
    assert done.code == 0, done.output
    yield made
    made.end()
