"""Nodes: how they start, who reaches them, what runs on those with accelerators, and how many there may be."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_spec import catalogue, contract, images

from tenbin_policies.rules import (
    Resource,
    Rule,
    Settings,
    Severity,
    Violation,
    checkov,
    cis,
    eks_guide,
    finops,
    integer,
    strings,
)
from tenbin_policies.view import View

_GROUP, _TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
_INSTANCE, _VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
_NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
_POOL = "kubernetes:karpenter.sh/v1:NodePool"
_MADE_BY_TENBIN = "tenbin:index:AcceleratorPool"
_LAUNCHES = frozenset({_TEMPLATE, _INSTANCE, _NODE_CLASS})
_ACCELERATED_KEYS = ("karpenter.k8s.aws/instance-gpu", "eks.amazonaws.com/instance-gpu")
_INSTANCE_TYPE = "node.kubernetes.io/instance-type"
_ANY_IMAGE = frozenset({"", "CUSTOM"})


def _metadata(resource: Resource, settings: Settings) -> Iterator[Violation]:
    karpenter = resource.type == _NODE_CLASS
    options = resource.properties.at(*(("spec", "metadataOptions") if karpenter else ("metadataOptions",)))
    if options.text("httpEndpoint") == "disabled":
        return
    if options.text("httpTokens") != "required" and not (karpenter and options.at("httpTokens").missing):
        yield Violation(message="it answers version 1 of the metadata service (httpTokens is not required)")
    # Karpenter's own default is one hop, EC2's and that of managed groups two.
    hops = options.number("httpPutResponseHopLimit") or (1 if karpenter else 2)
    if hops > settings["hops"]:
        yield Violation(message=f"pods reach its metadata service ({hops} hops, allowed: {settings['hops']})")


def _volumes(resource: Resource) -> Iterator[View]:
    if resource.type == _VOLUME:
        yield resource.properties
    elif resource.type == _INSTANCE:
        yield resource.properties.at("rootBlockDevice")
        yield from resource.properties.items("ebsBlockDevices")
    else:
        place = ("spec", "blockDeviceMappings") if resource.type == _NODE_CLASS else ("blockDeviceMappings",)
        found = [item.at("ebs") for item in resource.properties.items(*place) if not item.at("ebs").missing]
        # Karpenter encrypts the volumes that it chooses itself; an image's own are not.
        if found or resource.type == _NODE_CLASS:
            yield from found
        else:
            yield resource.properties.at("blockDeviceMappings", 0, "ebs")


def _encrypted(volume: View, _settings: Settings) -> Iterator[Violation]:
    if volume.missing or not volume.flag("encrypted"):
        yield Violation(message=f"{volume.path or 'it'} is not encrypted")


def _remote(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    place = ("remoteAccess",) if resource.type == _GROUP else ("keyName",)
    if not resource.properties.at(*place).missing:
        yield Violation(message=f"its nodes are entered by SSH ({place[0]})")


def _public(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    if resource.type == _NODE_CLASS:
        public = resource.properties.flag("spec", "associatePublicIPAddress")
    else:
        interfaces = resource.properties.items("networkInterfaces")
        public = resource.properties.flag("associatePublicIpAddress") or any(
            item.flag("associatePublicIpAddress") for item in interfaces
        )
    if public:
        yield Violation(message="its nodes have public addresses")


def _accelerated(resource: Resource) -> bool:
    """Whether nodes have accelerators, by their instance types or their image."""
    if resource.type == _POOL:
        requirements = resource.properties.items("spec", "template", "spec", "requirements")
        keys = [item.text("key") for item in requirements]
        types = [
            text
            for key, item in zip(keys, requirements, strict=True)
            if key == _INSTANCE_TYPE and item.text("operator") == "In"
            for text in item.texts("values")
        ]
        return any(key.startswith(_ACCELERATED_KEYS) for key in keys) or _any_accelerated(types)
    image = resource.properties.text("amiType")
    return image.endswith(("_NVIDIA", "_NEURON", "_GPU")) or _any_accelerated(
        resource.properties.texts("instanceTypes")
    )


def _any_accelerated(types: list[str]) -> bool:
    return any(name in catalogue.instances() or images.image_type(name) is not None for name in types)


def _tainted(resource: Resource, settings: Settings) -> Iterator[Violation]:
    if not _accelerated(resource):
        return
    karpenter = resource.type == _POOL
    place = ("spec", "template", "spec", "taints") if karpenter else ("taints",)
    taints = {item.text("key") for item in resource.properties.items(*place)}
    if not taints & set(settings["keys"]):
        wanted = " or ".join(settings["keys"])
        yield Violation(message=f"anything may run on its accelerators: no taint {wanted}")
    labels = ("spec", "template", "metadata", "labels") if karpenter else ("labels",)
    if contract.LABEL_POOL not in resource.properties.keys(*labels):
        yield Violation(message=f"its nodes carry no label {contract.LABEL_POOL}, by which engines choose a pool")


def _bounded(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    spec = resource.properties.at("spec")
    if not spec.keys("limits") and spec.at("replicas").missing:
        yield Violation(message="it buys nodes without a limit")
    if spec.at("disruption", "budgets").missing:
        yield Violation(message="nothing says how many of its nodes may go at once")
    if spec.text("template", "spec", "expireAfter") in {"", "Never"}:
        yield Violation(message="its nodes are never replaced by newer ones")


def _size(resource: Resource, settings: Settings) -> Iterator[Violation]:
    most, allowed = resource.properties.number("scalingConfig", "maxSize"), settings["nodes"]
    if most is None:
        yield Violation(message="it has no largest size")
    elif most > allowed:
        yield Violation(message=f"it may grow to {most} nodes, allowed are {allowed}")


def _repaired(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    if _accelerated(resource) and not resource.properties.flag("nodeRepairConfig", "enabled"):
        yield Violation(message="a node whose accelerators fail stays, and is paid")


def _image(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    image = resource.properties.text("amiType")
    for name in resource.properties.texts("instanceTypes"):
        wanted = images.image_type(name)
        if wanted is None:
            continue
        vendor, arm = str(wanted).rpartition("_")[2], "ARM" in str(wanted)
        if image not in _ANY_IMAGE and (vendor not in image or ("ARM" in image.upper()) != arm):
            yield Violation(message=f"image {image} has no driver for {name}; {wanted} has")
        elif not image:
            yield Violation(message=f"no image is named for {name}; {wanted} has its driver")


def _families(resource: Resource) -> Iterator[str]:
    if resource.type == _GROUP:
        yield from resource.properties.texts("instanceTypes")
    elif resource.type == _MADE_BY_TENBIN:
        yield resource.properties.text("pool", "instance_type")
    elif resource.type == _INSTANCE:
        yield resource.properties.text("instanceType")
    else:
        for item in resource.properties.items("spec", "template", "spec", "requirements"):
            if item.text("key") == _INSTANCE_TYPE and item.text("operator") == "In":
                yield from item.texts("values")


def _allowed(instance_type: str, settings: Settings) -> Iterator[Violation]:
    family = instance_type.partition(".")[0]
    if family in settings["denied"]:
        yield Violation(message=f"instance type {instance_type} is of a family that is not allowed here")


RULES = (
    Rule(
        id="metadata-service-guarded",
        wish="No pod takes the identity of its node",
        why="With version 1, or with a second hop, any pod asks the metadata service for the node's credentials.",
        repair="Set httpTokens: required and httpPutResponseHopLimit: 1",
        severity=Severity.CRITICAL,
        standards=(eks_guide("restrict access to the instance profile"), checkov("CKV_AWS_79", "CKV_AWS_341")),
        kinds=_LAUNCHES,
        check=_metadata,
        settings={"hops": integer(1, "Hops at most")},
        before="metadataOptions: {httpTokens: optional}",
        after="metadataOptions: {httpTokens: required, httpPutResponseHopLimit: 1}",
    ),
    Rule(
        id="volume-encrypted",
        wish="Disks are encrypted",
        why="Weights under licence, prompts in caches and tokens lie on them, and snapshots travel.",
        repair="Set encrypted: true",
        severity=Severity.HIGH,
        standards=(checkov("CKV_AWS_3", "CKV_AWS_8"),),
        kinds=_LAUNCHES | {_VOLUME},
        parts=_volumes,
        check=_encrypted,
        before="blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 200}}]",
        after='blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 200, encrypted: "true"}}]',
    ),
    Rule(
        id="node-without-ssh",
        wish="Nobody enters nodes by SSH",
        why="A shared key opens every node and is in nobody's audit log; Session Manager needs none and writes down.",
        repair="Remove remoteAccess and keyName; the node's role lets Session Manager in",
        severity=Severity.HIGH,
        standards=(eks_guide("minimize access to worker nodes"), checkov("CKV_AWS_100")),
        kinds=frozenset({_GROUP, _TEMPLATE, _INSTANCE}),
        check=_remote,
        before="remoteAccess: {ec2SshKey: ops}",
        after="remoteAccess: null",
    ),
    Rule(
        id="node-private",
        wish="Nodes have no public addresses",
        why="A node on the internet is scanned within minutes, and its traffic passes no NAT whose log you read.",
        repair="Put nodes into private subnets and leave public addresses off",
        severity=Severity.HIGH,
        standards=(cis("5.4.3"), checkov("CKV_AWS_88")),
        kinds=_LAUNCHES,
        check=_public,
        before='networkInterfaces: [{associatePublicIpAddress: "true"}]',
        after='networkInterfaces: [{associatePublicIpAddress: "false"}]',
    ),
    Rule(
        id="accelerator-nodes-tainted",
        wish="Only engines run on nodes with accelerators, and find them by their pool",
        why="A log shipper that lands on an empty GPU node keeps it alive, and the bill with it.",
        repair="Taint the nodes, and label them with their pool",
        severity=Severity.HIGH,
        standards=(finops("Workload Optimization"), eks_guide("scheduling on accelerators")),
        kinds=frozenset({_GROUP, _POOL}),
        check=_tainted,
        settings={
            "keys": strings(
                ["nvidia.com/gpu", "aws.amazon.com/neuron", contract.TAINT_POOL], "Taints of which nodes need one"
            )
        },
        before="instanceTypes: [g6e.2xlarge]\ntaints: []",
        after="instanceTypes: [g6e.2xlarge]\nlabels: {tenbin.dev/pool: l40s}\n"
        "taints: [{key: nvidia.com/gpu, value: present, effect: NO_SCHEDULE}]",
    ),
    Rule(
        id="node-pool-bounded",
        wish="Karpenter buys within limits, and replaces nodes a few at a time",
        why="A NodePool without limits follows any number of pending pods, whoever made them, at any price.",
        repair="Set limits, disruption.budgets and expireAfter",
        severity=Severity.CRITICAL,
        standards=(finops("Budgeting", "Usage Optimization"), eks_guide("Karpenter")),
        kinds=frozenset({_POOL}),
        check=_bounded,
        before="spec: {template: {spec: {requirements: []}}}",
        after='spec:\n  limits: {cpu: "64", nvidia.com/gpu: "8"}\n  disruption: {budgets: [{nodes: "1"}]}\n'
        "  template: {spec: {expireAfter: 720h}}",
    ),
    Rule(
        id="node-group-bounded",
        wish="Node groups have a largest size that somebody meant",
        why="The largest size is what a fault, or an attacker, can spend.",
        repair="Lower scalingConfig.maxSize, or raise `nodes` of this rule",
        severity=Severity.HIGH,
        standards=(finops("Budgeting"),),
        kinds=frozenset({_GROUP}),
        check=_size,
        settings={"nodes": integer(50, "Nodes that one group may have at most")},
        before="scalingConfig: {minSize: 0, maxSize: 1000}",
        after="scalingConfig: {minSize: 0, maxSize: 8}",
    ),
    Rule(
        id="accelerator-nodes-repaired",
        wish="Nodes whose accelerators fail are replaced",
        why="A GPU that fell off the bus leaves a node that looks healthy, takes a replica and never serves.",
        repair="Set nodeRepairConfig: {enabled: true}",
        severity=Severity.MEDIUM,
        standards=(eks_guide("node auto repair"),),
        kinds=frozenset({_GROUP}),
        check=_repaired,
        before="nodeRepairConfig: {enabled: false}",
        after="nodeRepairConfig: {enabled: true}",
    ),
    Rule(
        id="accelerator-image",
        wish="Nodes start from an image with the driver of their accelerators",
        why="Without the driver, or for the other architecture, nodes come, are paid, and never offer an accelerator.",
        repair="Name the image that is made for the instance type",
        severity=Severity.HIGH,
        standards=(eks_guide("accelerated AMIs"),),
        kinds=frozenset({_GROUP}),
        check=_image,
        before="amiType: AL2023_x86_64_STANDARD\ninstanceTypes: [g6e.2xlarge]",
        after="amiType: AL2023_x86_64_NVIDIA\ninstanceTypes: [g6e.2xlarge]",
    ),
    Rule(
        id="instance-family-allowed",
        wish="Nodes are of families that are meant for this environment",
        why="One H100 node that a test leaves behind costs more in a weekend than the test environment in a year.",
        repair="Choose a smaller family, or take it out of `denied` of this rule",
        severity=Severity.HIGH,
        standards=(finops("Budgeting"),),
        kinds=frozenset({_GROUP, _POOL, _INSTANCE, _MADE_BY_TENBIN}),
        parts=_families,
        check=_allowed,
        settings={"denied": strings([], "Families of instance types that nothing may be of")},
        before="instanceTypes: [p5.48xlarge]",
        after="instanceTypes: [g6.xlarge]",
    ),
)
