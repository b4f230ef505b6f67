"""The Kubernetes cluster: one that exists, or one on EKS that the stack builds."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from tenbin_spec import catalogue
from tenbin_spec.catalogue import Architecture
from tenbin_spec.networks import Cidr, Network, is_not_everywhere
from tenbin_spec.pools import InstanceType, NodeRange
from tenbin_spec.problems import not_one_of, unknown_key_message
from tenbin_spec.quantities import Frozen, Name, Text

Owner = Annotated[str, Text(r"[\w.:/=+@ -]{1,64}", "who pays, as a bill shows it", "ml-platform")]
"""Who pays: the value of a tag of every resource of a cloud."""

ClusterName = Annotated[
    str,
    Text("[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "at most 63 letters, digits, dashes and underscores", "tenbin-prod"),
]
"""Name of an EKS cluster, short enough for the label of a node."""

Principal = Annotated[
    str,
    Text(
        r"arn:aws(-us-gov)?:iam::\d{12}:(role|user)/[\w+=,.@/-]{1,512}",
        "the ARN of an IAM role or user",
        "arn:aws:iam::111122223333:role/platform-admin",
    ),
]
"""Who may administer a cluster; a session of a role is none."""

KeyArn = Annotated[
    str,
    Text(
        r"arn:aws(-us-gov)?:kms:[a-z0-9-]+:\d{12}:key/[\w-]{1,64}",
        "the ARN of a KMS key",
        "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
"""A key of the Key Management Service."""

_AddonVersion = Annotated[str, Text(r"v\d[\w.+-]{0,62}", "a version of an add-on", "v1.14.2-eksbuild.4")]
_Bool = Annotated[bool, Field(strict=True)]
_SERVICES_OF_KARPENTER = ("sqs", "ssm")
"""Where it hears of interruptions and finds machine images, besides what every node needs."""
_GRAVITON = re.compile(r"[a-z]+\d+g[a-z]*\.")
"""Families whose first letter after the generation is `g` have Arm processors (EC2 user guide, naming conventions)."""


def _is_own_namespace(value: str) -> str:
    if value == "default" or value.startswith("kube-"):
        raise ValueError(f"{value!r} is the cluster's own namespace. Allowed: any name but default and kube-*")
    return value


OwnNamespace = Annotated[Name, AfterValidator(_is_own_namespace)]
"""Namespace that everything of a stack lives in, and that the stack owns."""


class ExistingCluster(Frozen):
    """Any cluster that the ambient kubeconfig reaches."""

    kind: Literal["existing"]
    context: Annotated[str, Text(r"[!-~]{1,253}", "a context of the kubeconfig", "staging")] | None = None
    """Context of the kubeconfig; its current one when absent."""
    namespace: OwnNamespace = "tenbin"
    """Namespace that everything of the stack lives in, and that the stack owns."""


class SystemNodes(Frozen):
    """Nodes without accelerators, for the cluster's own programs, the gateway, the picker and the planner."""

    instance_types: Annotated[tuple[InstanceType, ...], Field(min_length=1, max_length=20)] = ("m7i.large", "m6i.large")
    """Instance types of one architecture, in order of preference."""
    nodes: NodeRange = NodeRange(min=2, max=4)
    """Two at least keep the gateway up when a zone is lost."""
    volume_gb: Annotated[int, Field(strict=True, ge=20, le=16_384)] = 50
    """Size of the root volume in GiB."""

    @model_validator(mode="after")
    def _is_of_one_architecture(self) -> Self:
        if len({bool(_GRAVITON.match(name)) for name in self.instance_types}) > 1:
            raise ValueError(
                f"instance_types mixes architectures: {', '.join(self.instance_types)}. Allowed: all amd64 or all arm64"
            )
        return self

    @property
    def architecture(self) -> Architecture:
        """Architecture of its instance types."""
        return Architecture.ARM64 if _GRAVITON.match(self.instance_types[0]) else Architecture.AMD64


class EksCluster(Frozen):
    """A cluster on Amazon EKS with a network of its own, which the stack builds."""

    kind: Literal["eks"]
    namespace: OwnNamespace = "tenbin"
    """Namespace that everything of the stack lives in."""
    name: ClusterName | None = None
    """Name of the cluster, which can never be changed; `tenbin-<stack>` when absent."""
    version: Annotated[str, Text(r"1\.\d{1,3}", "a version of Kubernetes", "1.35")]
    """Version of Kubernetes, for control plane and nodes."""
    owner: Owner
    """Who pays: a tag of every resource."""
    network: Network
    administrators: Annotated[tuple[Principal, ...], Field(min_length=1, max_length=100)]
    """Who may administer the cluster, whoever runs `pulumi up` among them: nobody is let in without being named."""
    public_cidrs: tuple[Annotated[Cidr, AfterValidator(is_not_everywhere)], ...] = ()
    """Ranges from which the API server is reached over the internet; only from inside the VPC when empty."""
    kms_key: KeyArn | None = None
    """Key that encrypts Kubernetes secrets; one that AWS owns when absent."""
    log_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557] = 90
    """Days that the control plane's logs are kept."""
    deletion_protection: _Bool = True
    """Whether the cluster refuses to be deleted, by Pulumi and by AWS."""
    auto_mode: _Bool = False
    """Let EKS run the nodes: it brings its own network, storage, load balancing, repair, device plugins and Karpenter,
    takes a fee on top of each instance, and replaces nodes after 21 days."""
    karpenter: _Bool = False
    """Run Karpenter on the system nodes, for the pools with `backend: karpenter`; Auto Mode has one inside."""
    system_nodes: SystemNodes = SystemNodes()
    """Nodes for all that needs no accelerator; unused with `auto_mode`, which brings its own."""
    addons: Annotated[dict[str, _AddonVersion], Field(default_factory=dict)]
    """Versions of add-ons that override those of the catalogue, by name."""

    @field_validator("version")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in catalogue.addon_versions():
            known = "a version of Kubernetes whose add-ons are known"
            raise ValueError(not_one_of(value, catalogue.addon_versions(), known))
        return value

    @field_validator("addons")
    @classmethod
    def _overrides_what_is_there(cls, value: dict[str, str]) -> dict[str, str]:
        known = next(iter(catalogue.addon_versions().values()))
        for name in value:
            if name not in known:
                raise ValueError(f"{name}: {unknown_key_message(name, known)}")
        return value

    @model_validator(mode="after")
    def _names_nothing_that_auto_mode_brings(self) -> Self:
        given = {
            "system_nodes": self.system_nodes != SystemNodes(),
            "addons": bool(self.addons),
            "karpenter": self.karpenter,
        }
        brought = [name for name, is_given in given.items() if is_given]
        if self.auto_mode and brought:
            raise ValueError(f"{' and '.join(brought)}: auto_mode brings its own. Allowed: one or the other")
        return self

    @model_validator(mode="after")
    def _has_the_ways_out_that_karpenter_needs(self) -> Self:
        missing = [name for name in _SERVICES_OF_KARPENTER if name not in self.network.endpoints]
        if self.karpenter and self.network.nat == "none" and missing:
            raise ValueError(f"network.endpoints lacks {', '.join(missing)}, which karpenter needs where nat is none")
        return self

    @property
    def region(self) -> str:
        """Region of its network."""
        return self.network.region


Cluster = Annotated[ExistingCluster | EksCluster, Field(discriminator="kind")]
"""Where everything runs."""
