"""Bootstrap of the gateway's Envoy: plain arguments in, plain data out.

The whole configuration is one JSON argument of the process, so a change of it rolls the gateway's Deployment, and
Kubernetes puts the pod's own address in the place of `$(POD_IP)`. What changes while the gateway runs, the endpoints,
comes from the picker over gRPC; the rest stands still.

Three rules decide most values below:

- A stream lives for minutes, and its first token may take as long as a queue is: nothing limits a whole response, only
  silence does.
- A request may be sent again to another replica as long as not one byte of a response came, and never after.
- Whatever is away (picker, planner), requests go on.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from tenbin_spec import contract

from tenbin._layout import envoy_clusters, envoy_entrance, envoy_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenbin._layout.envoy_entrance import Entrance
    from tenbin._layout.envoy_routes import ServiceRoute

Json = dict[str, Any]

POD_ADDRESS = "$(POD_IP)"
"""Expanded by Kubernetes where it stands in an argument and the container has a variable of that name."""
PICKER_CLUSTER = "tenbin-picker"
PLANNER_CLUSTER = "tenbin-planner"
ADMIN_CLUSTER = "tenbin-admin"
USAGE_NAMESPACE = "tenbin.usage"
_PICKER_RETRY = {"retry_back_off": {"base_interval": "0.25s", "max_interval": "3s"}}
"""A picker that is back is found within seconds; the default waits for up to 30."""

_V3 = "type.googleapis.com/envoy.extensions"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Address:
    """Where a service of the cluster listens: an IP address, never a name, so that no DNS is needed."""

    host: str
    port: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gateway allows."""

    request_bytes: int = 8 * 1024 * 1024
    """Largest request body; larger ones are answered 413. Images travel in it as base64."""
    response_buffer_bytes: int = 1024 * 1024
    """Bytes of one stream that wait for a slow client before the engine's stream is paused."""
    silence_s: int = 900
    """A stream without a byte either way for so long is ended. The wait for the first token counts as silence."""
    longest_s: int = 7200
    """No request lives longer."""
    upload_s: int = 60
    """Time for a client to send its request."""
    memory_bytes: int = 512 * 1024 * 1024
    """Envoy sheds requests before its heap passes this; keep the container's limit 128 MiB above it."""
    retry_after_s: int = 5
    """Advice to clients while no replica is ready."""


def arguments(
    *,
    services: Sequence[ServiceRoute],
    picker: Address,
    planner: Address,
    limits: Limits | None = None,
    entrance: Entrance | None = None,
) -> list[str]:
    """Return the arguments of the Envoy process, without the program's own name."""
    config = bootstrap(services=services, picker=picker, planner=planner, limits=limits, entrance=entrance)
    return [
        "--config-yaml",
        json.dumps(config, separators=(",", ":"), sort_keys=True),
        # Hot restart claims shared memory by number, which pods on one host would share.
        "--disable-hot-restart",
        "--concurrency",
        "2",
        "--log-level",
        "warning",
    ]


def bootstrap(
    *,
    services: Sequence[ServiceRoute],
    picker: Address,
    planner: Address,
    limits: Limits | None = None,
    entrance: Entrance | None = None,
    address: str = POD_ADDRESS,
) -> Json:
    """Return Envoy's bootstrap configuration as plain data.

    Args:
        services: what may be asked for; their order is without effect.
        picker: serves the endpoints of every service (aggregated discovery).
        planner: takes the access log.
        limits: what the gateway allows.
        entrance: the way in from outside the cluster; None where there is none.
        address: own IP address; also part of the node id and of the admin socket's name.

    Raises:
        ValueError: when two services have one name, or one has the name of a part of tenbin.
    """
    limits = limits or Limits()
    admin_socket = f"@tenbin-admin-{address}"
    ordered = sorted(services, key=lambda service: service.name)
    if len({service.name for service in ordered}) < len(ordered):
        raise ValueError(f"service names must differ, not {[service.name for service in ordered]}")
    for service in ordered:
        if service.name in (PICKER_CLUSTER, PLANNER_CLUSTER, ADMIN_CLUSTER, envoy_entrance.CLUSTER):
            raise ValueError(f"a service must not be named {service.name}, which is a part of the gateway")
    return {
        "node": {"id": f"gateway-{address}", "cluster": contract.NAME_GATEWAY},
        "admin": {
            "address": {"pipe": {"path": admin_socket}},
            "allow_paths": [{"exact": "/ready"}, {"prefix": "/stats/prometheus"}],
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": PICKER_CLUSTER, "retry_policy": _PICKER_RETRY}}],
            }
        },
        "static_resources": {
            "listeners": [
                _gateway_listener(ordered, address, limits),
                _health_listener(address),
                *([] if entrance is None else [_entrance_listener(entrance, address, limits)]),
            ],
            "clusters": [
                *(
                    envoy_clusters.of_service(service.name, buffer_bytes=limits.response_buffer_bytes)
                    for service in ordered
                ),
                envoy_clusters.of_grpc(PICKER_CLUSTER, host=picker.host, port=picker.port),
                envoy_clusters.of_grpc(PLANNER_CLUSTER, host=planner.host, port=planner.port),
                envoy_clusters.of_pipe(ADMIN_CLUSTER, admin_socket),
                *([] if entrance is None else [envoy_entrance.cluster(address)]),
            ],
        },
        "overload_manager": _overload(limits),
    }


