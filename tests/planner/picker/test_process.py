"""The picker as a process, with the rights of its service account, before a real Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support import addresses
from support.gateway import Engine, Gateway
from support.waiting import PATIENCE_S

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from .conftest import Api

pytestmark = [pytest.mark.xdist_group("picker control plane"), pytest.mark.timeout(300)]
PROGRAM = """
import asyncio, os, pathlib
from tenbin_planner import picker, kubernetes_access
root = pathlib.Path(os.environ["TENBIN_ROOT"])
asyncio.run(picker.run(picker.PickerSettings(
    host=os.environ["POD_IP"], namespace=kubernetes_access.own_namespace(root), root=root)))
"""


def service_account(api: Api, folder: pathlib.Path) -> None:
    """Give a pod's folder the token of an account that may read pods and nothing else."""
    account = "/api/v1/namespaces/default/serviceaccounts"
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": "picker", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "picker"}
    api.create(account, {"metadata": {"name": "picker"}})
    api.create(f"{rbac}/roles", {"metadata": {"name": "picker"}, "rules": [rule]})
    api.create(f"{rbac}/rolebindings", {"metadata": {"name": "picker"}, "subjects": [subject], "roleRef": reference})
    token = api.create(f"{account}/picker/token", {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    secrets = folder / "var/run/secrets/kubernetes.io/serviceaccount"
    secrets.mkdir(parents=True)
    (secrets / "token").write_text(token)
    (secrets / "namespace").write_text("default")
    (secrets / "ca.crt").write_bytes((api.place.pki / "ca.crt").read_bytes())


@contextlib.asynccontextmanager
async def picker(api: Api, root: pathlib.Path, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    host, port = api.own.endpoint("kube-apiserver").split(":")
    variables = {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
        "TENBIN_ROOT": str(root),
        "POD_IP": address,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", PROGRAM, env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_gateway_follows_pods_through_a_picker_that_stops_and_comes_back(
    api: Api, tmp_path: pathlib.Path
) -> None:
    service_account(api, tmp_path)
    address = addresses.spare()
    async with Engine(tokens=1) as first, Engine(tokens=1) as second:
        api.create_pod("a", first.endpoint)
        async with picker(api, tmp_path, address) as process, Gateway(picker_host=address) as gateway:
            assert [(await gateway.post())[0] for _ in range(3)] == [200] * 3
            assert (len(first.requests), len(second.requests)) == (3, 0)
            async with gateway.http.get(f"http://{address}:9003/metrics") as response:
                assert 'tenbin_picker_endpoints{service="chat"} 1.0\n' in await response.text()
            api.create_pod("b", second.endpoint)
            api.annotate("a", draining="true")
            await _reaches_only(gateway, second)

            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
            assert [(await gateway.post())[0] for _ in range(3)] == [200] * 3

            api.annotate("a", draining="false")
            api.annotate("b", draining="true")
            async with picker(api, tmp_path, address):
                await _reaches_only(gateway, first)


async def test_without_the_right_to_list_pods_it_is_never_ready(api: Api, tmp_path: pathlib.Path) -> None:
    service_account_folder = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    service_account_folder.mkdir(parents=True)
    (service_account_folder / "token").write_text("nobody")
    (service_account_folder / "namespace").write_text("default")
    (service_account_folder / "ca.crt").write_bytes((api.place.pki / "ca.crt").read_bytes())
    address = addresses.spare()
    async with picker(api, tmp_path, address) as process, aiohttp.ClientSession() as http:

        async def get(path: str) -> tuple[int, str]:
            async with http.get(f"http://{address}:9003/{path}") as response:
                return response.status, await response.text()

        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    found = re.search(
                        r"^tenbin_picker_watch_failures_total (.*)$", (await get("metrics"))[1], re.MULTILINE
                    )
                    if found and float(found[1]) >= 2:
                        break
                await asyncio.sleep(0.05)
        assert (await get("healthz"))[0] == 200
        assert await get("readyz") == (503, "the first list of pods is not complete\n")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


async def _reaches_only(gateway: Gateway, engine: Engine) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            before = len(engine.requests)
            assert [(await gateway.post())[0] for _ in range(3)] == [200] * 3
            if len(engine.requests) - before == 3:
                return
