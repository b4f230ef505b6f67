"""What a rule is: plain data, and a pure check of one part of what it is about."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any

import pydantic

from tenbin_policies.view import View


class Severity(enum.StrEnum):
    """How bad a violation is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Level(enum.StrEnum):
    """What a violation does to a preview and an update."""

    MANDATORY = "mandatory"
    """Stops it."""
    ADVISORY = "advisory"
    """Is shown."""
    DISABLED = "disabled"
    """Is not looked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standard:
    """What a rule follows, as its publisher names it."""

    name: str
    version: str
    references: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}: {', '.join(self.references)}"


def cis(*sections: str) -> Standard:
    """Return sections of the CIS benchmark of EKS, as kube-bench `eks-1.8.0` numbers them."""
    return Standard(name="CIS Amazon EKS Benchmark", version="1.8.0", references=sections)


def checkov(*ids: str) -> Standard:
    """Return checks of Checkov that look for the same."""
    return Standard(name="Checkov", version="3", references=ids)


def eks_guide(*topics: str) -> Standard:
    """Return topics of the EKS user guide and its best practices."""
    return Standard(name="Amazon EKS guides", version="2026", references=topics)


def pod_security(*controls: str) -> Standard:
    """Return controls of Kubernetes' Pod Security Standards."""
    return Standard(name="Pod Security Standards", version="1.35", references=controls)


def finops(*capabilities: str) -> Standard:
    """Return capabilities of the FinOps Framework."""
    return Standard(name="FinOps Framework", version="2025", references=capabilities)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource as a preview or an update sees it."""

    type: str
    """Type token, for example `kubernetes:apps/v1:Deployment`."""
    name: str
    """Logical name."""
    urn: str
    properties: View
    """Inputs where a resource is judged by itself, else what the provider expects to come of them."""
    protected: bool = False
    """Whether Pulumi refuses to delete it."""
    dependencies: tuple[str, ...] = ()
    """URNs of what it depends on; known where the whole stack is judged."""
    default_tags: View = dataclasses.field(default_factory=lambda: View(None))
    """Tags that its provider adds."""

    @property
    def kind(self) -> str:
        """The last part of its type: `Deployment`."""
        return self.type.rpartition(":")[2]

    @property
    def label(self) -> str:
        """What a message calls it: `Deployment web`."""
        return f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack:
    """All resources of a stack."""

    resources: tuple[Resource, ...]

    def of(self, types: Iterable[str]) -> tuple[Resource, ...]:
        """Return the resources of the given types, by name."""
        wanted = frozenset(types)
        return tuple(sorted((item for item in self.resources if item.type in wanted), key=lambda item: item.urn))

    def joined_to(self, resource: Resource, types: Iterable[str]) -> tuple[Resource, ...]:
        """Return the resources of the given types that depend on a resource: what is attached to it, ids unknown."""
        return tuple(item for item in self.of(types) if resource.urn in item.dependencies)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Violation:
    """Where a rule is broken, in words: what was found and what is allowed."""

    message: str
    resource: Resource | None = None
    """Which resource of the stack; None for the resource that is judged, or the stack as a whole."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Something that the configuration of a rule may set."""

    default: Any
    annotation: Any
    """Type of its value."""
    description: str

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of its value."""
        return dict(pydantic.TypeAdapter(self.annotation).json_schema())


Settings = Mapping[str, Any]


def itself(subject: Any) -> Iterable[Any]:
    """Return a subject as its only part."""
    return (subject,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. Production's level stands here; other environments' in `policies/levels`."""

    id: str
    """Says the wish: `image-pinned`."""
    wish: str
    """The wish as a sentence."""
    why: str
    """What happens to who breaks it."""
    repair: str
    """What to do, as an imperative sentence without its full stop."""
    severity: Severity
    level: Level = Level.MANDATORY
    standards: tuple[Standard, ...]
    kinds: frozenset[str] | None
    """Types of resources that it judges by themselves; None for a rule over the whole stack."""
    parts: Callable[[Any], Iterable[Any]] = itself
    """What of a resource, or of a stack, is judged one by one, so that an unknown part does not hide the others."""
    check: Callable[[Any, Settings], Iterator[Violation]]
    """Yields the violations of a part."""
    settings: Mapping[str, Setting] = dataclasses.field(default_factory=dict)
    before: str
    """YAML that breaks it."""
    after: str
    """The same, mended."""

    @property
    def judges_stack(self) -> bool:
        """Whether it needs all resources of a stack at once."""
        return self.kinds is None


def strings(default: Iterable[str], description: str) -> Setting:
    """Return a setting that is a list of texts."""
    return Setting(default=tuple(default), annotation=tuple[str, ...], description=description)


def integer(default: int, description: str) -> Setting:
    """Return a setting that is a whole number of 0 or more."""
    return Setting(default=default, annotation=Annotated[int, pydantic.Field(ge=0)], description=description)


def flag(default: bool, description: str) -> Setting:
    """Return a setting that is yes or no."""
    return Setting(default=default, annotation=bool, description=description)


def decimal(default: str, description: str) -> Setting:
    """Return a setting that is an amount or a share, written as text; empty where there is none."""
    written = Annotated[str, pydantic.Field(pattern=r"^(\d{1,9}(\.\d{1,6})?)?$")]
    return Setting(default=default, annotation=written, description=description)


def listed(names: Iterable[str]) -> str:
    """Write names in a row: `none` for none."""
    return ", ".join(names) or "none"
