"""Rules of EKS clusters, their add-ons and accesses."""

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tenbin_local.plugins.aws import facts
from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.network import cidr
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()
_GUIDE = "docs.aws.amazon.com/eks/latest/userguide"

ADDON = "aws:eks/addon:Addon"
ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_NOT_PUBLIC = (*_PRIVATE, ipaddress.IPv4Network("100.64.0.0/10"), ipaddress.IPv4Network("127.0.0.0/8"))


def _inside(block: ipaddress.IPv4Network | ipaddress.IPv6Network, around: Iterable[ipaddress.IPv4Network]) -> bool:
    return isinstance(block, ipaddress.IPv4Network) and any(block.subnet_of(one) for one in around)


@_TABLE.rule("kubernetes-version-is-offered", tokens.CLUSTER, source=f"{_GUIDE}/kubernetes-versions.html")
def _version(view: View) -> Iterator[Problem]:
    version = view.known("version")
    if version is not None and version not in facts.KUBERNETES:
        yield Problem("version", f"unsupported Kubernetes version {version}; EKS offers {', '.join(facts.KUBERNETES)}")


@_TABLE.rule("kubernetes-version-rises-by-one", tokens.CLUSTER, source=f"{_GUIDE}/update-cluster.html")
def _version_step(view: View) -> Iterator[Problem]:
    old, new = view.old.get("version"), view.known("version")
    if old in facts.KUBERNETES and new in facts.KUBERNETES:
        step = facts.KUBERNETES.index(new) - facts.KUBERNETES.index(old)
        if step not in (0, 1):
            yield Problem(
                "version",
                f"Unsupported Kubernetes minor version update from {old} to {new}: one minor version up at a time",
            )


@_TABLE.rule("cluster-has-subnets-in-two-zones", tokens.CLUSTER, source=f"{_GUIDE}/network-reqs.html")
def _zones(view: View) -> Iterator[Problem]:
    given = view.known("vpcConfig.subnetIds")
    subnets = view.all_found(tokens.SUBNET, given)
    zones = sorted({str(one.get("availabilityZone")) for one in subnets or []})
    if (subnets is not None and len(zones) < 2) or (isinstance(given, list) and len(given) < 2):
        where = f"; these lie in {', '.join(zones)}" if zones else f"; {len(given)} given"
        yield Problem("vpcConfig.subnetIds", f"Subnets specified must be in at least two different AZs{where}")


@_TABLE.rule("cluster-has-subnets-of-one-vpc", tokens.CLUSTER, source=f"{_GUIDE}/network-reqs.html")
def _one_vpc(view: View) -> Iterator[Problem]:
    subnets = view.all_found(tokens.SUBNET, view.known("vpcConfig.subnetIds")) or []
    vpcs = sorted({str(one.get("vpcId")) for one in subnets})
    if len(vpcs) > 1:
        yield Problem("vpcConfig.subnetIds", f"Subnets must belong to the same VPC; these belong to {', '.join(vpcs)}")


@_TABLE.rule("cluster-has-an-endpoint", tokens.CLUSTER, source=f"{_GUIDE}/cluster-endpoint.html")
def _endpoint(view: View) -> Iterator[Problem]:
    if view.known("vpcConfig.endpointPublicAccess") is False and view.known("vpcConfig.endpointPrivateAccess") is False:
        yield Problem("vpcConfig", "Private and public endpoint access cannot be false")


@_TABLE.rule("public-access-is-from-public-networks", tokens.CLUSTER, source=f"{_GUIDE}/cluster-endpoint.html")
def _public(view: View) -> Iterator[Problem]:
    path = "vpcConfig.publicAccessCidrs"
    given = view.known(path) or []
    if given and view.known("vpcConfig.endpointPublicAccess") is False:
        yield Problem(path, "not allowed while endpointPublicAccess is false")
    for index, text in enumerate(given):
        block = cidr(text)
        if block is None:
            yield Problem(f"{path}[{index}]", f"{text!r} is no network, written like 203.0.113.0/24")
        elif _inside(block, _NOT_PUBLIC):
            yield Problem(f"{path}[{index}]", f"The following CIDRs are not allowed in publicAccessCidrs: [{text}]")


