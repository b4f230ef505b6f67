"""Traffic shapes: rate over time as multiples of a base rate, written `60s@1,60s@1-4,60s@4,30s@4-1,90s@1`."""

from __future__ import annotations

import dataclasses
import re

from tenbin_local import errors
from tenbin_local.load import bounds

DEFAULT = "60s@1,60s@1-4,60s@4,30s@4-1,90s@1"
"""Five minutes: steady, rising to four times the rate, steady there, falling, and long enough to save money again."""

_SEGMENT = re.compile(r"(?P<time>\d+(?:\.\d+)?)(?P<unit>s|m)@(?P<start>\d+(?:\.\d+)?)(?:-(?P<end>\d+(?:\.\d+)?))?")
_UNITS_S = {"s": 1.0, "m": 60.0}


class UsageError(errors.LocalError):
    """The command was asked for something that it does not do; nothing was sent."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch in which the rate is steady or changes linearly."""

    duration_s: float
    start: float
    """Multiple of the base rate at its beginning."""
    end: float
    """Multiple of the base rate at its end."""

    @property
    def area(self) -> float:
        """Integral of the multiple over the segment, in seconds."""
        return self.duration_s * (self.start + self.end) / 2

    def __str__(self) -> str:
        """Return it as written: `60s@1-4`."""
        end = "" if self.start == self.end else f"-{self.end:g}"
        return f"{self.duration_s:g}s@{self.start:g}{end}"

    @property
    def words(self) -> str:
        """What it does, for people."""
        if self.start == self.end:
            return f"steady at x{self.start:g}"
        return f"{'rising' if self.end > self.start else 'falling'} x{self.start:g} to x{self.end:g}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Segments one after the other.

    >>> shape = parse("10s@1,10s@1-3")
    >>> shape.duration_s, shape.multiple_at(15.0), shape.area
    (20.0, 2.0, 30.0)
    """

    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        """Return it as written; `parse` reads it back."""
        return ",".join(map(str, self.segments))

    @property
    def duration_s(self) -> float:
        """Length of the whole shape in seconds."""
        return sum(segment.duration_s for segment in self.segments)

    @property
    def area(self) -> float:
        """Integral of the multiple over time, in seconds: times the base rate it is the expected number of requests."""
        return sum(segment.area for segment in self.segments)

    @property
    def peak(self) -> float:
        """Largest multiple."""
        return max(max(segment.start, segment.end) for segment in self.segments)

    def multiple_at(self, at_s: float) -> float:
        """Return the multiple of the base rate at an instant; 0 outside the shape."""
        start_s = 0.0
        for segment in self.segments:
            if start_s <= at_s < start_s + segment.duration_s:
                share = (at_s - start_s) / segment.duration_s
                return segment.start + share * (segment.end - segment.start)
            start_s += segment.duration_s
        return 0.0

    def phase_at(self, at_s: float) -> str:
        """Say which segment an instant lies in, for people: `2/5 rising x1 to x4`."""
        end_s = 0.0
        for number, segment in enumerate(self.segments, start=1):
            end_s += segment.duration_s
            if at_s < end_s:
                return f"{number}/{len(self.segments)} {segment.words}"
        return "last answers"

    def with_time_scaled(self, factor: float) -> Shape:
        """Return the shape with every duration multiplied by `factor`.

        Raises:
            UsageError: for a factor that is not above 0, or when the result is longer than an hour.
        """
        if not 0 < factor <= 100:
            raise UsageError(f"--scale-time {factor:g}: allowed is a factor above 0, 100 at most")
        scaled = tuple(dataclasses.replace(part, duration_s=part.duration_s * factor) for part in self.segments)
        return _checked(Shape(segments=scaled))


def parse(text: str) -> Shape:
    """Read a shape: segments `<duration>@<multiple>` or `<duration>@<from>-<to>`, joined by commas.

    Durations are in seconds (`s`) or minutes (`m`).

    Raises:
        UsageError: with the segment that is wrong and what is allowed.
    """
    segments = []
    for part in text.split(","):
        match = _SEGMENT.fullmatch(part.strip())
        if match is None:
            raise UsageError(
                f"--shape: {part.strip()!r} is no segment. Allowed: duration@multiple or duration@from-to, for example "
                "60s@1 or 2m@1-4"
            )
        start = float(match["start"])
        end = start if match["end"] is None else float(match["end"])
        segments.append(Segment(duration_s=float(match["time"]) * _UNITS_S[match["unit"]], start=start, end=end))
    return _checked(Shape(segments=tuple(segments)))


def _checked(shape: Shape) -> Shape:
    for segment in shape.segments:
        if segment.duration_s <= 0:
            raise UsageError("--shape: a segment lasts 0 s; allowed is more than 0")
        if max(segment.start, segment.end) > bounds.MAX_MULTIPLE:
            raise UsageError(
                f"--shape: multiple {max(segment.start, segment.end):g}; allowed is {bounds.MAX_MULTIPLE:g} at most"
            )
    if shape.peak <= 0:
        raise UsageError("--shape: the rate is 0 throughout; allowed is a shape that sends something")
    if shape.duration_s > bounds.MAX_DURATION_S:
        raise UsageError(f"--shape: lasts {shape.duration_s:g} s; allowed is {bounds.MAX_DURATION_S:g} s at most")
    return shape
