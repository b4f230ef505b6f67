"""What exists in the account that the stand-in keeps: a file for each resource.

Several providers of one program, and several programs, may share an account, as they do in AWS.
"""

import contextlib
import dataclasses
import json
import pathlib
import urllib.parse
from collections.abc import Iterator
from typing import Any

from tenbin_local.environment import files

GLOBAL = "global"
"""Where resources lie that belong to no region."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A resource as AWS has it."""

    token: str
    identifier: str
    region: str
    seed: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    unseen: int = 0
    """Reads and uses that still answer as if it did not exist."""
    broken: str = ""
    """Why it is not as it should be; "" where it is."""


class Account:
    """The resources of one account."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root

    def put(self, record: Record) -> None:
        """Keeps a resource, in place of an older state of it."""
        path = self._path(record.token, record.region, record.identifier)
        files.write_atomically(path, json.dumps(dataclasses.asdict(record), indent=1), mode=0o600)

    def get(self, token: str, region: str, identifier: str) -> Record | None:
        """A resource by its id."""
        return _read(self._path(token, region, identifier))

    def remove(self, record: Record) -> None:
        """Forgets a resource."""
        path = self._path(record.token, record.region, record.identifier)
        path.unlink(missing_ok=True)
        # Somebody else may just have put something there.
        with contextlib.suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def all(self, token: str, region: str) -> Iterator[Record]:
        """The resources of a type in a region, by id."""
        folder = self._folder(token, region)
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            if (record := _read(path)) is not None:
                yield record

    def find(self, token: str, region: str, value: str, by: str = "id") -> Record | None:
        """The resource whose property has a value; `by` may name several, separated by `|`."""
        for key in by.split("|"):
            if key == "id":
                found = self.get(token, region, value)
                if found is not None:
                    return found
                continue
            for record in self.all(token, region):
                if record.outputs.get(key) == value:
                    return record
        return None

    def _folder(self, token: str, region: str) -> pathlib.Path:
        return self._root / region / token.rpartition(":")[0].removeprefix("aws:").replace("/", "-")

    def _path(self, token: str, region: str, identifier: str) -> pathlib.Path:
        return self._folder(token, region) / f"{urllib.parse.quote(identifier, safe='')}.json"


def _read(path: pathlib.Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
