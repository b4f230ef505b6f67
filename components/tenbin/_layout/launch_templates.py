"""What every node of a cluster on AWS is launched with."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from tenbin._layout.manifests import Json, Placed
from tenbin._layout.tags import Tags

ROOT_DEVICE = "/dev/xvda"
"""Of Amazon Linux 2023."""
METADATA = {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1}
"""Version 2 of the metadata service alone, and one hop: no pod takes its node's identity."""
_TAGGED = ("instance", "volume", "network-interface")


def secured(*, tags: Tags, name: str, volume_gb: int) -> Json:
    """Return the part of a launch template that is the same for all nodes.

    It names neither subnet nor image nor instance profile, which a managed node group sets itself and refuses in a
    template. Its tags are on what is launched: tags of a node group stay on the group alone.
    """
    volume = {"volume_size": volume_gb, "volume_type": "gp3", "encrypted": True, "delete_on_termination": True}
    return {
        "update_default_version": True,
        "metadata_options": METADATA,
        "block_device_mappings": [{"device_name": ROOT_DEVICE, "ebs": volume}],
        "tag_specifications": [{"resource_type": kind, "tags": tags.of(name)} for kind in _TAGGED],
        "tags": tags.of(name),
    }


def node_config(*, raid0: bool) -> str:
    """Return user data for the agent that joins a node to its cluster (nodeadm), in base64.

    A managed node group merges it with its own. Images of engines are large: their layers are pulled side by side.

    Args:
        raid0: whether the node's disks become one volume, on which images and the pods' scratch space then lie.
    """
    spec: Json = {"featureGates": {"FastImagePull": True}}
    if raid0:
        spec["instance"] = {"localStorage": {"strategy": "RAID0"}}
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}
    return base64.b64encode(mime(config).encode()).decode()


def mime(config: Json) -> str:
    """Return a configuration of nodeadm as the part of a multi-part document, which JSON is a form of."""
    boundary = "tenbin"
    lines = [
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: application/node.eks.aws",
        "",
        json.dumps(config, sort_keys=True),
        "",
        f"--{boundary}--",
        "",
    ]
    return "\n".join(lines)


def joined(security_groups: Sequence[Placed]) -> Json:
    """Return the security groups of nodes with a single network interface.

    A template that names any must name the cluster's own too, since EKS then adds it no longer.
    """
    return {"vpc_security_group_ids": list(security_groups)}
