"""The component package as another language sees it, in a process of its own.

Pulumi's provider server and Envoy's messages both define `google.rpc.Status`, so that one process cannot load both.

    python -m support.component_package JSON     prints what a `Platform` of these arguments registers over the wire
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from support import registered

ROOT = pathlib.Path(__file__).parents[2]
NAMES = {"addons", "pools", "services", "classes", "mirrors"}
"""Mappings whose keys are names and not fields."""


def schema() -> dict[str, Any]:
    """Return the schema that the package's own process serves."""
    command = [sys.executable, str(ROOT / "components"), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, contextlib.ExitStack() as after:
        after.callback(process.terminate)
        port = process.stdout.readline().strip() if process.stdout else ""
        channel = after.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        answer = provider_pb2_grpc.ResourceProviderStub(channel).GetSchema(provider_pb2.GetSchemaRequest(), timeout=120)
    found: dict[str, Any] = json.loads(answer.schema)
    return found


def built_over_the_wire(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs by key of what a `Platform` registers whose arguments come from another language."""
    command = [sys.executable, "-m", "support.component_package", json.dumps(configuration)]
    answer = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def over_the_wire(value: Any, *, fields: bool = True) -> Any:
    """Return plain arguments as they arrive: camelCase fields, and floats for all numbers."""
    if isinstance(value, dict):
        return {
            (_camel(key) if fields else key): over_the_wire(item, fields=key not in NAMES)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [over_the_wire(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def _main() -> None:
    import tenbin  # noqa: PLC0415 the parent process needs none of these
    from pulumi.provider.experimental.component import ComponentProvider  # noqa: PLC0415

    provider = ComponentProvider([tenbin.Platform], "tenbin", None, "0.0.0")
    arguments = over_the_wire(json.loads(sys.argv[1]))
    found = registered.register(lambda: provider.construct("platform", "tenbin:index:Platform", arguments, None))
    print(json.dumps({item.key: item.inputs for item in found.resources}))  # noqa: T201 the answer


if __name__ == "__main__":
    _main()