@_TABLE.rule("service-network-is-private", tokens.CLUSTER, source=f"{_GUIDE}/network-reqs.html")
def _services(view: View) -> Iterator[Problem]:
    path = "kubernetesNetworkConfig.serviceIpv4Cidr"
    text = view.known(path)
    block = cidr(text) if text is not None else None
    if text is not None and not (block is not None and _inside(block, _PRIVATE) and 12 <= block.prefixlen <= 24):
        yield Problem(
            path, f"{text!r}: a network of /12 to /24 in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 is allowed"
        )
        return
    for subnet in view.all_found(tokens.SUBNET, view.known("vpcConfig.subnetIds")) or []:
        vpc = view.find(tokens.VPC, str(subnet.get("vpcId"))) or {}
        around = cidr(vpc.get("cidrBlock"))
        if block is not None and around is not None and block.overlaps(around):
            yield Problem(path, f"{text} overlaps the VPC's {around}")
            return


@_TABLE.rule("encryption-is-of-secrets", tokens.CLUSTER, source=f"{_GUIDE}/enable-kms.html")
def _encryption(view: View) -> Iterator[Problem]:
    resources = view.known("encryptionConfig.resources")
    if view.has("encryptionConfig") and resources is not None and resources != ["secrets"]:
        yield Problem("encryptionConfig.resources", f"{resources!r} is not allowed; ['secrets'] is")


@_TABLE.rule("auto-mode-is-on-or-off-as-a-whole", tokens.CLUSTER, source=f"{_GUIDE}/automode.html")
def _auto_mode(view: View) -> Iterator[Problem]:
    parts = (
        "computeConfig.enabled",
        "kubernetesNetworkConfig.elasticLoadBalancing.enabled",
        "storageConfig.blockStorage.enabled",
    )
    if view.unclear(*parts):
        return
    on = {path: bool(view.known(path)) for path in parts}
    if len(set(on.values())) > 1:
        off = ", ".join(path for path, enabled in on.items() if not enabled)
        yield Problem(
            "computeConfig",
            "For EKS Auto Mode, please ensure that all required configs, including "
            "computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully "
            f"disabled; off: {off}",
        )
    if not any(on.values()):
        return
    if view.known("bootstrapSelfManagedAddons") is not False and not view.unclear("bootstrapSelfManagedAddons"):
        yield Problem("bootstrapSelfManagedAddons", "must be false with EKS Auto Mode, which brings its own add-ons")
    mode = "accessConfig.authenticationMode"
    if view.known(mode) not in ("API", "API_AND_CONFIG_MAP") and not view.unclear(mode):
        yield Problem("accessConfig.authenticationMode", "must be API or API_AND_CONFIG_MAP with EKS Auto Mode")
    if view.has("computeConfig.nodePools") and not view.has("computeConfig.nodeRoleArn"):
        yield Problem("computeConfig.nodeRoleArn", "required with node pools")


@_TABLE.rule(
    "creator-is-admin-without-access-entries", tokens.CLUSTER, source=f"{_GUIDE}/setting-up-access-entries.html"
)
def _creator(view: View) -> Iterator[Problem]:
    if view.unclear("accessConfig"):
        return
    mode = view.known("accessConfig.authenticationMode") or "CONFIG_MAP"
    if view.known("accessConfig.bootstrapClusterCreatorAdminPermissions") is False and mode == "CONFIG_MAP":
        yield Problem(
            "accessConfig.bootstrapClusterCreatorAdminPermissions",
            "must be true with authentication mode CONFIG_MAP: nobody else could come in",
        )


@_TABLE.rule(
    "role-is-trusted-to-the-service", tokens.CLUSTER, tokens.NODE_GROUP, source=f"{_GUIDE}/cluster-iam-role.html"
)
def _trust(view: View) -> Iterator[Problem]:
    path, service = ("roleArn", "eks.amazonaws.com") if view.has("roleArn") else ("nodeRoleArn", "ec2.amazonaws.com")
    role = view.find(tokens.ROLE, str(view.known(path)), "arn")
    if role is not None and service not in str(role.get("assumeRolePolicy")):
        yield Problem(
            path,
            f"The role with arn {role['arn']} could not be assumed because the trusted entity is not correct: it "
            f"must be {service}",
        )


