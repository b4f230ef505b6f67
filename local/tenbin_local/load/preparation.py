"""What is going to be sent where, decided before the first request."""

from __future__ import annotations

import dataclasses
import ipaddress
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from tenbin_spec import contract
from tenbin_spec.document import Document

from tenbin_local import errors
from tenbin_local.agent import api as kubernetes
from tenbin_local.load import arrivals, bounds, comparison, observing
from tenbin_local.load.arrivals import PlannedRequest
from tenbin_local.load.shape import Shape, UsageError

LONGEST_TOKENS = 8192
"""Tokens of prompt and answer together at most, where no profile says the engine's limit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Where to send, and where to look meanwhile."""

    kubeconfig: Path
    gateway_url: str | None = None
    """None: the address of the gateway's Service."""
    planner_url: str | None = None
    """None: the address of the planner's Service."""
    allow_remote: bool = False
    """Send to a gateway that is not on this machine."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to send."""

    shape: Shape
    rate: float | None = None
    """Base rate in requests per second; None: 0.6 of what one replica can do within the objectives."""
    service: str | None = None
    """None: the only service of the stack."""
    only_class: str | None = None
    class_mix: str | None = None
    seed: int = 0
    max_in_flight: int = bounds.MAX_IN_FLIGHT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that can begin."""

    document: Document
    service: str
    rate: float
    capacity_rps: float | None
    requests: list[PlannedRequest]
    gateway_url: str
    planner_url: str | None


async def prepare(api: kubernetes.Api, target: Target, options: Options) -> Plan:
    """Read the agreement from the cluster and draw the requests.

    Raises:
        UsageError: the options ask for something that is not done.
        LocalError: the cluster has no stack, or no gateway, or the base rate is unknown and not given.
    """
    document = await observing.read_document(api)
    service = _service_in(document, options.service)
    gateway_url = target.gateway_url or await observing.service_url(
        api, document.namespace, contract.NAME_GATEWAY, contract.PORT_GATEWAY
    )
    if gateway_url is None:
        raise errors.LocalError(f"Namespace {document.namespace!r} has no gateway yet: `make up` brings the stack up")
    agreement = document.services[service]
    mix = arrivals.class_mix(agreement.slo, only=options.only_class, text=options.class_mix)
    rate, capacity_rps = _rate(document, service, mix, options.rate)
    profile = comparison.profile_of(document, service)
    requests = arrivals.draw(
        options.shape,
        rate=rate,
        workload=agreement.workload,
        mix=mix,
        longest=profile.limits.max_model_len if profile else LONGEST_TOKENS,
        seed=options.seed,
    )
    return Plan(
        document=document,
        service=service,
        rate=rate,
        capacity_rps=capacity_rps,
        requests=requests,
        gateway_url=check_gateway(gateway_url, allow_remote=target.allow_remote),
        planner_url=target.planner_url
        or await observing.service_url(api, document.namespace, contract.NAME_PLANNER, contract.PORT_PLANNER_HTTP),
    )


def _rate(document: Document, service: str, classes: Iterable[str], given: float | None) -> tuple[float, float | None]:
    """Return the base rate, and what one replica can do, None when that is unknown."""
    capacity_rps = comparison.replica_capacity(document, service, classes)
    if given is not None:
        return given, capacity_rps
    if capacity_rps is None:
        raise errors.LocalError(
            f"No pool of service {service!r} has an engine profile, so what one replica can do is unknown: give --rate"
        )
    if capacity_rps == 0:
        raise errors.LocalError(
            f"One replica of service {service!r} keeps the objectives at no rate, so there is no base rate: give --rate"
        )
    return comparison.DEFAULT_LOAD * capacity_rps, capacity_rps


def _service_in(document: Document, name: str | None) -> str:
    known = ", ".join(document.services)
    if name is None and len(document.services) == 1:
        return next(iter(document.services))
    if name is None:
        raise UsageError(f"The stack has several services, --service names one. Allowed: {known}")
    if name not in document.services:
        raise UsageError(f"--service {name!r} is no service of the stack. Allowed: {known}")
    return name


def check_gateway(url: str, *, allow_remote: bool) -> str:
    """Return a gateway's URL.

    Raises:
        UsageError: it is no HTTP URL, or not on this machine and `allow_remote` is not given.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"--gateway {url!r}: allowed is http:// or https:// with an address")
    if not allow_remote and not _is_loopback(parts.hostname):
        raise UsageError(
            f"The gateway {url} is not on this machine, and traffic there may cost money or disturb others: "
            "--allow-remote sends it"
        )
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
