"""IAM policy documents as the official provider's function writes them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def render(arguments: Mapping[str, Any]) -> str:
    """The JSON of `aws:iam/getPolicyDocument:getPolicyDocument`.

    Documents given by JSON come first; a statement takes the place of an earlier one with its `sid`.
    """
    statements: list[dict[str, Any]] = []
    for text in arguments.get("sourcePolicyDocuments") or []:
        _add(statements, json.loads(text).get("Statement", []))
    _add(statements, [_statement(one) for one in arguments.get("statements") or []])
    for text in arguments.get("overridePolicyDocuments") or []:
        _add(statements, json.loads(text).get("Statement", []))
    document: dict[str, Any] = {"Version": arguments.get("version") or "2012-10-17"}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    return json.dumps({**document, "Statement": statements}, indent=2)


def _add(statements: list[dict[str, Any]], more: Any) -> None:
    for one in more if isinstance(more, list) else [more]:
        same = [index for index, other in enumerate(statements) if one.get("Sid") and other.get("Sid") == one["Sid"]]
        if same:
            statements[same[0]] = one
        else:
            statements.append(one)


def _statement(given: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if given.get("sid"):
        made["Sid"] = given["sid"]
    made["Effect"] = given.get("effect") or "Allow"
    for key, name in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if given.get(key):
            made[name] = _one_or_many(given[key])
    for key, name in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if given.get(key):
            made[name] = _principals(given[key])
    if given.get("conditions"):
        made["Condition"] = _conditions(given["conditions"])
    return made


def _one_or_many(values: Sequence[str]) -> Any:
    """One value as it is, several in descending order, as the official provider sorts them."""
    return values[0] if len(values) == 1 else sorted(values, reverse=True)


def _principals(given: Sequence[Mapping[str, Any]]) -> Any:
    if any(one["type"] == "*" and one["identifiers"] == ["*"] for one in given):
        return "*"
    together: dict[str, list[str]] = {}
    for one in given:
        together.setdefault(one["type"], []).extend(one["identifiers"])
    return {kind: _one_or_many(identifiers) for kind, identifiers in together.items()}


def _conditions(given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    together: dict[str, dict[str, Any]] = {}
    for one in given:
        values = one["values"]
        together.setdefault(one["test"], {})[one["variable"]] = values[0] if len(values) == 1 else list(values)
    return together
