"""Tags of AWS resources, by which a bill is divided: every resource says its stack, its part of it, and who pays."""

from __future__ import annotations

import dataclasses
import re

from tenbin_spec import contract

_NOT_ALLOWED = re.compile(r"[^\w .:/=+@-]")
_LONGEST_VALUE = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tags:
    """What all resources of a part have in common."""

    stack: str
    owner: str
    """Who pays."""
    part: str
    """`network`, `cluster`, `pool`, `gateway` or `cost`."""
    pool: str | None = None

    def of(self, name: str | None = None, **more: str) -> dict[str, str]:
        """Return the tags of one resource.

        Args:
            name: shown in consoles; none for resources that have a name of their own.
            more: further tags by the name of their constant in the contract.
        """
        own = {
            "Name": name,
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY,
            contract.LABEL_STACK: self.stack,
            contract.TAG_PART: self.part,
            contract.TAG_OWNER: self.owner,
            contract.LABEL_POOL: self.pool,
        }
        further = {getattr(contract, constant): value for constant, value in more.items()}
        return {key: tag_value(value) for key, value in {**own, **further}.items() if value is not None}


def tag_value(text: str) -> str:
    """Cut a text to what the value of a tag may be.

    >>> tag_value("team #1, Tokyo")
    'team -1- Tokyo'
    """
    return _NOT_ALLOWED.sub("-", text)[:_LONGEST_VALUE]
