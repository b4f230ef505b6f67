"""Exemptions: a resource that may break a rule for a while, with a reason, an owner and a last day."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Annotated

from tenbin_spec.quantities import Day, Frozen, Text

from tenbin_policies.rules import Resource

STACK = "stack"
"""What an exemption names where a rule is broken by the stack as a whole."""

_Words = Annotated[str, Text(r"[^\x00-\x1f]{3,500}", "a few words", "moves to a digest with the next release")]


class Exemption(Frozen):
    """Says that a resource may break a rule until a day."""

    resource: Annotated[
        str, Text(r"[!-~][ -~]{0,254}", "the name of a resource, or its kind and name", "Deployment web")
    ]
    """Logical name of the resource, or its kind and name as messages say it; `stack` for the stack as a whole."""
    reason: _Words
    """Why it may."""
    owner: Annotated[str, Text(r"[^\x00-\x1f]{2,100}", "who answers for it", "ml-platform")]
    """Who answers for it."""
    expires: Day
    """Last day on which it holds."""

    def holds(self, today: datetime.date) -> bool:
        """Whether it is still in force."""
        return today <= self.expires

    def __str__(self) -> str:
        return f"exempt until {self.expires} ({self.owner}: {self.reason})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """The exemption that names a resource, if there is one, and whether it is still in force."""

    exemption: Exemption | None
    holds: bool


def standing(exemptions: Iterable[Exemption], resource: Resource | None, today: datetime.date) -> Standing:
    """Find the exemption of a resource: the one that holds longest.

    Args:
        exemptions: of one rule.
        resource: what breaks it; None for the stack as a whole.
        today: the day on which it is judged.
    """
    names = {STACK} if resource is None else {resource.name, resource.label}
    own = [item for item in exemptions if item.resource in names]
    if not own:
        return Standing(exemption=None, holds=False)
    longest = max(own, key=lambda item: item.expires)
    return Standing(exemption=longest, holds=longest.holds(today))
