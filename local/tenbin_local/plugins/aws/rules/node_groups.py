"""Rules of EKS managed node groups, alone and together with their launch template."""

import re
from collections.abc import Iterator
from typing import Any

from tenbin_spec import catalogue

from tenbin_local.plugins.aws import facts
from tenbin_local.plugins.aws.kind import Values
from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules import launch_templates
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()
_GUIDE = "docs.aws.amazon.com/eks/latest/userguide"
_TEMPLATES = f"{_GUIDE}/launch-templates.html"
_BLOCKS = f"{_GUIDE}/capacity-blocks-mng.html"


def _template(view: View) -> Values | None:
    """The launch template that the group names, None where it names none or one that is not known."""
    for by in ("id", "name"):
        value = view.known(f"launchTemplate.{by}")
        if isinstance(value, str):
            return view.find(tokens.LAUNCH_TEMPLATE, value, by)
    return None


def _types(view: View) -> list[str]:
    """The instance types that the group would start, as far as they are known."""
    own = view.known("instanceTypes")
    template = _template(view)
    if own:
        return [str(one) for one in own]
    return [str(template["instanceType"])] if template and template.get("instanceType") else []


def _zones(view: View) -> list[str]:
    subnets = view.all_found(tokens.SUBNET, view.known("subnetIds")) or []
    return sorted({str(one.get("availabilityZone")) for one in subnets})


@_TABLE.rule("launch-template-names-no-subnet", tokens.NODE_GROUP, source=_TEMPLATES)
def _subnet(view: View) -> Iterator[Problem]:
    interfaces = (_template(view) or {}).get("networkInterfaces") or []
    if any(one.get("subnetId") for one in interfaces):
        yield Problem("launchTemplate", "Launch template should not specify a subnet: the node group's subnetIds do")


@_TABLE.rule("launch-template-leaves-the-nodes-life-to-eks", tokens.NODE_GROUP, source=_TEMPLATES)
def _life(view: View) -> Iterator[Problem]:
    template = _template(view) or {}
    prohibited = {
        "iamInstanceProfile": "an instance profile: the node group's nodeRoleArn does",
        "instanceInitiatedShutdownBehavior": "a shutdown behaviour",
        "hibernationOptions": "hibernation",
    }
    for key, words in prohibited.items():
        if template.get(key):
            yield Problem("launchTemplate", f"Launch template should not specify {words}")
    if (template.get("instanceMarketOptions") or {}).get("marketType") == "spot":
        yield Problem("launchTemplate", "Launch template should not specify spot: the node group's capacityType does")


@_TABLE.rule("settings-stand-in-the-group-or-its-template", tokens.NODE_GROUP, source=_TEMPLATES)
def _twice(view: View) -> Iterator[Problem]:
    if not view.has("launchTemplate"):
        return
    template = _template(view) or {}
    if view.has("instanceTypes") and template.get("instanceType"):
        yield Problem("instanceTypes", "instance type in both launch template and API request: give it in one of them")
    if view.has("diskSize"):
        yield Problem("diskSize", "Disk size must be specified within the launch template")
    if view.has("remoteAccess"):
        yield Problem("remoteAccess", "Remote access configuration cannot be specified with a launch template")
    if template.get("imageId"):
        for path in ("amiType", "releaseVersion", "version"):
            if view.known(path) not in (None, "CUSTOM"):
                yield Problem(path, f"You cannot specify {path} when using a launch template with an image of its own")
    if not view.unclear("launchTemplate") and view.has("launchTemplate.id") and view.has("launchTemplate.name"):
        yield Problem("launchTemplate", "Either provide launch template ID or launch template name in the request")
    version, latest = view.known("launchTemplate.version"), template.get("latestVersion")
    if latest is not None and str(version).isdigit() and not 1 <= int(str(version)) <= int(latest):
        yield Problem("launchTemplate.version", f"the launch template has no version {version}; the latest is {latest}")


