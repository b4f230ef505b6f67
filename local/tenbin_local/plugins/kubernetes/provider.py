"""The engine's protocol around `tenbin_local.plugins.kubernetes.resources`: requests in, answers out."""

import json
import threading
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tenbin_local.plugins import differences, engine_log, outcomes, properties, versions
from tenbin_local.plugins.kubernetes import releases, resources, settings


def kind_of(type_token: str) -> dict[str, str]:
    """`apiVersion` and `kind` by a type like kubernetes:apps/v1:Deployment.

    Raises:
        ValueError: The type is none of an object, or of a kind that this stand-in does not have.
    """
    parts = type_token.split(":")
    if len(parts) != 3 or "/" not in parts[1]:
        raise ValueError(
            f"{type_token}: not supported by this stand-in, which knows kubernetes:<group>/<version>:<Kind>"
        )
    _, version, kind = parts
    for suffix, what in (("Patch", "Patch resources are"), ("List", "Lists are")):
        if kind.endswith(suffix) and kind != suffix:
            raise ValueError(f"{type_token}: {what} not supported by this stand-in")
    if version.startswith("helm.sh/"):
        raise ValueError(f"{type_token}: not supported by this stand-in; of Helm it records v3 Releases only")
    return {"apiVersion": version.removeprefix("core/"), "kind": kind}


def type_of(urn: str) -> str:
    """The type of the resource with this URN, without the types of its parents."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The resource provider service; see the protocol for each method's meaning."""

    def __init__(self, engine: str) -> None:
        self._log = engine_log.EngineLog(engine)
        self._cancelled = threading.Event()
        self._resources: resources.Resources | None = None

    def stop(self) -> None:
        """Ends all waiting and closes all connections."""
        self._cancelled.set()
        self._log.close()
        if self._resources is not None:
            self._resources.close()

    def _configured(self) -> resources.Resources:
        if self._resources is None:
            raise ValueError("the provider is not configured yet")
        return self._resources

    def Handshake(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Agrees on the protocol's features."""
        if request.engine_address:
            self._log.close()
            self._log = engine_log.EngineLog(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def Attach(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Takes the address of an engine that did not start this process."""
        self._log = engine_log.EngineLog(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The version of this plugin."""
        return plugin_pb2.PluginInfo(version=versions.KUBERNETES)

    def GetSchema(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """A schema with the package's name only."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "kubernetes", "version": versions.KUBERNETES}))

    def GetMapping(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """No mappings from other tools."""
        return provider_pb2.GetMappingResponse()

    def CheckConfig(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses configuration that this stand-in cannot follow."""
        failures = [
            provider_pb2.CheckFailure(property=key, reason=reason)
            for key, reason in settings.problems(properties.from_struct(request.news)).items()
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @outcomes.answering
    def DiffConfig(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Whether changed configuration means another cluster."""
        old, new = (properties.reveal(properties.from_struct(side)) for side in (request.olds, request.news))
        found = settings.compare(old, new)
        changes = provider_pb2.DiffResponse.DIFF_SOME if found.changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=found.changed, replaces=found.replaces)

    def Configure(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Connects to the cluster; that it does not answer shows when something needs it."""
        self._resources = resources.Resources(settings.parse(request.variables), self._log, self._cancelled)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @outcomes.answering
    def Check(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Fills in name and namespace."""
        old, new = (properties.from_struct(side) for side in (request.olds, request.news))
        naming_options = request.autonaming if request.HasField("autonaming") else None
        if type_of(request.urn) == releases.TYPE:
            name = naming_options.proposed_name if naming_options else ""
            new.setdefault("name", old.get("name") or name or resources.logical_name(request.urn))
            return provider_pb2.CheckResponse(inputs=properties.to_struct(new))
        kind_of(type_of(request.urn))
        modes = provider_pb2.CheckRequest.AutonamingOptions
        checked = self._configured().check(
            request.urn, old, new,
            seed=request.randomSeed,
            proposed=naming_options.proposed_name if naming_options else "",
            unnamed=naming_options is not None and naming_options.mode == modes.DISABLE,
        )  # fmt: skip
        return provider_pb2.CheckResponse(inputs=properties.to_struct(checked))

    @outcomes.answering
    def Diff(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What new inputs would change."""
        new = properties.from_struct(request.news)
        if type_of(request.urn) == releases.TYPE:
            return _release_diff(properties.from_struct(request.old_inputs), new)
        found = self._configured().diff(properties.from_struct(request.olds), new, request.ignoreChanges)
        return differences.response(found)

    @outcomes.answering
    def Create(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Makes an object."""
        inputs = properties.from_struct(request.properties)
        if type_of(request.urn) == releases.TYPE:
            namespace = self._configured().namespace
            if not request.preview:
                self._log.warning(request.urn, f"Helm release: {releases.NOT_INSTALLED}")
            made = "" if request.preview else releases.identifier(properties.reveal(inputs), namespace)
            return provider_pb2.CreateResponse(
                id=made, properties=properties.to_struct(releases.outputs(inputs, namespace))
            )
        identifier, state = self._configured().create(
            request.urn, inputs, timeout_s=request.timeout, preview=request.preview
        )
        return provider_pb2.CreateResponse(id=identifier, properties=properties.to_struct(state))

    @outcomes.answering
    def Read(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Reads an object for a refresh or an import."""
        if type_of(request.urn) == releases.TYPE:
            return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        found = self._configured().read(
            request.urn,
            request.id,
            properties.from_struct(request.properties),
            properties.from_struct(request.inputs),
            kind_of(type_of(request.urn)),
        )
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.identifier, properties=properties.to_struct(found.state), inputs=properties.to_struct(found.inputs)
        )

    @outcomes.answering
    def Update(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Changes an object."""
        inputs = properties.from_struct(request.news)
        if type_of(request.urn) == releases.TYPE:
            state: Mapping[str, Any] = releases.outputs(inputs, self._configured().namespace)
        else:
            state = self._configured().update(
                request.urn,
                properties.from_struct(request.olds),
                inputs,
                ignored=request.ignoreChanges,
                timeout_s=request.timeout,
                preview=request.preview,
            )
        return provider_pb2.UpdateResponse(properties=properties.to_struct(state))

    @outcomes.answering
    def Delete(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Deletes an object."""
        if type_of(request.urn) != releases.TYPE:
            state = properties.from_struct(request.properties)
            self._configured().delete(request.urn, state, timeout_s=request.timeout)
        return empty_pb2.Empty()

    def Cancel(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Ends all waiting; what waits reports how far it came."""
        self._cancelled.set()
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Functions are not part of this stand-in."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok}: functions are not supported by this stand-in")

    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Methods are not part of this stand-in."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok}: methods are not supported by this stand-in")

    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Charts, Kustomize folders and YAML groups are not part of this stand-in."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.type}: not supported by this stand-in")


def _release_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> Any:
    changed = releases.changed(old, new)
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=list(changed),
        replaces=[key for key, replaces in changed.items() if replaces],
        deleteBeforeReplace=any(changed.values()),
    )
