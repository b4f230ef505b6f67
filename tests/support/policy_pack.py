"""The policy pack as a process of its own, spoken with as the engine does, and the cases that it is tried on."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from ruamel.yaml import YAML
from tenbin_local.plugins import paths

ROOT = pathlib.Path(__file__).parents[2]
PACK = ROOT / "policies"
FOLDER = ROOT / "tests" / "policies"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a text that a preview does not know yet, in the engine's protocol."""
_LEVELS = {
    "advisory": analyzer_pb2.ADVISORY,
    "mandatory": analyzer_pb2.MANDATORY,
    "disabled": analyzer_pb2.DISABLED,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One resource of a case."""

    type: str
    name: str
    properties: dict[str, Any]
    protect: bool = False
    depends_on: tuple[str, ...] = ()
    """Names of other items."""
    default_tags: dict[str, str] | None = None

    @property
    def urn(self) -> str:
        return f"urn:pulumi:test::tenbin::{self.type}::{self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One case of a rule."""

    rule: str
    name: str
    """`denied-...` or `allowed-...`."""
    configuration: dict[str, Any]
    items: tuple[Item, ...]

    @property
    def id(self) -> str:
        return f"{self.rule}/{self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """What the pack says of something."""

    rule: str
    level: str
    message: str
    urn: str


def cases() -> list[Case]:
    """Return the cases of all rules, in order."""
    return [_case(path) for path in sorted((FOLDER / "cases").glob("*/*.yaml"))]


def planted() -> list[tuple[Item, str]]:
    """Return the resources of a stack that nobody should deploy, each with the rule that it breaks; empty for none."""
    return [(_item(entry), entry.get("breaks", "")) for entry in _read(FOLDER / "planted.yaml")["stack"]]


def base(kind: str, /, **changes: Any) -> Item:
    """Return a resource that breaks no rule, with the fields of an entry of a case replaced."""
    return _item({"base": kind, **changes})


def _read(path: pathlib.Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def _case(path: pathlib.Path) -> Case:
    plain = _read(path)
    items = tuple(_item(entry) for entry in plain["stack"])
    return Case(rule=path.parent.name, name=path.stem, configuration=plain.get("configuration", {}), items=items)


def _item(entry: Mapping[str, Any]) -> Item:
    found = entry.get("resource") or _read(FOLDER / "bases" / f"{entry['base']}.yaml")
    properties = copy.deepcopy(found["properties"])
    for path, value in entry.get("set", {}).items():
        *parents, last = paths.parse(path)
        _at(properties, parents, make=True)[last] = value
    for path in entry.get("remove", ()):
        *parents, last = paths.parse(path)
        del _at(properties, parents)[last]
    return Item(
        type=found["type"],
        name=entry.get("name", entry.get("base", "it")),
        properties=properties,
        protect=entry.get("protect", found.get("protect", False)),
        depends_on=tuple(entry.get("depends_on", ())),
        default_tags=entry.get("default_tags"),
    )


def _at(place: Any, steps: Sequence[str | int], *, make: bool = False) -> Any:
    for step in steps:
        if make and isinstance(place, dict):
            place.setdefault(step, {})
        place = place[step]
    return place


class Pack:
    """The pack's process, and a client of it."""

    def __init__(self, stub: Any, process: int) -> None:
        self.stub, self.process = stub, process

    def info(self) -> Any:
        """Return what the pack says of itself."""
        return self.stub.GetAnalyzerInfo(empty_pb2.Empty())

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Give it a configuration; the engine merges defaults of the schema and levels, which the caller says here."""
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        for rule, settings in configuration.items():
            given = settings if isinstance(settings, dict) else {"enforcementLevel": settings}
            own = request.policyConfig[rule]
            own.enforcementLevel = _LEVELS[given.get("enforcementLevel", "mandatory")]
            own.properties.update({key: value for key, value in given.items() if key != "enforcementLevel"})
        self.stub.Configure(request)

    def resource(self, item: Item) -> list[Told]:
        """Return what the pack says of a resource."""
        request = analyzer_pb2.AnalyzeRequest(type=item.type, name=item.name, urn=item.urn)
        request.properties.update(item.properties)
        request.options.protect = item.protect
        if item.default_tags is not None:
            request.provider.type = "pulumi:providers:aws"
            request.provider.properties.update({"defaultTags": {"tags": item.default_tags}})
        return _told(self.stub.Analyze(request))

    def stack(self, items: Sequence[Item]) -> list[Told]:
        """Return what the pack says of a stack, whose resources it was asked about before."""
        request = analyzer_pb2.AnalyzeStackRequest()
        urns = {item.name: item.urn for item in items}
        for item in items:
            # Providers whose cluster does not exist yet say nothing of what they would make.
            own = request.resources.add(type=item.type, name=item.name, urn=item.urn)
            own.dependencies.extend(urns[name] for name in item.depends_on)
        return _told(self.stub.AnalyzeStack(request))


def _told(response: Any) -> list[Told]:
    names = {value: name for name, value in _LEVELS.items()}
    return [
        Told(
            rule=item.policyName,
            level=names[item.enforcementLevel],
            message=item.message.partition("\n")[2],
            urn=item.urn,
        )
        for item in response.diagnostics
    ]


@contextlib.contextmanager
def running() -> Iterator[Pack]:
    """Run the pack as the engine does: the first line of its output is its port."""
    process = subprocess.Popen([sys.executable, str(PACK)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdigit(), f"the pack did not start: {port!r}"
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Pack(analyzer_pb2_grpc.AnalyzerStub(channel), process.pid)  # type: ignore[no-untyped-call]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
