"""The planner's state in a ConfigMap: its memory, and the document in force.

A memory may come from a planner on another node, whose clock is ahead. What is decided rests on times, and those that
were remembered must not lie in the future: arrivals would count again only once they have passed.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import structlog
from tenbin_spec import contract

from tenbin_planner.decide import memory, outlook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.controller.clock import SteadyClock
    from tenbin_planner.controller.cluster import Cluster
    from tenbin_planner.controller.documents import Documents

MEMORY_KEY = "memory.json"
MOST_BYTES = 900_000
"""A ConfigMap holds a mebibyte; what does not fit is not written, and the last state stays."""
USUAL_S = 5.0
"""Clocks of nodes that are kept in time differ by less; nobody is told."""

_log = structlog.get_logger(__name__)


class StateStore:
    """State store of a cluster."""

    def __init__(self, cluster: Cluster, documents: Documents, stack: str, clock: SteadyClock) -> None:
        """Keep the state of a stack; `clock` is moved forward to where the state that is loaded left off."""
        self._cluster = cluster
        self._documents = documents
        self._clock = clock
        self._labels = {
            contract.LABEL_NAME: contract.NAME_PLANNER,
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY,
            contract.LABEL_STACK: stack,
        }
        self._saved: Mapping[str, str] = {}
        """What the ConfigMap held when it was written last: who deletes or spoils a part of it gets it back."""
        self.problems: tuple[str, ...] = ()
        """What was wrong with the time of the state that was loaded."""

    async def load(self) -> memory.Memory | None:
        """Return the memory saved last, None when there is none.

        One that cannot be read is as good as none: it says so in the log, and the planner keeps what runs until it has
        observed enough again. The clock goes on from where the memory left off; of a memory too far ahead for that,
        what says when demand was what is left out.

        Raises:
            ClusterError: when the API server does not say.
        """
        text = (await self._cluster.config_map(contract.STATE_CONFIG_MAP) or {}).get(MEMORY_KEY)
        if text is None:
            return None
        try:
            return self._in_time(memory.from_plain(json.loads(text)))
        except (ValueError, RecursionError) as error:
            _log.warning("saved state cannot be read and is begun anew", why=str(error))
            return None

    def _in_time(self, saved: memory.Memory) -> memory.Memory:
        """Return what was saved without times that are to come."""
        behind_s = saved.at - self._clock.now()
        has_caught_up = self._clock.catch_up(saved.at)
        if behind_s > USUAL_S:
            done = "the clock was moved forward" if has_caught_up else "demand is learned anew"
            problem = f"saved state is {behind_s:.0f} s ahead of this planner's clock: {done}; check the nodes' clocks"
            _log.warning("saved state is from the future", behind_s=round(behind_s), done=done)
            self.problems = (problem,)
        return saved if has_caught_up else _without_moments(saved)

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


def _without_moments(saved: memory.Memory) -> memory.Memory:
    """Return a memory without what waits for a moment; counts, lead times, lengths, budgets and money stay."""
    services = {
        name: dataclasses.replace(item, demand=outlook.empty(), needs=(), stop=None, spare_since=None)
        for name, item in saved.services.items()
    }
    workloads = {
        name: dataclasses.replace(item, closed_until=0.0, closed_for_s=0.0) for name, item in saved.workloads.items()
    }
    return dataclasses.replace(saved, services=services, workloads=workloads)
