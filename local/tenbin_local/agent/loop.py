"""The agent's parts put together."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from tenbin_local.agent import (
    addresses,
    api,
    events,
    pods,
    processes,
    reflector,
    registrar,
    services,
    settings,
)
from tenbin_local.agent.host import Host

log = logging.getLogger(__name__)

PROBE_CONNECTIONS = 64


async def run(environment: settings.Environment, stop: asyncio.Event) -> None:
    """Run the agent until `stop` is set, then end all pods' processes.

    Raises:
        LocalError: The kubeconfig or nodes.json is missing or wrong.
    """
    if killed := processes.kill_left_over(environment.root):
        log.info("killed %d processes that an earlier agent had left", killed)
    connection = await api.Api.connect(environment.kubeconfig)
    connector = aiohttp.TCPConnector(limit=PROBE_CONNECTIONS, force_close=True)
    try:
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            await _run(environment, connection, session, stop)
    finally:
        await connection.close()


async def _run(
    environment: settings.Environment, connection: api.Api, session: aiohttp.ClientSession, stop: asyncio.Event
) -> None:
    stores = {
        kind: reflector.Reflector(connection, f"/api/v1/{kind}")
        for kind in ("nodes", "pods", "services", "configmaps", "secrets")
    }
    given = addresses.Addresses(octet=environment.octet, path=environment.addresses_file)
    host = Host(
        connection=connection,
        environment=environment,
        given=given,
        config_maps=stores["configmaps"],
        secrets=stores["secrets"],
        recorder=events.Recorder(connection),
        session=session,
    )
    running_pods = pods.Pods(host, stores["pods"])

    def set_options(options: settings.AgentOptions) -> None:
        host.options = options

    nodes = registrar.Registrar(
        connection=connection,
        environment=environment,
        node_store=stores["nodes"],
        pod_store=stores["pods"],
        given=given,
        notices=registrar.Notices(alive=running_pods.nodes_changed, options=set_options),
    )
    proxy = services.ServiceProxy(stores["services"], stores["pods"])
    work = [
        *(store.run() for store in stores.values()),
        host.recorder.run(),
        nodes.run(),
        running_pods.run(),
        proxy.run(),
    ]
    tasks = [asyncio.create_task(part) for part in work]
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()
    finally:
        for task in [*tasks, stopping]:
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        await running_pods.shut_down()
