"""What a network is made of besides its subnets: endpoints, ways out, records of connections."""

from __future__ import annotations

from tenbin_spec.networks import Network

from tenbin._layout import iam
from tenbin._layout.manifests import Json, Placed

ANYWHERE = "0.0.0.0/0"
PUBLIC_ROLE = {"kubernetes.io/role/elb": "1"}
"""Load balancers that face the internet lie in subnets with this tag."""
INTERNAL_ROLE = {"kubernetes.io/role/internal-elb": "1"}
"""Load balancers inside the VPC lie in subnets with this tag."""


def discovery(cluster_name: str) -> dict[str, str]:
    """Return the tag by which Karpenter finds the subnets and security groups of a cluster's nodes."""
    return {"karpenter.sh/discovery": cluster_name}


def nat_zones(network: Network) -> tuple[str, ...]:
    """Return the zones that have a NAT gateway of their own."""
    return {"zone": network.zones, "single": network.zones[:1], "none": ()}[network.nat]


def nat_zone_of(network: Network, zone: str) -> str | None:
    """Return the zone of the NAT gateway that a zone's private subnet uses, None where there is none."""
    own = nat_zones(network)
    return zone if zone in own else next(iter(own), None)


def service_name(region: str, service: str) -> str:
    """Return the name of a service's endpoint.

    >>> service_name("eu-west-1", "ecr.api")
    'com.amazonaws.eu-west-1.ecr.api'
    """
    return f"com.amazonaws.{region}.{service}"


def https_from(cidr: str, security_group: Placed) -> Json:
    """Return the only rule of the endpoints' security group: HTTPS from inside the VPC."""
    return {
        "security_group_id": security_group,
        "description": "HTTPS from the VPC",
        "ip_protocol": "tcp",
        "from_port": 443,
        "to_port": 443,
        "cidr_ipv4": cidr,
    }


def flow_log_policy(log_group_arn: str) -> str:
    """Return what the writer of flow logs may do: put records into its own log group."""
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return iam.document([{"Effect": "Allow", "Action": actions, "Resource": [f"{log_group_arn}:*"]}])
