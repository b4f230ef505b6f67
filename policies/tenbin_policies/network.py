"""Networks on AWS: who may come in, what is written down of it, and over what."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_policies.rules import Resource, Rule, Settings, Severity, Stack, Violation, checkov, cis
from tenbin_policies.view import View

_GROUP, _DEFAULT = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
_OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_IN, _OUT = (f"aws:vpc/securityGroup{way}gressRule:SecurityGroup{way}gressRule" for way in ("In", "E"))
_VPC, _FLOW_LOG = "aws:ec2/vpc:Vpc", "aws:ec2/flowLog:FlowLog"
_BALANCERS = frozenset({"aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer"})
_LISTENERS = frozenset({"aws:lb/listener:Listener", "aws:alb/listener:Listener"})
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
_ALL = "-1"


def _incoming(resource: Resource) -> Iterator[View]:
    """Yield the rules of what may come in."""
    if resource.type == _GROUP:
        yield from resource.properties.items("ingress")
    elif resource.type == _IN or resource.properties.text("type") == "ingress":
        yield resource.properties


def _open(rule: View, _settings: Settings) -> Iterator[Violation]:
    ranges = {rule.text("cidrIpv4"), rule.text("cidrIpv6"), *rule.texts("cidrBlocks"), *rule.texts("ipv6CidrBlocks")}
    for cidr in sorted(ranges & _EVERYWHERE):
        yield Violation(message=f"{_ports(rule)} is open to {cidr}")


def _ports(rule: View) -> str:
    first, last = rule.text("fromPort"), rule.text("toPort")
    if (rule.text("ipProtocol") or rule.text("protocol")) == _ALL or not first:
        return "every port"
    return f"port {first}" if first == last else f"ports {first} to {last}"


def _all_protocols(rule: View, _settings: Settings) -> Iterator[Violation]:
    protocol = rule.text("ipProtocol") or rule.text("protocol")
    # Adapters of EFA need all protocols between members of one group; between others nothing does.
    if protocol == _ALL and not _among_members(rule):
        yield Violation(message="every protocol may come in from a range of addresses")


def _among_members(rule: View) -> bool:
    groups = ("referencedSecurityGroupId", "sourceSecurityGroupId", "securityGroups")
    # Its id may not be known yet; that a group is named is enough.
    return bool(rule.flag("self")) or any(key in rule.keys() for key in groups)  # noqa: SIM118


def _closed(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    for way in ("ingress", "egress"):
        if resource.properties.items(way):
            yield Violation(message=f"what has no security group of its own has an {way} through this one")


def _vpcs(stack: Stack) -> Iterator[tuple[Resource, Stack]]:
    return ((vpc, stack) for vpc in stack.of([_VPC]))


def _logged(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    vpc, stack = part
    if not stack.joined_to(vpc, [_FLOW_LOG]):
        yield Violation(message="nothing writes down who connects to whom in it", resource=vpc)


def _internal(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    if not resource.properties.flag("internal"):
        yield Violation(message="it faces the internet")


def _encrypted(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    protocol = resource.properties.text("protocol") or "HTTP"
    redirects = any(item.text("type") == "redirect" for item in resource.properties.items("defaultActions"))
    if protocol not in {"HTTPS", "TLS"} and not redirects:
        yield Violation(message=f"it listens to {protocol}, without encryption")


RULES = (
    Rule(
        id="ingress-from-named-ranges",
        wish="Nothing is open to the whole internet",
        why="What is open to everywhere is found by everybody.",
        repair="Name the ranges or the security groups that may come in",
        severity=Severity.CRITICAL,
        standards=(cis("5.4.2"), checkov("CKV_AWS_24", "CKV_AWS_260", "CKV_AWS_277")),
        kinds=frozenset({_GROUP, _IN, _OLD_RULE}),
        parts=_incoming,
        check=_open,
        before="cidrIpv4: 0.0.0.0/0",
        after="cidrIpv4: 10.16.0.0/16",
    ),
    Rule(
        id="protocols-named",
        wish="Every protocol is allowed between members of one group alone",
        why="Elastic Fabric Adapters need that; a range of addresses that has it reaches every daemon of a node.",
        repair="Name protocol and ports, or allow the security group itself",
        severity=Severity.HIGH,
        standards=(checkov("CKV_AWS_277"),),
        kinds=frozenset({_GROUP, _IN, _OLD_RULE}),
        parts=_incoming,
        check=_all_protocols,
        before='{ipProtocol: "-1", cidrIpv4: 10.0.0.0/8}',
        after='{ipProtocol: "-1", referencedSecurityGroupId: sg-of-the-same-group}',
    ),
    Rule(
        id="default-security-group-closed",
        wish="Who has no security group of its own reaches nothing",
        why="AWS gives the default group to whatever names none, with all open between its members.",
        repair="Leave ingress and egress of the default group empty",
        severity=Severity.MEDIUM,
        standards=(checkov("CKV2_AWS_12"),),
        kinds=frozenset({_DEFAULT}),
        check=_closed,
        before='egress: [{protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: [0.0.0.0/0]}]',
        after="ingress: []\negress: []",
    ),
    Rule(
        id="vpc-logged",
        wish="Networks write down who connects to whom",
        why="After an incident the flow log alone says what left the network, and to where.",
        repair="Add an aws.ec2.FlowLog of the VPC",
        severity=Severity.MEDIUM,
        standards=(checkov("CKV2_AWS_11"),),
        kinds=None,
        parts=_vpcs,
        check=_logged,
        before="type: aws:ec2:Vpc",
        after="type: aws:ec2:FlowLog\nproperties: {vpcId: ${vpc.id}, trafficType: ALL}",
    ),
    Rule(
        id="load-balancer-internal",
        wish="Load balancers face the inside",
        why="An engine behind an open load balancer answers anybody, at your price per token.",
        repair="Set internal: true, or exempt the one that is meant to be public",
        severity=Severity.HIGH,
        standards=(cis("5.4.5"),),
        kinds=_BALANCERS,
        check=_internal,
        before="internal: false",
        after="internal: true",
    ),
    Rule(
        id="listener-encrypted",
        wish="Load balancers take requests over TLS",
        why="Prompts and answers are what your users said: in plain text every hop between can read them.",
        repair="Listen to HTTPS or TLS with a certificate; an HTTP listener may only redirect",
        severity=Severity.HIGH,
        standards=(cis("5.4.5"), checkov("CKV_AWS_2")),
        kinds=_LISTENERS,
        check=_encrypted,
        before="{port: 80, protocol: HTTP}",
        after="{port: 443, protocol: HTTPS, certificateArn: arn:aws:acm:...}",
    ),
)
