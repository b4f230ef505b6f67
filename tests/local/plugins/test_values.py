"""Property values, paths, quantities, names and ownership: the small pure parts."""

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.plugins import paths, properties
from tenbin_local.plugins.kubernetes import checkpoint, naming, ownership, quantities, secrecy

SECRET = {properties.SIGNATURE: properties.SECRET_SIGNATURE, "value": "hidden"}

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=4) | st.just(properties.UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
        | inner.map(properties.Secret)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), PLAIN))
def test_values_survive_the_protocol(values: dict[str, Any]) -> None:
    assert properties.from_struct(properties.to_struct(values)) == values


def test_values_have_the_protocols_form() -> None:
    values = {"secret": properties.Secret("hidden"), "unknown": properties.UNKNOWN, "count": 3, "nothing": None}
    assert json_format.MessageToDict(properties.to_struct(values)) == {
        "secret": SECRET,
        "unknown": properties.UNKNOWN_TEXT,
        "count": 3.0,
    }


def test_whole_numbers_are_integers_and_nulls_are_left_out() -> None:
    struct = json_format.ParseDict({"a": 3.0, "b": 3.5, "c": None, "d": [None]}, properties.to_struct({}))
    read = properties.from_struct(struct)
    assert read == {"a": 3, "b": 3.5, "d": [None]}
    assert isinstance(read["a"], int)


@pytest.mark.parametrize(
    ("values", "inputs", "expected"),
    [
        ({"a": 1}, {"a": properties.Secret(1)}, {"a": properties.Secret(1)}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": properties.Secret(1)}}, {"a": {"b": properties.Secret(1), "c": 2}}),
        ({"a": [1, 2]}, {"a": [1, properties.Secret(2)]}, {"a": properties.Secret([1, 2])}),
        ({"a": 1}, {"b": properties.Secret(1)}, {"a": 1}),
        (
            {"kind": "Secret", "data": {"a": "eA=="}, "type": "Opaque"},
            {},
            {"kind": "Secret", "data": properties.Secret({"a": "eA=="}), "type": "Opaque"},
        ),
    ],
)
def test_secrets_stay_secret(values: dict[str, Any], inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    assert secrecy.mark(values, inputs) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.replicas", ("spec", "replicas")),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ('data["a\\"b"]', ("data", 'a"b')),
    ],
)
def test_paths_are_read_and_written(text: str, path: paths.Path) -> None:
    assert paths.parse(text) == path
    assert paths.render(path) == text


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'a\[b' is no property path: nothing can be read at '\[b'$"):
        paths.parse("a[b")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("spec", "spec.replicas", True),
        ("spec.replicas", "spec.replicas", True),
        ("spec.replicas", "spec", False),
        ("spec.containers[*].image", "spec.containers[3].image", True),
        ("spec.containers[0].image", "spec.containers[3].image", False),
    ],
)
def test_a_pattern_covers_what_lies_below_it(pattern: str, path: str, expected: bool) -> None:
    assert paths.covers(paths.parse(pattern), paths.parse(path)) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1000m", "1", True), ("1", 1, True), ("1Gi", "1024Mi", True), ("1G", "1Gi", False), ("0.5", "500m", True),
        ("1e3", "1k", True), ("", "", False), ("many", "many", False), ("-1", "1", False), (True, "1", False),
        (None, "0", False), ("1.5.2", "1", False), ("2E", "2e18", True),
    ],
)  # fmt: skip
def test_quantities_are_compared_by_size(one: Any, other: Any, expected: bool) -> None:
    assert quantities.equal(one, other) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("spec.resources.limits.cpu", True), ("spec.resources.requests.memory", True), ("spec.hard.pods", True),
        ("emptyDir.sizeLimit", True), ("spec.replicas", False), ("limits", False), ("metadata.name", False),
    ],
)  # fmt: skip
def test_quantities_are_known_by_their_place(path: str, expected: bool) -> None:
    assert quantities.is_place(paths.parse(path)) is expected


def test_an_object_without_a_name_gets_one_and_keeps_it() -> None:
    named = naming.assign({"kind": "ConfigMap", "metadata": {"labels": {}}}, "settings", seed=b"seed")
    assert named["metadata"]["name"] == naming.assign({}, "settings", seed=b"seed")["metadata"]["name"]
    assert named["metadata"]["name"] != naming.assign({}, "settings", seed=b"other")["metadata"]["name"]
    assert named["metadata"]["name"].startswith("settings-")
    assert len(named["metadata"]["name"]) == len("settings-") + 8
    assert named["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert naming.adopt({"kind": "ConfigMap"}, named)["metadata"] == {
        "name": named["metadata"]["name"],
        "annotations": {"pulumi.com/autonamed": "true"},
    }


@pytest.mark.parametrize("name", ["chosen", properties.UNKNOWN])
def test_a_chosen_name_stays(name: Any) -> None:
    inputs = {"metadata": {"name": name}}
    assert naming.assign(inputs, "settings", seed=b"", proposed="other") == inputs
    assert naming.adopt(inputs, {"metadata": {"name": "old", "annotations": {naming.AUTONAMED: "true"}}}) == inputs


def test_a_chosen_name_is_not_adopted_by_an_unnamed_object() -> None:
    assert naming.adopt({}, {"metadata": {"name": "old"}}) == {}


def test_the_engines_naming_is_followed() -> None:
    assert naming.assign({}, "settings", seed=b"", proposed="exact")["metadata"]["name"] == "exact"
    message = "^automatic naming is switched off, so 'settings' needs metadata.name$"
    with pytest.raises(ValueError, match=message):
        naming.assign({}, "settings", seed=b"", disabled=True)


def _entry(manager: str, **fields: Any) -> dict[str, Any]:
    return {"manager": manager, "fieldsV1": fields}


REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([_entry("planner", **REPLICAS), _entry("ours", **{"f:spec": {"f:template": {}}})], {"image": "b"}),
        ([_entry("ours", **REPLICAS)], {"image": "b", "replicas": 3}),
        ([_entry("ours", **REPLICAS), _entry("planner", **REPLICAS)], {"image": "b", "replicas": 3}),
        ([], {"image": "b", "replicas": 3}),
    ],
)
def test_an_ignored_field_goes_to_whoever_owns_it(entries: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    live = {"metadata": {"managedFields": entries}, "spec": {"replicas": 3, "image": "a"}}
    inputs = {"spec": {"replicas": 0, "image": "b"}}
    settled = ownership.settle_ignored(
        inputs, live, manager="ours", ignored=[paths.parse("spec.replicas"), paths.parse("spec.items[*].name")]
    )
    assert settled == {"spec": expected}
    assert inputs == {"spec": {"replicas": 0, "image": "b"}}


def test_a_state_gives_back_what_it_was_made_of() -> None:
    inputs = {"kind": "Agreement", "spec": {"x-kubernetes-int-or-string": True, "key": "hidden"}}
    live = {**inputs, "status": {"phase": "Ready"}}
    marked = {"spec": {"key": properties.Secret("hidden")}}
    state = checkpoint.build(inputs=inputs, live=live, marked=marked, api_version="test/v1", manager="ours")
    assert state["__initialApiVersion"] == "test/v1"
    assert state["__inputs"]["spec"] == {"x_kubernetes_int_or_string": True, "key": properties.Secret("hidden")}
    assert checkpoint.parse(state) == (inputs, live)
    assert checkpoint.field_manager({}, state) == "ours"
    chosen = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "theirs"}}}
    assert checkpoint.field_manager(chosen, state) == "theirs"
    assert checkpoint.field_manager({}, {}).startswith("pulumi-kubernetes-")
