"""docs/reference.md names every domain, reason and metric that there is."""

from __future__ import annotations

import pathlib

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tenbin_planner.controller import metrics as controller
from tenbin_planner.picker import metrics as picker
from tenbin_spec.reasons import Reason
from tenbin_spec.stack import DOMAINS

REFERENCE = (pathlib.Path(__file__).parents[2] / "docs/reference.md").read_text()


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason: Reason) -> None:
    assert f"| `{reason}` |" in REFERENCE


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_is_listed(domain: str) -> None:
    assert f"| `tenbin:{domain}` |" in REFERENCE


@pytest.mark.parametrize("program", [controller.Metrics, picker.Metrics], ids=["planner", "picker"])
def test_every_metric_is_listed_with_its_type(program: type[controller.Metrics | picker.Metrics]) -> None:
    families = list(text_string_to_metric_families(program().page().decode()))
    missing = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.endswith("_created") and f"| `{name}` | {family.type} |" not in REFERENCE:
            missing.append(name)
    assert families
    assert missing == []
