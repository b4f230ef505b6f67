"""What a change of inputs means for a resource, and how the engine is told."""

import dataclasses
import enum
from typing import Any

from pulumi.runtime.proto import provider_pb2

from tenbin_local.plugins import paths


class Kind(enum.Enum):
    """What happens at a path."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between what is there and what is wanted."""

    path: paths.Path
    kind: Kind
    new: Any = None
    """The new value, None when deleted."""
    replaces: bool = False
    """Whether the field is immutable."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Differences:
    """All differences, and how to replace the object where it must be."""

    changes: tuple[Change, ...]
    delete_before_replace: bool = False

    @property
    def replaces(self) -> tuple[Change, ...]:
        """The changes that force a replacement."""
        return tuple(change for change in self.changes if change.replaces)


_PROPERTY_KINDS = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def response(found: Differences) -> Any:
    """The engine's form of differences."""
    answer = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE,
        replaces=[paths.render(change.path) for change in found.replaces],
        deleteBeforeReplace=found.delete_before_replace,
        hasDetailedDiff=True,
    )
    for change in found.changes:
        answer.detailedDiff[paths.render(change.path)].CopyFrom(
            provider_pb2.PropertyDiff(
                kind=_PROPERTY_KINDS[change.kind, change.replaces], inputDiff=change.kind is Kind.DELETE
            )
        )
    return answer
