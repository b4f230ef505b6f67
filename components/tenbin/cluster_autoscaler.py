"""Component `ClusterAutoscaler`."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from tenbin import parsing, resources
from tenbin._layout import cluster_autoscaler as layout
from tenbin._layout import iam
from tenbin._layout.tags import Tags
from tenbin.shapes import ClusterConfig


class ClusterAutoscalerArgs(TypedDict):
    """Arguments of `ClusterAutoscaler`."""

    cluster: ClusterConfig
    """The cluster's settings, of kind `eks`."""
    cluster_name: pulumi.Input[str]
    """Name of the cluster."""
    image: NotRequired[str]
    """Its image, for a registry of one's own; by default the one for the cluster's version."""


class ClusterAutoscaler(pulumi.ComponentResource):
    """What resizes managed node groups between their minimum and maximum, as pods wait or nodes are empty.

    It takes its role through Pod Identity and may resize the groups of its own cluster alone. Auto Mode needs none.
    """

    role_arn: pulumi.Output[str]
    """The role that it takes."""

    def __init__(self, name: str, args: ClusterAutoscalerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        component = f"ClusterAutoscaler {name}"
        parsed = parsing.arguments(args, parsing.AutoscalerArguments, component=component, placed=("cluster_name",))
        super().__init__(
            "tenbin:index:ClusterAutoscaler", name, parsed.model_dump(mode="json", exclude={"cluster"}), opts
        )
        cluster, stack, child = parsed.cluster, pulumi.get_stack(), resources.child_options(self, opts)
        tags = Tags(stack=stack, owner=cluster.owner, part="cluster")
        cluster_name = pulumi.Output.from_input(args["cluster_name"])
        role = aws.iam.Role(
            name,
            assume_role_policy=iam.trust(iam.POD_IDENTITY, tags_sessions=True),
            tags=tags.of(name),
            opts=child,
        )
        policy = cluster_name.apply(lambda found: layout.policy(cluster_name=found, region=cluster.region))
        rights = aws.iam.RolePolicy(name, role=role.name, policy=policy, opts=child)
        association = aws.eks.PodIdentityAssociation(
            name,
            cluster_name=cluster_name,
            namespace=layout.NAMESPACE,
            service_account=layout.NAME,
            role_arn=role.arn,
            tags=tags.of(),
            opts=child,
        )
        for manifest in layout.account(stack):
            resources.create(manifest, name=name, opts=child)
        manifest = layout.deployment(
            arguments=cluster_name.apply(layout.arguments),
            image=parsed.image or layout.image(cluster.version),
            region=cluster.region,
            stack=stack,
        )
        # Credentials are given to a pod when it starts, and never later.
        after = pulumi.ResourceOptions(depends_on=[rights, association])
        resources.create(manifest, name=name, opts=pulumi.ResourceOptions.merge(child, after))
        self.role_arn = role.arn
        self.register_outputs({"role_arn": self.role_arn})
