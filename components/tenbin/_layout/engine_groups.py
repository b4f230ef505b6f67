"""Workloads whose replicas span nodes: one LeaderWorkerSet for each pool, a group of pods for each replica.

The first pod of a group, its leader, serves the requests; the workers compute with it and answer nobody. The group
lives and dies as one: it serves when all of its pods are ready, and is made anew when one of them ends.
"""

from __future__ import annotations

from tenbin_spec import contract
from tenbin_spec.placements import Placement

from tenbin._layout import engine, pods
from tenbin._layout.engine_command import Part
from tenbin._layout.manifests import Json

_GROUP_KEY = "leaderworkerset.sigs.k8s.io/group-key"
"""Label that the controller gives to all pods of a group and to no others."""


def leader_worker_set(setting: engine.Setting, placement: Placement, *, replicas: int) -> Json:
    """Return the workload of one placement whose replicas span nodes.

    Args:
        setting: what the workloads of the service have in common.
        placement: one with more than one node for a replica.
        replicas: declared number of groups.
    """
    own = engine.workload_metadata(setting, placement)
    scraped = pods.scrape_annotations(contract.PORT_ENGINE, "/metrics", wanted=setting.scrape)
    return {
        "apiVersion": contract.GROUP_API_VERSION,
        "kind": contract.GROUP_KIND,
        "metadata": own,
        "spec": {
            "replicas": replicas,
            # A leader gets ready when its workers have joined: they cannot wait for it.
            "startupPolicy": "LeaderCreated",
            "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": _rollout(placement)},
            "networkConfig": {"subdomainPolicy": "Shared"},
            "leaderWorkerTemplate": {
                "size": placement.nodes,
                # Before all pods have started there is nothing to save: a group is not made anew while a node is
                # still to come.
                "restartPolicy": "RecreateGroupAfterStart",
                "leaderTemplate": _template(setting, placement, Part.LEADER, own["labels"], scraped),
                "workerTemplate": _template(setting, placement, Part.WORKER, own["labels"], {}),
            },
        },
    }


def _rollout(placement: Placement) -> Json:
    """Return how groups are replaced: the new one first, except where the pool has no room for another."""
    surge = int(placement.max_replicas > 1)
    return {"maxSurge": surge, "maxUnavailable": 1 - surge}


def _template(
    setting: engine.Setting, placement: Placement, part: Part, own: dict[str, str], annotations: dict[str, str]
) -> Json:
    metadata = {"labels": own, **({"annotations": annotations} if annotations else {})}
    return {
        "metadata": metadata,
        "spec": {**engine.pod(setting, placement, part), "affinity": _in_one_zone(placement)},
    }


def _in_one_zone(placement: Placement) -> Json:
    """Return what keeps a group together: its pods talk to each other at every step."""
    term = {
        "topologyKey": "topology.kubernetes.io/zone",
        "labelSelector": {"matchLabels": engine.selector(placement)},
        "matchLabelKeys": [_GROUP_KEY],
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
