"""What an EKS cluster is made of: the control plane, its add-ons, its roles, its own nodes, and the way in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from tenbin_spec import catalogue, contract
from tenbin_spec.catalogue import Architecture
from tenbin_spec.clusters import EksCluster

from tenbin._layout import iam
from tenbin._layout.manifests import Json, Placed, label_value, metadata

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
AUTO_MODE_NODE_POOLS = ("general-purpose", "system")
"""That EKS makes itself: for what needs no accelerator."""

_BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Without these a node never becomes ready; the others need one to run on."""
_CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
_AUTO_MODE_CLUSTER_POLICIES = (
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
# No policy for the network plugin: it has a role of its own, so that no other pod of a node has its rights.
_NODE_POLICIES = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy", "AmazonSSMManagedInstanceCore")
_AUTO_MODE_NODE_POLICIES = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy")
_NETWORK_PLUGIN_POLICY = "AmazonEKS_CNI_Policy"
_ADMINISTRATOR = "AmazonEKSClusterAdminPolicy"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Addon:
    """One add-on at a pinned version."""

    name: str
    version: str
    before_nodes: bool
    configuration: str | None = None
    """JSON text."""
    service_account: str | None = None
    """That takes a role of its own."""


def default_name(stack: str) -> str:
    """Return the name of a stack's cluster.

    >>> default_name("organisation/prod")
    'tenbin-organisation-prod'
    """
    return label_value(f"tenbin-{stack}").replace(".", "-")


def principal_name(arn: str) -> str:
    """Return what tells a principal from all others in the name of a resource.

    >>> principal_name("arn:aws:iam::111122223333:role/team/admin")
    '111122223333-role-team-admin'
    """
    return "-".join(arn.split(":")[4:]).replace("/", "-")


def addons(cluster: EksCluster) -> tuple[Addon, ...]:
    """Return the add-ons of a cluster: none in Auto Mode, which has them all inside its nodes."""
    if cluster.auto_mode:
        return ()
    versions = {**catalogue.addon_versions()[cluster.version], **cluster.addons}
    return tuple(
        Addon(
            name=name,
            version=version,
            before_nodes=name in _BEFORE_NODES,
            # Without this the network plugin ignores every NetworkPolicy.
            configuration=json.dumps({"enableNetworkPolicy": "true"}) if name == "vpc-cni" else None,
            service_account="aws-node" if name == "vpc-cni" else None,
        )
        for name, version in sorted(versions.items())
    )


def control_plane(
    cluster: EksCluster, *, name: str, role_arn: Placed, subnet_ids: Placed, node_role_arn: Placed
) -> Json:
    """Return the control plane.

    Args:
        cluster: its settings.
        name: its name.
        role_arn: of the role that it takes.
        subnet_ids: of the subnets in which it puts its interfaces.
        node_role_arn: of the role of its nodes.
    """
    public = list(cluster.public_cidrs)
    return {
        "name": name,
        "version": cluster.version,
        "role_arn": role_arn,
        "vpc_config": {
            "subnet_ids": subnet_ids,
            "endpoint_private_access": True,
            "endpoint_public_access": bool(public),
            **({"public_access_cidrs": public} if public else {}),
        },
        # Nobody is let in by having created it: access entries say who is.
        "access_config": {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
        "bootstrap_self_managed_addons": False,
        "enabled_cluster_log_types": list(LOG_TYPES),
        "deletion_protection": cluster.deletion_protection,
        # Extended support costs several times the fee; at the end of standard support AWS upgrades instead.
        "upgrade_policy": {"support_type": "STANDARD"},
        "zonal_shift_config": {"enabled": True},
        **_encryption(cluster),
        **_auto_mode(cluster, node_role_arn),
    }


def cluster_policies(cluster: EksCluster) -> tuple[str, ...]:
    """Return the ARNs of the policies that the control plane's role has."""
    names = (*_CLUSTER_POLICIES, *(_AUTO_MODE_CLUSTER_POLICIES if cluster.auto_mode else ()))
    return tuple(iam.managed(cluster.region, name) for name in names)


def node_policies(cluster: EksCluster) -> tuple[str, ...]:
    """Return the ARNs of the policies that the nodes' role has."""
    names = _AUTO_MODE_NODE_POLICIES if cluster.auto_mode else _NODE_POLICIES
    return tuple(iam.managed(cluster.region, name) for name in names)


def network_plugin_policy(cluster: EksCluster) -> str:
    """Return the ARN of the policy of the network plugin's own role."""
    return iam.managed(cluster.region, _NETWORK_PLUGIN_POLICY)


def administrator_policy(cluster: EksCluster) -> str:
    """Return the ARN of the access policy of administrators."""
    return f"arn:{iam.partition(cluster.region)}:eks::aws:cluster-access-policy/{_ADMINISTRATOR}"


def key_policy(key_arn: str) -> str:
    """Return what the control plane may do with the key that encrypts secrets."""
    actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"]
    return iam.document([{"Effect": "Allow", "Action": actions, "Resource": [key_arn]}])


def own_tags_policy() -> str:
    """Return what lets Auto Mode put tags of the stack's own on nodes, which its managed policies do not.

    What is launched does not exist yet, so that no resource can be named: the tags that Auto Mode asks for say whose it
    is (EKS user guide, auto-learn-iam).
    """
    return iam.document(
        [
            {
                "Effect": "Allow",
                "Action": ["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"],
                "Resource": ["*"],
                "Condition": {
                    "StringEquals": {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"},
                    "StringLike": {
                        "aws:RequestTag/eks:kubernetes-node-class-name": "*",
                        "aws:RequestTag/eks:kubernetes-node-pool-name": "*",
                    },
                },
            }
        ]
    )


def system_group(cluster: EksCluster) -> Json:
    """Return the node group for all that needs no accelerator."""
    nodes = cluster.system_nodes
    architecture = {Architecture.AMD64: "x86_64", Architecture.ARM64: "ARM_64"}[nodes.architecture]
    return {
        "ami_type": f"AL2023_{architecture}_STANDARD",
        "capacity_type": "ON_DEMAND",
        "instance_types": list(nodes.instance_types),
        "scaling_config": {
            "min_size": nodes.nodes.min,
            "max_size": nodes.nodes.max,
            "desired_size": max(nodes.nodes.min, 1),
        },
        "update_config": {"max_unavailable": 1},
        "node_repair_config": {"enabled": True},
        "version": cluster.version,
    }


def network_policy_switch() -> Json:
    """Return what makes Auto Mode enforce network policies, which it ignores otherwise."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata("amazon-vpc-cni", "kube-system", {contract.LABEL_MANAGED_BY: contract.MANAGED_BY}),
        "data": {"enable-network-policy-controller": "true"},
    }


def kubeconfig(*, name: str, region: str, endpoint: str, certificate_authority: str) -> str:
    """Return a kubeconfig without credentials: each call asks the AWS command line for a token of who calls.

    Args:
        name: of the cluster.
        region: of the cluster.
        endpoint: URL of the API server.
        certificate_authority: its certificate in base64.
    """
    command = ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"]
    version = "client.authentication.k8s.io/v1"
    user = {"exec": {"apiVersion": version, "command": "aws", "args": command, "interactiveMode": "Never"}}
    server = {"server": endpoint, "certificate-authority-data": certificate_authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": _named(name, "cluster", server),
            "users": _named(name, "user", user),
            "contexts": _named(name, "context", {"cluster": name, "user": name}),
        }
    )


def _named(name: str, key: str, value: Json) -> Sequence[Json]:
    return [{"name": name, key: value}]


def _encryption(cluster: EksCluster) -> Json:
    if cluster.kms_key is None:
        return {}
    return {"encryption_config": {"provider": {"key_arn": cluster.kms_key}, "resources": ["secrets"]}}


def _auto_mode(cluster: EksCluster, node_role_arn: Placed) -> Json:
    """Return the three switches of Auto Mode, which AWS takes together or not at all."""
    if not cluster.auto_mode:
        return {}
    return {
        "compute_config": {
            "enabled": True,
            "node_pools": list(AUTO_MODE_NODE_POOLS),
            "node_role_arn": node_role_arn,
        },
        "kubernetes_network_config": {"elastic_load_balancing": {"enabled": True}},
        "storage_config": {"block_storage": {"enabled": True}},
    }
