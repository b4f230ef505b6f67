"""Engine profiles by name or file, as the options of several commands take them."""

from __future__ import annotations

import pathlib

import pydantic
from tenbin_spec import catalogue, problems
from tenbin_spec.profiles import EngineProfile


class ProfileError(problems.TenbinError):
    """A profile that is not there or cannot be read; the message says which and what is wrong."""


def find(name: str) -> EngineProfile:
    """Return the profile of this name in the catalogue, or the one in the file of this name.

    Raises:
        ProfileError: when there is neither, or the file holds no profile.
    """
    known = catalogue.profiles()
    if name in known:
        return known[name]
    path = pathlib.Path(name)
    if path.is_file():
        return read(path)
    if path.suffix == ".json" or len(path.parts) > 1:
        raise ProfileError(f"there is no profile file {name}. `tenbin profile list` shows the catalogue")
    # A name cut short is meant more often than one that is spelt alike.
    begun = [full for full in known if name and full.startswith(name)]
    what = "a profile of the catalogue or a file"
    if begun:
        raise ProfileError(f"{name!r} is not {what}; did you mean {begun[0]!r}? `tenbin profile list` shows all")
    raise ProfileError(problems.not_one_of(name, known, what))


def read(path: pathlib.Path) -> EngineProfile:
    """Read a profile from a JSON file.

    Raises:
        ProfileError: for a file that cannot be read or holds no profile, with all that is wrong.
    """
    try:
        return EngineProfile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    except pydantic.ValidationError as error:
        found = problems.problems_of(error, EngineProfile)
        lines = "\n".join(f"  - {problem}" if problem.path else f"  - {problem.message}" for problem in found)
        raise ProfileError(f"{path} holds no engine profile:\n{lines}") from error
