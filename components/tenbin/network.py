"""Component `Network`."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from tenbin import parsing
from tenbin._layout import eks, iam, subnets
from tenbin._layout import network as layout
from tenbin._layout.tags import Tags
from tenbin.shapes import NetworkConfig

# Annotations that name classes of AWS are quoted: each of its modules is only loaded, which takes a second for EC2, by
# who builds something of it.
_Subnets = Mapping[str, Mapping[str, "aws.ec2.Subnet"]]
"""By kind and zone."""


class NetworkArgs(TypedDict):
    """Arguments of `Network`."""

    network: NetworkConfig
    """Its addresses, zones and ways out."""
    owner: str
    """Who pays: a tag of every resource."""
    cluster_name: NotRequired[str]
    """Name of the cluster that will lie in it, for Karpenter's discovery; `tenbin-<stack>` when absent."""


class Network(pulumi.ComponentResource):
    """A VPC with public, private and intra subnets in each zone, NAT gateways, endpoints and flow logs.

    Nodes lie in private subnets and never have public addresses. The control plane's interfaces lie in intra subnets.
    The default security group is emptied, so that nothing is reachable by having none of its own.
    """

    vpc_id: pulumi.Output[str]
    """The VPC."""
    public_subnet_ids: pulumi.Output[dict[str, str]]
    """Subnets with a way in, by zone."""
    private_subnet_ids: pulumi.Output[dict[str, str]]
    """Subnets of the nodes, by zone."""
    intra_subnet_ids: pulumi.Output[dict[str, str]]
    """Subnets without a way out, by zone."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(args, parsing.NetworkArguments, component=f"Network {name}")
        super().__init__("tenbin:index:Network", name, parsed.model_dump(mode="json", exclude_none=True), opts)
        stack = pulumi.get_stack()
        parts = _Parts(self, name, parsed, Tags(stack=stack, owner=parsed.owner, part="network"))
        found = parts.subnets(parsed.cluster_name or eks.default_name(stack))
        parts.routes(found)
        parts.endpoints(found)
        parts.flow_logs()
        self.vpc_id = parts.vpc.id
        self.public_subnet_ids = _ids(found["public"])
        self.private_subnet_ids = _ids(found["private"])
        self.intra_subnet_ids = _ids(found["intra"])
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "intra_subnet_ids": self.intra_subnet_ids,
            }
        )


class _Parts:
    """Builds the parts of a network, all of them children of it."""

    def __init__(self, parent: Network, name: str, parsed: parsing.NetworkArguments, tags: Tags) -> None:
        self._name, self._network, self._tags = name, parsed.network, tags
        self._opts = pulumi.ResourceOptions(parent=parent)
        self.vpc = aws.ec2.Vpc(
            name,
            cidr_block=parsed.network.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=tags.of(name),
            opts=self._opts,
        )
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=self.vpc.id,
            ingress=[],
            egress=[],
            tags=tags.of(f"{name}-default"),
            opts=self._opts,
        )

    def subnets(self, cluster_name: str) -> "_Subnets":
        """Build the subnets and return them by kind and zone."""
        own = {
            "public": layout.PUBLIC_ROLE,
            "private": {**layout.INTERNAL_ROLE, **layout.discovery(cluster_name)},
            "intra": {},
        }
        return {
            kind: {
                item.zone: self._subnet(kind, item.zone, getattr(item, kind), tags)
                for item in subnets.layout(self._network)
            }
            for kind, tags in own.items()
        }

    def routes(self, found: "_Subnets") -> None:
        """Build the ways out: none from intra subnets, NAT from private ones, the internet gateway from public ones."""
        gateway = aws.ec2.InternetGateway(
            self._name, vpc_id=self.vpc.id, tags=self._tags.of(self._name), opts=self._opts
        )
        public = self._table("public", found["public"])
        self._way_out("public", public, gateway_id=gateway.id)
        nats = {zone: self._nat(zone, found["public"][zone], gateway) for zone in layout.nat_zones(self._network)}
        tables = [self._table("intra", found["intra"])]
        for zone, subnet in found["private"].items():
            table = self._table("private", {zone: subnet}, f"-{zone}")
            nat_zone = layout.nat_zone_of(self._network, zone)
            if nat_zone is not None:
                self._way_out(f"private-{zone}", table, nat_gateway_id=nats[nat_zone].id)
            tables.append(table)
        # Weights and image layers come from S3; through a NAT gateway each byte of them would be paid for.
        aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc.id,
            service_name=layout.service_name(self._network.region, "s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=self._tags.of(f"{self._name}-s3"),
            opts=self._opts,
        )

    def endpoints(self, found: "_Subnets") -> None:
        """Build the endpoints by which services of AWS are reached inside the VPC."""
        if not self._network.endpoints:
            return
        name = f"{self._name}-endpoints"
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=self.vpc.id,
            description="Endpoints of AWS services",
            revoke_rules_on_delete=True,
            tags=self._tags.of(name),
            opts=self._opts,
        )
        rule = layout.https_from(self._network.cidr, group.id)
        aws.vpc.SecurityGroupIngressRule(name, **rule, tags=self._tags.of(name), opts=self._opts)
        for service in self._network.endpoints:
            child = f"{self._name}-{service.replace('.', '-')}"
            aws.ec2.VpcEndpoint(
                child,
                vpc_id=self.vpc.id,
                service_name=layout.service_name(self._network.region, service),
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in found["private"].values()],
                security_group_ids=[group.id],
                tags=self._tags.of(child),
                opts=self._opts,
            )

    def flow_logs(self) -> None:
        """Build the records of all connections."""
        name = f"{self._name}-flow-logs"
        group = aws.cloudwatch.LogGroup(
            name, retention_in_days=self._network.flow_log_days, tags=self._tags.of(name), opts=self._opts
        )
        role = aws.iam.Role(
            name,
            assume_role_policy=iam.trust("vpc-flow-logs.amazonaws.com"),
            tags=self._tags.of(name),
            opts=self._opts,
        )
        aws.iam.RolePolicy(name, role=role.id, policy=group.arn.apply(layout.flow_log_policy), opts=self._opts)
        aws.ec2.FlowLog(
            name,
            vpc_id=self.vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags=self._tags.of(name),
            opts=self._opts,
        )

    def _subnet(self, kind: str, zone: str, cidr: str, tags: Mapping[str, str]) -> "aws.ec2.Subnet":
        name = f"{self._name}-{kind}-{zone}"
        return aws.ec2.Subnet(
            name,
            vpc_id=self.vpc.id,
            availability_zone=zone,
            cidr_block=cidr,
            map_public_ip_on_launch=False,
            tags={**self._tags.of(name), **tags},
            opts=self._opts,
        )

    def _table(self, kind: str, of: Mapping[str, "aws.ec2.Subnet"], place: str = "") -> "aws.ec2.RouteTable":
        name = f"{self._name}-{kind}{place}"
        table = aws.ec2.RouteTable(name, vpc_id=self.vpc.id, tags=self._tags.of(name), opts=self._opts)
        for zone, subnet in of.items():
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{kind}-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=self._opts
            )
        return table

    def _way_out(self, kind: str, table: "aws.ec2.RouteTable", **target: pulumi.Output[str]) -> None:
        aws.ec2.Route(
            f"{self._name}-{kind}",
            route_table_id=table.id,
            destination_cidr_block=layout.ANYWHERE,
            **target,
            opts=self._opts,
        )

    def _nat(self, zone: str, subnet: "aws.ec2.Subnet", gateway: "aws.ec2.InternetGateway") -> "aws.ec2.NatGateway":
        name = f"{self._name}-nat-{zone}"
        # An address can only be attached to a VPC that has its internet gateway.
        opts = pulumi.ResourceOptions.merge(self._opts, pulumi.ResourceOptions(depends_on=[gateway]))
        address = aws.ec2.Eip(name, domain="vpc", tags=self._tags.of(name), opts=opts)
        return aws.ec2.NatGateway(
            name, subnet_id=subnet.id, allocation_id=address.id, tags=self._tags.of(name), opts=opts
        )


def _ids(found: Mapping[str, "aws.ec2.Subnet"]) -> pulumi.Output[dict[str, str]]:
    return pulumi.Output.all(**{zone: subnet.id for zone, subnet in found.items()})
