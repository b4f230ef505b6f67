"""Access to the Kubernetes API with the official client's asyncio half: as a pod of the cluster, or by a kubeconfig.

A pod finds its service account below the folder that `TENBIN_ROOT` names, which is `/` on a cluster.
"""

from __future__ import annotations

from pathlib import Path

from kubernetes.aio import client, config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

_ACCOUNT = Path("var/run/secrets/kubernetes.io/serviceaccount")


async def connect(*, kubeconfig: Path | None = None, root: Path = Path("/")) -> client.ApiClient:
    """Return a client of the API server; close it with its `close` coroutine.

    The token of a service account is read anew every minute, since it expires.

    Args:
        kubeconfig: file to take server and credentials from; None takes the pod's own service account.
        root: folder under which the pod's absolute paths lie.

    Raises:
        ConfigException: when neither gives access; its message says what is missing.
    """
    if kubeconfig is not None:
        return await config.new_client_from_config(config_file=str(kubeconfig))
    account = root / _ACCOUNT
    loader = InClusterConfigLoader(token_filename=str(account / "token"), cert_filename=str(account / "ca.crt"))
    configuration = client.Configuration()
    loader.load_and_set(configuration)
    return client.ApiClient(configuration=configuration)


def own_namespace(root: Path = Path("/")) -> str:
    """Return the namespace of the pod that this process runs in.

    Raises:
        FileNotFoundError: outside of a pod.
    """
    return (root / _ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
