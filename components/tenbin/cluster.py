"""Component `Cluster`."""

from collections.abc import Sequence
from typing import TypedDict

import pulumi
import pulumi_aws as aws

from tenbin import parsing, resources
from tenbin._layout import eks, iam, launch_templates
from tenbin._layout.tags import Tags
from tenbin.shapes import ClusterConfig


class ClusterArgs(TypedDict):
    """Arguments of `Cluster`."""

    cluster: ClusterConfig
    """Its settings, of kind `eks`."""
    control_subnet_ids: pulumi.Input[dict[str, str]]
    """Subnets for the control plane's interfaces, by zone: two zones at least."""
    node_subnet_ids: pulumi.Input[dict[str, str]]
    """Subnets for the system nodes, by zone."""


class Cluster(pulumi.ComponentResource):
    """An EKS cluster with its add-ons, its access entries and nodes for all that needs no accelerator.

    The API server is reached from inside the VPC alone unless ranges are named. Only the administrators that are named
    are let in, by access entries. Programs take roles through Pod Identity, and nodes have rights to join, to pull
    images and to be managed, and no more. In Auto Mode EKS brings add-ons and nodes itself.
    """

    name: pulumi.Output[str]
    """Its name."""
    kubeconfig: pulumi.Output[str]
    """How to reach it, without credentials: the AWS command line is asked for a token of who calls."""
    security_group_id: pulumi.Output[str]
    """Security group that control plane and nodes share."""
    node_role_arn: pulumi.Output[str]
    """Role of its nodes."""
    node_role_name: pulumi.Output[str]
    """Name of that role."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        placed = ("control_subnet_ids", "node_subnet_ids")
        parsed = parsing.arguments(args, parsing.ClusterArguments, component=f"Cluster {name}", placed=placed)
        super().__init__("tenbin:index:Cluster", name, parsed.model_dump(mode="json", exclude_none=True), opts)
        settings = parsed.cluster
        tags = Tags(stack=pulumi.get_stack(), owner=settings.owner, part="cluster")
        parts = _Parts(resources.child_options(self, opts), name, parsed, tags)
        made = parts.control_plane(args["control_subnet_ids"])
        parts.access(made)
        before = parts.addons(made, [addon for addon in eks.addons(settings) if addon.before_nodes], [])
        if not settings.auto_mode:
            group = parts.system_nodes(made, args["node_subnet_ids"], before)
            parts.addons(made, [addon for addon in eks.addons(settings) if not addon.before_nodes], [group])
        self.name = made.name
        self.security_group_id = made.vpc_config.cluster_security_group_id
        self.node_role_arn, self.node_role_name = parts.node_role.arn, parts.node_role.name
        self.kubeconfig = pulumi.Output.all(
            name=made.name, endpoint=made.endpoint, certificate_authority=made.certificate_authority.data
        ).apply(lambda found: eks.kubeconfig(region=settings.region, **found))
        self.register_outputs(
            {
                "name": self.name,
                "kubeconfig": self.kubeconfig,
                "security_group_id": self.security_group_id,
                "node_role_arn": self.node_role_arn,
                "node_role_name": self.node_role_name,
            }
        )


class _Parts:
    """Builds the parts of a cluster, all of them children of it."""

    def __init__(self, opts: pulumi.ResourceOptions, name: str, parsed: parsing.ClusterArguments, tags: Tags) -> None:
        self._opts, self._name, self._settings, self._tags = opts, name, parsed.cluster, tags
        auto_mode = parsed.cluster.auto_mode
        self._role = self._make_role("control", iam.trust("eks.amazonaws.com", tags_sessions=auto_mode))
        self._rights = self._attach("control", self._role, eks.cluster_policies(parsed.cluster))
        self.node_role = self._make_role("node", iam.trust("ec2.amazonaws.com"))
        self._node_rights = self._attach("node", self.node_role, eks.node_policies(parsed.cluster))

    def control_plane(self, subnet_ids: pulumi.Input[dict[str, str]]) -> "aws.eks.Cluster":
        """Build the control plane with its logs."""
        settings = self._settings
        cluster_name = settings.name or eks.default_name(pulumi.get_stack())
        if settings.kms_key is not None:
            self._allow("secrets", eks.key_policy(settings.kms_key))
        if settings.auto_mode:
            self._allow("tags", eks.own_tags_policy())
        # EKS would make the group itself, and keep what is in it for ever.
        logs = aws.cloudwatch.LogGroup(
            self._name,
            name=f"/aws/eks/{cluster_name}/cluster",
            retention_in_days=settings.log_days,
            tags=self._tags.of(),
            opts=self._opts,
        )
        inputs = eks.control_plane(
            settings,
            name=cluster_name,
            role_arn=self._role.arn,
            subnet_ids=_in_order(subnet_ids),
            node_role_arn=self.node_role.arn,
        )
        opts = self._after([*self._rights, logs], protect=settings.deletion_protection)
        return aws.eks.Cluster(self._name, **inputs, tags=self._tags.of(), opts=opts)

    def access(self, cluster: "aws.eks.Cluster") -> None:
        """Let the administrators in; EKS lets nodes in itself, in Auto Mode since they have the cluster's role."""
        for principal in self._settings.administrators:
            child = f"{self._name}-{eks.principal_name(principal)}"
            entry = aws.eks.AccessEntry(
                child, cluster_name=cluster.name, principal_arn=principal, tags=self._tags.of(), opts=self._opts
            )
            aws.eks.AccessPolicyAssociation(
                child,
                cluster_name=cluster.name,
                principal_arn=entry.principal_arn,
                policy_arn=eks.administrator_policy(self._settings),
                access_scope={"type": "cluster"},
                opts=self._opts,
            )

    def addons(
        self, cluster: "aws.eks.Cluster", wanted: Sequence[eks.Addon], after: Sequence[pulumi.Resource]
    ) -> "list[pulumi.Resource]":
        """Build add-ons."""
        return [self._addon(cluster, addon, after) for addon in wanted]

    def system_nodes(
        self,
        cluster: "aws.eks.Cluster",
        subnet_ids: pulumi.Input[dict[str, str]],
        after: Sequence[pulumi.Resource],
    ) -> "aws.eks.NodeGroup":
        """Build the nodes for all that needs no accelerator."""
        name = f"{self._name}-system"
        template = aws.ec2.LaunchTemplate(
            name,
            **launch_templates.secured(tags=self._tags, name=name, volume_gb=self._settings.system_nodes.volume_gb),
            **launch_templates.joined([cluster.vpc_config.cluster_security_group_id]),
            opts=self._opts,
        )
        return aws.eks.NodeGroup(
            name,
            **eks.system_group(self._settings),
            cluster_name=cluster.name,
            node_role_arn=self.node_role.arn,
            subnet_ids=_in_order(subnet_ids),
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            tags=self._tags.of(),
            opts=self._after([*self._node_rights, *after]),
        )

    def _addon(self, cluster: "aws.eks.Cluster", addon: eks.Addon, after: Sequence[pulumi.Resource]) -> "aws.eks.Addon":
        roles = []
        if addon.service_account is not None:
            role = self._make_role(addon.name, iam.trust(iam.POD_IDENTITY, tags_sessions=True))
            after = [*after, *self._attach(addon.name, role, [eks.network_plugin_policy(self._settings)])]
            roles = [{"role_arn": role.arn, "service_account": addon.service_account}]
        return aws.eks.Addon(
            f"{self._name}-{addon.name}",
            cluster_name=cluster.name,
            addon_name=addon.name,
            addon_version=addon.version,
            configuration_values=addon.configuration,
            pod_identity_associations=roles,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            tags=self._tags.of(),
            opts=self._after(after),
        )

    def _allow(self, kind: str, policy: str) -> None:
        name = f"{self._name}-{kind}"
        self._rights.append(aws.iam.RolePolicy(name, role=self._role.name, policy=policy, opts=self._opts))

    def _make_role(self, kind: str, trust: str) -> "aws.iam.Role":
        name = f"{self._name}-{kind}"
        return aws.iam.Role(name, assume_role_policy=trust, tags=self._tags.of(name), opts=self._opts)

    def _attach(self, kind: str, role: "aws.iam.Role", policies: Sequence[str]) -> "list[pulumi.Resource]":
        return [
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{kind}-{policy.rpartition('/')[2]}", role=role.name, policy_arn=policy, opts=self._opts
            )
            for policy in policies
        ]

    def _after(self, earlier: Sequence[pulumi.Resource], *, protect: bool | None = None) -> pulumi.ResourceOptions:
        later = pulumi.ResourceOptions(depends_on=list(earlier), protect=protect)
        return pulumi.ResourceOptions.merge(self._opts, later)


def _in_order(subnet_ids: pulumi.Input[dict[str, str]]) -> pulumi.Output[list[str]]:
    return pulumi.Output.from_input(subnet_ids).apply(lambda found: [found[zone] for zone in sorted(found)])
