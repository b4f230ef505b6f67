"""What makes an environment itself: its loopback network and its ports, chosen once and kept.

Each environment owns 127.<octet>.0.0/16, claimed in the cache folder, so that two environments of one user never meet:
    127.<octet>.0.1      the control plane
    127.<octet>.0.0/17   nodes and pods
    127.<octet>.128.0/17 Services
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenbin_local.environment.files import write_atomically
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import LocalError

OCTETS = range(16, 251)
PREFERRED_PORTS = {
    "etcd": 2379,
    "etcd-peer": 2380,
    "kube-apiserver": 6443,
    "kube-controller-manager": 10257,
    "kube-scheduler": 10259,
}


class Identity(BaseModel):
    """Name, network and ports of an environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    octet: int = Field(ge=OCTETS.start, lt=OCTETS.stop)
    ports: dict[str, int]
    created: datetime

    @property
    def address(self) -> str:
        """Where the control plane listens."""
        return f"127.{self.octet}.0.1"

    @property
    def services_range(self) -> str:
        """Addresses of Services."""
        return f"127.{self.octet}.128.0/17"

    @property
    def first_service_address(self) -> str:
        """Address of the `kubernetes` Service."""
        return str(ipaddress.ip_network(self.services_range)[1])

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.ports['kube-apiserver']}"

    def endpoint(self, part: str) -> str:
        """Return `address:port` of a part."""
        return f"{self.address}:{self.ports[part]}"


def load(layout: Layout) -> Identity:
    """Read an environment's identity.

    Raises:
        LocalError: there is no such environment, or its file is damaged.
    """
    try:
        return Identity.model_validate_json(layout.identity.read_text())
    except FileNotFoundError:
        raise LocalError(
            f"There is no environment {layout.name!r} in {layout.checkout}: `tenbin local up` makes it"
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise LocalError(f"{layout.identity} is damaged; `tenbin local down` removes all of it: {error}") from error


def load_or_create(layout: Layout, cache: Path) -> Identity:
    """Read an environment's identity; choose and claim one for a new environment.

    Raises:
        LocalError: no network is free, or the file is damaged.
    """
    if layout.exists():
        identity = load(layout)
        _claim_again(layout, cache, identity.octet)
        return identity
    layout.root.mkdir(parents=True, exist_ok=True)
    layout.root.chmod(0o700)  # keys lie below
    octet = _claim(layout, cache)
    address = f"127.{octet}.0.1"
    identity = Identity(
        name=layout.name, octet=octet, ports=_choose_ports(address), created=datetime.now(UTC).replace(microsecond=0)
    )
    write_atomically(layout.identity, identity.model_dump_json(indent=2) + "\n")
    return identity


def release(layout: Layout, cache: Path) -> None:
    """Give an environment's network back."""
    with _locked(cache) as folder:
        for claim in folder.glob("*.json"):
            if _owner(claim) == layout.root:
                claim.unlink(missing_ok=True)


def _claim(layout: Layout, cache: Path) -> int:
    # The search starts at a place that depends on the folder: two users, who share no cache, seldom meet there.
    digest = hashlib.sha256(str(layout.root).encode()).digest()
    start = int.from_bytes(digest[:4], "big") % len(OCTETS)
    with _locked(cache) as folder:
        for step in range(len(OCTETS)):
            octet = OCTETS[(start + step) % len(OCTETS)]
            claim = folder / f"{octet}.json"
            owner = _owner(claim)
            if owner is not None and owner != layout.root and owner.exists():
                continue
            if not any(_is_free(f"127.{octet}.0.1", port) for port in PREFERRED_PORTS.values()):
                continue  # the running environment of somebody who has another cache
            write_atomically(claim, json.dumps({"root": str(layout.root)}) + "\n")
            return octet
    raise LocalError(
        f"All {len(OCTETS)} loopback networks are taken by the environments listed in {cache / 'octets'}; "
        "end one with `tenbin local down`"
    )


def _claim_again(layout: Layout, cache: Path, octet: int) -> None:
    """Renew a claim that went with a deleted cache, unless another environment holds the network by now."""
    with _locked(cache) as folder:
        claim = folder / f"{octet}.json"
        owner = _owner(claim)
        if owner == layout.root:
            return
        if owner is not None and owner.exists():
            raise LocalError(
                f"The network 127.{octet}.0.0/16 of environment {layout.name!r} now belongs to {owner}; "
                "`tenbin local down` and `up` give this one a new network"
            )
        write_atomically(claim, json.dumps({"root": str(layout.root)}) + "\n")


def _owner(claim: Path) -> Path | None:
    try:
        return Path(json.loads(claim.read_text())["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _locked(cache: Path) -> Iterator[Path]:
    folder = cache / "octets"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        reason = f"{folder} cannot be written: {error.strerror}; set TENBIN_CACHE to a folder that can"
        raise LocalError(reason) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def _choose_ports(address: str) -> dict[str, int]:
    """Return the usual port of each part, or another one where something on this machine holds it."""
    ports: dict[str, int] = {}
    for part, preferred in PREFERRED_PORTS.items():
        port = preferred if _is_free(address, preferred) else _any_port(address, set(ports.values()))
        ports[part] = port
    return ports


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _any_port(address: str, taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((address, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
