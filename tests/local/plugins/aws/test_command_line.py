"""`aws` of a local environment: credentials of the backing control plane, and everything else passed on."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import sys

import pytest
from tenbin_local.plugins import install
from tenbin_local.plugins.aws import command_line

GET_TOKEN = ["eks", "get-token", "--cluster-name", "inference", "--region", "eu-west-1", "--output", "json"]


def _kubeconfig(folder: pathlib.Path, **user: str) -> pathlib.Path:
    path = folder / "kubeconfig"
    config = {
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "admin"}}],
        "users": [{"name": "admin", "user": user}],
        "current-context": "c",
    }
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def installed(tmp_path: pathlib.Path) -> pathlib.Path:
    official = tmp_path / "official"
    official.touch()
    install.install_plugins(tmp_path / "bin", exec_path=official)
    return tmp_path / "bin"


def _run(path: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["aws", *arguments], env={"PATH": path, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_credentials_are_those_of_the_control_plane(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pair = {"client-certificate-data": _encoded("CERTIFICATE"), "client-key-data": _encoded("KEY")}
    path = _kubeconfig(tmp_path, **pair)
    done = _run(f"{installed}:{os.environ['PATH']}", *GET_TOKEN, TENBIN_AWS_KUBECONFIG=str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {},
        "status": {"clientCertificateData": "CERTIFICATE", "clientKeyData": "KEY"},
    }


def test_all_else_goes_to_the_next_one_on_the_path(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    real = tmp_path / "real" / "aws"
    real.parent.mkdir()
    real.write_text(f"#!{sys.executable}\nimport sys\nprint('real', *sys.argv[1:])\n")
    real.chmod(0o755)
    done = _run(f"{installed}:{real.parent}:/usr/bin:/bin", "s3", "ls")
    assert (done.returncode, done.stdout) == (0, "real s3 ls\n")
    done = _run(f"{installed}:{real.parent}:/usr/bin:/bin", *GET_TOKEN)
    assert done.stdout.startswith("real eks get-token")


def test_without_another_one_it_says_what_it_is(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "sh").symlink_to("/bin/sh")
    done = _run(f"{installed}:{tmp_path / 'tools'}", "s3", "ls")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "this is tenbin's stand-in for the AWS command line, and no other is on PATH; it does"
    )


def test_a_kubeconfig_without_certificate_is_told(tmp_path: pathlib.Path) -> None:
    path = _kubeconfig(tmp_path, token="t")
    with pytest.raises(ValueError, match="no current user with a certificate and a key in it"):
        command_line.credentials(path)
