"""Which wire document is in force: the newest good one, for ever.

A document that is missing, broken or of a version that this program does not know changes nothing but what the planner
says about it. The last good one is also kept with the planner's state, so that it outlives a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_spec import contract
from tenbin_spec.document import parse_document
from tenbin_spec.problems import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document


class NoDocumentError(Exception):
    """There is no good document and never was one; the message says what was found instead."""


class Documents:
    """Keeps the document in force."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._refused: str | None = None
        self.in_force: Document | None = None
        self.since: float | None = None
        """When it came into force, in seconds of the planner's clock."""
        self.problem: str | None = None
        """Why a newer document is not in force, if one is not."""

    @property
    def text(self) -> str | None:
        """The document in force as it was read."""
        return self._text

    def recall(self, text: str | None, *, at: float) -> None:
        """Take the document of an earlier life, where nothing newer is in force."""
        if text is not None and self.in_force is None:
            try:
                self._take(text, at)
            except ConfigurationError as error:
                self.problem = f"the document kept with the state cannot be used: {error}"

    def see(self, data: Mapping[str, str] | None, *, at: float) -> bool:
        """Take what the ConfigMap holds now, None when there is none; tell whether the document in force changed.

        Raises:
            NoDocumentError: when no document is in force after that.
        """
        text = None if data is None else data.get(contract.DOCUMENT_KEY)
        changed = False
        if text is None:
            missing = "ConfigMap" if data is None else f"key {contract.DOCUMENT_KEY} of ConfigMap"
            self.problem = f"{missing} {contract.DOCUMENT_CONFIG_MAP} is missing"
        elif text == self._text:
            self.problem = None
        elif text != self._refused or self.problem is None:
            try:
                self._take(text, at)
                self.problem, changed = None, True
            except ConfigurationError as error:
                self._refused, self.problem = text, str(error)
        if self.in_force is None:
            raise NoDocumentError(f"no document is in force: {self.problem}")
        return changed

    def _take(self, text: str, at: float) -> None:
        document = parse_document(text)
        self.in_force, self._text, self._refused, self.since = document, text, None, at
