"""Leadership by a Lease, with the official client's election.

The election runs beside the loop. Its lock is wrapped for what it leaves open: calls have a time limit, an API server
that cannot be reached counts as a failed renewal, and leadership is believed in only while the last renewal is younger
than the renew deadline. So a planner that was frozen or cut off does not write as a leader of the past.

A write that is begun within the renew deadline is given up (`cluster.TIMEOUT_S`) before the Lease runs out. A follower
sees the last renewal one retry late at most, waits until the Lease has run out, and takes it at its next retry: 19 s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import aiohttp
import structlog
from kubernetes.aio import client
from kubernetes.aio.leaderelection import electionconfig, leaderelection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock
from tenbin_spec import contract

if TYPE_CHECKING:
    from typing import Any

LEASE_S = 15
RENEW_DEADLINE_S = 10
RETRY_S = 2
CALL_S = 4.0

_log = structlog.get_logger(__name__)


class _Lock(LeaseLock):  # type: ignore[misc] # the client has no types
    """A Lease, each call on it within a time limit; remembers when it was last renewed."""

    def __init__(self, namespace: str, identity: str, api: client.ApiClient) -> None:
        super().__init__(contract.LEASE_PLANNER, namespace, identity, api)
        self.renewed: float | None = None
        """Monotonic time at which the last renewal that succeeded was begun."""

    async def get(self, name: str, namespace: str) -> Any:
        try:
            async with asyncio.timeout(CALL_S):
                return await super().get(name, namespace)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return False, client.ApiException(status=0, reason=f"{type(error).__name__}: {error}")

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        # The client's own creation (37.0) passes an argument that its API class refuses.
        body = client.V1Lease(
            metadata=client.V1ObjectMeta(name=name),
            spec=self.update_lease(election_record),
        )
        return await self._renewal(self.api_instance.create_namespaced_lease(namespace, body))

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        return await self._renewal(super().update(name, namespace, updated_record))

    async def _renewal(self, call: Any) -> bool:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(CALL_S):
                succeeded = bool(await call)
        except (client.ApiException, aiohttp.ClientError, OSError, TimeoutError):
            return False
        if succeeded:
            self.renewed = begun
        return succeeded


class LeaseLeadership:
    """Leadership of a cluster's planner."""

    def __init__(self, api: client.ApiClient, *, namespace: str, identity: str) -> None:
        # The election logs every failed call as an error with its trace; what matters is said here.
        logging.getLogger("kubernetes.aio.leaderelection").setLevel(logging.CRITICAL)
        self._api = api
        self._namespace = namespace
        self._identity = identity
        self._lock = _Lock(namespace, identity, api)
        self._leads = False

    @property
    def is_leader(self) -> bool:
        """Whether this planner holds the Lease and may write."""
        renewed = self._lock.renewed
        return self._leads and renewed is not None and time.monotonic() - renewed < RENEW_DEADLINE_S

    async def run(self) -> None:
        """Take part in the election until cancelled."""
        while True:
            config = electionconfig.Config(
                self._lock,
                lease_duration=LEASE_S,
                renew_deadline=RENEW_DEADLINE_S,
                retry_period=RETRY_S,
                onstarted_leading=self._begin,
                onstopped_leading=self._end,
            )
            try:
                await leaderelection.LeaderElection(config).run()
            except Exception as error:  # noqa: BLE001 - whatever it is, the election must go on
                _log.warning("election failed and begins anew", why=f"{type(error).__name__}: {error}")
            await self._end()
            await asyncio.sleep(RETRY_S)

    async def release(self) -> None:
        """Give the Lease up, so that the next planner need not wait for it to run out."""
        if not self._leads:
            return
        self._leads = False
        leases = client.CoordinationV1Api(self._api)
        try:
            async with asyncio.timeout(CALL_S):
                lease = await leases.read_namespaced_lease(contract.LEASE_PLANNER, self._namespace)
                if lease.spec.holder_identity == self._identity:
                    lease.spec.holder_identity = ""
                    await leases.replace_namespaced_lease(contract.LEASE_PLANNER, self._namespace, lease)
        except (client.ApiException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("lease not released, it runs out by itself", why=f"{type(error).__name__}: {error}")

    async def _begin(self) -> None:
        self._leads = True
        _log.info("leads", identity=self._identity)

    async def _end(self) -> None:
        if self._leads:
            _log.warning("leads no more", identity=self._identity)
        self._leads = False
