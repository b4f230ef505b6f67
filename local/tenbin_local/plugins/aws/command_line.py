"""`aws` in a local environment: gives the credentials of the control plane that backs the account's EKS clusters.

It does `aws eks get-token` where $TENBIN_AWS_KUBECONFIG names a control plane; all else goes to the AWS command line
further on PATH, where there is one.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from tenbin_local.plugins.aws import settings

VERSION = "client.authentication.k8s.io/v1"


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Runs the command and returns its exit code."""
    kubeconfig = environment.get(settings.CONTROL_PLANE, "")
    if list(arguments[:2]) == ["eks", "get-token"] and kubeconfig:
        parser = argparse.ArgumentParser(prog="aws eks get-token")
        parser.add_argument("--cluster-name", required=True)
        parser.parse_known_args(arguments[2:])
        sys.stdout.write(json.dumps(credentials(pathlib.Path(kubeconfig))) + "\n")
        return 0
    if (real := _real(environment)) is not None:
        os.execve(real, [real, *arguments], dict(environment))  # noqa: S606 - the command line itself takes over
    sys.stderr.write(
        "this is tenbin's stand-in for the AWS command line, and no other is on PATH; it does `aws eks get-token` "
        f"where {settings.CONTROL_PLANE} names the kubeconfig of a control plane\n"
    )
    return 2


def credentials(kubeconfig: pathlib.Path) -> dict[str, Any]:
    """An ExecCredential with the certificate of a kubeconfig's current user.

    Raises:
        ValueError: the kubeconfig has no user with a certificate and a key.
    """
    config: Any = YAML(typ="safe", pure=True).load(kubeconfig.read_text())
    try:
        context = next(one["context"] for one in config["contexts"] if one["name"] == config["current-context"])
        user = next(one["user"] for one in config["users"] if one["name"] == context["user"])
        pair = [base64.b64decode(user[key]).decode() for key in ("client-certificate-data", "client-key-data")]
    except (KeyError, StopIteration, TypeError) as error:
        raise ValueError(f"{kubeconfig}: no current user with a certificate and a key in it") from error
    status = {"clientCertificateData": pair[0], "clientKeyData": pair[1]}
    return {"apiVersion": VERSION, "kind": "ExecCredential", "spec": {}, "status": status}


def _real(environment: Mapping[str, str]) -> str | None:
    """The AWS command line on PATH that is not this one."""
    for folder in environment.get("PATH", "").split(os.pathsep):
        found = shutil.which("aws", path=folder) if folder else None
        if found is not None and __spec__.name.encode() not in pathlib.Path(found).read_bytes()[:4096]:
            return found
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
