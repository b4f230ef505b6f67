"""Which document is in force: the newest good one, for ever."""

from __future__ import annotations

import json

import pytest
from support import planning
from tenbin_planner.controller.documents import Documents, NoDocumentError

GOOD = planning.document().to_json()
KEYS = "cost, findings, namespace, planner, pools, services, stack, version, workloads"
UNREADABLE = (
    "wire document has 1 problem:\n  - line 1: is not JSON of a document: "
    "it has a number of thousands of digits or brackets in thousands"
)
OTHER = planning.document(cost={"hourly_usd": "7.00"}).to_json()


def see(documents: Documents, text: str | None, at: float = 1.0) -> bool:
    return documents.see(None if text is None else {"document.json": text}, at=at)


def test_a_good_document_comes_into_force() -> None:
    documents = Documents()
    assert see(documents, GOOD)
    assert not see(documents, GOOD)
    assert documents.in_force == planning.document()
    assert (documents.since, documents.problem) == (1.0, None)


def test_a_changed_document_replaces_it() -> None:
    documents = Documents()
    see(documents, GOOD)
    assert see(documents, OTHER, at=9.0)
    assert documents.in_force == planning.document(cost={"hourly_usd": "7.00"})
    assert documents.since == 9.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{",
            "wire document has 1 problem:\n  - line 1: is not JSON: Expecting property name enclosed in double quotes",
        ),
        (
            json.dumps({**json.loads(GOOD), "version": 2}),
            "wire document has 1 problem:\n  - version: 2 is not a version that this program reads. Allowed: 1",
        ),
        (
            json.dumps({**json.loads(GOOD), "colour": "red"}),
            f"wire document has 1 problem:\n  - colour: unknown key. Allowed here: {KEYS}",
        ),
        ("[" * 100_000, UNREADABLE),
        (f'{{"version": {"1" * 5000}}}', UNREADABLE),
        (None, "ConfigMap tenbin-document is missing"),
    ],
    ids=["no JSON", "newer", "unknown key", "brackets without end", "a number without end", "missing"],
)
def test_a_document_that_is_not_good_changes_nothing_but_is_said(text: str | None, problem: str) -> None:
    documents = Documents()
    see(documents, GOOD)
    assert not see(documents, text)
    assert documents.in_force == planning.document()
    assert documents.problem == problem
    assert not see(documents, text)
    assert documents.problem == problem
    see(documents, GOOD)
    assert documents.problem is None


def test_a_config_map_without_its_key_is_no_document() -> None:
    documents = Documents()
    see(documents, GOOD)
    documents.see({}, at=2.0)
    assert documents.problem == "key document.json of ConfigMap tenbin-document is missing"


def test_without_any_good_document_there_is_nothing_to_go_by() -> None:
    documents = Documents()
    with pytest.raises(NoDocumentError) as caught:
        see(documents, None)
    assert str(caught.value) == "no document is in force: ConfigMap tenbin-document is missing"


def test_the_document_of_an_earlier_life_outlives_a_deleted_one() -> None:
    documents = Documents()
    documents.recall(GOOD, at=1.0)
    see(documents, None)
    assert documents.in_force == planning.document()
    assert documents.problem == "ConfigMap tenbin-document is missing"


def test_a_newer_document_goes_before_that_of_an_earlier_life() -> None:
    documents = Documents()
    documents.recall(GOOD, at=1.0)
    assert see(documents, OTHER)
    assert documents.text == OTHER
    documents.recall(GOOD, at=2.0)
    assert documents.text == OTHER


def test_a_kept_document_that_is_broken_is_said() -> None:
    documents = Documents()
    documents.recall("{}", at=1.0)
    assert documents.in_force is None
    assert documents.problem is not None
    assert documents.problem.startswith("the document kept with the state cannot be used: wire document has 1 problem")
