"""Environment variables and command lines."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.agent import variables

PLACEMENT = variables.Placement(pod_address="127.20.2.1", host_address="127.20.1.1")
POD = {
    "metadata": {
        "name": "chat-0",
        "namespace": "serving",
        "uid": "u-1",
        "labels": {"app": "chat", "tenbin.dev/pool": "l4"},
        "annotations": {"note": 'a "b"'},
    },
    "spec": {"nodeName": "l4-0", "serviceAccountName": "engine"},
}
names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)


class Objects:
    """One ConfigMap and one Secret."""

    def config_map(self, name: str) -> dict[str, Any] | None:
        return {"data": {"color": "red", "bad name": "x"}} if name == "settings" else None

    def secret(self, name: str) -> dict[str, Any] | None:
        return {"data": {"token": base64.b64encode(b"s3").decode()}} if name == "key" else None


def environment(*entries: dict[str, Any], mounts: dict[str, str] | None = None, **container: Any) -> dict[str, str]:
    return variables.environment(
        {"name": "c", "env": list(entries), **container},
        POD,
        placement=PLACEMENT,
        lookup=Objects(),
        base={"HOME": "/home"},
        mounts=mounts or {},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(A", "$(A"),
        ("$A ${A}", "$A ${A}"),
        ("$", "$"),
        ("", ""),
        ("$()", "$()"),
    ],
)
def test_references_are_expanded_as_in_a_kubelet(text: str, expected: str) -> None:
    assert variables.expand(text, {"A": "1", "B": "2"}) == expected


@given(st.text(alphabet=st.characters(exclude_characters="$")), st.dictionaries(names, st.text()))
def test_text_without_a_dollar_sign_stays_as_it_is(text: str, known: dict[str, str]) -> None:
    assert variables.expand(text, known) == text


@given(st.text(), st.dictionaries(names, st.text()))
def test_doubled_dollar_signs_protect_any_text(text: str, known: dict[str, str]) -> None:
    assert variables.expand(text.replace("$", "$$"), known) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/etc/envoy/envoy.json", "/r/etc/envoy/envoy.json"),
        ("/etc/envoy", "/r/etc/envoy"),
        ("--config=/etc/envoy/a.json", "--config=/r/etc/envoy/a.json"),
        ("/etc/envoys/a", "/etc/envoys/a"),
        ("/etc/envoy/tls/cert", "/r/tls/cert"),
        ("etc/envoy/a", "etc/envoy/a"),
        ("x=/etc/envoy/a", "x=/etc/envoy/a"),
        ("http://host/etc/envoy/a", "http://host/etc/envoy/a"),
    ],
)
def test_paths_at_or_below_a_mount_are_moved_to_it(value: str, expected: str) -> None:
    mounts = {"/etc/envoy": "/r/etc/envoy", "/etc/envoy/tls/": "/r/tls"}
    assert variables.rewrite(value, mounts) == expected


def test_values_come_from_fields_objects_and_earlier_variables() -> None:
    found = environment(
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {"name": "POOL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['tenbin.dev/pool']"}}},
        {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "token", "optional": True}}},
        {"name": "URL", "value": "http://$(POD_IP)/$(LATER)"},
        {"name": "LATER", "value": "/data/x"},
        mounts={"/data": "/r/data"},
    )
    assert found == {
        "HOME": "/home",
        "POD_IP": "127.20.2.1",
        "HOST": "127.20.1.1",
        "POOL": "l4",
        "ACCOUNT": "engine",
        "COLOR": "red",
        "TOKEN": "s3",
        "URL": "http://127.20.2.1/$(LATER)",
        "LATER": "/r/data/x",
    }


def test_whole_objects_give_variables_with_a_prefix_and_skip_keys_that_are_no_names() -> None:
    found = environment(
        envFrom=[{"prefix": "S_", "configMapRef": {"name": "settings"}}, {"secretRef": {"name": "key"}}]
    )
    assert found == {"HOME": "/home", "S_color": "red", "token": "s3"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "absent", "key": "a"}}, 'configmap "absent" not found'),
        ({"secretKeyRef": {"name": "absent", "key": "a"}}, 'secret "absent" not found'),
        ({"configMapKeyRef": {"name": "settings", "key": "a"}}, "couldn't find key a in configmap settings"),
    ],
)
def test_what_is_missing_and_not_optional_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(variables.ConfigurationMissing) as caught:
        environment({"name": "X", "valueFrom": source})
    assert str(caught.value) == message


def test_all_annotations_are_written_as_the_downward_api_does() -> None:
    assert variables.field_value(POD, "metadata.annotations", PLACEMENT) == 'note="a \\"b\\""'
    assert variables.field_value(POD, "metadata.labels", PLACEMENT) == 'app="chat"\ntenbin.dev/pool="l4"'