@_TABLE.rule(
    "access-entries-need-api-authentication",
    tokens.ACCESS_ENTRY,
    ASSOCIATION,
    source=f"{_GUIDE}/setting-up-access-entries.html",
)
def _entries(view: View) -> Iterator[Problem]:
    cluster = view.find(tokens.CLUSTER, str(view.known("clusterName")))
    mode = (cluster.get("accessConfig") or {}).get("authenticationMode") if cluster else None
    if mode == "CONFIG_MAP":
        yield Problem(
            "clusterName",
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
            "operation",
        )


@_TABLE.rule("access-entry-is-of-a-role-or-user", tokens.ACCESS_ENTRY, source=f"{_GUIDE}/access-entries.html")
def _principal(view: View) -> Iterator[Problem]:
    principal, kind = view.known("principalArn"), view.known("type")
    if isinstance(principal, str) and not re.fullmatch(r"arn:aws[\w-]*:iam::\d{12}:(role|user)/.+", principal):
        yield Problem("principalArn", f"The specified principalArn is invalid: {principal!r} is no IAM role or user")
    kinds = ("STANDARD", "EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX")
    if kind is not None and kind not in kinds:
        yield Problem("type", f"{kind!r} is not allowed; allowed are {', '.join(kinds)}")
    elif kind not in (None, "STANDARD") and (view.has("kubernetesGroups") or view.has("userName")):
        yield Problem("type", f"kubernetesGroups and userName are not allowed with type {kind}")
    for index, group in enumerate(view.known("kubernetesGroups") or []):
        if str(group).startswith(("system:", "eks:", "aws:", "amazon:", "iam:")):
            yield Problem(f"kubernetesGroups[{index}]", f"{group!r} begins as only groups of the system may")


@_TABLE.rule("access-policy-is-one-of-eks", ASSOCIATION, source=f"{_GUIDE}/access-policy-permissions.html")
def _access_policy(view: View) -> Iterator[Problem]:
    policy = view.known("policyArn")
    name = str(policy).rpartition("/")[2]
    shaped = isinstance(policy, str) and re.fullmatch(r"arn:aws[\w-]*:eks::aws:cluster-access-policy/\w+", policy)
    if policy is not None and not (shaped and name in facts.ACCESS_POLICIES):
        yield Problem(
            "policyArn",
            f"The policyArn parameter value is not valid: {policy!r}; "
            f"arn:aws:eks::aws:cluster-access-policy/ and one of {', '.join(facts.ACCESS_POLICIES)}",
        )
    named = view.has("accessScope.namespaces")
    if view.known("accessScope.type") == "namespace" and not named:
        yield Problem("accessScope.namespaces", "required with scope namespace")
    if view.known("accessScope.type") == "cluster" and named:
        yield Problem("accessScope.namespaces", "not allowed with scope cluster")


@_TABLE.rule("access-policies-are-not-for-nodes", ASSOCIATION, source=f"{_GUIDE}/access-policies.html")
def _policy_of_nodes(view: View) -> Iterator[Problem]:
    entry = view.find(tokens.ACCESS_ENTRY, f"{view.known('clusterName')}:{view.known('principalArn')}")
    kind = str((entry or {}).get("type"))
    # Nodes of these types have what they need by their type alone.
    if kind in ("EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX"):
        yield Problem("principalArn", f"You can't associate an access policy with an access entry of type {kind}")


@_TABLE.rule("addon-values-are-a-document", ADDON, source=f"{_GUIDE}/creating-an-add-on.html")
def _addon(view: View) -> Iterator[Problem]:
    version, values = view.known("addonVersion"), view.known("configurationValues")
    if isinstance(version, str) and not re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)*", version):
        yield Problem("addonVersion", f"{version!r} is no version of an add-on, written like v1.19.0-eksbuild.1")
    if isinstance(values, str) and values and not isinstance(_document(values), dict):
        yield Problem(
            "configurationValues", "ConfigurationValue provided in request is not supported: no JSON or YAML object"
        )


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        try:
            return YAML(typ="safe", pure=True).load(text)
        except YAMLError:
            return None


RULES = _TABLE.rules
