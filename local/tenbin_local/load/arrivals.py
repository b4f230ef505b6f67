"""Requests drawn before the first one is sent: Poisson arrivals under a shape, with token counts and classes.

Thinning (Lewis and Shedler 1979): candidates come as a homogeneous Poisson process at the highest rate, and one at time
t stays with probability rate(t) / highest rate. What stays is a Poisson process with the wanted rate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from tenbin_planner.model import fleet, lengths
from tenbin_spec.objectives import Slo
from tenbin_spec.workload import Workload

from tenbin_local.load import bounds
from tenbin_local.load.shape import Shape, UsageError

OTHERS_SHARE = 0.1
"""Share of requests that are not of the default class, where a service has several and no mix is given."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRequest:
    """A request that is going to be sent."""

    number: int
    arrival_s: float
    """Seconds after the start of the run."""
    request_class: str
    input_tokens: int
    output_tokens: int


def draw(
    shape: Shape, *, rate: float, workload: Workload, mix: Mapping[str, float], longest: int, seed: int
) -> list[PlannedRequest]:
    """Draw the requests of a run; the same arguments give the same requests.

    Args:
        shape: rate over time in multiples of `rate`.
        rate: base rate in requests per second.
        workload: its distributions of token counts are drawn from.
        mix: weight of each class, as `class_mix` returns it.
        longest: tokens of prompt and answer together at most.
        seed: of all random numbers; times, lengths and classes have generators of their own, so that another mix
            leaves the times alone.

    Raises:
        UsageError: for a rate that is not above 0, or more traffic than one client sends.
    """
    check_bounds(shape, rate)
    of_times, of_inputs, of_outputs, of_classes = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)
    )
    times = thinned(shape, rate, of_times)
    longest_part = max(longest - 1, 1)
    inputs = lengths.LengthDistribution.fit(workload.input_tokens).sample(len(times), of_inputs, longest=longest_part)
    outputs = lengths.LengthDistribution.fit(workload.output_tokens).sample(
        len(times), of_outputs, longest=longest_part
    )
    outputs = np.minimum(outputs, longest - inputs)
    names = sorted(mix)
    weights = np.array([mix[name] for name in names])
    classes = of_classes.choice(len(names), size=len(times), p=weights / weights.sum())
    rows = zip(times, classes.tolist(), inputs.tolist(), outputs.tolist(), strict=True)
    return [
        PlannedRequest(
            number=number,
            arrival_s=time,
            request_class=names[index],
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )
        for number, (time, index, input_tokens, output_tokens) in enumerate(rows)
    ]


def thinned(shape: Shape, rate: float, rng: np.random.Generator) -> list[float]:
    """Draw the arrival times of an inhomogeneous Poisson process, in seconds, rising."""
    peak = rate * shape.peak
    times: list[float] = []
    at_s = 0.0
    while True:
        at_s += rng.standard_exponential() / peak
        if at_s >= shape.duration_s:
            return times
        if rng.random() * shape.peak < shape.multiple_at(at_s):
            times.append(at_s)


def check_bounds(shape: Shape, rate: float) -> None:
    """Refuse traffic without bounds.

    Raises:
        UsageError: for a rate that is not above 0, too high a peak, or too many requests.
    """
    if not 0 < rate < math.inf:
        raise UsageError(f"--rate {rate:g}: allowed is a number above 0")
    if rate * shape.peak > bounds.MAX_RATE:
        raise UsageError(
            f"the peak is {rate * shape.peak:g} requests per second; allowed is {bounds.MAX_RATE:g} at most"
        )
    if rate * shape.area > bounds.MAX_REQUESTS:
        raise UsageError(f"{rate * shape.area:.0f} requests are expected; allowed is {bounds.MAX_REQUESTS} at most")


def class_mix(slo: Slo, *, only: str | None = None, text: str | None = None) -> dict[str, float]:
    """Return the weight of each class.

    Args:
        slo: knows the classes that clients may choose.
        only: every request is of this class.
        text: weights by class, `interactive=0.9,batch=0.1`.

    Returns:
        Weights above 0 by class. By default nine in ten requests are of the default class, the others spread evenly
        over the other classes that a client may choose.

    Raises:
        UsageError: for both arguments together, a class that clients may not choose, or a weight that is not above 0.
    """
    allowed = sorted({*slo.choosable, slo.fallback_class})
    if only is not None and text is not None:
        raise UsageError("--class and --class-mix: allowed is one of them")
    if only is not None:
        return {_known(only, allowed, "--class"): 1.0}
    if text is not None:
        return _parsed_mix(text, allowed)
    others = [name for name in allowed if name != slo.fallback_class]
    weights = {name: OTHERS_SHARE / len(others) for name in others}
    return {slo.fallback_class: 1.0 - OTHERS_SHARE if others else 1.0, **weights}


def _parsed_mix(text: str, allowed: Sequence[str]) -> dict[str, float]:
    mix = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not 0 < weight < math.inf:
            raise UsageError(
                f"--class-mix: {part.strip()!r} is no class with a weight above 0, for example interactive=0.9"
            )
        mix[_known(name, allowed, "--class-mix")] = weight
    return mix


def _known(name: str, allowed: Sequence[str], option: str) -> str:
    if name not in allowed:
        raise UsageError(f"{option}: {name!r} is no class that clients may choose. Allowed: {', '.join(allowed)}")
    return name


def as_arrivals(requests: Sequence[PlannedRequest]) -> fleet.Arrivals:
    """Return requests in the form that the engine model simulates."""
    return fleet.Arrivals.of(
        [request.arrival_s for request in requests],
        [request.input_tokens for request in requests],
        [request.output_tokens for request in requests],
        [request.request_class for request in requests],
    )
