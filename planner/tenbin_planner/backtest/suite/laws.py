"""Laws of traffic: what a seed draws a service's requests from.

A law holds a course of the rate, bursts on top of it, lengths, and at most one event that no other day has. How busy a
day is, when its course begins and when its bursts come differ from draw to draw; the event does not move.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tenbin_planner.model import lengths
from tenbin_planner.traces import generators, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tenbin_planner.traces import Trace

TODAY, YESTERDAY = 0, 1
"""Numbers of draws."""
SPREAD, SHIFT_S = 0.06, 1200.0
"""Standard deviation of the logarithm of how busy a draw is, and of when the course of a day begins, in seconds."""


class Course(Protocol):
    """A rate over time, as data."""

    def rate(self) -> rates.Rate:
        """Return the rate."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Day:
    """A day that swings between its nights and its peak.

    `steep` above 1 makes nights longer than a cosine's, and the peak shorter.
    """

    peak: float
    trough: float
    peak_hour: float = 15.0
    steep: float = 1.0

    def rate(self) -> rates.Rate:
        """Return requests per second."""

        def per_second(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
            phase = 2 * math.pi * (at_s / rates.HOUR_S - self.peak_hour) / 24
            found: NDArray[np.float64] = (0.5 + 0.5 * np.cos(phase)) ** self.steep
            return self.trough + (self.peak - self.trough) * found

        return rates.Rate(per_second=per_second, most=self.peak)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Swing:
    """A mean with a sine around it, which begins at its lowest."""

    mean: float
    amplitude: float
    period_s: float

    def rate(self) -> rates.Rate:
        """Return requests per second."""
        return rates.sine(mean=self.mean, amplitude=self.amplitude, period_s=self.period_s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """The same rate at all times."""

    per_second: float

    def rate(self) -> rates.Rate:
        """Return requests per second."""
        return rates.constant(self.per_second)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bursts:
    """Times in which a multiple of the rate comes, at random instants."""

    factor: float
    calm_s: float
    """Mean time between two."""
    burst_s: float
    """Mean length."""

    @property
    def mean(self) -> float:
        """Factor in the long run."""
        return 1 + (self.factor - 1) * self.burst_s / (self.calm_s + self.burst_s)

    def rate(self, duration_s: float, rng: np.random.Generator) -> rates.Rate:
        """Return the factor over time."""
        return rates.bursts(
            rate=1.0, burst=self.factor, calm_s=self.calm_s, burst_s=self.burst_s, duration_s=duration_s, rng=rng
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """What happens once: rate and answers go to a multiple of what they are, over a while, and back after another."""

    at_s: float
    rate_factor: float = 1.0
    output_factor: float = 1.0
    over_s: float = 0.0
    """How long the change takes, each way."""
    for_s: float = math.inf
    """From its beginning to its end."""

    def strength(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of it there is at instants, 0 to 1."""
        edge = max(self.over_s, 1e-6)
        end_s = min(self.at_s + self.for_s, 1e12)
        found: NDArray[np.float64] = np.interp(at_s, [self.at_s, self.at_s + edge, end_s, end_s + edge], [0, 1, 1, 0])
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokens:
    """Lengths, log-normal by their mean and 95th percentile."""

    mean: float
    p95: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """Requests of one class."""

    inputs: Tokens
    outputs: Tokens
    class_name: str = ""
    share: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Law:
    """Where a service's requests come from."""

    course: Course
    shares: tuple[Share, ...]
    bursts: Bursts | None = None
    event: Event | None = None
    cv: float = 1.0
    """Coefficient of variation of the gaps between requests."""
    longer: float = 1.0
    """Factor to which answers grow in the course of the trace; not in the one of the day before."""
    longest: int = 30_000
    """Tokens to which prompts and answers are cut."""

    def draw(self, name: str, *, duration_s: float, seed: int, number: int = TODAY) -> Trace:
        """Draw a trace; all arguments alike, it is the same one.

        Args:
            name: of the trace.
            duration_s: its length in seconds.
            seed: of the suite.
            number: of the draw; only that of today has the event, and answers that grow.
        """
        key = [seed, number, zlib.crc32(name.encode())]
        is_today = number == TODAY
        event = self.event if is_today else None
        drawn = generators.generate(
            self._rate(duration_s, np.random.default_rng(key), event),
            duration_s=duration_s,
            kinds=[_kind(share) for share in self.shares],
            seed=int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]),
            cv=self.cv,
            drift=generators.Drift(output_tokens=self.longer) if is_today else None,
            longest=self.longest,
            name=name,
        )
        if event is None or event.output_factor == 1:
            return drawn
        factor = 1 + (event.output_factor - 1) * event.strength(drawn.arrival_s)
        tokens = np.clip(np.rint(drawn.output_tokens * factor), 1, self.longest).astype(np.int64)
        return dataclasses.replace(drawn, output_tokens=tokens)

    def expected(self, duration_s: float) -> float:
        """Return about how many requests come, from which it follows how long a run takes."""
        at_s = np.linspace(0.0, duration_s, 2001)
        rate = self.course.rate().per_second(at_s)
        if self.event is not None:
            rate = rate * (1 + (self.event.rate_factor - 1) * self.event.strength(at_s))
        return float(rate.mean()) * duration_s * (1.0 if self.bursts is None else self.bursts.mean)

    def _rate(self, duration_s: float, rng: np.random.Generator, event: Event | None) -> rates.Rate:
        course = self.course.rate()
        busy = math.exp(float(np.clip(rng.normal(0.0, SPREAD), -2 * SPREAD, 2 * SPREAD)))
        shift_s = float(rng.normal(0.0, SHIFT_S)) if isinstance(self.course, Day) else 0.0
        bursts = rates.constant(1.0) if self.bursts is None else self.bursts.rate(duration_s, rng)
        most = course.most * busy * bursts.most * max(1.0, event.rate_factor if event else 1.0)

        def per_second(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
            found = busy * course.per_second(at_s - shift_s) * bursts.per_second(at_s)
            return found if event is None else found * (1 + (event.rate_factor - 1) * event.strength(at_s))

        return rates.Rate(per_second=per_second, most=most)


def _kind(share: Share) -> generators.Kind:
    fit = lengths.LengthDistribution.fit_moments
    return generators.Kind(
        class_name=share.class_name,
        share=share.share,
        input_tokens=fit(mean=share.inputs.mean, p95=share.inputs.p95),
        output_tokens=fit(mean=share.outputs.mean, p95=share.outputs.p95),
    )
