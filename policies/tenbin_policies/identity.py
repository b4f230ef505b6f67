"""IAM: what roles may do, and who may take them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tenbin_policies.rules import Resource, Rule, Settings, Severity, Violation, checkov, cis, strings

_ROLE = "aws:iam/role:Role"
_POLICIES = frozenset(
    {
        "aws:iam/policy:Policy",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/groupPolicy:GroupPolicy",
        "aws:iam/userPolicy:UserPolicy",
    }
)
_KEY, _BUCKET_POLICIES = "aws:kms/key:Key", frozenset({"aws:s3/bucketPolicy:BucketPolicy"})
_ATTACHMENTS = frozenset(
    {
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    }
)
_BROAD = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess", "AmazonS3FullAccess", "AmazonEC2FullAccess")


def _statements(text: str) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a document that allow something.

    Raises:
        ValueError: when it is no JSON, or not of the shape of a policy document.
    """
    document = json.loads(text)
    if not isinstance(document, Mapping):
        raise ValueError("no mapping")  # noqa: TRY004 one kind of error for all that is misshapen
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, Mapping):
            raise ValueError("no statement")  # noqa: TRY004
        if statement.get("Effect") == "Allow":
            yield statement


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value is not None else []


def _allows(resource: Resource, key: str) -> tuple[list[Mapping[str, Any]], list[Violation]]:
    """Return the statements of the document under a key; a violation where it cannot be read."""
    text = resource.properties.text(key)
    if not text:
        return [], []
    try:
        return list(_statements(text)), []
    except ValueError:
        return [], [Violation(message=f"{key} is no policy document")]


def _wild(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    statements, misshapen = _allows(resource, "policy")
    yield from misshapen
    for statement in statements:
        actions, everything = _texts(statement.get("Action")), "*" in _texts(statement.get("Resource"))
        wild = [action for action in actions if action == "*" or (action.endswith(":*") and everything)]
        if wild and not statement.get("Condition"):
            yield Violation(message=f"it allows {', '.join(wild)} on {'everything' if everything else 'its resources'}")
        if "NotAction" in statement:
            yield Violation(message="it allows all that it does not name (NotAction)")


def _taken(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    statements, misshapen = _allows(resource, "assumeRolePolicy")
    yield from misshapen
    if any(_anybody(statement) for statement in statements):
        yield Violation(message="anybody on AWS may take it")


def _anybody(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    named = _texts(principal.get("AWS")) if isinstance(principal, Mapping) else _texts(principal)
    return "*" in named and not statement.get("Condition")


def _broad(resource: Resource, settings: Settings) -> Iterator[Violation]:
    name = resource.properties.text("policyArn").rpartition("/")[2]
    if name in settings["policies"]:
        yield Violation(message=f"it attaches {name}")


def _opened(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    statements, misshapen = _allows(resource, "policy")
    yield from misshapen
    if any(_anybody(statement) for statement in statements):
        yield Violation(message="its policy lets anybody on AWS in")


RULES = (
    Rule(
        id="policy-without-wildcards",
        wish="Policies of IAM name what they allow",
        why="A program that may do everything does everything for whoever takes it over.",
        repair="Name the actions and the resources, or bind the wildcard by a condition",
        severity=Severity.CRITICAL,
        standards=(cis("5.2.1"), checkov("CKV_AWS_62", "CKV_AWS_63")),
        kinds=_POLICIES,
        check=_wild,
        before='policy: {Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}',
        after='policy: {Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::weights/*"}]}',
    ),
    Rule(
        id="role-taken-by-name",
        wish="Roles say who may take them",
        why="A role that anybody may take is a role that anybody has.",
        repair="Name the service or the accounts in Principal",
        severity=Severity.CRITICAL,
        standards=(checkov("CKV_AWS_60", "CKV_AWS_61"),),
        kinds=frozenset({_ROLE}),
        check=_taken,
        before='assumeRolePolicy: {Statement: [{Effect: Allow, Principal: "*", Action: "sts:AssumeRole"}]}',
        after="assumeRolePolicy: {Statement: [{Effect: Allow, Principal: {Service: pods.eks.amazonaws.com}, "
        'Action: ["sts:AssumeRole", "sts:TagSession"]}]}',
    ),
    Rule(
        id="broad-policy-unattached",
        wish="Nothing has the broad policies that AWS maintains",
        why="They were made for people who try things, and grow with every new service.",
        repair="Attach a policy that names what is needed",
        severity=Severity.HIGH,
        standards=(cis("5.2.1"), checkov("CKV_AWS_274")),
        kinds=_ATTACHMENTS,
        check=_broad,
        settings={"policies": strings(_BROAD, "Names of policies that nothing may have")},
        before="policyArn: arn:aws:iam::aws:policy/AdministratorAccess",
        after="policyArn: arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly",
    ),
    Rule(
        id="key-and-bucket-narrow",
        wish="Keys and buckets are open to named principals alone",
        why="A key that anybody may use encrypts nothing; a bucket that anybody may read is a website.",
        repair="Name the principals, or bind them by a condition",
        severity=Severity.CRITICAL,
        standards=(checkov("CKV_AWS_33", "CKV_AWS_70"),),
        kinds=_BUCKET_POLICIES | {_KEY},
        check=_opened,
        before='policy: {Statement: [{Effect: Allow, Principal: "*", Action: "kms:*"}]}',
        after='policy: {Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:root"}, '
        'Action: "kms:*"}]}',
    ),
)
