"""The gateway's way in from outside the cluster: TLS, and who the client is, before anything else.

A listener of its own in front of the gateway's other one, so that only what is let in becomes demand: the planner hears
of a request when it comes, and must not buy replicas for requests that anybody may send.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from tenbin_spec import contract

from tenbin._layout import envoy_lua

Json = dict[str, Any]

CLUSTER = "tenbin-inside"
"""The gateway's listener for the cluster, as the way in sees it."""
CERTIFICATE_FOLDER = "/etc/tenbin/certificate"
AUTHORITY_FOLDER = "/etc/tenbin/authority"
KEYS_FOLDER = "/etc/tenbin/keys"
SECRETS_FOLDER = "/etc/tenbin/secrets"
"""Where files say to Envoy which files hold certificates; it watches those, so that a renewed one counts at once."""
_CERTIFICATE, _AUTHORITY = "certificate", "authority"
_V3 = "type.googleapis.com/envoy.extensions"
_TLS = f"{_V3}.transport_sockets.tls.v3"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entrance:
    """What the way in asks of clients, and where its files lie."""

    tls: bool
    """Whether TLS ends here, not at the load balancer."""
    client_certificates: bool = False
    """Whether clients must have a certificate."""
    clients: tuple[str, ...] = ()
    """Names of clients with an API key; empty where none is asked for."""
    root: str = ""
    """Put before the folders; empty where they lie where they are mounted."""


def listener(entrance: Entrance, *, address: str, manager: Json, header_removal: Json) -> Json:
    """Return the listener of the way in.

    Args:
        entrance: what it asks of clients.
        address: own IP address.
        manager: what it has in common with the gateway's listener for the cluster: limits of streams.
        header_removal: takes away headers that steer the gateway.
    """
    connections = {
        "@type": f"{_V3}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        **manager,
        "stat_prefix": "entrance",
        "early_header_mutation_extensions": [header_removal],
        "http_filters": [*_authentication(entrance), _router()],
        "route_config": _routes(),
        "local_reply_config": _local_replies(),
    }
    chain: Json = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}
    if entrance.tls:
        chain["transport_socket"] = _transport(entrance)
    return {
        "name": "entrance",
        "address": {"socket_address": {"address": address, "port_value": contract.PORT_GATEWAY_ENTRANCE}},
        "filter_chains": [chain],
        "socket_options": _signs_of_life(),
    }


def cluster(address: str) -> Json:
    """Return the cluster that the way in sends to: the same process's listener for the cluster."""
    endpoint = {"socket_address": {"address": address, "port_value": contract.PORT_GATEWAY}}
    return {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": endpoint}}]}],
        },
        "circuit_breakers": {
            "thresholds": [{"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000}]
        },
    }


def secret_files(entrance: Entrance) -> dict[str, str]:
    """Return the files that tell Envoy where certificates lie, by name; they hold none themselves."""
    if not entrance.tls:
        return {}
    folder = entrance.root + CERTIFICATE_FOLDER
    own = {
        "certificate_chain": {"filename": f"{folder}/tls.crt"},
        "private_key": {"filename": f"{folder}/tls.key"},
        "watched_directory": {"path": folder},
    }
    files = {f"{_CERTIFICATE}.json": _resource(_CERTIFICATE, "tls_certificate", own)}
    if entrance.client_certificates:
        folder = entrance.root + AUTHORITY_FOLDER
        trusted = {"trusted_ca": {"filename": f"{folder}/ca.crt"}, "watched_directory": {"path": folder}}
        files[f"{_AUTHORITY}.json"] = _resource(_AUTHORITY, "validation_context", trusted)
    return files


def _signs_of_life() -> list[Json]:
    """Keep connections alive that say nothing while they wait for a first token.

    A network load balancer forgets a TCP connection after 350 s without a packet (its user guide, connection idle
    timeout). Levels and names are Linux's: SOL_SOCKET, SO_KEEPALIVE; IPPROTO_TCP, TCP_KEEPIDLE and TCP_KEEPINTVL.
    """
    wanted = ((1, 9, 1), (6, 4, 60), (6, 5, 30))
    return [
        {"level": level, "name": name, "int_value": value, "state": "STATE_PREBIND"} for level, name, value in wanted
    ]


def _resource(name: str, kind: str, content: Json) -> str:
    resource = {"@type": f"{_TLS}.Secret", "name": name, kind: content}
    return json.dumps({"resources": [resource]}, separators=(",", ":"), sort_keys=True)


def _transport(entrance: Entrance) -> Json:
    context: Json = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [_watched(entrance, _CERTIFICATE)],
    }
    if entrance.client_certificates:
        context["validation_context_sds_secret_config"] = _watched(entrance, _AUTHORITY)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TLS}.DownstreamTlsContext",
            "common_tls_context": context,
            **({"require_client_certificate": True} if entrance.client_certificates else {}),
        },
    }


def _watched(entrance: Entrance, name: str) -> Json:
    path = f"{entrance.root}{SECRETS_FOLDER}/{name}.json"
    return {"name": name, "sds_config": {"path_config_source": {"path": path}, "resource_api_version": "V3"}}


def _authentication(entrance: Entrance) -> list[Json]:
    if not entrance.clients:
        return []
    script = envoy_lua.api_keys(folder=entrance.root + KEYS_FOLDER, clients=entrance.clients)
    return [
        {
            "name": "envoy.filters.http.lua",
            "typed_config": {
                "@type": f"{_V3}.filters.http.lua.v3.Lua",
                "default_source_code": {"inline_string": script},
            },
        }
    ]


def _router() -> Json:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_V3}.filters.http.router.v3.Router", "suppress_envoy_headers": True},
    }


def _routes() -> Json:
    inside = {"name": "inside", "match": {"prefix": "/"}, "route": {"cluster": CLUSTER, "timeout": "0s"}}
    return {"name": "entrance", "virtual_hosts": [{"name": "entrance", "domains": ["*"], "routes": [inside]}]}


def _local_replies() -> Json:
    """Word refusals as the gateway words its own errors."""
    return {"mappers": [_mapper(401, "authentication_error"), _mapper(500, "upstream_error")]}


def _mapper(status: int, kind: str) -> Json:
    comparison = {"op": "GE", "value": {"default_value": status, "runtime_key": f"tenbin.entrance_reply.{status}"}}
    error = {"message": "%LOCAL_REPLY_BODY%", "type": kind, "code": "%RESPONSE_CODE%"}
    return {
        "filter": {"status_code_filter": {"comparison": comparison}},
        "body_format_override": {"json_format": {"error": error}, "content_type": "application/json"},
    }
