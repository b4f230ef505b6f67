"""Routes of the gateway: which path and header lead to which service and request class.

A route's name is `<service>/<class>`, which is also how the access log tells the planner what a request was. Requests
that are no demand (lists of models, health, refusals) have names with `-` for what they lack.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from tenbin_spec import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

NOTHING = "-"
GENERATING_PATHS = ("v1/chat/completions", "v1/completions")
LISTING_PATHS = ("v1/models",)
_PREVIOUS_HOSTS = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
PATHS = (*GENERATING_PATHS, *LISTING_PATHS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceRoute:
    """How clients reach a service."""

    name: str
    model_id: str
    choosable_classes: tuple[str, ...]
    """Classes that a client may name in its class header."""
    default_class: str
    """Class of every other request."""


def table(services: Sequence[ServiceRoute], *, request_bytes: int) -> Json:
    """Return the route configuration of the gateway's listener.

    A service is chosen by the first part of the path (`/<service>/v1/...`), else by the header `x-gateway-model-name`
    with its name or model id, else it is the only one. Other paths than the allowed ones never reach an engine.
    """
    routes = [
        {
            "name": f"{NOTHING}/health",
            "match": {"path": "/health"},
            "direct_response": {"status": 200, "body": {"inline_string": '{"status":"ok"}\n'}},
            "response_headers_to_add": [_header("content-type", "application/json")],
        }
    ]
    for service in services:
        routes += _routes(service, prefix=f"/{service.name}/", headers=[])
    for service in services:
        names = "|".join(re.escape(name) for name in sorted({service.name, service.model_id}))
        headers = [{"name": contract.HEADER_SERVICE, "string_match": {"safe_regex": {"regex": names}}}]
        routes += _routes(service, prefix="/", headers=headers)
    if len(services) == 1:
        absent = {"name": contract.HEADER_SERVICE, "present_match": True, "invert_match": True}
        routes += _routes(services[0], prefix="/", headers=[absent])
    known = ", ".join(service.name for service in services) or "none"
    routes.append(
        _refusal(
            "unknown-service",
            {"safe_regex": {"regex": f"/(?:[^/]+/)?(?:{_either(PATHS)})"}},
            f"No such service. Name one in the header {contract.HEADER_SERVICE} or as the first part of the path. "
            f"Services: {known}",
        )
    )
    allowed = ", ".join(f"/{path}" for path in PATHS)
    routes.append(_refusal("unknown-path", {"prefix": "/"}, f"No such path. Allowed: {allowed}, /health"))
    return {
        "name": "gateway",
        "virtual_hosts": [
            {
                "name": "gateway",
                "domains": ["*"],
                "routes": routes,
                "request_body_buffer_limit": request_bytes,
                "request_headers_to_remove": ["x-envoy-internal", "x-envoy-external-address"],
                "response_headers_to_remove": ["server", "x-envoy-upstream-service-time"],
            }
        ],
    }


def health_table(admin_cluster: str) -> Json:
    """Return the route configuration of the listener for probes and scrapes: two paths, reading only."""
    reading = [{"name": ":method", "string_match": {"exact": "GET"}}]
    routes: list[Json] = [
        {
            "name": f"{NOTHING}/health",
            "match": {"path": path, "headers": reading},
            "route": {"cluster": admin_cluster},
        }
        for path in ("/ready", "/stats/prometheus")
    ]
    return {"name": "health", "virtual_hosts": [{"name": "health", "domains": ["*"], "routes": routes}]}


def local_replies(*, retry_after_s: int) -> Json:
    """Return how Envoy words its own errors: JSON of the shape that OpenAI's clients read."""

    def mapper(accept: Json, kind: str, headers: Sequence[Json] = (), message: str = "%LOCAL_REPLY_BODY%") -> Json:
        error = {"message": message, "type": kind, "code": "%RESPONSE_CODE%"}
        return {
            "filter": accept,
            "headers_to_add": list(headers),
            "body_format_override": {"json_format": {"error": error}, "content_type": "application/json"},
        }

    def status_from(status: int) -> Json:
        value = {"default_value": status, "runtime_key": f"tenbin.local_reply.{status}"}
        return {"status_code_filter": {"comparison": {"op": "GE", "value": value}}}

    retry_after = _header("retry-after", str(retry_after_s))
    return {
        "mappers": [
            mapper(
                {"response_flag_filter": {"flags": ["UH", "UO"]}},
                "no_replica_ready",
                [retry_after],
                "No replica of this service is ready. Try again later.",
            ),
            mapper({"response_flag_filter": {"flags": ["OM"]}}, "gateway_overloaded", [retry_after]),
            mapper(status_from(500), "upstream_error"),
            mapper(status_from(400), "invalid_request_error"),
        ]
    }


def _routes(service: ServiceRoute, *, prefix: str, headers: list[Json]) -> list[Json]:
    """Return the routes of one way to reach a service: one for each class to choose, then the default, then listing."""
    generating = {"safe_regex": {"regex": f"{re.escape(prefix)}(?:{_either(GENERATING_PATHS)})"}}
    listing = {"safe_regex": {"regex": f"{re.escape(prefix)}(?:{_either(LISTING_PATHS)})"}}
    routes: list[Json] = []
    for name in service.choosable_classes:
        chosen = {"name": contract.HEADER_CLASS, "string_match": {"exact": name}}
        match = {**generating, "headers": [*headers, chosen]}
        routes.append(_forward(service, name, match, prefix))
    default = _forward(service, service.default_class, {**generating, "headers": headers}, prefix)
    default["request_headers_to_add"] = [_header(contract.HEADER_CLASS, service.default_class)]
    routes.append(default)
    routes.append(_forward(service, NOTHING, {**listing, "headers": headers}, prefix))
    return routes


def _forward(service: ServiceRoute, class_name: str, match: Json, prefix: str) -> Json:
    action: Json = {
        "cluster": service.name,
        # Nothing limits a whole answer: the idle timeout of streams does.
        "timeout": "0s",
        # An engine that drains answers 500 (vLLM) or 503 before any byte of an answer: that request goes elsewhere.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request,retriable-status-codes",
            "retriable_status_codes": [500, 503],
            "num_retries": 2,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": _PREVIOUS_HOSTS},
                }
            ],
            # Of two replicas, the one that refused and is therefore idle comes up in 7 of 8 choices.
            "host_selection_retry_max_attempts": 60,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        },
    }
    if prefix != "/":
        action["regex_rewrite"] = {"pattern": {"regex": f"^{re.escape(prefix)}"}, "substitution": "/"}
    return {"name": f"{service.name}/{class_name}", "match": match, "route": action}


def _refusal(name: str, match: Json, message: str) -> Json:
    return {
        "name": f"{NOTHING}/{name}",
        "match": match,
        "direct_response": {"status": 404, "body": {"inline_string": message}},
    }


def _header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _either(paths: Sequence[str]) -> str:
    return "|".join(re.escape(path) for path in paths)