def _overload(limits: Limits) -> Json:
    def when(share: float) -> Json:
        return {"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}

    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.fixed_heap",
                "typed_config": {
                    "@type": f"{_V3}.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": limits.memory_bytes,
                },
            },
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{_V3}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": envoy_clusters.UNLIMITED // 2,
                },
            },
        ],
        "actions": [
            {"name": "envoy.overload_actions.shrink_heap", "triggers": [when(0.90)]},
            {"name": "envoy.overload_actions.stop_accepting_requests", "triggers": [when(0.97)]},
        ],
    }


def _gateway_listener(services: Sequence[ServiceRoute], address: str, limits: Limits) -> Json:
    manager = {
        **_connections(limits),
        "stat_prefix": "gateway",
        "early_header_mutation_extensions": [_header_removal()],
        "http_filters": _filters(limits),
        "route_config": envoy_routes.table(services, request_bytes=limits.request_bytes),
        "local_reply_config": envoy_routes.local_replies(retry_after_s=limits.retry_after_s),
        # The first entry tells the arrival, the last the truth about it; those between say that it still runs, so that
        # a planner that was away knows what is in flight within seconds.
        "access_log": [_access_log()],
        "access_log_options": {"flush_access_log_on_new_request": True, "access_log_flush_interval": "10s"},
    }
    return {
        **_listener("gateway", address, contract.PORT_GATEWAY, manager),
        "per_connection_buffer_limit_bytes": limits.response_buffer_bytes,
    }


def _entrance_listener(entrance: Entrance, address: str, limits: Limits) -> Json:
    found = envoy_entrance.listener(
        entrance, address=address, manager=_connections(limits), header_removal=_header_removal()
    )
    return {**found, "per_connection_buffer_limit_bytes": limits.response_buffer_bytes}


def _connections(limits: Limits) -> Json:
    """Return what every listener for clients holds to: limits of connections and streams."""
    return {
        "codec_type": "AUTO",
        "server_header_transformation": "PASS_THROUGH",
        "use_remote_address": True,
        # Nobody is trusted for being inside.
        "internal_address_config": {"cidr_ranges": []},
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "max_stream_duration": f"{limits.longest_s}s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 1000,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "stream_idle_timeout": f"{limits.silence_s}s",
        "request_timeout": f"{limits.upload_s}s",
        "request_headers_timeout": "10s",
    }


def _health_listener(address: str) -> Json:
    """Listen for probes and scrapes. They are logged too: an idle gateway is told from one that is cut off."""
    manager = {
        "stat_prefix": "health",
        "http_filters": [_router()],
        "route_config": envoy_routes.health_table(ADMIN_CLUSTER),
        "access_log": [_access_log()],
    }
    return _listener("health", address, contract.PORT_GATEWAY_HEALTH, manager)


def _listener(name: str, address: str, port: int, manager: Json) -> Json:
    network_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_V3}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            **manager,
        },
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [{"filters": [network_filter]}],
    }


def _header_removal() -> Json:
    """Take away what steers Envoy or the choice of a replica before anything reads it.

    Request ids are always Envoy's own: they tie the entries of the access log, where a client must not forge one.
    """
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{_V3}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [
                {"remove_on_match": {"key_matcher": {"prefix": prefix}}}
                for prefix in ("x-envoy-", "x-gateway-destination-", "x-llm-d-request-dropped-", "x-request-id")
            ],
        },
    }


def _filters(limits: Limits) -> list[Json]:
    """Return the chain: the whole request first, so that a slow upload never occupies an engine."""
    return [
        {
            "name": "envoy.filters.http.buffer",
            "typed_config": {
                "@type": f"{_V3}.filters.http.buffer.v3.Buffer",
                "max_request_bytes": limits.request_bytes,
            },
        },
        # Reads `usage.completion_tokens` where a streamed answer carries it. Answers in one piece are not read:
        # their time per output token is 0 by definition, and reading would hold them back.
        {
            "name": "envoy.filters.http.sse_to_metadata",
            "typed_config": {
                "@type": f"{_V3}.filters.http.sse_to_metadata.v3.SseToMetadata",
                "response_rules": {
                    "content_parser": {
                        "name": "envoy.content_parsers.json",
                        "typed_config": {
                            "@type": f"{_V3}.content_parsers.json.v3.JsonContentParser",
                            "rules": [{"rule": _usage_rule()}],
                        },
                    }
                },
            },
        },
        _router(),
    ]


def _usage_rule() -> Json:
    return {
        "selectors": [{"key": "usage"}, {"key": "completion_tokens"}],
        "on_present": {"metadata_namespace": USAGE_NAMESPACE, "key": "output_tokens", "type": "NUMBER"},
    }


def _router() -> Json:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_V3}.filters.http.router.v3.Router", "suppress_envoy_headers": True},
    }


def _access_log() -> Json:
    """Return the logger that tells the planner of each request; its buffer is bounded and drops what nobody takes.

    Time to first token is the first byte of the *body*: engines send the headers before the first token is there.
    """
    tags = {
        "ttft_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_BODY_BEG:us)%",
        "e2e_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_END:us)%",
        "output_tokens": f"%DYNAMIC_METADATA({USAGE_NAMESPACE}:output_tokens)%",
        "tenant": f"%REQ({contract.HEADER_TENANT}):64%",
        "content_type": "%RESP(content-type):32%",
    }
    return {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": f"{_V3}.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": "tenbin",
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": PLANNER_CLUSTER}},
                "buffer_flush_interval": "0.2s",
                "buffer_size_bytes": 16_384,
                "custom_tags": [{"tag": tag, "value": value} for tag, value in tags.items()],
            },
        },
    }
