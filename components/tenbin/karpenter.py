"""Component `Karpenter`."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from tenbin import parsing, resources
from tenbin._layout import charts, eks, iam
from tenbin._layout import karpenter_controller as layout
from tenbin._layout.tags import Tags
from tenbin.shapes import ClusterConfig


class KarpenterArgs(TypedDict):
    """Arguments of `Karpenter`."""

    cluster: ClusterConfig
    """The cluster's settings, of kind `eks`."""
    cluster_name: pulumi.Input[str]
    """Name of the cluster."""
    registry: NotRequired[str]
    """Registry of its charts and its image, for one's own copy of them: `public.ecr.aws/karpenter` when absent."""


class Karpenter(pulumi.ComponentResource):
    """Karpenter, which makes nodes for pods that wait and takes empty ones away: for a cluster without Auto Mode.

    It takes its role through Pod Identity and may launch and end nodes of its own cluster alone. It hears by a queue
    that nodes are about to go. Its nodes have a role of their own. What they are is said by `AcceleratorPool`.
    """

    role_arn: pulumi.Output[str]
    """The role that it takes."""
    node_role_arn: pulumi.Output[str]
    """Role of its nodes."""
    instance_profile_name: pulumi.Output[str]
    """Instance profile of its nodes, with that role."""
    queue_name: pulumi.Output[str]
    """Queue of notices that nodes are about to go."""

    def __init__(self, name: str, args: KarpenterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        component = f"Karpenter {name}"
        parsed = parsing.arguments(args, parsing.KarpenterArguments, component=component, placed=("cluster_name",))
        super().__init__("tenbin:index:Karpenter", name, parsed.model_dump(mode="json", exclude={"cluster"}), opts)
        parts = _Parts(resources.child_options(self, opts), name, parsed, args["cluster_name"])
        node_role, profile = parts.nodes()
        queue = parts.notices()
        role, ready = parts.role(node_role, queue)
        parts.releases(queue, ready)
        self.role_arn, self.node_role_arn = role.arn, node_role.arn
        self.instance_profile_name, self.queue_name = profile.name, queue.name
        self.register_outputs(
            {
                "role_arn": self.role_arn,
                "node_role_arn": self.node_role_arn,
                "instance_profile_name": self.instance_profile_name,
                "queue_name": self.queue_name,
            }
        )


class _Parts:
    """Builds the parts of Karpenter, all of them children of it."""

    def __init__(
        self,
        opts: pulumi.ResourceOptions,
        name: str,
        parsed: parsing.KarpenterArguments,
        cluster_name: pulumi.Input[str],
    ) -> None:
        self._opts, self._name, self._cluster = opts, name, parsed.cluster
        self._registry = parsed.registry or layout.REGISTRY
        self._cluster_name = pulumi.Output.from_input(cluster_name)
        self._tags = Tags(stack=pulumi.get_stack(), owner=parsed.cluster.owner, part="cluster")

    def nodes(self) -> "tuple[aws.iam.Role, aws.iam.InstanceProfile]":
        """Build the role of its nodes, which the cluster lets in."""
        name = f"{self._name}-node"
        role = aws.iam.Role(
            name, assume_role_policy=iam.trust("ec2.amazonaws.com"), tags=self._tags.of(name), opts=self._opts
        )
        for policy in eks.node_policies(self._cluster):
            child = f"{name}-{policy.rpartition('/')[2]}"
            aws.iam.RolePolicyAttachment(child, role=role.name, policy_arn=policy, opts=self._opts)
        aws.eks.AccessEntry(
            name,
            cluster_name=self._cluster_name,
            principal_arn=role.arn,
            type="EC2_LINUX",
            tags=self._tags.of(),
            opts=self._opts,
        )
        return role, aws.iam.InstanceProfile(name, role=role.name, tags=self._tags.of(name), opts=self._opts)

    def notices(self) -> "aws.sqs.Queue":
        """Build the queue by which it hears that nodes are about to go, and what writes there."""
        queue = aws.sqs.Queue(self._name, **layout.QUEUE, tags=self._tags.of(), opts=self._opts)
        rules = []
        for event in layout.EVENTS:
            name = f"{self._name}-{event}"
            rule = aws.cloudwatch.EventRule(
                name, event_pattern=layout.event_pattern(event), tags=self._tags.of(), opts=self._opts
            )
            aws.cloudwatch.EventTarget(name, rule=rule.name, arn=queue.arn, opts=self._opts)
            rules.append(rule.arn)
        policy = pulumi.Output.all(queue.arn, *rules).apply(
            lambda arns: layout.queue_policy(queue_arn=arns[0], rule_arns=arns[1:])
        )
        aws.sqs.QueuePolicy(self._name, queue_url=queue.url, policy=policy, opts=self._opts)
        return queue

    def role(self, node_role: "aws.iam.Role", queue: "aws.sqs.Queue") -> "tuple[aws.iam.Role, list[pulumi.Resource]]":
        """Build the role that it takes, and return it with all that it must have before it starts."""
        trust = iam.trust(iam.POD_IDENTITY, tags_sessions=True)
        role = aws.iam.Role(self._name, assume_role_policy=trust, tags=self._tags.of(self._name), opts=self._opts)
        policy = pulumi.Output.all(
            cluster_name=self._cluster_name, queue_arn=queue.arn, node_role_arn=node_role.arn
        ).apply(lambda found: layout.policy(region=self._cluster.region, **found))
        rights = aws.iam.RolePolicy(self._name, role=role.name, policy=policy, opts=self._opts)
        association = aws.eks.PodIdentityAssociation(
            self._name,
            cluster_name=self._cluster_name,
            namespace=layout.NAMESPACE,
            service_account=layout.NAME,
            role_arn=role.arn,
            tags=self._tags.of(),
            opts=self._opts,
        )
        return role, [rights, association]

    def releases(self, queue: "aws.sqs.Queue", ready: "list[pulumi.Resource]") -> None:
        """Install the definitions of its resources, and then it."""
        definitions, own = layout.charts(self._registry)
        first = kubernetes.helm.v3.Release(
            f"{self._name}-crd",
            **charts.release(definitions, name=definitions.name, namespace=layout.NAMESPACE, values={}),
            opts=self._opts,
        )
        values = pulumi.Output.all(cluster_name=self._cluster_name, queue_name=queue.name).apply(
            lambda found: layout.values(self._cluster, registry=self._registry, **found)
        )
        # Credentials are given to a pod when it starts, and never later.
        after = pulumi.ResourceOptions(depends_on=[first, *ready])
        kubernetes.helm.v3.Release(
            self._name,
            **charts.release(own, name=layout.NAME, namespace=layout.NAMESPACE, values=values, skip_crds=True),
            opts=pulumi.ResourceOptions.merge(self._opts, after),
        )
