"""What a change of inputs means: tables of old inputs, live object and new inputs."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.plugins import differences, paths, properties
from tenbin_local.plugins.kubernetes import diff

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "engine", "namespace": "team"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "engine"}},
        "template": {
            "metadata": {"labels": {"app": "engine"}},
            "spec": {
                "nodeSelector": {},
                "hostNetwork": False,
                "containers": [
                    {
                        "name": "engine",
                        "image": "engine:1",
                        "env": [{"name": "EMPTY", "value": ""}],
                        "resources": {"limits": {"cpu": "1000m", "nvidia.com/gpu": 1}},
                    }
                ],
            },
        },
    },
}
"""Inputs as a program declares them."""


def _live(inputs: dict[str, Any]) -> dict[str, Any]:
    """The object as the server returns it: with defaults, other spellings and without zero values."""
    live = copy.deepcopy(inputs)
    live["metadata"] |= {"uid": "1", "resourceVersion": "5", "managedFields": [], "generation": 1}
    live["status"] = {"replicas": 0}
    spec = live["spec"]["template"]["spec"]
    del spec["nodeSelector"], spec["hostNetwork"]
    spec["dnsPolicy"] = "ClusterFirst"
    container = spec["containers"][0]
    container["imagePullPolicy"] = "IfNotPresent"
    del container["env"][0]["value"]
    container["resources"]["limits"] = {"cpu": "1", "nvidia.com/gpu": "1"}
    return live


def _set(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(obj)
    place = changed
    *steps, last = paths.parse(path)
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return dict(changed)


def _compare(
    new: dict[str, Any], *, live: dict[str, Any] | None = None, old: dict[str, Any] | None = None, **options: Any
) -> differences.Differences:
    old = old or DEPLOYMENT
    return diff.compare(
        live=live or _live(old), old_inputs=old, new_inputs=new, namespaced=options.pop("namespaced", True), **options
    )


def _shown(found: differences.Differences) -> list[tuple[str, str, bool]]:
    return [(paths.render(change.path), change.kind.value, change.replaces) for change in found.changes]


def test_the_same_inputs_are_no_change() -> None:
    assert _shown(_compare(DEPLOYMENT)) == []


CONTAINER = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (f"{CONTAINER}.image", "engine:2", [(f"{CONTAINER}.image", "update", False)]),
        (f"{CONTAINER}.resources.limits.cpu", "1", []),
        (f"{CONTAINER}.resources.limits.cpu", "2", [(f"{CONTAINER}.resources.limits.cpu", "update", False)]),
        (f'{CONTAINER}.resources.limits["nvidia.com/gpu"]', "1", []),
        (f"{CONTAINER}.env[0].value", "x", [(f"{CONTAINER}.env[0].value", "update", False)]),
        (f"{CONTAINER}.args", ["a"], [(f"{CONTAINER}.args", "add", False)]),
        (f"{CONTAINER}.env", None, [(f"{CONTAINER}.env", "delete", False)]),
        ("spec.replicas", 3, [("spec.replicas", "update", False)]),
        ("spec.template.spec.hostNetwork", True, [("spec.template.spec.hostNetwork", "update", False)]),
        ("spec.template.spec.hostNetwork", 0, [("spec.template.spec.hostNetwork", "update", False)]),
        (f"{CONTAINER}.image", properties.UNKNOWN, [(f"{CONTAINER}.image", "update", False)]),
        ("metadata.labels", {"a.b/c": "1"}, [("metadata.labels", "add", False)]),
        ("spec.selector.matchLabels.app", "other", [("spec.selector.matchLabels.app", "update", True)]),
        ("spec.selector.matchLabels.more", "x", [("spec.selector.matchLabels.more", "add", True)]),
        ("metadata.name", "other", [("metadata.name", "update", True)]),
        ("metadata.name", properties.UNKNOWN, [("metadata.name", "update", True)]),
        ("metadata.namespace", "other", [("metadata.namespace", "update", True)]),
    ],
)
def test_a_changed_input_is_found_at_its_path(path: str, value: Any, expected: list[tuple[str, str, bool]]) -> None:
    assert _shown(_compare(_set(DEPLOYMENT, path, value))) == expected


def test_what_others_write_into_the_object_is_no_change() -> None:
    live = _live(DEPLOYMENT)
    live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "7"}
    sidecar = {"name": "injected", "image": "sidecar:1"}
    live["spec"]["template"]["spec"]["containers"].insert(0, sidecar)
    assert _shown(_compare(DEPLOYMENT, live=live)) == []


def test_what_others_wrote_over_a_declared_field_is_a_change() -> None:
    live = _set(_live(DEPLOYMENT), "spec.replicas", 4)
    assert _shown(_compare(DEPLOYMENT, live=live)) == [("spec.replicas", "update", False)]
    assert _shown(_compare(DEPLOYMENT, live=live, ignored=[paths.parse("spec.replicas")])) == []
    assert _shown(_compare(DEPLOYMENT, live=live, ignored=[paths.parse("spec")])) == []
    assert _shown(_compare(DEPLOYMENT, live=live, ignored=[paths.parse("spec.template")])) != []


@pytest.mark.parametrize(
    ("change", "autonamed", "expected"),
    [
        ("spec.selector.matchLabels.app", False, True),
        ("spec.selector.matchLabels.app", True, False),
        ("metadata.namespace", False, False),
        (f"{CONTAINER}.image", False, False),
    ],
)
def test_the_old_object_goes_first_where_the_new_one_needs_its_name(
    change: str, autonamed: bool, expected: bool
) -> None:
    old = copy.deepcopy(DEPLOYMENT)
    if autonamed:
        old["metadata"]["annotations"] = {"pulumi.com/autonamed": "true"}
    assert _compare(_set(old, change, "other"), old=old).delete_before_replace is expected


@pytest.mark.parametrize(
    ("kind", "field", "mutable", "immutable", "replaces"),
    [
        ("ConfigMap", "data", False, False, True),
        ("ConfigMap", "binaryData", False, False, True),
        ("ConfigMap", "data", True, False, False),
        ("ConfigMap", "data", True, True, True),
        ("Secret", "data", False, False, True),
        ("Secret", "data", True, False, False),
        ("Secret", "data", True, True, True),
    ],
)
def test_content_replaces_unless_it_is_mutable(
    kind: str, field: str, mutable: bool, immutable: bool, replaces: bool
) -> None:
    old: dict[str, Any] = {
        "apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "default"},
        field: {"key": "b25l"}, "immutable": immutable,
    }  # fmt: skip
    new = old | {field: {"key": "dHdv"}}
    options = {"config_map_mutable": mutable, "secret_mutable": mutable}
    found = _compare(new, old=old, live=old, **options)
    assert _shown(found) == [(f"{field}.key", "update", replaces)]


def test_string_data_of_a_secret_are_its_data() -> None:
    old = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"key": "one"}}
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "default"}}
    live |= {"data": {"key": "b25l"}, "type": "Opaque"}
    assert _shown(_compare(old, old=old, live=live)) == []
    changed = old | {"stringData": {"key": "two"}}
    assert _shown(_compare(changed, old=old, live=live)) == [("data.key", "update", True)]


def test_the_namespace_of_a_kind_without_one_does_not_count() -> None:
    old = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "default"}}
    live = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}}
    assert _shown(_compare(old, old=old, live=live, namespaced=False)) == []


def test_a_container_of_a_pod_cannot_change() -> None:
    old: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"}}
    old |= {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    new = _set(old, "spec.containers[0].image", "a:2")
    assert _shown(_compare(new, old=old, live=old)) == [("spec.containers[0].image", "update", True)]
    more = _set(old, "spec.containers", [*old["spec"]["containers"], {"name": "b", "image": "b:1"}])
    assert _shown(_compare(more, old=old, live=old)) == [("spec.containers[1]", "add", True)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab.", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["spec", "data", "rules"]), JSON))
def test_any_object_equals_itself(content: dict[str, Any]) -> None:
    obj = {"apiVersion": "test/v1", "kind": "Any", "metadata": {"name": "a", "namespace": "b"}, **content}
    live = {**obj, "status": {"phase": "Ready"}}
    assert _shown(_compare(obj, old=obj, live=live)) == []
