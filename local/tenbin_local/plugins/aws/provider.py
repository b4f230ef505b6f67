"""The engine's protocol around `tenbin_local.plugins.aws.resources`: requests in, answers out."""

import json
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tenbin_local.plugins import differences, engine_log, outcomes, properties, versions
from tenbin_local.plugins.aws import faults, functions, resources, settings

NOTICE = "this is tenbin's stand-in for pulumi-resource-aws: nothing is created in AWS, and nothing is asked of it"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The resource provider service; see the protocol for each method's meaning."""

    def __init__(self, engine: str) -> None:
        self._log = engine_log.EngineLog(engine)
        self._resources: resources.Resources | None = None
        self._settings: settings.Settings | None = None

    def stop(self) -> None:
        """Closes the connection to the engine."""
        self._log.close()

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
        """The version of the provider that this one stands in for."""
        return plugin_pb2.PluginInfo(version=versions.AWS)

    def GetSchema(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """A schema with the package's name only."""
        schema = {"name": "aws", "version": versions.AWS, "displayName": "AWS (stand-in)", "description": NOTICE}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def GetMapping(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """No mappings from other tools."""
        return provider_pb2.GetMappingResponse()

    def CheckConfig(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses configuration that cannot be right."""
        failures = [
            provider_pb2.CheckFailure(property=key, reason=reason)
            for key, reason in settings.problems(properties.from_struct(request.news)).items()
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Which keys of the configuration changed."""
        changed = settings.compare(*(properties.from_struct(side) for side in (request.olds, request.news)))
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=changed)

    @outcomes.answering
    def Configure(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Opens the account, and says what this is."""
        self._settings = settings.parse(request.variables)
        self._resources = resources.Resources(self._settings, faults.parse())
        self._log.info("", NOTICE)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @outcomes.answering
    def Check(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Fills in the name, and tells all that AWS would refuse."""
        options = request.autonaming if request.HasField("autonaming") else None
        modes = provider_pb2.CheckRequest.AutonamingOptions
        inputs, problems = self._configured().check(
            request.urn,
            properties.from_struct(request.olds),
            properties.from_struct(request.news),
            proposed=options.proposed_name if options else "",
            unnamed=options is not None and options.mode == modes.DISABLE,
        )
        failures = [provider_pb2.CheckFailure(property=one.path, reason=one.reason) for one in problems]
        return provider_pb2.CheckResponse(inputs=properties.to_struct(inputs), failures=failures)

    @outcomes.answering
    def Diff(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What new inputs would change."""
        old, new = (properties.from_struct(side) for side in (request.old_inputs, request.news))
        return differences.response(self._configured().diff(request.urn, old, new, request.ignoreChanges))

    @outcomes.answering
    def Create(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Makes a resource."""
        inputs = properties.from_struct(request.properties)
        identifier, state = self._configured().create(request.urn, inputs, preview=request.preview)
        return provider_pb2.CreateResponse(id=identifier, properties=properties.to_struct(state))

    @outcomes.answering
    def Read(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Reads a resource for a refresh or an import."""
        found = self._configured().read(request.urn, request.id, properties.from_struct(request.inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id, properties=properties.to_struct(found.state), inputs=properties.to_struct(found.inputs)
        )

    @outcomes.answering
    def Update(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Changes a resource."""
        state = self._configured().update(
            request.urn,
            request.id,
            properties.from_struct(request.olds),
            properties.from_struct(request.news),
            preview=request.preview,
        )
        return provider_pb2.UpdateResponse(properties=properties.to_struct(state))

    @outcomes.answering
    def Delete(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Deletes a resource."""
        self._configured().delete(request.urn, request.id, properties.from_struct(request.properties))
        return empty_pb2.Empty()

    def Cancel(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Nothing to end: everything is done at once."""
        return empty_pb2.Empty()

    @outcomes.answering
    def Invoke(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers a function."""
        if self._settings is None:
            raise ValueError("the provider is not configured yet")
        answer = functions.call(request.tok, properties.reveal(properties.from_struct(request.args)), self._settings)
        if isinstance(answer, functions.Failure):
            failure = provider_pb2.CheckFailure(property=answer.property, reason=answer.reason)
            return provider_pb2.InvokeResponse(failures=[failure])
        return provider_pb2.InvokeResponse(**{"return": properties.to_struct(answer)})

    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The AWS package has no methods."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok}: methods are not supported by this stand-in")

    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The AWS package has no components."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.type}: not supported by this stand-in")
