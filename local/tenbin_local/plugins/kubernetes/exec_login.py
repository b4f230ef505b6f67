"""Logs in to a cluster by a helper program, as kubectl does for `exec` in a kubeconfig.

The protocol is that of client.authentication.k8s.io: the program prints an ExecCredential with a token or a
certificate. It is asked once for each connection.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

TIMEOUT_S = 60.0
"""Seconds after which the program is given up."""


class LoginError(ValueError):
    """The helper program gives no credentials; the message says why."""


def login(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials that a helper program gives, as entries of a kubeconfig's user.

    Args:
        spec: `exec` of the user: apiVersion, command, args and env.

    Raises:
        LoginError: it cannot be run, fails, or prints no credentials.
    """
    version, command = spec.get("apiVersion"), [str(spec.get("command")), *map(str, spec.get("args") or [])]
    shown = " ".join(command)
    if version not in VERSIONS:
        raise LoginError(f"exec of {shown!r} has apiVersion {version!r}; {' or '.join(VERSIONS)} is allowed")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    given = {str(entry["name"]): str(entry["value"]) for entry in spec.get("env") or []}
    environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info), **given}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        hint = spec.get("installHint") or "install it, or put it on PATH"
        raise LoginError(f"the kubeconfig logs in by {command[0]!r}, which is not there: {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise LoginError(f"{shown!r} gave no credentials in {TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise LoginError(f"{shown!r} ended with exit code {done.returncode}: {done.stderr.strip()}")
    return _credentials(done.stdout, shown)


def _credentials(text: str, shown: str) -> dict[str, Any]:
    try:
        status = json.loads(text)["status"]
        found = {
            "token": status.get("token"),
            "client-certificate": status.get("clientCertificateData"),
            "client-key": status.get("clientKeyData"),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoginError(f"{shown!r} printed no ExecCredential with a status") from error
    if not found["token"] and not (found["client-certificate"] and found["client-key"]):
        raise LoginError(f"{shown!r} gave neither a token nor a certificate with its key")
    return {key: value for key, value in found.items() if value}
