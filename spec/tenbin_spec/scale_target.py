"""The object whose count the planner writes: anything with a scale subresource."""

from __future__ import annotations

from typing import Annotated

from tenbin_spec.quantities import Frozen, Text

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"

ApiVersion = Annotated[
    str,
    Text(rf"{_SUBDOMAIN}/v[a-z0-9]{{1,30}}", "an API group and version", "leaderworkerset.x-k8s.io/v1"),
]
"""Group and version of an API; the core group has no kind that runs engines."""

Kind = Annotated[str, Text("[A-Z][A-Za-z0-9]{0,62}", "a kind of the Kubernetes API", "LeaderWorkerSet")]

ObjectName = Annotated[str, Text(_SUBDOMAIN, "the name of a Kubernetes object", "chat-serve-l40s")]

Resource = Annotated[str, Text("[a-z][a-z0-9]{0,62}", "the plural of a kind in lower case", "leaderworkersets")]


class ScaleTarget(Frozen):
    """An object with a scale subresource.

    >>> ScaleTarget(name="chat-serve-l4").plural
    'deployments'
    """

    api_version: ApiVersion = "apps/v1"
    kind: Kind = "Deployment"
    name: ObjectName
    resource: Resource | None = None
    """Plural under which the API serves the kind; None: the kind in lower case with an s."""

    @property
    def group(self) -> str:
        """Its API group."""
        return self.api_version.partition("/")[0]

    @property
    def version(self) -> str:
        """Version of its API group."""
        return self.api_version.partition("/")[2]

    @property
    def plural(self) -> str:
        """Its resource, as paths of the API and rules of access name it."""
        return self.resource or f"{self.kind.lower()}s"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