@_TABLE.rule("spot-and-blocks-are-capacity-types", tokens.NODE_GROUP, source=_BLOCKS)
def _block(view: View) -> Iterator[Problem]:
    block, template = view.known("capacityType") == "CAPACITY_BLOCK", _template(view)
    market = ((template or {}).get("instanceMarketOptions") or {}).get("marketType")
    if market == "capacity-block" and not block and view.known("capacityType") is not None:
        yield Problem(
            "capacityType",
            f"{view.known('capacityType')}: must be CAPACITY_BLOCK with a launch template of market type "
            "capacity-block",
        )
    elif market == "capacity-block" and not block and not view.has("capacityType"):
        yield Problem("capacityType", "must be CAPACITY_BLOCK with a launch template of market type capacity-block")
    if not block:
        return
    if view.has("instanceTypes"):
        yield Problem(
            "instanceTypes",
            "not allowed with capacity type CAPACITY_BLOCK: the launch template names the instance type",
        )
    if not view.has("launchTemplate"):
        yield Problem("launchTemplate", "required with capacity type CAPACITY_BLOCK")
    elif template is not None:
        target = (template.get("capacityReservationSpecification") or {}).get("capacityReservationTarget")
        missing = {
            "market type capacity-block": market == "capacity-block",
            "an instance type": template.get("instanceType"),
            "a capacity reservation target": target,
        }
        for words, there in missing.items():
            if not there:
                yield Problem("launchTemplate", f"must have {words} with capacity type CAPACITY_BLOCK")


@_TABLE.rule("capacity-block-lies-in-one-zone", tokens.NODE_GROUP, source=_BLOCKS)
def _block_zone(view: View) -> Iterator[Problem]:
    zones = _zones(view)
    if view.known("capacityType") == "CAPACITY_BLOCK" and len(zones) > 1:
        yield Problem("subnetIds", f"a capacity block lies in one zone; these subnets lie in {', '.join(zones)}")


@_TABLE.rule(
    "efa-lies-on-cards-of-the-groups-instance-types",
    tokens.NODE_GROUP,
    source="docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html",
)
def _efa(view: View) -> Iterator[Problem]:
    template = _template(view) or {}
    for name in _types(view):
        for problem in launch_templates.efa_problems(template, name):
            yield Problem("launchTemplate", f"{problem.path}: {problem.reason}")


@_TABLE.rule("efa-lies-in-one-zone", tokens.NODE_GROUP, source=f"{_GUIDE}/node-efa.html")
def _efa_zone(view: View) -> Iterator[Problem]:
    zones = _zones(view)
    if launch_templates.efa_interfaces(_template(view) or {}) and len(zones) > 1:
        yield Problem("subnetIds", f"nodes with EFA must lie in one zone; these subnets lie in {', '.join(zones)}")


@_TABLE.rule(
    "cluster-placement-lies-in-one-zone",
    tokens.NODE_GROUP,
    source="docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html",
)
def _placement(view: View) -> Iterator[Problem]:
    name = ((_template(view) or {}).get("placement") or {}).get("groupName")
    group = view.find(tokens.PLACEMENT_GROUP, str(name)) if name else None
    zones = _zones(view)
    if group is not None and group.get("strategy") == "cluster" and len(zones) > 1:
        yield Problem(
            "subnetIds", f"a cluster placement group lies in one zone; these subnets lie in {', '.join(zones)}"
        )


@_TABLE.rule("instance-types-exist", tokens.NODE_GROUP, source=f"{_GUIDE}/choosing-instance-type.html")
def _exist(view: View) -> Iterator[Problem]:
    own = view.known("instanceTypes") or []
    for index, name in enumerate(own):
        if name not in facts.instance_types():
            yield Problem(f"instanceTypes[{index}]", f"The following supplied instance types do not exist: [{name}]")
    if len(own) > 20:
        yield Problem("instanceTypes", f"{len(own)} given; 20 are allowed")


def _ami_problem(ami: str, name: str) -> str:
    """Why an image of a type does not run on an instance type, "" where it does."""
    if ami == "CUSTOM" or name not in facts.instance_types():
        return ""
    arm = "ARM_64" in ami.upper()
    if arm is not facts.arm(name):
        return f"the image is for {'arm64' if arm else 'x86_64'}, {name} is {'arm64' if facts.arm(name) else 'x86_64'}"
    known = facts.accelerated(name)
    vendor = catalogue.accelerators()[known.accelerator].vendor if known else None
    wanted = {catalogue.Vendor.NVIDIA: ("_NVIDIA", "_GPU"), catalogue.Vendor.AWS: ("_NEURON", "_GPU"), None: ()}[vendor]
    if vendor is None and ami.endswith(("_NVIDIA", "_NEURON")) and not _may_accelerate(name):
        return f"the image is for accelerators, {name} has none"
    if (
        wanted
        and not ami.replace("_FIPS", "").endswith(wanted)
        and not (vendor is catalogue.Vendor.AWS and ami.startswith("BOTTLEROCKET"))
    ):
        return f"{name} has {known.accelerator if known else 'accelerators'}, which need an image ending in {wanted[0]}"
    return ""


def _may_accelerate(name: str) -> bool:
    return re.match(r"(g|p|inf|trn|dl|vt|f)\d", name) is not None


