"""The stacks of this repository, in a project of a test."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from support import projects

ROOT = pathlib.Path(__file__).parents[2]
ON_AWS = sorted(
    path.name.split(".")[1]
    for path in (ROOT / "stacks").glob("Pulumi.*.yaml")
    if "kind: eks" in path.read_text(encoding="utf-8")
)
_PROGRAM = ROOT / "infra" / "__main__.py"


def file(stack: str) -> pathlib.Path:
    """Return the file of a committed stack."""
    return ROOT / "stacks" / f"Pulumi.{stack}.yaml"


def configuration(stack: str) -> dict[str, Any]:
    """Return the configuration of a committed stack, for a test to change."""
    plain: dict[str, Any] = YAML(typ="safe", pure=True).load(file(stack).read_text(encoding="utf-8"))["config"]
    return plain


def configure(project: projects.Project, config: dict[str, Any]) -> None:
    """Give a project a configuration and the reference program."""
    yaml = YAML()
    own = project.root / "stacks" / "Pulumi.test.yaml"
    plain = yaml.load(own.read_text(encoding="utf-8")) if own.exists() else {}
    plain["config"] = config
    with own.open("w", encoding="utf-8") as stream:
        yaml.dump(plain, stream)
    project.program(_PROGRAM.read_text(encoding="utf-8"))
