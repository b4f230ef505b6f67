"""All rules of the pack."""

from __future__ import annotations

from tenbin_policies import (
    access,
    agreement,
    cluster,
    containers,
    engines,
    identity,
    money,
    namespaces,
    network,
    nodes,
    pod_security,
    storage,
    tags,
)
from tenbin_policies.rules import Rule

CONCERNS: dict[str, tuple[Rule, ...]] = {
    "The agreement": agreement.RULES,
    "Money": money.RULES,
    "Engines": engines.RULES,
    "Pods": pod_security.RULES,
    "Containers": containers.RULES,
    "Namespaces and the way in": namespaces.RULES,
    "Rights in the cluster": access.RULES,
    "The control plane": cluster.RULES,
    "Nodes": nodes.RULES,
    "Networks": network.RULES,
    "Identity on AWS": identity.RULES,
    "Storage and keys": storage.RULES,
    "The bill": tags.RULES,
}
"""Rules by what they are about, in the order of the documentation."""

RULES: tuple[Rule, ...] = tuple(rule for rules in CONCERNS.values() for rule in rules)
BY_ID: dict[str, Rule] = {rule.id: rule for rule in RULES}
