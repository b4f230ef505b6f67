"""The two sides of `tenbin cost diff`: stacks of a git ref, of a folder, or of what `pulumi preview --json` wrote."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_local import stack_files
from tenbin_spec import registered
from tenbin_spec.problems import ConfigurationError, not_one_of
from tenbin_spec.stack import Stack

from tenbin_cli.refusals import UsageError

PROJECT = "Pulumi.yaml"
_ALLOWED = "Allowed: a folder of files Pulumi.<stack>.yaml, a file that `pulumi preview --json` wrote, or a git ref"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """Stacks by name, and what they are of."""

    name: str
    """As it was written on the command line."""
    stacks: Mapping[str, Stack]
    is_preview: bool = False
    """Whether it can only have the one stack that was previewed."""


def read(text: str, folder: pathlib.Path, wanted: Sequence[str] = ()) -> Side:
    """Read a side.

    Args:
        text: a file, a folder or a git ref; what exists as a path is no ref.
        folder: of the stack files, in a git ref and below a folder.
        wanted: names of stacks; all of them when empty. One that is not there is left out.

    Raises:
        UsageError: for what is none of the three, or a file that is no preview.
        ConfigurationError: for a stack that does not parse, naming all of its problems.
    """
    path = pathlib.Path(text)
    if path.is_file():
        return _preview(text, path, wanted)
    if path.is_dir():
        place = path / folder if (path / folder).is_dir() and not stack_files.stack_names(path) else path
        return Side(name=text, stacks=_stacks(place, wanted, text))
    return _commit(text, folder, wanted)


def choose(base: Side, head: Side, wanted: Sequence[str]) -> list[str]:
    """Return the names of the stacks to compare: those wanted, that of a preview, or all of either side.

    Raises:
        UsageError: for one that neither side has, previews of different stacks, or sides without stacks.
    """
    known = sorted({*base.stacks, *head.stacks})
    for name in wanted:
        if name not in known:
            raise UsageError(f"--stack: {not_one_of(name, known, f'a stack of {base.name} or {head.name}')}")
    previewed = [set(side.stacks) for side in (base, head) if side.is_preview]
    if len(previewed) == 2 and previewed[0] != previewed[1]:
        both = f"{base.name} is of stack {min(previewed[0])}, {head.name} of stack {min(previewed[1])}"
        raise UsageError(f"{both}; allowed are two previews of the same stack")
    chosen = list(wanted) or (sorted(previewed[0]) if previewed else known)
    if not chosen:
        raise UsageError(f"neither {base.name} nor {head.name} has a stack; name their folder with --folder")
    return chosen


def _stacks(place: pathlib.Path, wanted: Sequence[str], source: str) -> dict[str, Stack]:
    """Read the stacks of a folder."""
    found = {}
    for name in stack_files.stack_names(place):
        if wanted and name not in wanted:
            continue
        path = stack_files.stack_file_path(place, name)
        try:
            found[name] = stack_files.read_stack_file(path).stack
        except ConfigurationError as error:
            raise ConfigurationError(error.problems, f"{source}: {path.name}") from error
    return found


def _preview(text: str, path: pathlib.Path, wanted: Sequence[str]) -> Side:
    """Read the agreement that a previewed platform was registered with.

    Raises:
        UsageError: for a file that is no preview of one platform.
        ConfigurationError: for a platform of another version.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{text} is not JSON: {error}. {_ALLOWED}") from error
    steps = plain.get("steps") if isinstance(plain, dict) else None
    if not isinstance(steps, list):
        raise UsageError(
            f"{text} has no steps, so that it is not what `pulumi preview --json` of today writes. {_ALLOWED}"
        )
    platforms = [state for step in steps if (state := _new_state(step)).get("type") == registered.TYPE]
    if len(platforms) != 1:
        raise UsageError(
            f"{text} has {len(platforms)} resources {registered.TYPE}; allowed is a preview of one platform"
        )
    [state] = platforms
    name = str(state.get("urn", "")).split("::", 1)[0].rpartition(":")[2]
    if wanted and name not in wanted:
        raise UsageError(f"{text} is a preview of stack {name}; wanted is {', '.join(wanted)}")
    return Side(name=text, stacks={name: registered.stack_of(state.get("inputs", {}), text)}, is_preview=True)


def _new_state(step: Any) -> Mapping[str, Any]:
    state = step.get("newState") if isinstance(step, dict) else None
    return state if isinstance(state, dict) else {}


def _commit(text: str, folder: pathlib.Path, wanted: Sequence[str]) -> Side:
    """Read the stacks of a git ref, without touching the working tree.

    Raises:
        UsageError: where there is no such ref, or no such folder in it.
    """
    if text.startswith("-"):
        raise UsageError(f"{text!r} is no git ref: none begins with a dash. {_ALLOWED}")
    root = pathlib.Path(_git(pathlib.Path(), ["rev-parse", "--show-toplevel"], text).strip())
    commit = _git(root, ["rev-parse", "--verify", "--quiet", f"{text}^{{commit}}"], text).strip()
    try:
        inside = folder.absolute().resolve().relative_to(root.resolve())
    except ValueError as error:
        raise UsageError(f"--folder {folder} is outside of the repository {root}") from error
    listed = _git(root, ["ls-tree", "-r", "-z", "--name-only", commit], text).split("\0")
    with tempfile.TemporaryDirectory(prefix="tenbin-cost-") as temporary:
        tree = _Tree(root=root, commit=commit, text=text, files=frozenset(listed), copy=pathlib.Path(temporary))
        tree.take(*(str(place / PROJECT) for place in (inside, *inside.parents)))
        files = [path for name in listed if (path := pathlib.PurePath(name)).parent == inside]
        tree.take(*(str(path) for path in files if path.match("Pulumi.*.yaml")))
        place = tree.copy / inside
        for name in stack_files.stack_names(place):
            tree.take_prices(stack_files.stack_file_path(place, name))
        stacks = _stacks(place, wanted, f"{text}:{inside}")
    if not stacks and not wanted:
        raise UsageError(f"{text} has no file {inside}/Pulumi.<stack>.yaml; name the folder with --folder")
    return Side(name=text, stacks=stacks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Tree:
    """Files of a commit, copied into a folder as they are asked for."""

    root: pathlib.Path
    commit: str
    text: str
    files: frozenset[str]
    copy: pathlib.Path

    def take(self, *names: str) -> None:
        """Copy those of the files that there are."""
        for name in self.files.intersection(names):
            place = self.copy / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_git(self.root, ["show", f"{self.commit}:{name}"], self.text), encoding="utf-8")

    def take_prices(self, file: pathlib.Path) -> None:
        """Copy the price file that a stack names; one that is not there is told by who reads the stack."""
        prices = stack_files.read_configuration(file).get("prices")
        name = prices.get("file") if isinstance(prices, dict) else None
        if isinstance(name, str):
            project = stack_files.project_folder(file.parent).relative_to(self.copy)
            self.take(str(project / name))


def _git(place: pathlib.Path, arguments: Sequence[str], text: str) -> str:
    """Run git and return what it wrote.

    Raises:
        UsageError: where it fails, naming the ref.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments],
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
    except FileNotFoundError as error:
        raise UsageError(
            f"{text} is no file and no folder, and there is no git to ask for a ref. {_ALLOWED}"
        ) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        why = f" ({said[-1]})" if said else ""
        raise UsageError(f"{text} is no file, no folder and no git ref{why}. {_ALLOWED}") from error
    return done.stdout
