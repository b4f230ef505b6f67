"""A project's price file under the real engine, which runs the program in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import pathlib

import pytest
from support import projects

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAM = """
pools = parsing.priced(
    {"prices": {"file": "prices.json"}, "pools": {"l4": {"instance_type": "g6.xlarge", "nodes": {"max": 1}}}}
)["pools"]
pulumi.export("price", pools["l4"]["hourly_usd"])
"""
LIST = {"source": "AWS", "date": "2026-11-01", "region": "us-east-1", "capacity_type": "on-demand"}


def test_a_price_file_is_named_from_the_folder_of_the_project(tmp_path: pathlib.Path) -> None:
    project = projects.Project(
        tmp_path / "project", imports="import pulumi\nfrom tenbin import parsing\n", variables={}
    )
    with contextlib.closing(project):
        project.program(PROGRAM)
        (project.root / "prices.json").write_text(
            json.dumps({"lists": [{**LIST, "hourly_usd": {"g6.xlarge": "0.77"}}]})
        )
        assert project.pulumi("stack", "init", "test").code == 0
        project.up()
        assert project.pulumi("stack", "output", "price", "--stack", "test").output.strip() == "0.77"
