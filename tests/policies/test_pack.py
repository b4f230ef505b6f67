"""The pack's process: reports, levels, and files that come with it."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest
from support import policy_pack
from tenbin_policies import catalogue, page, settings
from tenbin_policies.rules import Level
from tenbin_spec.problems import ConfigurationError

LEVELS = sorted((policy_pack.PACK / "levels").glob("*.json"))
STACKS = {path.name.split(".")[1] for path in (policy_pack.ROOT / "stacks").glob("Pulumi.*.yaml")}
IMAGE = "spec.template.spec.containers[0].image"


@pytest.fixture(scope="module")
def pack() -> Iterator[policy_pack.Pack]:
    with policy_pack.running() as found:
        yield found


def test_what_is_unknown_is_told_once_with_all_of_its_resources(pack: policy_pack.Pack) -> None:
    pack.configure({})
    items = [
        policy_pack.base("planner", name=name, set={IMAGE: policy_pack.UNKNOWN}) for name in ("a", "b", "c", "d", "e")
    ]
    assert [told for item in items for told in pack.resource(item)] == []
    (told,) = pack.stack(items)
    assert (told.rule, told.level) == ("not-judged", "advisory")
    assert told.message == (
        f"image-pinned cannot be judged in preview: {IMAGE} is unknown of Deployment a, Deployment b, Deployment c "
        "and 2 more"
    )
    assert pack.stack(items) == []


def test_an_exemption_that_is_used_is_told(pack: policy_pack.Pack) -> None:
    exemption = {"resource": "planner", "reason": "moves next week", "owner": "ml-platform", "expires": "2999-12-31"}
    pack.configure({"image-pinned": {"exemptions": [exemption]}})
    item = policy_pack.base("planner", set={IMAGE: "web:latest"})
    assert pack.resource(item) == []
    (told,) = pack.stack([item])
    assert (told.rule, told.level, told.urn) == ("exemption-used", "advisory", item.urn)
    assert told.message == (
        "image-pinned: Deployment planner: container planner runs 'web:latest', whose content changes under its name; "
        "exempt until 2999-12-31 (ml-platform: moves next week)."
    )


def test_an_exemption_that_ended_covers_nothing(pack: policy_pack.Pack) -> None:
    exemption = {"resource": "planner", "reason": "moved last week", "owner": "ml-platform", "expires": "2020-01-01"}
    pack.configure({"image-pinned": {"exemptions": [exemption]}})
    (told,) = pack.resource(policy_pack.base("planner", set={IMAGE: "web:latest"}))
    assert told.level == "mandatory"
    assert told.message.endswith("Its exemption ended on 2020-01-01.")


def test_levels_of_a_configuration_hold(pack: policy_pack.Pack) -> None:
    item = policy_pack.base("planner", set={IMAGE: "web:latest"})
    pack.configure({"image-pinned": "advisory"})
    assert [told.level for told in pack.resource(item)] == ["advisory"]
    pack.configure({"image-pinned": "disabled"})
    assert pack.resource(item) == []


@pytest.mark.parametrize("path", LEVELS, ids=lambda path: path.stem)
def test_the_levels_of_an_environment_can_be_read(path: pathlib.Path) -> None:
    found = settings.parse_all(catalogue.RULES, json.loads(path.read_text(encoding="utf-8")))
    assert set(found) == set(catalogue.BY_ID)


def test_every_committed_stack_has_its_levels() -> None:
    assert {path.stem for path in LEVELS} == STACKS


def test_everything_that_is_wrong_in_a_configuration_is_told_at_once() -> None:
    given = {
        "image-pined": "advisory",
        "spot-floor": {"replicas": "two"},
        "eks-logged": {"kinds": ["api"]},
        "cost-tags": "loud",
    }
    with pytest.raises(ConfigurationError) as caught:
        settings.parse_all(catalogue.RULES, given)
    paths = [problem.path for problem in caught.value.problems]
    assert paths == ["cost-tags.enforcementLevel", "eks-logged.kinds", "image-pined", "spot-floor.replicas"]
    assert "did you mean 'image-pinned'?" in str(caught.value)


def test_a_level_for_all_holds_where_no_other_is_said() -> None:
    found = settings.parse_all(catalogue.RULES, {"all": "disabled", "spot-floor": "mandatory"})
    assert {rule for rule, item in found.items() if item.level is not Level.DISABLED} == {"spot-floor"}


def test_ids_are_unique_among_concerns() -> None:
    assert len(catalogue.BY_ID) == len(catalogue.RULES)


def test_the_documentation_page_is_that_of_the_rules() -> None:
    path = policy_pack.ROOT / "docs" / "policies.md"
    assert path.read_text(encoding="utf-8") == page.markdown(), "run: tenbin policy list --markdown > docs/policies.md"
