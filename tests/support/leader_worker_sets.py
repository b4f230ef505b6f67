"""LeaderWorkerSets as a real API server takes them: every field of the set itself, and the pods that follow from it.

The schema is that of kubernetes-sigs/lws 0.9 (api/leaderworkerset/v1) without its pod templates, which the API server
judges as pods instead.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tenbin_local.errors import LocalError
from tenbin_spec import contract

from support.waiting import until

if TYPE_CHECKING:
    from tenbin_local.environment import cluster

GROUP, _, VERSION = contract.GROUP_API_VERSION.partition("/")
PLURAL = "leaderworkersets"


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_NUMBER = {"type": "integer", "minimum": 0}
_COUNT_OR_SHARE = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
_TEMPLATE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_SPEC = _object(
    ("leaderWorkerTemplate",),
    replicas=_NUMBER,
    startupPolicy=_one_of("LeaderCreated", "LeaderReady"),
    networkConfig=_object(("subdomainPolicy",), subdomainPolicy=_one_of("Shared", "UniquePerReplica")),
    rolloutStrategy=_object(
        ("type",),
        type=_one_of("RollingUpdate"),
        rollingUpdateConfiguration=_object(partition=_NUMBER, maxUnavailable=_COUNT_OR_SHARE, maxSurge=_COUNT_OR_SHARE),
    ),
    leaderWorkerTemplate=_object(
        ("workerTemplate",),
        size={"type": "integer", "minimum": 1},
        restartPolicy=_one_of("RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None", "Default"),
        leaderTemplate=_TEMPLATE,
        workerTemplate=_TEMPLATE,
        subGroupPolicy=_object(subGroupSize=_NUMBER, subGroupPolicyType=_one_of("LeaderWorker", "LeaderExcluded")),
    ),
)
_STATUS = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "names": {"kind": contract.GROUP_KIND, "plural": PLURAL, "singular": contract.GROUP_KIND.lower()},
        "scope": "Namespaced",
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _object(spec=_SPEC, status=_STATUS)},
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas",
                        "labelSelectorPath": ".status.hpaPodSelector",
                    },
                },
            }
        ],
    },
}


def define(client: cluster.Cluster) -> None:
    """Make the API server serve the kind."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_DEFINITION['metadata']['name']}"  # type: ignore[index]
    client.apply(path, _DEFINITION)

    def is_served() -> bool:
        try:
            client.get(f"/apis/{GROUP}/{VERSION}/{PLURAL}")
        except LocalError:
            return False
        return True

    until(is_served)


def path(manifest: dict[str, Any]) -> str:
    """Return the path of a set."""
    place = manifest["metadata"]
    return f"/apis/{GROUP}/{VERSION}/namespaces/{place['namespace']}/{PLURAL}/{place['name']}"


def pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the leader and the first worker of a set's first group, as its controller makes them."""
    found, place = manifest["spec"]["leaderWorkerTemplate"], manifest["metadata"]
    variables = {
        "LWS_LEADER_ADDRESS": f"{place['name']}-0.{place['name']}.{place['namespace']}",
        "LWS_GROUP_SIZE": str(found["size"]),
    }
    return [
        _pod(template, name, place["namespace"], index, {**variables, "LWS_WORKER_INDEX": str(index)})
        for index, (name, template) in enumerate(
            {f"{place['name']}-0": found["leaderTemplate"], f"{place['name']}-0-1": found["workerTemplate"]}.items()
        )
    ]


def _pod(template: dict[str, Any], name: str, namespace: str, index: int, variables: dict[str, str]) -> dict[str, Any]:
    made = copy.deepcopy(template)
    made["metadata"] |= {"name": name, "namespace": namespace}
    made["metadata"]["labels"] = {
        **made["metadata"]["labels"],
        "leaderworkerset.sigs.k8s.io/group-key": "key-of-0",
        "leaderworkerset.sigs.k8s.io/worker-index": str(index),
    }
    for container in made["spec"]["containers"]:
        container["env"] = [*({"name": key, "value": value} for key, value in variables.items()), *container["env"]]
    return {"apiVersion": "v1", "kind": "Pod", **made}
