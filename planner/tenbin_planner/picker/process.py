"""The picker as a process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from pathlib import Path

import structlog
from tenbin_spec import contract

from tenbin_planner import kubernetes_access
from tenbin_planner.picker import health, pod_watch
from tenbin_planner.picker.discovery import DiscoveryServer
from tenbin_planner.picker.metrics import Metrics

_log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PickerSettings:
    """Where the picker listens and whose pods it follows."""

    host: str
    """Own address, to listen on."""
    namespace: str
    xds_port: int = contract.PORT_PICKER_XDS
    health_port: int = contract.PORT_PICKER_HEALTH
    kubeconfig: Path | None = None
    """None takes the pod's own service account."""
    root: Path = Path("/")
    """Folder under which the pod's absolute paths lie."""


async def run(settings: PickerSettings) -> None:
    """Serve endpoints until SIGTERM or SIGINT.

    Raises:
        OSError: when an address cannot be bound.
        ConfigException: without access to the API server.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    metrics = Metrics()
    discovery = DiscoveryServer(metrics)
    async with contextlib.AsyncExitStack() as stack:
        api = await kubernetes_access.connect(kubeconfig=settings.kubeconfig, root=settings.root)
        stack.push_async_callback(api.close)
        runner = await health.serve(
            settings.host, settings.health_port, is_ready=lambda: discovery.is_ready, metrics=metrics
        )
        stack.push_async_callback(runner.cleanup)
        await discovery.start(settings.host, settings.xds_port)
        stack.push_async_callback(discovery.stop)
        following = asyncio.create_task(
            pod_watch.follow(api, settings.namespace, discovery.publish, metrics.watch_failures.inc)
        )
        _log.info("picker started", host=settings.host, namespace=settings.namespace)
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (following, stopping):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
    _log.info("picker stopped")
