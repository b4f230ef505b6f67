"""Where nodes pull images from: the registries that the images' names say, or mirrors of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.engines import Registry
from tenbin_spec.quantities import Frozen, Text

_DEFAULT = "docker.io"
_OFFICIAL = "library"
"""Where Docker Hub keeps images whose name is one word."""

RegistryName = Annotated[
    str, Text(r"[a-z0-9][a-z0-9.-]{0,252}(\.[a-z]{2,63}|:[0-9]{1,5})", "the name of a registry", "docker.io")
]
"""A registry, as the names of its images begin; images that name none are of `docker.io`."""


class Images(Frozen):
    """Where nodes pull images from."""

    mirrors: dict[RegistryName, Registry] = Field(default_factory=dict)
    """What stands in for a registry, by its name; images of other registries are pulled from there."""

    @model_validator(mode="after")
    def _is_no_chain(self) -> Self:
        for registry, mirror in self.mirrors.items():
            host = mirror.partition("/")[0]
            if host in self.mirrors:
                chain = f"mirrors: that of {registry} is in {host}, which has a mirror itself"
                raise ValueError(f"{chain}. Allowed: a registry without one")
        return self


def mirrored(image: str, mirrors: Mapping[str, str]) -> str:
    """Return an image's name where nodes pull it from.

    A name whose first part has neither dot nor port is of Docker Hub (distribution/reference, normalize.go).

    >>> mirrored("envoyproxy/envoy:v1.40.0", {"docker.io": "registry.example.com/hub"})
    'registry.example.com/hub/envoyproxy/envoy:v1.40.0'
    """
    first, slash, rest = image.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if is_registry else (_DEFAULT, image if slash else f"{_OFFICIAL}/{image}")
    return f"{mirrors[registry]}/{path}" if registry in mirrors else image
