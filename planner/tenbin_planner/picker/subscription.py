"""One gateway's stream of Envoy's discovery protocol, state of the world variant, for endpoints. Pure.

Envoy asks for services by name, gets all of them, and answers each response with its nonce: taken or, with an error,
refused. It is answered anew when the endpoints of its services or the names it asks for have changed. Versions are
hashes of the content, so that pickers without shared state give the same content the same version.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenbin_planner.picker.endpoints import Endpoint, Endpoints

ENDPOINT_TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
_MOST_NAMES = 10_000


class Subscription:
    """What one gateway asked for, was sent and has said about it."""

    def __init__(self) -> None:
        self.node = ""
        """Id that the gateway gives itself."""
        self.refusal = ""
        """Why the gateway refused the last response; empty when it took it."""
        self._names: tuple[str, ...] = ()
        self._sent_names: tuple[str, ...] | None = None
        self._sent_version = ""
        self._nonce = ""
        self._count = 0

    def receive(self, request: discovery_pb2.DiscoveryRequest) -> None:
        """Take a request: a first question, a changed one, or the answer to a response."""
        if request.node.id:
            self.node = request.node.id
        if request.type_url != ENDPOINT_TYPE or request.response_nonce != self._nonce:
            return  # Of another kind, or written before our last response arrived: the answer to that one follows.
        self.refusal = request.error_detail.message if request.HasField("error_detail") else ""
        self._names = tuple(sorted(set(request.resource_names)))[:_MOST_NAMES]

    def respond(self, endpoints: Endpoints) -> discovery_pb2.DiscoveryResponse | None:
        """Return what the gateway has to be told now, None when it knows.

        A service that it asks for and that has no endpoint is in the response, without any.
        """
        if not self._names:
            return None
        resources = [_resource(name, endpoints.get(name, ())) for name in self._names]
        version = hashlib.sha256(b"".join(resource.value for resource in resources)).hexdigest()[:16]
        if self._sent_names == self._names and self._sent_version == version:
            return None
        self._count += 1
        self._sent_names, self._sent_version, self._nonce = self._names, version, str(self._count)
        return discovery_pb2.DiscoveryResponse(
            version_info=version, nonce=self._nonce, type_url=ENDPOINT_TYPE, resources=resources
        )


def _resource(service: str, endpoints: Sequence[Endpoint]) -> any_pb2.Any:
    members = [
        endpoint_components_pb2.LbEndpoint(
            endpoint=endpoint_components_pb2.Endpoint(
                address=address_pb2.Address(
                    socket_address=address_pb2.SocketAddress(address=endpoint.address, port_value=endpoint.port)
                )
            )
        )
        for endpoint in endpoints
    ]
    localities = [endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=members)] if members else []
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name=service, endpoints=localities)
    return any_pb2.Any(type_url=ENDPOINT_TYPE, value=assignment.SerializeToString(deterministic=True))
