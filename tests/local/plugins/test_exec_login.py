"""Logging in to a cluster by a helper program."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import pytest
from tenbin_local.plugins.kubernetes import exec_login, kubeconfig

VERSION = "client.authentication.k8s.io/v1"

ECHO = """
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": f"{sys.argv[1]}-{os.environ['WHO']}-{info['apiVersion']}"}
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


def spec(code: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": VERSION, "command": sys.executable, "args": ["-c", code, *arguments], **more}


def test_a_token_comes_from_the_program_with_its_arguments_and_environment() -> None:
    user = {"exec": spec(ECHO, "cluster", env=[{"name": "WHO", "value": "me"}])}
    config = {
        "clusters": [{"name": "a", "cluster": {"server": "https://a"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": user}],
        "current-context": "a",
    }
    found = kubeconfig.connect(json.dumps(config))
    assert found.headers == {"Authorization": f"Bearer cluster-me-{VERSION}"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (spec("raise SystemExit('no role')"), "ended with exit code 1: no role"),
        (spec("print('hello')"), "printed no ExecCredential with a status"),
        (spec("print('[]')"), "printed no ExecCredential with a status"),
        (spec("print('{\"status\": {}}')"), "gave neither a token nor a certificate with its key"),
        (
            spec('print(\'{"status": {"clientCertificateData": "a"}}\')'),
            "gave neither a token nor a certificate with its key",
        ),
        (
            {"apiVersion": VERSION, "command": "no-such-program"},
            "the kubeconfig logs in by 'no-such-program', which is not there: install it, or put it on PATH",
        ),
        (
            {"apiVersion": VERSION, "command": "no-such-program", "installHint": "ask the platform team"},
            "the kubeconfig logs in by 'no-such-program', which is not there: ask the platform team",
        ),
        (
            {"apiVersion": "v1alpha1", "command": "aws"},
            (
                "exec of 'aws' has apiVersion 'v1alpha1'; client.authentication.k8s.io/v1 or "
                "client.authentication.k8s.io/v1beta1 is allowed"
            ),
        ),
    ],
)
def test_a_program_that_gives_no_credentials_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(exec_login.LoginError) as caught:
        exec_login.login(given)
    assert str(caught.value).endswith(message)


def test_a_certificate_comes_with_its_key(tmp_path: pathlib.Path) -> None:
    status = {"clientCertificateData": "-----BEGIN CERTIFICATE-----", "clientKeyData": "-----BEGIN KEY-----"}
    path = tmp_path / "credential.json"
    path.write_text(json.dumps({"status": status}))
    assert exec_login.login({"apiVersion": VERSION, "command": "cat", "args": [str(path)]}) == {
        "client-certificate": "-----BEGIN CERTIFICATE-----",
        "client-key": "-----BEGIN KEY-----",
    }
