"""What a Pulumi program registers, without an engine: types, names, parents, options and inputs as they are sent."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import unittest.mock
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import engine_pb2

from support import amazon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STACK = "test"
PROJECT = "tenbin"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registered:
    """One registration request."""

    type: str
    name: str
    parent: str
    """Type and name of the parent, `type::name`; empty for a resource of the stack itself."""
    inputs: dict[str, Any]
    ignore_changes: tuple[str, ...]
    depends_on: tuple[str, ...]
    """`type::name` of the resources that must exist before, those of its inputs among them."""
    provider: str
    """`type::name` of the explicit provider."""
    protect: bool

    @property
    def key(self) -> str:
        """`type::name`, with the type's last part only for Kubernetes: `Deployment::platform-planner`."""
        return f"{self.type.rpartition(':')[2]}::{self.name}"


@dataclasses.dataclass(kw_only=True)
class Registrations:
    """What a program registered."""

    resources: list[Registered] = dataclasses.field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    """Registered outputs by `type::name` of the component."""
    messages: list[str] = dataclasses.field(default_factory=list)
    """Warnings and errors that were logged."""

    def one(self, key: str) -> Registered:
        """Return the only resource with this key.

        Raises:
            LookupError: when there is none or more than one.
        """
        found = [resource for resource in self.resources if resource.key == key]
        if len(found) != 1:
            raise LookupError(f"{len(found)} of {key}; there are {sorted(item.key for item in self.resources)}")
        return found[0]

    def tree(self) -> dict[str, list[str]]:
        """Return the sorted keys of all resources by the key of their parent."""
        found: dict[str, list[str]] = {}
        for resource in self.resources:
            found.setdefault(resource.parent, []).append(resource.key)
        return {parent: sorted(children) for parent, children in sorted(found.items())}


class _Cluster(mocks.Mocks):
    """Answers as providers would: inputs come back, a Service gets an address, and what AWS makes gets its names."""

    def __init__(self, *, assigns_addresses: bool) -> None:
        self._assigns_addresses = assigns_addresses

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError(args.token)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "kubernetes:core/v1:Service" and self._assigns_addresses:
            number = {"tenbin-picker": 2, "tenbin-planner": 3, "tenbin-gateway": 4, "tenbin-entrance": 5}[
                args.inputs["metadata"]["name"]
            ]
            return "id", {**args.inputs, "spec": {**args.inputs["spec"], "clusterIP": f"10.0.0.{number}"}}
        if args.typ.startswith("aws:"):
            return f"{args.name}-id", {**args.inputs, **amazon.outputs(args.typ, args.name, args.inputs)}
        return ("id" if args.custom else None), args.inputs


class _Monitor(mocks.MockMonitor):
    """Keeps the requests, which mocks do not see whole."""

    def __init__(self, cluster: _Cluster, registrations: Registrations) -> None:
        super().__init__(cluster)
        self._registrations = registrations

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        if request.type != "pulumi:pulumi:Stack":
            self._registrations.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    parent=_key(request.parent),
                    inputs=_plain(rpc.deserialize_properties(request.object)),
                    ignore_changes=tuple(request.ignoreChanges),
                    depends_on=tuple(sorted({_key(urn) for urn in request.dependencies})),
                    provider=_key(request.provider.rpartition("::")[0] or ""),
                    protect=request.protect,
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        outputs = rpc.deserialize_properties(request.outputs)
        self._registrations.outputs[_key(request.urn)] = _plain(outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


class _Engine:
    """Keeps what is logged."""

    def __init__(self, registrations: Registrations) -> None:
        self._registrations = registrations

    def Log(self, request: Any) -> None:  # noqa: N802 the protocol's name
        if request.severity >= engine_pb2.WARNING:
            self._registrations.messages.append(request.message)


def register(
    build: Callable[[], object],
    *,
    configuration: Mapping[str, str] | None = None,
    preview: bool = False,
    assigns_addresses: bool = True,
) -> Registrations:
    """Run a program and return what it registered.

    It runs in a thread of its own, since Pulumi's state hangs on the thread's context.

    Args:
        build: the program.
        configuration: the stack's configuration, JSON texts by full key.
        preview: whether it runs as in `pulumi preview`.
        assigns_addresses: False for the preview of a new stack, where a Service has no address.
    """
    registrations = Registrations()
    cluster = _Cluster(assigns_addresses=assigns_addresses)

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        pulumi.runtime.set_mocks(
            cluster, project=PROJECT, stack=STACK, preview=preview, monitor=_Monitor(cluster, registrations)
        )
        pulumi.runtime.settings.SETTINGS.engine = _Engine(registrations)
        pulumi.runtime.set_all_config(dict(configuration or {}))
        pulumi.runtime.test(build)()  # type: ignore[no-untyped-call]

    with _closed_loops(), concurrent.futures.ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()
    return registrations


@contextlib.contextmanager
def _closed_loops() -> Iterator[None]:
    """Close the event loops that the mocks make in each of their threads and leave behind."""
    loops: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def make_and_keep() -> asyncio.AbstractEventLoop:
        loops.append(make())
        return loops[-1]

    try:
        with unittest.mock.patch.object(asyncio, "new_event_loop", make_and_keep):
            yield
    finally:
        for loop in loops:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


def _key(urn: str) -> str:
    if not urn:
        return ""
    parts = urn.split("::")
    return "" if parts[2] == "pulumi:pulumi:Stack" else f"{parts[2].rpartition('$')[2].rpartition(':')[2]}::{parts[3]}"


def _plain(value: Any) -> Any:
    """Turn whole floats back into ints: the protocol knows one kind of number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
