"""Serves the stand-in as `pulumi-resource-aws` does."""

import sys
from collections.abc import Callable

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from tenbin_local.plugins import serving
from tenbin_local.plugins.aws import provider


def _register(server: grpc.Server, engine: str) -> Callable[[], None]:
    served = provider.Provider(engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(served, server)
    return served.stop


if __name__ == "__main__":
    serving.serve(_register, sys.argv[1:])