@_TABLE.rule("image-fits-architecture-and-accelerator", tokens.NODE_GROUP, source=f"{_GUIDE}/ml-eks-optimized-ami.html")
def _image(view: View) -> Iterator[Problem]:
    if (_template(view) or {}).get("imageId"):
        return
    given = view.known("amiType")
    if given is None and view.has("amiType"):
        return
    ami = str(given or "AL2023_x86_64_STANDARD")
    for name in _types(view):
        if reason := _ami_problem(ami, name):
            assumed = "" if given else " (assumed where none is given)"
            yield Problem("amiType", f"{ami}{assumed} does not fit: {reason}")


@_TABLE.rule(
    "sizes-are-in-order",
    tokens.NODE_GROUP,
    source="docs.aws.amazon.com/eks/latest/APIReference/API_NodegroupScalingConfig.html",
)
def _sizes(view: View) -> Iterator[Problem]:
    least, wanted, most = (view.number(f"scalingConfig.{key}") for key in ("minSize", "desiredSize", "maxSize"))
    if least is None or wanted is None or most is None:
        return
    if least > wanted:
        yield Problem("scalingConfig", f"Minimum capacity {least} can't be greater than desired size {wanted}")
    if wanted > most:
        yield Problem("scalingConfig", f"desired capacity {wanted} can't be greater than max size {most}")


@_TABLE.rule(
    "group-is-not-newer-than-its-cluster", tokens.NODE_GROUP, source=f"{_GUIDE}/update-managed-node-group.html"
)
def _version(view: View) -> Iterator[Problem]:
    cluster = view.find(tokens.CLUSTER, str(view.known("clusterName")))
    version, above = view.known("version"), str((cluster or {}).get("version"))
    if version is not None and version not in facts.KUBERNETES:
        yield Problem("version", f"unsupported Kubernetes version {version}; EKS offers {', '.join(facts.KUBERNETES)}")
    elif (
        version is not None
        and above in facts.KUBERNETES
        and facts.KUBERNETES.index(version) > facts.KUBERNETES.index(above)
    ):
        yield Problem(
            "version", f"Nodegroup Kubernetes version {version} should not be greater than the cluster's {above}"
        )


@_TABLE.rule("group-lies-in-the-clusters-vpc", tokens.NODE_GROUP, source=f"{_GUIDE}/network-reqs.html")
def _vpc(view: View) -> Iterator[Problem]:
    cluster: Any = view.find(tokens.CLUSTER, str(view.known("clusterName"))) or {}
    vpc = (cluster.get("vpcConfig") or {}).get("vpcId")
    for subnet in view.all_found(tokens.SUBNET, view.known("subnetIds")) or []:
        if vpc and subnet.get("vpcId") != vpc:
            yield Problem(
                "subnetIds", f"Subnet {subnet['id']} belongs to VPC {subnet.get('vpcId')}, the cluster to {vpc}"
            )


@_TABLE.rule(
    "update-config-has-one-limit",
    tokens.NODE_GROUP,
    source="docs.aws.amazon.com/eks/latest/APIReference/API_NodegroupUpdateConfig.html",
)
def _update(view: View) -> Iterator[Problem]:
    limits = [path for path in ("maxUnavailable", "maxUnavailablePercentage") if view.has(f"updateConfig.{path}")]
    if view.has("updateConfig") and not view.unclear("updateConfig") and len(limits) != 1:
        yield Problem(
            "updateConfig",
            f"exactly one of maxUnavailable and maxUnavailablePercentage is allowed, {len(limits)} given",
        )


@_TABLE.rule(
    "labels-and-taints-are-of-kubernetes",
    tokens.NODE_GROUP,
    source="kubernetes.io/docs/concepts/overview/working-with-objects/labels",
)
def _labels(view: View) -> Iterator[Problem]:
    value = re.compile(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?")
    key = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?")
    for name, text in (view.known("labels") or {}).items():
        if not key.fullmatch(name) or not value.fullmatch(str(text)):
            yield Problem(f'labels["{name}"]', f"{name}={text} is no label of Kubernetes")
        elif (
            name.partition("/")[0].endswith(("kubernetes.io", "k8s.io")) and not name.startswith("node")
        ) or name.startswith("eks.amazonaws.com/"):
            yield Problem(
                f'labels["{name}"]',
                "Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/]",
            )
    for index, taint in enumerate(view.known("taints") or []):
        if not key.fullmatch(str(taint.get("key"))) or not value.fullmatch(str(taint.get("value") or "")):
            yield Problem(f"taints[{index}]", f"{taint.get('key')}={taint.get('value')} is no taint of Kubernetes")


RULES = _TABLE.rules
