"""Watches a service while traffic runs: its pods from the API server, the planner's decisions from `/plan`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence

import aiohttp
from pydantic import ValidationError
from tenbin_spec import contract
from tenbin_spec.document import Document, parse_document
from tenbin_spec.plan import PlanView, WorkloadView
from tenbin_spec.problems import ConfigurationError

from tenbin_local import errors
from tenbin_local.agent import api as kubernetes
from tenbin_local.load import fleet

FLEET_PERIOD_S = 1.0
PLAN_PERIOD_S = 2.0
PLAN_TIMEOUT_S = 3.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What the planner wanted from an instant on, and why."""

    at_s: float
    """When it was first seen, in seconds after the start of the run."""
    wanted: Mapping[str, int]
    """Replicas by pool, pools without any left out."""
    reason: str
    detail: str

    @property
    def replicas(self) -> int:
        """Replicas in all."""
        return sum(self.wanted.values())

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


async def read_document(api: kubernetes.Api) -> Document:
    """Return the wire document that is in the cluster, whatever its namespace.

    Raises:
        LocalError: there is none, there are several, or it is not valid.
    """
    query = {"fieldSelector": f"metadata.name={contract.DOCUMENT_CONFIG_MAP}"}
    maps = (await api.call("GET", "/api/v1/configmaps", query=query))["items"]
    if len(maps) != 1:
        raise errors.LocalError(
            f"The cluster has {len(maps)} ConfigMaps {contract.DOCUMENT_CONFIG_MAP!r}, one is needed: "
            "`make up` brings the stack up"
        )
    try:
        return parse_document(maps[0]["data"][contract.DOCUMENT_KEY])
    except (ConfigurationError, KeyError, TypeError) as error:
        raise errors.LocalError(f"The wire document in the cluster cannot be read: {error}") from error


async def service_url(api: kubernetes.Api, namespace: str, name: str, port: int) -> str | None:
    """Return the URL of a Service by its address, since names of Services mean nothing outside a cluster.

    Returns:
        None when there is no such Service, or it has no address.
    """
    try:
        service = await api.call("GET", kubernetes.namespaced("services", namespace, name))
    except kubernetes.ApiError as error:
        if error.status == kubernetes.NOT_FOUND:
            return None
        raise
    address = service["spec"].get("clusterIP")
    return None if address in {None, "", "None"} else f"http://{address}:{port}"


@dataclasses.dataclass(kw_only=True)
class Trouble:
    """What keeps a watch from seeing."""

    now: str | None = None
    """None while it sees."""
    last: str = ""
    times: int = 0

    def note(self, text: str) -> None:
        """Take down that a look failed."""
        self.now = self.last = text
        self.times += 1

    def end(self) -> None:
        """Take down that a look succeeded."""
        self.now = None


class FleetWatch:
    """Samples the replicas of one service."""

    def __init__(self, api: kubernetes.Api, document: Document, service: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._path = kubernetes.namespaced("pods", document.namespace)
        self._query = {
            "labelSelector": f"{contract.LABEL_NAME}={contract.NAME_ENGINE},{contract.LABEL_SERVICE}={service}"
        }
        self._pools = [price.pool for price in fleet.prices_of(document, service)]
        self._clock = clock
        self.samples: list[fleet.FleetSample] = []
        self.trouble = Trouble()

    async def sample(self) -> None:
        """Take a sample now; where none comes, the one before it holds on."""
        at_s = self._clock()
        try:
            pods = (await self._api.call("GET", self._path, query=self._query))["items"]
        except kubernetes.ApiError as error:
            self.trouble.note(str(error))
            return
        self.trouble.end()
        self.samples.append(fleet.count(pods, self._pools, at_s))

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(FLEET_PERIOD_S - self._clock() % FLEET_PERIOD_S)


class PlanWatch:
    """Follows the planner's decisions about one service."""

    def __init__(self, planner_url: str, service: str, clock: Callable[[], float]) -> None:
        self._url = f"{planner_url.rstrip('/')}/plan"
        self._service = service
        self._clock = clock
        self.plan: PlanView | None = None
        """The last plan seen."""
        self.current: Decision | None = None
        """What the last plan says of the service."""
        self.decisions: list[Decision] = []
        """The plans in which replicas or reason changed."""
        self.trouble = Trouble()

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Ask the planner once."""
        try:
            async with session.get(self._url) as response:
                text = await response.text()
                if response.status != 200:
                    self.trouble.note(f"the planner answers {response.status}")
                    return
            self.plan = PlanView.model_validate_json(text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.trouble.note(f"the planner does not answer: {str(error) or type(error).__name__}")
        except ValidationError as error:
            self.trouble.note(f"the planner's plan cannot be read: {error.error_count()} problems")
        else:
            self.trouble.end()
            self._note(decision_in(self.plan, self._service, self._clock()))

    def _note(self, decision: Decision | None) -> None:
        last = self.decisions[-1] if self.decisions else None
        if decision is None:
            return
        self.current = decision
        if last is None or (last.wanted, last.reason) != (decision.wanted, decision.reason):
            self.decisions.append(decision)

    async def run(self) -> None:
        """Follow until cancelled."""
        timeout = aiohttp.ClientTimeout(total=PLAN_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                await self.look(session)
                await asyncio.sleep(PLAN_PERIOD_S)


def decision_in(plan: PlanView, service: str, at_s: float) -> Decision | None:
    """Return what a plan wants for a service and the main reason; None when the plan does not name the service."""
    workloads: Sequence[WorkloadView] = [entry for entry in plan.workloads if entry.service == service]
    view = next((entry for entry in plan.services if entry.name == service), None)
    if view is None:
        return None
    wanted: dict[str, int] = {}
    for workload in workloads:
        if workload.wanted:
            wanted[workload.pool] = wanted.get(workload.pool, 0) + workload.wanted
    main = view.reasons[0] if view.reasons else None
    return Decision(
        at_s=at_s,
        wanted=dict(sorted(wanted.items())),
        reason=main.code.value if main else "",
        detail=main.detail if main else "",
    )
