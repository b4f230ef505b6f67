"""Addresses of nodes and pods in the environment's network 127.n.0.0/17.

Nodes have 127.n.1.1 to 127.n.1.255, pods 127.n.2.0 to 127.n.127.255; 127.n.0.x is left for other processes. A freed
address is not given away again before all others have been, as the peers of a dead pod may still call it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tenbin_local import errors
from tenbin_local.agent import settings


def next_free(first: int, last: int, after: int, used: Iterable[int]) -> int | None:
    """The first number of the range first..last that is not used, beginning behind `after` and wrapping around."""
    taken = set(used)
    size = last - first + 1
    start = after + 1 - first if first <= after <= last else 0
    for step in range(size):
        candidate = first + (start + step) % size
        if candidate not in taken:
            return candidate
    return None


class Addresses:
    """Gives out addresses and remembers them over restarts.

    Node addresses stay with the node's name for ever. A pod's address is kept in the pod's own folder; here only the
    last one is remembered. Calls are made from one task.
    """

    def __init__(self, *, octet: int, path: Path) -> None:
        self._path = path
        base = int(ipaddress.IPv4Address(f"127.{octet}.0.0"))
        self._nodes_range = (base + 0x101, base + 0x1FF)
        self._pods_range = (base + 0x200, base + 0x7FFF)
        stored = _read(path)
        self._nodes: dict[str, int] = {
            name: int(ipaddress.IPv4Address(address)) for name, address in stored.get("nodes", {}).items()
        }
        self._last = int(ipaddress.IPv4Address(stored.get("last_pod", "0.0.0.0")))  # noqa: S104 - before the range
        self._pods: set[int] = set()

    def node(self, name: str) -> str:
        """Address of a node.

        Raises:
            LocalError: All 255 are taken.
        """
        if name not in self._nodes:
            free = next_free(*self._nodes_range, 0, self._nodes.values())
            if free is None:
                raise errors.LocalError(f"node {name}: an environment has at most 255 nodes")
            self._nodes[name] = free
            self._save()
        return str(ipaddress.IPv4Address(self._nodes[name]))

    def forget_nodes(self, keep: Iterable[str]) -> None:
        """Free the addresses of all nodes but those to keep."""
        kept = set(keep)
        if gone := self._nodes.keys() - kept:
            for name in gone:
                del self._nodes[name]
            self._save()

    def reserve(self, address: str) -> None:
        """Mark a pod's address as taken: the pod had it before the agent was restarted."""
        self._pods.add(int(ipaddress.IPv4Address(address)))

    def allocate(self) -> str:
        """An address for a pod.

        Raises:
            LocalError: All are taken.
        """
        free = next_free(*self._pods_range, self._last, self._pods)
        if free is None:
            raise errors.LocalError("no pod address is free in the environment's network")
        self._pods.add(free)
        self._last = free
        self._save()
        return str(ipaddress.IPv4Address(free))

    def release(self, address: str) -> None:
        """Take a pod's address back."""
        self._pods.discard(int(ipaddress.IPv4Address(address)))

    def _save(self) -> None:
        nodes = {name: str(ipaddress.IPv4Address(number)) for name, number in self._nodes.items()}
        content = {"nodes": nodes, "last_pod": str(ipaddress.IPv4Address(self._last))}
        settings.write_json(self._path, content)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content
