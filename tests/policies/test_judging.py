"""Laws of every rule: unknown values, misshapen values, exemptions."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi_policy.proxy import unknown_checking_proxy
from support import policy_pack
from support.policy_pack import Case, Item
from tenbin_policies import catalogue, judging, settings
from tenbin_policies.judging import Judgement
from tenbin_policies.rules import Resource, Rule, Stack
from tenbin_policies.view import View
from tenbin_spec.problems import ConfigurationError

TODAY = datetime.date(2026, 11, 25)
CASES = policy_pack.cases()
DENIED = [case for case in CASES if case.name.startswith("denied-")]
MISSHAPEN = ("text", 7.0, None, [7.0], {"a": "b"})
PRIVILEGED = policy_pack.base("engine", set={"spec.template.spec.containers[0].securityContext.privileged": True})
EXEMPTION = {
    "resource": "engine",
    "reason": "until the driver is fixed",
    "owner": "ml-platform",
    "expires": "2026-12-31",
}


def resource(item: Item) -> Resource:
    properties: Any = unknown_checking_proxy(item.properties)
    tags = View(None if item.default_tags is None else unknown_checking_proxy(dict(item.default_tags)))
    return Resource(
        type=item.type,
        name=item.name,
        urn=item.urn,
        properties=View(properties),
        protected=item.protect,
        dependencies=tuple(f"urn:{name}" for name in item.depends_on),
        default_tags=tags,
    )


def judged(rule: Rule, items: tuple[Item, ...], given: dict[str, Any] | None = None) -> list[Judgement]:
    """Judge a case by a rule."""
    configuration = settings.parse(rule, given or {})
    found = [resource(item) for item in items]
    if rule.kinds is None:
        own = tuple(dataclasses.replace(item, urn=f"urn:{item.name}") for item in found)
        return [judging.judge(rule, Stack(resources=own), configuration, TODAY)]
    return [judging.judge(rule, item, configuration, TODAY) for item in found if item.type in rule.kinds]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value of a tree, inner ones included."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def with_value(item: Item, path: tuple[Any, ...], value: Any) -> Item:
    properties = copy.deepcopy(item.properties)
    place: Any = properties
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return dataclasses.replace(item, properties=properties)


def variants(case: Case, *values: Any) -> Iterator[tuple[Item, ...]]:
    """Yield a case once for each place in it, with that place replaced by one of the values in turn."""
    turns = itertools.cycle(values)
    for number, item in enumerate(case.items):
        for path in places(item.properties):
            changed = with_value(item, path, next(turns))
            yield (*case.items[:number], changed, *case.items[number + 1 :])


@pytest.mark.parametrize("case", DENIED, ids=lambda case: case.id)
def test_what_is_unknown_never_passes_in_silence(case: Case) -> None:
    rule, own = catalogue.BY_ID[case.rule], case.configuration.get(case.rule)
    for items in variants(case, policy_pack.UNKNOWN):
        found = judged(rule, items, own)
        assert any(item.violations or item.unjudged for item in found), items


@pytest.mark.parametrize("rule", catalogue.RULES, ids=lambda rule: rule.id)
def test_what_is_misshapen_never_ends_the_pack(rule: Rule) -> None:
    case = next(case for case in DENIED if case.rule == rule.id)
    for items in variants(case, *MISSHAPEN):
        judged(rule, items, case.configuration.get(rule.id))


def test_an_unknown_value_is_named_with_its_place_and_resource() -> None:
    item = policy_pack.base("engine", set={"spec.template.spec.containers[0].image": policy_pack.UNKNOWN})
    (found,) = judged(catalogue.BY_ID["image-pinned"], (item,))
    assert found.violations == ()
    (notice,) = found.unjudged
    assert notice.message == "spec.template.spec.containers[0].image"
    assert notice.resource is not None
    assert notice.resource.label == "Deployment engine"


def test_an_unknown_container_does_not_hide_its_neighbour() -> None:
    containers = [{"name": "a", "image": policy_pack.UNKNOWN}, {"name": "b", "image": "web:latest"}]
    item = policy_pack.base("engine", set={"spec.template.spec.containers": containers})
    (found,) = judged(catalogue.BY_ID["image-pinned"], (item,))
    assert [notice.message for notice in found.violations] == [
        (
            "Deployment engine: container b runs 'web:latest', whose content changes under its name. "
            "Name a version or, better, a digest."
        )
    ]
    assert len(found.unjudged) == 1


def test_what_is_misshapen_is_a_violation_that_names_the_place() -> None:
    item = policy_pack.base("engine", set={"spec.template.spec.containers": "engine"})
    (found,) = judged(catalogue.BY_ID["image-pinned"], (item,))
    assert found.violations[0].message.startswith(
        "Deployment engine: spec.template.spec.containers is not a list, so that it cannot be judged."
    )


@pytest.mark.parametrize("name", ["engine", "Deployment engine"])
def test_an_exemption_covers_its_resource_and_is_told(name: str) -> None:
    rule = catalogue.BY_ID["container-unprivileged"]
    (found,) = judged(rule, (PRIVILEGED,), {"exemptions": [{**EXEMPTION, "resource": name}]})
    assert found.violations == ()
    assert [notice.message for notice in found.exempted] == [
        (
            "Deployment engine: container engine is privileged; exempt until 2026-12-31 (ml-platform: until the "
            "driver is fixed)"
        )
    ]


def test_an_exemption_holds_on_its_last_day_and_not_on_the_next() -> None:
    rule = catalogue.BY_ID["container-unprivileged"]
    (last,) = judged(rule, (PRIVILEGED,), {"exemptions": [{**EXEMPTION, "expires": "2026-11-25"}]})
    assert last.violations == ()
    (over,) = judged(rule, (PRIVILEGED,), {"exemptions": [{**EXEMPTION, "expires": "2026-11-24"}]})
    assert over.violations[0].message.endswith("Its exemption ended on 2026-11-24.")
    assert over.exempted == ()


def test_an_exemption_covers_no_other_resource() -> None:
    rule = catalogue.BY_ID["container-unprivileged"]
    (found,) = judged(rule, (PRIVILEGED,), {"exemptions": [{**EXEMPTION, "resource": "planner"}]})
    assert len(found.violations) == 1


def test_a_stack_is_exempt_by_the_resource_that_breaks_it() -> None:
    case = next(case for case in CASES if case.id == "vpc-logged/denied-none")
    (found,) = judged(catalogue.BY_ID[case.rule], case.items, {"exemptions": [{**EXEMPTION, "resource": "vpc"}]})
    assert found.violations == ()
    assert len(found.exempted) == 1


@pytest.mark.parametrize("missing", ["reason", "owner", "expires", "resource"])
def test_an_exemption_without_one_of_its_parts_is_refused(missing: str) -> None:
    given = {key: value for key, value in EXEMPTION.items() if key != missing}
    with pytest.raises(ConfigurationError) as caught:
        settings.parse(catalogue.BY_ID["image-pinned"], {"exemptions": [given]})
    assert str(caught.value) == (
        f"policy configuration has 1 problem:\n  - image-pinned.exemptions[0].{missing}: is required and missing"
    )
