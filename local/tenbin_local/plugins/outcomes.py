"""How an operation of a provider ends when it does not end well, and how the engine is told."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2

from tenbin_local.plugins import properties

Method = Callable[[Any, Any, grpc.ServicerContext], Any]


class RefusedError(Exception):
    """The operation was not done; nothing has changed that the state would have to know."""


class PartlyDoneError(Exception):
    """The object was made or changed, but is not as it should be; the state must record it all the same."""

    def __init__(
        self, message: str, *, identifier: str, state: dict[str, Any], reasons: Sequence[str], inputs: Any = None
    ) -> None:
        super().__init__(message)
        self.identifier = identifier
        self.state = state
        self.reasons = tuple(reasons)
        self.inputs: dict[str, Any] | None = inputs


def answering(method: Method) -> Method:
    """Turns what an operation raises into what the engine understands."""

    @functools.wraps(method)
    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except PartlyDoneError as error:
            _abort_partly(context, error)
        except (RefusedError, ValueError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answer


def _abort_partly(context: grpc.ServicerContext, error: PartlyDoneError) -> None:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.identifier,
        properties=properties.to_struct(error.state),
        reasons=[str(error), *error.reasons],
        inputs=None if error.inputs is None else properties.to_struct(error.inputs),
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
