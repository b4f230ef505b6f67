"""docs/reference.md names every domain, reason and metric that there is."""

from __future__ import annotations

import pathlib

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tenbin_planner.controller.metrics import Metrics
from tenbin_spec.reasons import Reason
from tenbin_spec.stack import DOMAINS

REFERENCE = (pathlib.Path(__file__).parents[2] / "docs/reference.md").read_text()


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason: Reason) -> None:
    assert f"| `{reason}` |" in REFERENCE


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_is_listed(domain: str) -> None:
    assert f"| `tenbin:{domain}` |" in REFERENCE


def test_every_metric_of_the_planner_is_listed_with_its_type() -> None:
    families = list(text_string_to_metric_families(Metrics().page().decode()))
    missing = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.endswith("_created") and f"| `{name}` | {family.type} |" not in REFERENCE:
            missing.append(name)
    assert families
    assert missing == []
