"""Where a cluster of the account answers: nowhere, or at a control plane that runs on this machine."""

import base64
import pathlib
from typing import Any

from ruamel.yaml import YAML

NOBODY = """-----BEGIN CERTIFICATE-----
MIIBSzCB8aADAgECAhRV4BvevHloQ6oacs43XrEBuf7RJDAKBggqhkjOPQQDAjAa
MRgwFgYDVQQDDA90ZW5iaW4gc3RhbmQtaW4wIBcNMjYwMTAxMDAwMDAwWhgPMjEy
NjAxMDEwMDAwMDBaMBoxGDAWBgNVBAMMD3RlbmJpbiBzdGFuZC1pbjBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABFVGldOq8d7/pFWBt6UGDyKpJygXeyeREH7/K+qz
OK3ixsLHDFzx3y1lWMRPlo7wIs/u6eeF8abSAKnr0ggF6qmjEzARMA8GA1UdEwEB
/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAPxd+PvAE0gm9YDxXkof1ZihT8fV
utU5fOdgoY65xdcwAiEAgS+y5/Si+NFqmFzw7xNmjeRTq0CF1id/FJhxIp/e020=
-----END CERTIFICATE-----
"""
"""A certificate authority of which nobody has the key, as a cluster without a control plane has one."""


def access(kubeconfig: str, *, otherwise: str) -> tuple[str, str]:
    """Endpoint and certificate authority (base64) of a cluster.

    Args:
        kubeconfig: path of the kubeconfig of a running control plane, "" where there is none.
        otherwise: endpoint of a cluster that nothing runs behind.

    Raises:
        ValueError: the kubeconfig has no cluster.
    """
    if not kubeconfig:
        return otherwise, base64.b64encode(NOBODY.encode()).decode()
    config: Any = YAML(typ="safe", pure=True).load(pathlib.Path(kubeconfig).read_text())
    try:
        context = next(one for one in config["contexts"] if one["name"] == config["current-context"])
        cluster = next(one for one in config["clusters"] if one["name"] == context["context"]["cluster"])["cluster"]
        authority = cluster.get("certificate-authority-data")
        if authority is None:
            path = pathlib.Path(kubeconfig).parent / cluster["certificate-authority"]
            authority = base64.b64encode(path.read_bytes()).decode()
    except (KeyError, StopIteration, TypeError) as error:
        raise ValueError(f"{kubeconfig}: no current context with a cluster and its certificate authority") from error
    return str(cluster["server"]), str(authority)
