"""Karpenter's kinds on a real API server: which fields there are, and what may stand in them.

The schemas say what the kinds' documentation says (karpenter.sh/docs/concepts/nodepools and nodeclasses, EKS user
guide create-node-class, 2026-08) of the fields that a stack may use. There is no Karpenter behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenbin_local.errors import LocalError

from support.waiting import until

if TYPE_CHECKING:
    from tenbin_local.environment import cluster

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_FLAG: Json = {"type": "boolean"}
_TEXTS: Json = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 256}}
_QUANTITY: Json = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
_LIFE: Json = {"type": "string", "pattern": r"^(([0-9]+(s|m|h))+|Never)$"}


def _object(*required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list(item: Json, at_most: int) -> Json:
    return {"type": "array", "items": item, "maxItems": at_most}


def _one_of(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


_TAINT = _object("key", "effect", key=_TEXT, value=_TEXT, effect=_one_of("NoSchedule", "PreferNoSchedule", "NoExecute"))
_REQUIREMENT = _object(
    "key",
    "operator",
    key={"type": "string", "maxLength": 316},
    operator=_one_of("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
    values=_list(_TEXT, 1000),
    minValues={"type": "integer", "minimum": 1, "maximum": 50},
)
_NODES = _object(
    "nodeClassRef",
    "requirements",
    nodeClassRef=_object("group", "kind", "name", group=_TEXT, kind=_TEXT, name=_TEXT),
    requirements=_list(_REQUIREMENT, 100),
    taints=_list(_TAINT, 100),
    startupTaints=_list(_TAINT, 100),
    expireAfter=_LIFE,
    terminationGracePeriod={"type": "string", "pattern": r"^([0-9]+(s|m|h))+$"},
)
_NODE_POOL = _object(
    "template",
    template=_object("spec", metadata=_object(labels=_TEXTS, annotations=_TEXTS), spec=_NODES),
    disruption=_object(
        "consolidateAfter",
        consolidationPolicy=_one_of("WhenEmpty", "WhenEmptyOrUnderutilized"),
        consolidateAfter=_LIFE,
        budgets=_list(
            _object(
                "nodes",
                nodes={"type": "string", "pattern": r"^((100|[0-9]{1,2})%|[0-9]+)$"},
                schedule=_TEXT,
                duration=_TEXT,
                reasons=_list(_one_of("Underutilized", "Empty", "Drifted"), 50),
            ),
            50,
        ),
    ),
    limits={"type": "object", "additionalProperties": _QUANTITY},
    weight={"type": "integer", "minimum": 1, "maximum": 100},
    replicas=_COUNT,
)
_INTERFACE = _object(
    "networkCardIndex",
    "deviceIndex",
    "interfaceType",
    networkCardIndex=_COUNT,
    deviceIndex=_COUNT,
    interfaceType=_one_of("interface", "efa-only"),
)
_SELECTED: dict[str, Json] = {
    "role": _TEXT,
    "instanceProfile": _TEXT,
    "subnetSelectorTerms": _list(_object(id={"type": "string", "pattern": "^subnet-[0-9a-z]+$"}, tags=_TEXTS), 30),
    "securityGroupSelectorTerms": _list(
        _object(id={"type": "string", "pattern": "^sg-[0-9a-z]+$"}, name=_TEXT, tags=_TEXTS), 30
    ),
    "capacityReservationSelectorTerms": _list(
        _object(id={"type": "string", "pattern": "^cr-[0-9a-z]+$"}, ownerID=_TEXT, tags=_TEXTS), 30
    ),
    "placementGroupSelector": _object(id=_TEXT, name=_TEXT),
    "tags": _TEXTS,
}
_AUTO_NODE_CLASS = _object(
    "subnetSelectorTerms",
    "securityGroupSelectorTerms",
    **_SELECTED,
    ephemeralStorage=_object(
        size={"type": "string", "pattern": "^((?:[1-9][0-9]{0,3}|[1-4][0-9]{4}|[5][0-8][0-9]{3}|59000)Gi)$"},
        iops=_COUNT,
        throughput=_COUNT,
        kmsKeyID=_TEXT,
    ),
    networkPolicy=_one_of("DefaultAllow", "DefaultDeny"),
    networkPolicyEventLogs=_one_of("Enabled", "Disabled"),
    snatPolicy=_one_of("Random", "Disabled"),
    advancedNetworking=_object(associatePublicIPAddress=_FLAG, networkInterfaces=_list(_INTERFACE, 64)),
)
_VOLUME = _object(
    volumeSize=_TEXT,
    volumeType=_one_of("standard", "io1", "io2", "gp2", "sc1", "st1", "gp3"),
    encrypted=_FLAG,
    deleteOnTermination=_FLAG,
    iops=_COUNT,
    throughput=_COUNT,
    kmsKeyID=_TEXT,
)
_EC2_NODE_CLASS = _object(
    "amiSelectorTerms",
    "subnetSelectorTerms",
    "securityGroupSelectorTerms",
    **_SELECTED,
    amiSelectorTerms=_list(_object(alias=_TEXT, id=_TEXT, name=_TEXT, owner=_TEXT, tags=_TEXTS), 30),
    amiFamily=_one_of("AL2023", "Bottlerocket", "Custom", "Windows2019", "Windows2022"),
    metadataOptions=_object(
        httpEndpoint=_one_of("enabled", "disabled"),
        httpTokens=_one_of("required", "optional"),
        httpPutResponseHopLimit={"type": "integer", "minimum": 1, "maximum": 64},
        httpProtocolIPv6=_one_of("enabled", "disabled"),
    ),
    blockDeviceMappings=_list(_object(deviceName=_TEXT, rootVolume=_FLAG, ebs=_VOLUME), 50),
    instanceStorePolicy=_one_of("RAID0"),
    networkInterfaces=_list(_INTERFACE, 64),
    userData=_TEXT,
    associatePublicIPAddress=_FLAG,
    detailedMonitoring=_FLAG,
)
_KINDS: tuple[tuple[str, str, str, Json], ...] = (
    ("karpenter.sh", "NodePool", "nodepools", _NODE_POOL),
    ("eks.amazonaws.com", "NodeClass", "nodeclasses", _AUTO_NODE_CLASS),
    ("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclasses", _EC2_NODE_CLASS),
)
LISTS = tuple(f"/apis/{group}/v1/{plural}" for group, _, plural, _ in _KINDS)
"""Paths of all objects of each kind."""


def define(client: cluster.Cluster) -> None:
    """Make an API server serve the kinds."""
    for group, kind, plural, spec in _KINDS:
        status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec, "status": status}}
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }
        name = f"{plural}.{group}"
        manifest = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": group,
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "scope": "Cluster",
                "versions": [version],
            },
        }
        client.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", manifest)
    for path in LISTS:
        until(lambda path=path: _is_served(client, path))


def _is_served(client: cluster.Cluster, path: str) -> bool:
    try:
        client.get(path)
    except LocalError:
        return False
    return True
