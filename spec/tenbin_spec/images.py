"""Machine images that EKS maintains for nodes with accelerators, by family of instance types.

Source: EKS user guide, ml-eks-optimized-ami, and awslabs/amazon-eks-ami, 2026-07. Families that are missing have no
such image: g7 needs a newer driver than it has, p3 an older one, and AMD's run on none.
"""

from __future__ import annotations

import enum


class ImageType(enum.StrEnum):
    """AMI types of Amazon Linux 2023, as EKS names them."""

    NVIDIA_X86_64 = "AL2023_x86_64_NVIDIA"
    NVIDIA_ARM64 = "AL2023_ARM_64_NVIDIA"
    NEURON_X86_64 = "AL2023_x86_64_NEURON"


_FAMILIES = {
    ImageType.NVIDIA_X86_64: (
        *("g4dn", "g5", "g6", "g6e", "g6f", "gr6", "gr6f", "g7e"),
        *("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
    ),
    ImageType.NVIDIA_ARM64: ("g5g", "p6e-gb200", "p6e-gb300"),
    ImageType.NEURON_X86_64: ("inf1", "inf2", "trn1", "trn1n", "trn2", "trn2u"),
}
_BY_FAMILY = {family: image for image, families in _FAMILIES.items() for family in families}


def image_type(instance_type: str) -> ImageType | None:
    """Return the image of an instance type, None where EKS maintains none.

    >>> image_type("p5.48xlarge"), image_type("g7.xlarge")
    (<ImageType.NVIDIA_X86_64: 'AL2023_x86_64_NVIDIA'>, None)
    """
    return _BY_FAMILY.get(instance_type.partition(".")[0])


def families() -> tuple[str, ...]:
    """Return the families that have an image."""
    return tuple(sorted(_BY_FAMILY))
