"""Every rule on its cases, by the pack's own process and the proxies of its SDK."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from support import golden, policy_pack
from support.policy_pack import Case, Told
from tenbin_policies import catalogue, settings

CASES = policy_pack.cases()


@pytest.fixture(scope="module")
def pack() -> Iterator[policy_pack.Pack]:
    with policy_pack.running() as found:
        yield found


@functools.cache
def answer(pack: policy_pack.Pack, case_id: str) -> tuple[Told, ...]:
    """Return what the pack says of a case, without what it could not judge."""
    case = next(case for case in CASES if case.id == case_id)
    pack.configure(case.configuration)
    told = [item for resource in case.items for item in pack.resource(resource)]
    if catalogue.BY_ID[case.rule].judges_stack:
        told += pack.stack(case.items)
    return tuple(told)


def test_every_rule_has_cases_both_ways() -> None:
    found = {(case.rule, case.name.partition("-")[0]) for case in CASES}
    assert found == {(rule, way) for rule in catalogue.BY_ID for way in ("allowed", "denied")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_denied_by_its_own_rule_alone_or_allowed_by_all(pack: policy_pack.Pack, case: Case) -> None:
    told = answer(pack, case.id)
    assert {item.rule for item in told} == ({case.rule} if case.name.startswith("denied-") else set()), told


def test_messages_name_the_resource_what_was_found_and_the_repair(pack: policy_pack.Pack) -> None:
    lines = []
    for case in CASES:
        for item in answer(pack, case.id):
            lines.append(f"{case.id}\n  {item.message}\n")
            assert item.message.endswith(f". {catalogue.BY_ID[item.rule].repair}.")
    golden.check("policy-messages.txt", "".join(lines))


def test_the_engine_is_told_all_that_a_rule_says_of_itself(pack: policy_pack.Pack) -> None:
    told = {policy.name: policy for policy in pack.info().policies}
    assert set(told) == {*catalogue.BY_ID, *settings.REPORTS}
    for rule in catalogue.RULES:
        policy = told[rule.id]
        assert policy.description == f"{rule.wish}."
        assert policy.remediation_steps == f"{rule.repair}."
        assert policy.framework.name == rule.standards[0].name
        assert len(policy.tags) == len(rule.standards)
        assert policy.url.endswith(f"docs/policies.md#{rule.id}")
        assert set(policy.configSchema.properties.keys()) == {*rule.settings, "exemptions"}
