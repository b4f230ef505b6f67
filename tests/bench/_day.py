"""Lets a planner's process live through a day of virtual time, and prints its memory as one line of JSON.

    python tests/bench/_day.py SERVICES REPLICAS

All of the process is real but the clock, the API server and the engines, which are plain values. Ticks come each
minute; each third hour one of them simulates the futures of all services, the others size by steady state, which
leaves behind the same memory in a hundredth of the time. Requests come once a second, and in the last ten minutes at
full rate.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pathlib
import sys
import time
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import structlog
from support import observed, planning
from tenbin_planner import demand, loop
from tenbin_planner.controller import process  # noqa: F401 - all that a planner loads
from tenbin_planner.controller.cluster import Listed
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.metrics import Metrics
from tenbin_planner.controller.observer import ClusterObserver
from tenbin_planner.controller.recorder import ClusterRecorder
from tenbin_planner.controller.scraper import Counters, Scraped
from tenbin_planner.decide import capacity, memory
from tenbin_planner.decide.observation import EngineReading
from tenbin_planner.decide.recipe import FULL
from tenbin_spec import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_planner.controller.scraper import Target

HOURS = 24
TICK_S = 60
PER_REPLICA = 4.0
"""Requests per second of a replica in the last ten minutes."""
_START = 1_795_600_000.0


class World:
    """Clock, API server, engines and state store of a fleet that serves and never changes."""

    is_leader = True
    moved_s = 0.0

    def __init__(self, services: int, replicas: int) -> None:
        self.agreed = observed.agreed(services, replicas)
        self._replicas = replicas
        self._pods = observed.pods(self.agreed, [(f"10.0.0.{n % 250}", 8000) for n in range(services * replicas)])
        self._document = self.agreed.to_json()
        self._saved = ""
        self.now_s = 0.0
        profile = self.agreed.workloads[0].profile
        assert profile is not None
        known = capacity.fleet_capacity(profile, capacity.traffic(self.agreed, "chat-0", memory.ServiceMemory()))
        self._capacities = planning.capacities(self.agreed, known)

    def now(self) -> float:
        return _START + self.now_s

    async def config_map(self, _name: str) -> Mapping[str, str]:
        return {contract.DOCUMENT_KEY: self._document}

    async def engine_deployments(self) -> list[dict[str, Any]]:
        return observed.deployments(self.agreed, self._replicas)

    async def engine_pods(self) -> Listed:
        return Listed(items=json.loads(json.dumps(self._pods)), server_time=self.now())

    async def pool_nodes(self) -> Listed:
        return Listed(items=observed.nodes(len(self._pods)), server_time=self.now())

    async def pulls(self) -> list[dict[str, Any]]:
        return []

    async def scrape(self, targets: Iterable[Target], **_: object) -> Mapping[str, Scraped]:
        done = self.now_s * PER_REPLICA
        counters = Counters(input_tokens=300 * done, output_tokens=60 * done, finished=done, generated=60 * done)
        reading = EngineReading(running=8.0, waiting=0.0, kv_usage=0.2)
        return {target.pod: Scraped(reading=reading, counters=counters) for target in targets}

    async def capacities(self, *_: object) -> Mapping[str, capacity.FleetCapacity]:
        return self._capacities

    async def carry_out(self, _order: object) -> None:
        pass

    async def kept_document(self) -> None:
        pass

    async def load(self) -> memory.Memory | None:
        return memory.from_plain(json.loads(self._saved)) if self._saved else None

    async def save(self, remembered: memory.Memory) -> None:
        self._saved = json.dumps(remembered.to_plain(), separators=(",", ":"), sort_keys=True)


async def main(services: int, replicas: int) -> None:
    """Live through the day."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    world, log, metrics, documents = World(services, replicas), demand.DemandLog(), Metrics(), Documents()
    observer = ClusterObserver(
        cluster=world,  # type: ignore[arg-type]
        documents=documents,
        store=world,  # type: ignore[arg-type]
        scraper=world,  # type: ignore[arg-type]
        prometheus=world,  # type: ignore[arg-type]
        log=log,
        clock=world,
    )
    recorder = ClusterRecorder(metrics=metrics, observer=observer, documents=documents, clock=world, stopwatch=world)  # type: ignore[arg-type]
    drive = loop.Loop(
        observer=observer,
        modeller=world,
        actuator=world,
        store=world,
        leadership=world,
        recorder=recorder,
        clock=world,
    )
    await drive.tick()
    figures = {"ticks": 0, "cpu_s": 0.0}
    for tick in range(HOURS * 3600 // TICK_S):
        is_end = tick * TICK_S >= HOURS * 3600 - 600
        _requests(log, world, per_s=PER_REPLICA * replicas if is_end else 1.0)
        drive._recipe = FULL if tick % (3 * 3600 // TICK_S) == 0 else planning.STEADY_STATE
        assert await drive.tick() is not None, recorder.last_failure
        assert recorder.last_view is not None
        recorder.last_view.model_dump_json()
        metrics.page()
        figures["ticks"] += 1
        if tick == 3600 // TICK_S:
            figures["after_an_hour_mb"] = _megabytes("VmRSS")
    drive._recipe = FULL
    await drive.tick()
    figures |= {"after_a_day_mb": _megabytes("VmRSS"), "most_mb": _megabytes("VmHWM"), "cpu_s": time.process_time()}
    sys.stdout.write(json.dumps(figures) + "\n")


def _requests(log: demand.DemandLog, world: World, *, per_s: float) -> None:
    """Let a tick's time pass, with requests of two seconds each, evenly spread over the services."""
    start, count = world.now_s, int(TICK_S * per_s)
    world.now_s += TICK_S
    for number in range(count):
        at = _START + start + number * TICK_S / count
        log.heard("gateway", at=at)
        for service in world.agreed.services:
            request = f"{service}-{start}-{number}"
            log.started(demand.Started(request=request, service=service, class_name="interactive"), at=at)
            log.ended(
                demand.Ended(
                    request=request,
                    service=service,
                    class_name="interactive",
                    outcome=demand.Outcome.ANSWERED,
                    ttft_ms=200.0,
                    e2e_ms=2000.0,
                    is_streamed=True,
                    output_bytes=60 * 230,
                    output_tokens=None,
                ),
                at=at,
            )
    log.heard("gateway", at=world.now())


def _megabytes(name: str) -> float:
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1024


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
