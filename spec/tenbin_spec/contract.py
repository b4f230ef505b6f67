"""Names that components, planner, picker and local environment share: one place, so that they cannot drift apart."""

from __future__ import annotations

from tenbin_spec.services import Role

API_GROUP = "tenbin.dev"

LABEL_STACK = f"{API_GROUP}/stack"
LABEL_SERVICE = f"{API_GROUP}/service"
LABEL_ROLE = f"{API_GROUP}/role"
LABEL_POOL = f"{API_GROUP}/pool"
"""On pods, and on the nodes of a pool."""
LABEL_NAME = "app.kubernetes.io/name"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "tenbin"
TAG_PART = f"{API_GROUP}/part"
"""Tag of a cloud's resources: the part of the stack that they belong to."""
TAG_OWNER = f"{API_GROUP}/owner"
"""Tag of a cloud's resources: who pays."""

NAME_ENGINE = "tenbin-engine"
NAME_PLANNER = "tenbin-planner"
NAME_PICKER = "tenbin-picker"
NAME_GATEWAY = "tenbin-gateway"
NAME_ENTRANCE = "tenbin-entrance"
"""Of the gateway: its way in from outside the cluster."""

TAINT_POOL = LABEL_POOL
"""Taint key of a pool's nodes, with the pool's name as value and effect NoSchedule."""
TAINT_GPU = "nvidia.com/gpu"
TAINT_GPU_VALUE = "present"
RESOURCE_GPU = "nvidia.com/gpu"
RESOURCE_EFA = "vpc.amazonaws.com/efa"

ANNOTATION_DRAINING = f"{API_GROUP}/draining"
"""Set to `true` by the planner on a pod that is about to be removed; the picker takes it out of the endpoints."""
ANNOTATION_PAUSED = f"{API_GROUP}/paused"
"""`true` on a workload: the planner leaves its count and its pods alone."""
ANNOTATION_REPLICAS_MIN = f"{API_GROUP}/replicas-min"
ANNOTATION_REPLICAS_MAX = f"{API_GROUP}/replicas-max"
"""On a workload: bounds of its count that a person sets for a while, within those of the agreement."""
ANNOTATION_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

GROUP_API_VERSION = "leaderworkerset.x-k8s.io/v1"
GROUP_KIND = "LeaderWorkerSet"
"""What makes a group of pods out of a replica that spans nodes."""

CONTAINER_ENGINE = "engine"
PORT_NAME_HTTP = "http"
PORT_ENGINE = 8000
PORT_GATEWAY = 8080
PORT_GATEWAY_HEALTH = 8082
PORT_GATEWAY_ENTRANCE = 8443
PORT_PICKER_XDS = 9002
PORT_PICKER_HEALTH = 9003
PORT_PLANNER_HTTP = 8081
PORT_PLANNER_ACCESS_LOG = 9005

DOCUMENT_CONFIG_MAP = "tenbin-document"
DOCUMENT_KEY = "document.json"
STATE_CONFIG_MAP = "tenbin-planner-state"
LEASE_PLANNER = "tenbin-planner"

HEADER_CLASS = "x-llm-d-inference-objective"
"""Request class, the name that the llm-d router uses."""
HEADER_SERVICE = "x-gateway-model-name"
"""Service or model id of a request, the name that the Gateway API inference extension uses."""
HEADER_TENANT = "x-tenant-id"

ROOT_VARIABLE = "TENBIN_ROOT"
"""Environment variable with the folder under which a pod's absolute paths lie; `/` when unset."""


def workload_name(service: str, role: Role, pool: str) -> str:
    """Name of the workload that runs a service's role on a pool."""
    return f"{service}-{role}-{pool}"
