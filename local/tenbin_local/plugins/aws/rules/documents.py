"""Rules of IAM policy documents."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()
_GRAMMAR = "docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"

ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"

_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}

_LIMITS = {tokens.ROLE: 2048, ROLE_POLICY: 10240, tokens.POLICY: 6144}
"""Characters without white space: docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""


def _read(view: View, path: str) -> dict[str, Any] | str | None:
    """The document at a path, what is wrong with it as a whole, or None where there is none."""
    text = view.known(path)
    if not isinstance(text, str) or not text:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        return f"MalformedPolicyDocument: no JSON, {error}"
    return document if isinstance(document, dict) else "MalformedPolicyDocument: no JSON object"


def _statements(document: dict[str, Any]) -> list[Any]:
    given = document.get("Statement", [])
    return given if isinstance(given, list) else [given]


def _grammar(document: dict[str, Any], path: str) -> Iterator[Problem]:
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        yield Problem(
            path, f"MalformedPolicyDocument: version {document['Version']!r}; {' or '.join(_VERSIONS)} is allowed"
        )
    statements = _statements(document)
    if not statements:
        yield Problem(path, "MalformedPolicyDocument: no statement")
    for index, one in enumerate(statements):
        if not isinstance(one, dict):
            yield Problem(path, f"MalformedPolicyDocument: Statement[{index}] is no object")
            continue
        if unknown := sorted(set(one) - _ELEMENTS):
            yield Problem(
                path, f"MalformedPolicyDocument: Statement[{index}] has {', '.join(unknown)}, which no statement has"
            )
        if one.get("Effect") not in ("Allow", "Deny"):
            yield Problem(
                path,
                f"MalformedPolicyDocument: Statement[{index}].Effect is {one.get('Effect')!r}; Allow or Deny is "
                "allowed",
            )
        if ("Action" in one) is ("NotAction" in one):
            yield Problem(path, f"MalformedPolicyDocument: Statement[{index}] needs Action or NotAction, not both")
        for action in _listed(one.get("Action", [])):
            if not re.fullmatch(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+", str(action)):
                yield Problem(
                    path,
                    f"MalformedPolicyDocument: Statement[{index}].Action {action!r}: Actions/Conditions must be "
                    "prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _size(path: str, view: View, most: int) -> Iterator[Problem]:
    size = len(re.sub(r"\s", "", str(view.known(path))))
    if size > most:
        yield Problem(path, f"LimitExceeded: {size} characters without white space; {most} are allowed")


@_TABLE.rule("trust-policy-names-who-is-trusted", tokens.ROLE, source=_GRAMMAR)
def _trust(view: View) -> Iterator[Problem]:
    path = "assumeRolePolicy"
    document = _read(view, path)
    if isinstance(document, str):
        yield Problem(path, document)
    if not isinstance(document, dict):
        return
    yield from _grammar(document, path)
    yield from _size(path, view, _LIMITS[tokens.ROLE])
    for index, one in enumerate(_statements(document)):
        if isinstance(one, dict) and not {"Principal", "NotPrincipal"} & set(one):
            yield Problem(
                path, f"MalformedPolicyDocument: Statement[{index}]: AssumeRole policy must contain a Principal"
            )
        if isinstance(one, dict) and {"Resource", "NotResource"} & set(one):
            yield Problem(path, f"MalformedPolicyDocument: Statement[{index}]: Has prohibited field Resource")
        for action in _listed(one.get("Action", [])) if isinstance(one, dict) else []:
            if not str(action).lower().startswith("sts:"):
                yield Problem(
                    path,
                    f"MalformedPolicyDocument: Statement[{index}]: AssumeRole policy may only specify STS "
                    f"AssumeRole actions, not {action}",
                )


@_TABLE.rule("identity-policy-names-resources-and-no-principal", ROLE_POLICY, tokens.POLICY, source=_GRAMMAR)
def _identity(view: View) -> Iterator[Problem]:
    document = _read(view, "policy")
    if isinstance(document, str):
        yield Problem("policy", document)
    if not isinstance(document, dict):
        return
    yield from _grammar(document, "policy")
    yield from _size("policy", view, _LIMITS[ROLE_POLICY if view.has("role") else tokens.POLICY])
    for index, one in enumerate(_statements(document)):
        if not isinstance(one, dict):
            continue
        if {"Principal", "NotPrincipal"} & set(one):
            yield Problem(
                "policy",
                f"MalformedPolicyDocument: Statement[{index}]: Policy document should not specify a principal.",
            )
        if not {"Resource", "NotResource"} & set(one):
            yield Problem(
                "policy", f"MalformedPolicyDocument: Statement[{index}]: Policy statement must contain resources."
            )
        for resource in _listed(one.get("Resource", "*")):
            if not re.fullmatch(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+", str(resource)):
                yield Problem("policy", f'MalformedPolicyDocument: Resource {resource} must be in ARN format or "*".')


@_TABLE.rule(
    "resource-policy-names-principals", QUEUE_POLICY, BUCKET_POLICY, tokens.KEY, tokens.QUEUE, ENDPOINT, source=_GRAMMAR
)
def _resource(view: View) -> Iterator[Problem]:
    document = _read(view, "policy")
    if isinstance(document, str):
        yield Problem("policy", document)
    if not isinstance(document, dict):
        return
    yield from _grammar(document, "policy")
    for index, one in enumerate(_statements(document)):
        if isinstance(one, dict) and not {"Principal", "NotPrincipal"} & set(one):
            yield Problem("policy", f"MalformedPolicyDocument: Statement[{index}]: Missing required field Principal")


@_TABLE.rule(
    "role-path-has-slashes", tokens.ROLE, source="docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html"
)
def _path(view: View) -> Iterator[Problem]:
    path = view.known("path")
    if isinstance(path, str) and not re.fullmatch(r"/|/[!-~]+/", path):
        yield Problem("path", f"{path!r} must begin and end with /")


RULES = _TABLE.rules
