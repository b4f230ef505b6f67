"""Clusters of the gateway's Envoy: the replicas of each service, and the programs of tenbin that it talks to."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_V3 = "type.googleapis.com/envoy.extensions"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTP_OPTIONS_TYPE = "type.googleapis.com/" + _HTTP_OPTIONS
UNLIMITED = 100_000
"""Circuit breakers would shed at 1024 by default, unseen by the planner. What limits load is the plan."""


def of_service(service: str, *, buffer_bytes: int) -> Json:
    """Return the cluster of a service's replicas, whose endpoints the picker serves."""
    return {
        "name": service,
        "type": "EDS",
        # Without a timeout a new gateway is not ready before it knows its endpoints, so that a roll-out while the
        # picker is away never replaces a gateway that still knows them.
        "eds_cluster_config": {
            "service_name": service,
            "eds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"},
        },
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": buffer_bytes,
        # The least busy of three random replicas. Scanning all of them would balance better, but a replica that refuses
        # is the least busy one: it would draw every request, and every retry of it.
        "load_balancing_policy": {
            "policies": [
                {
                    "typed_extension_config": {
                        "name": "envoy.load_balancing_policies.least_request",
                        "typed_config": {
                            "@type": f"{_V3}.load_balancing_policies.least_request.v3.LeastRequest",
                            "choice_count": 3,
                        },
                    }
                }
            ]
        },
        # Endpoints are ready pods only, so there is nobody to fall back on in panic: better 503 with Retry-After.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": UNLIMITED,
                    "max_pending_requests": UNLIMITED,
                    "max_requests": UNLIMITED,
                    "retry_budget": {"budget_percent": {"value": 25}, "min_retry_concurrency": 64},
                }
            ]
        },
        # Only what the network says ejects a replica (its node is gone): a 5xx may be the request's own fault.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "interval": "2s",
            "base_ejection_time": "5s",
            "max_ejection_time": "60s",
            "max_ejection_percent": 50,
        },
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": _HTTP_OPTIONS_TYPE,
                # Engines close a connection after 5 s of silence (uvicorn); to be earlier avoids sending into that.
                "common_http_protocol_options": {"idle_timeout": "4s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def of_grpc(name: str, *, host: str, port: int) -> Json:
    """Return the cluster of a gRPC server; keepalive notices one that is gone without a word."""
    endpoint = {"socket_address": {"address": host, "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": _assignment(name, endpoint),
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": _HTTP_OPTIONS_TYPE,
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
                },
            }
        },
    }


def of_pipe(name: str, path: str) -> Json:
    """Return the cluster of an HTTP server on a Unix socket."""
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment(name, {"pipe": {"path": path}}),
    }


def _assignment(cluster: str, address: Json) -> Json:
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
