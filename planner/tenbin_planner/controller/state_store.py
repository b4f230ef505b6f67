"""The planner's state in a ConfigMap: its memory, and the document in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog
from tenbin_spec import contract

from tenbin_planner.decide import memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.controller.cluster import Cluster
    from tenbin_planner.controller.documents import Documents

MEMORY_KEY = "memory.json"
MOST_BYTES = 900_000
"""A ConfigMap holds a mebibyte; what does not fit is not written, and the last state stays."""

_log = structlog.get_logger(__name__)


class StateStore:
    """State store of a cluster."""

    def __init__(self, cluster: Cluster, documents: Documents, stack: str) -> None:
        self._cluster = cluster
        self._documents = documents
        self._labels = {
            contract.LABEL_NAME: contract.NAME_PLANNER,
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY,
            contract.LABEL_STACK: stack,
        }
        self._saved: Mapping[str, str] = {}
        """What the ConfigMap held when it was written last: who deletes or spoils a part of it gets it back."""

    async def load(self) -> memory.Memory | None:
        """Return the memory saved last, None when there is none.

        One that cannot be read is as good as none: it says so in the log, and the planner keeps what runs until it has
        observed enough again.

        Raises:
            ClusterError: when the API server does not say.
        """
        text = (await self._cluster.config_map(contract.STATE_CONFIG_MAP) or {}).get(MEMORY_KEY)
        if text is None:
            return None
        try:
            return memory.from_plain(json.loads(text))
        except (ValueError, RecursionError) as error:
            _log.warning("saved state cannot be read and is begun anew", why=str(error))
            return None

    async def save(self, remembered: memory.Memory) -> None:
        """Save the memory and the document in force.

        Raises:
            ClusterError: when the API server does not take it.
            ValueError: when it is too large.
        """
        data = {MEMORY_KEY: json.dumps(remembered.to_plain(), separators=(",", ":"), sort_keys=True)}
        if self._documents.text is not None:
            data[contract.DOCUMENT_KEY] = self._documents.text
        size = sum(len(value.encode()) for value in data.values())
        if size > MOST_BYTES:
            raise ValueError(f"the state takes {size} bytes; a ConfigMap holds {MOST_BYTES}")
        changed = {key: value for key, value in data.items() if self._saved.get(key) != value}
        self._saved = await self._cluster.put_config_map(contract.STATE_CONFIG_MAP, changed, self._labels)

    async def kept_document(self) -> str | None:
        """Return the document that was in force when the state was saved last.

        Raises:
            ClusterError: when the API server does not say.
        """
        return (await self._cluster.config_map(contract.STATE_CONFIG_MAP) or {}).get(contract.DOCUMENT_KEY)
