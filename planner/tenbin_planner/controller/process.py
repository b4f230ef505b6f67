"""The planner as a process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import aiohttp
import structlog

from tenbin_planner import demand, kubernetes_access, loop
from tenbin_planner.controller import events, http
from tenbin_planner.controller.access_log import AccessLogServer
from tenbin_planner.controller.actuator import ClusterActuator
from tenbin_planner.controller.clock import SteadyClock
from tenbin_planner.controller.cluster import Cluster
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.leadership import LeaseLeadership
from tenbin_planner.controller.metrics import Metrics
from tenbin_planner.controller.modeller import BackgroundModeller
from tenbin_planner.controller.observer import ClusterObserver
from tenbin_planner.controller.prometheus import Prometheus
from tenbin_planner.controller.recorder import ClusterRecorder
from tenbin_planner.controller.scraper import Scraper
from tenbin_planner.controller.state_store import StateStore

if TYPE_CHECKING:
    from tenbin_planner.controller.settings import ControllerSettings

FIRST_INTERVAL_S = 2.0
"""Seconds between ticks while there is no document to say it."""
STANDSTILL_S = 120.0
"""A loop that ended no step for so long stands still."""

_log = structlog.get_logger(__name__)


async def run(settings: ControllerSettings) -> None:
    """Plan until SIGTERM or SIGINT.

    Raises:
        OSError: when an address cannot be bound.
        ConfigException: without access to the API server.
    """
    stopped = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        planner = await _start(settings, stack)
        _log.info("planner started", host=settings.host, namespace=settings.namespace, stack=settings.stack)
        await planner.run(stopped)
    _log.info("planner stopped")


class Planner:
    """A running planner."""

    def __init__(
        self,
        *,
        settings: ControllerSettings,
        cluster: Cluster,
        documents: Documents,
        leadership: LeaseLeadership,
        metrics: Metrics,
        drive: loop.Loop,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._documents = documents
        self._leadership = leadership
        self._metrics = metrics
        self._loop = drive

    async def run(self, stopped: asyncio.Event) -> None:
        """Tick at the document's interval until `stopped` is set; a tick that is late leaves out those it missed."""
        running = asyncio.get_running_loop()
        due = running.time()
        while not stopped.is_set():
            self._metrics.set_leader(is_leader=self._leadership.is_leader)
            tick = await self._loop.tick()
            if tick is not None:
                await events.tell(
                    self._cluster, tick, namespace=self._settings.namespace, identity=self._settings.identity
                )
            interval_s = self._interval_s()
            due = max(due + interval_s, running.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), due - running.time())

    def _interval_s(self) -> float:
        document = self._documents.in_force
        return FIRST_INTERVAL_S if document is None else float(document.planner.interval_s)


async def _start(settings: ControllerSettings, stack: contextlib.AsyncExitStack) -> Planner:
    """Connect everything; what is started is stopped by `stack` in the reverse order."""
    clock, log, metrics, documents = SteadyClock(), demand.DemandLog(), Metrics(), Documents()
    stopwatch = SteadyClock()  # nobody moves it: how long something takes is told by it alone
    api = await kubernetes_access.connect(kubeconfig=settings.kubeconfig, root=settings.root)
    stack.push_async_callback(api.close)
    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
    )
    cluster = Cluster(api, settings.namespace)
    store = StateStore(cluster, documents, settings.stack, clock)
    leadership = LeaseLeadership(api, namespace=settings.namespace, identity=settings.identity)
    actuator = ClusterActuator(cluster, documents=documents, leadership=leadership, clock=clock)
    observer = ClusterObserver(
        cluster=cluster,
        documents=documents,
        store=store,
        scraper=Scraper(session),
        prometheus=Prometheus(session),
        log=log,
        clock=clock,
        refusals=actuator.refusals,
    )
    recorder = ClusterRecorder(
        metrics=metrics, observer=observer, documents=documents, clock=clock, stopwatch=stopwatch
    )
    modeller = BackgroundModeller()
    stack.callback(modeller.close)
    runner = await http.serve(
        settings.host,
        settings.http_port,
        recorder=recorder,
        metrics=metrics,
        is_alive=lambda: stopwatch.now() - recorder.attempted < STANDSTILL_S,
        is_ready=lambda: leadership.is_leader,
    )
    stack.push_async_callback(runner.cleanup)
    access_log = AccessLogServer(log, clock=clock.now)
    await access_log.start(settings.host, settings.access_log_port)
    stack.push_async_callback(access_log.stop)
    stack.push_async_callback(leadership.release)
    election = asyncio.create_task(leadership.run())
    stack.push_async_callback(_cancelled, election)
    drive = loop.Loop(
        observer=observer,
        modeller=modeller,
        actuator=actuator,
        store=store,
        leadership=leadership,
        recorder=recorder,
        clock=stopwatch,
        is_dry_run=settings.is_dry_run,
    )
    return Planner(
        settings=settings,
        cluster=cluster,
        documents=documents,
        leadership=leadership,
        metrics=metrics,
        drive=drive,
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
