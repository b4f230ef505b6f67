"""A look into the properties of a resource, as a policy pack is given them.

The SDK hands over proxies: touching a value that a preview does not know yet raises `UnknownValueError`, even by asking
whether it is there; numbers are floats; and a raw resource may have a text where a list belongs. A view reads proxies
and plain values alike, touches no more than it is asked for, and names the place of what it cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import UnknownValueError

Step = str | int


class ShapeError(Exception):
    """A value that is not of the shape that its kind of resource has."""

    def __init__(self, path: str, wanted: str) -> None:
        self.path = path
        super().__init__(f"{path} is not {wanted}")


def path_of(error: UnknownValueError) -> str:
    """Return the place of an unknown value: `spec.containers[0].image`."""
    return path_text([int(step) if step.isdigit() else step for step in error.props])


def path_text(steps: Sequence[Step]) -> str:
    """Join steps to a path.

    >>> path_text(["spec", "containers", 0, "image"])
    'spec.containers[0].image'
    """
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


class View:
    """A place in a resource's properties, and what lies there.

    >>> view = View({"spec": {"replicas": 2.0, "containers": [{"image": "web:1"}]}})
    >>> view.at("spec", "replicas").plain()
    2
    >>> [item.text("image") for item in view.items("spec", "containers")]
    ['web:1']
    >>> view.at("spec", "volumes").missing
    True
    """

    __slots__ = ("_path", "raw")

    def __init__(self, value: Any, path: tuple[Step, ...] = ()) -> None:
        self.raw, self._path = value, path

    @property
    def path(self) -> str:
        """Where it lies."""
        return path_text(self._path)

    @property
    def missing(self) -> bool:
        """Whether nothing lies there."""
        return self.raw is None

    def at(self, *steps: Step) -> View:
        """Return the view of a place below; a missing one where there is none.

        Raises:
            UnknownValueError: when a value on the way is not known yet.
            ShapeError: when something on the way has no places below it.
        """
        found = self
        for step in steps:
            found = found._below(step)
        return found

    def items(self, *steps: Step) -> list[View]:
        """Return the views of the items of the list at a place; none where there is no list."""
        place = self.at(*steps)
        if place.missing:
            return []
        if not _is_list(place.raw):
            raise ShapeError(place.path, "a list")
        return [place.at(index) for index in range(len(place.raw))]

    def keys(self, *steps: Step) -> list[str]:
        """Return the sorted keys at a place, whose values may be unknown; none where there are none."""
        place = self.at(*steps)
        if place.missing:
            return []
        if not isinstance(place.raw, Mapping):
            raise ShapeError(place.path, "a mapping")
        return sorted(place.raw)

    def text(self, *steps: Step) -> str:
        """Return the text at a place; empty where there is none."""
        value = self.at(*steps).plain()
        if value is None:
            return ""
        return value if isinstance(value, str) else str(value)

    def flag(self, *steps: Step) -> bool | None:
        """Return whether a place says yes, which AWS's provider may write as text; None where it says nothing."""
        value = self.at(*steps).plain()
        return value if value is None or isinstance(value, bool) else str(value).lower() == "true"

    def number(self, *steps: Step) -> float | None:
        """Return the number at a place, whole ones as integers; None where there is none."""
        place = self.at(*steps)
        value = place.plain()
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ShapeError(place.path, "a number")
        return value

    def texts(self, *steps: Step) -> list[str]:
        """Return the list of texts at a place; none where there is no list."""
        return [item.text() for item in self.items(*steps)]

    def plain(self, *steps: Step) -> Any:
        """Return what lies at a place, all of it known, whole numbers as integers."""
        place = self.at(*steps)
        value = place.raw
        if isinstance(value, Mapping):
            return {key: place.at(key).plain() for key in value}
        if _is_list(value):
            return [place.at(index).plain() for index in range(len(value))]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def _below(self, step: Step) -> View:
        value, place = self.raw, (*self._path, step)
        if value is None:
            return View(None, place)
        if isinstance(step, int):
            if not _is_list(value):
                raise ShapeError(self.path, "a list")
            return View(value[step], place) if step < len(value) else View(None, place)
        if not isinstance(value, Mapping):
            raise ShapeError(self.path, "a mapping")
        try:
            return View(value[step], place)
        except KeyError:
            return View(None, place)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
