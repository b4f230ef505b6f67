"""What observing costs: cores for a hundred engines each 5 s, and memory of a planner that has lived a day."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import aiohttp
from tenbin_planner import demand, kubernetes_access
from tenbin_planner.controller.clock import SteadyClock
from tenbin_planner.controller.cluster import Cluster
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.observer import ClusterObserver
from tenbin_planner.controller.prometheus import Prometheus
from tenbin_planner.controller.scraper import Scraper
from tenbin_planner.controller.state_store import StateStore

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = pathlib.Path(__file__).parent
SERVICES, REPLICAS = 10, 10
INTERVAL_S = 5
TIMES = 20


def figures() -> dict[str, float | str]:
    """Return figures; units are in their names. Targets: less than 0.3 cores, less than 300 MB."""
    cores, read = asyncio.run(_observing())
    day = _day()
    return {
        "observer_cores_100_replicas_5s": cores,
        "observer_engines_read": read,
        "planner_memory_mb_after_a_day_10x10": day["most_mb"],
        "planner_memory_growth_mb_hour_to_day": day["after_a_day_mb"] - day["after_an_hour_mb"],
    }


async def _observing() -> tuple[float, float]:
    """Return cores of this process that observing takes, and engines that were read each time.

    No gateway is heard, so that histograms are read too: the dearer of two cases.
    """
    with _engines() as api_port, tempfile.TemporaryDirectory() as folder:
        kubeconfig = pathlib.Path(folder) / "config"
        kubeconfig.write_text(json.dumps(_kubeconfig(api_port)))
        api = await kubernetes_access.connect(kubeconfig=kubeconfig)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            cluster, documents, clock = Cluster(api, "tenbin"), Documents(), SteadyClock()
            observer = ClusterObserver(
                cluster=cluster,
                documents=documents,
                store=StateStore(cluster, documents, "bench", clock),
                scraper=Scraper(session),
                prometheus=Prometheus(session),
                log=demand.DemandLog(),
                clock=clock,
            )
            await observer.observe()
            started = time.process_time()
            for _ in range(TIMES):
                await observer.observe()
            cores = (time.process_time() - started) / TIMES / INTERVAL_S
        await api.close()
    return cores, float(SERVICES * REPLICAS - len(observer.engines_unread))


@contextlib.contextmanager
def _engines() -> Iterator[int]:
    """Run what is observed in a process of its own, and yield the port of its API server."""
    command = [sys.executable, str(FOLDER / "_engines.py"), str(SERVICES), str(REPLICAS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())[0]
        finally:
            process.kill()


def _kubeconfig(port: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }


def _day() -> dict[str, float]:
    command = [sys.executable, str(FOLDER / "_day.py"), str(SERVICES), str(REPLICAS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
