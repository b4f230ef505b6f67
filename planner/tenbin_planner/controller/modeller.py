"""Finds what fleets do within the objectives, in a thread beside the loop, and remembers it.

A simulation takes seconds, a tick milliseconds. So the loop never waits: it gets what is known, and what is not is
found out for a later tick. While only the lengths of requests drift, the last known capacity serves meanwhile; for a
new objective or profile there is none, and the decision keeps what runs until it is known.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING

import structlog

from tenbin_planner.decide import capacity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document
    from tenbin_spec.profiles import EngineProfile

MOST_REMEMBERED = 256

_log = structlog.get_logger(__name__)


class BackgroundModeller:
    """Modeller of a running planner."""

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._known: dict[tuple[str, capacity.Traffic], capacity.FleetCapacity] = {}
        self._underway: dict[tuple[str, capacity.Traffic], asyncio.Task[None]] = {}
        self._last: dict[str, tuple[tuple[str, object], capacity.FleetCapacity]] = {}

    async def capacities(
        self, document: Document, wanted: Mapping[str, capacity.Traffic]
    ) -> Mapping[str, capacity.FleetCapacity]:
        """Return capacities by workload; those not known yet are missing and being found out."""
        found = {}
        for workload in document.workloads:
            if workload.profile is None or workload.name not in wanted:
                continue
            traffic = wanted[workload.name]
            profile = workload.profile.model_dump_json()
            agreement = (profile, traffic.objectives)
            known = self._known.get((profile, traffic))
            if known is not None:
                found[workload.name] = known
                self._last[workload.name] = (agreement, known)
                continue
            self._find_out((profile, traffic), workload.profile)
            last = self._last.get(workload.name)
            if last is not None and last[0] == agreement:
                found[workload.name] = last[1]
        return found

    def close(self) -> None:
        """Stop finding out; a simulation that runs ends by itself."""
        for task in self._underway.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _find_out(self, key: tuple[str, capacity.Traffic], profile: EngineProfile) -> None:
        if key not in self._underway:
            self._underway[key] = asyncio.create_task(self._simulate(key, profile))

    async def _simulate(self, key: tuple[str, capacity.Traffic], profile: EngineProfile) -> None:
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._threads, capacity.fleet_capacity, profile, key[1]
            )
        except ValueError as error:
            _log.error("profile cannot be simulated", profile=profile.name, why=str(error))
            return  # stays underway, so that it is not tried at every tick
        while len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = result
        del self._underway[key]
        _log.info(
            "capacity known",
            profile=profile.name,
            requests_per_second=[round(rate, 3) for rate in result.rates],
            replicas=result.sizes,
            binding=result.binding,
            infeasible=result.infeasible,
        )
