"""Generated traffic in one line: `generate:diurnal,hours=24,peak=20,trough=4,input=1200/4000,output=220/600,seed=1`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
from tenbin_spec import problems

from tenbin_planner.traces import errors, generators, rates, spec_text, trace

PREFIX = "generate:"
MOST_RATE = 1e6
MOST_BURSTS = 1_000_000

Numbers = Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """A course of the rate over time."""

    text: str
    parameters: Mapping[str, spec_text.Parameter]
    rate: Callable[[Numbers, float], rates.Rate]
    """Takes the parameters and `seed`, and the duration in seconds."""
    check: Callable[[Numbers, float], str | None] = lambda *_: None
    """Says what is wrong with parameters that do not fit each other, or the duration in seconds."""


def _rate(text: str, default: float | None = None) -> spec_text.Parameter:
    return spec_text.Parameter(text=f"{text}, requests per second", default=default, most=MOST_RATE)


def _seconds(text: str, default: float | None = None, least: float = 0.0) -> spec_text.Parameter:
    return spec_text.Parameter(text=f"{text}, seconds", default=default, least=least)


def _ordered(given: Numbers, low: str, high: str) -> str | None:
    if given[low] <= given[high]:
        return None
    return f"{low}: {given[low]:g} is above {high}, {given[high]:g}; allowed is {high} or less"


def _few_bursts(given: Numbers, duration_s: float) -> str | None:
    expected = duration_s / (given["calm_s"] + given["burst_s"])
    if expected <= MOST_BURSTS:
        return None
    return f"calm_s and burst_s: {expected:,.0f} bursts would come; allowed are up to {MOST_BURSTS:,}"


def _named(given: Numbers, *names: str) -> dict[str, float]:
    return {name: given[name] for name in names}


SHAPES: Mapping[str, Shape] = {
    "constant": Shape(
        text="the same rate at all times",
        parameters={"rate": _rate("rate")},
        rate=lambda given, _: rates.constant(given["rate"]),
    ),
    "diurnal": Shape(
        text="days that swing between a trough and a peak; the first of five working days begins at second 0",
        parameters={
            "peak": _rate("rate at its highest"),
            "trough": _rate("rate at its lowest"),
            "peak_hour": spec_text.Parameter(text="hour of the peak", default=15, most=24),
            "weekend": spec_text.Parameter(text="factor on days 6 and 7 of each week", default=1, most=100),
        },
        rate=lambda given, _: rates.diurnal(**_named(given, "peak", "trough", "peak_hour", "weekend")),
        check=lambda given, _: _ordered(given, "trough", "peak"),
    ),
    "bursts": Shape(
        text="calm and bursts in turn, of random lengths",
        parameters={
            "rate": _rate("rate in calm"),
            "burst": _rate("rate in bursts"),
            "calm_s": _seconds("mean length of calm", 300, least=1),
            "burst_s": _seconds("mean length of a burst", 30, least=1),
        },
        rate=lambda given, duration_s: rates.bursts(
            **_named(given, "rate", "burst", "calm_s", "burst_s"),
            duration_s=duration_s,
            rng=np.random.default_rng([int(given["seed"]), 1]),
        ),
        check=_few_bursts,
    ),
    "step": Shape(
        text="another rate from one instant on, until another if given",
        parameters={
            "before": _rate("rate before and outside"),
            "after": _rate("rate after"),
            "at_s": _seconds("instant of the step"),
            "until_s": _seconds("instant of the step back", math.inf),
        },
        rate=lambda given, _: rates.step(**_named(given, "before", "after", "at_s", "until_s")),
        check=lambda given, _: _ordered(given, "at_s", "until_s"),
    ),
    "ramp": Shape(
        text="from one rate to another in a straight line",
        parameters={
            "start": _rate("rate at the beginning"),
            "end": _rate("rate at the end"),
            "from_s": _seconds("instant at which it begins to change", 0),
            "to_s": _seconds("instant from which it stays; inf: the end of the trace", math.inf),
        },
        rate=lambda given, duration_s: rates.ramp(
            **{**_named(given, "start", "end", "from_s"), "to_s": min(given["to_s"], duration_s)}
        ),
        check=lambda given, duration_s: _ordered({**given, "to_s": min(given["to_s"], duration_s)}, "from_s", "to_s"),
    ),
    "sine": Shape(
        text="mean - amplitude * cos(2 pi t / period), which begins at its lowest",
        parameters={
            "mean": _rate("mean rate"),
            "amplitude": _rate("swing to either side"),
            "period_s": _seconds("period", 600, least=1),
        },
        rate=lambda given, _: rates.sine(**_named(given, "mean", "amplitude", "period_s")),
        check=lambda given, _: _ordered(given, "amplitude", "mean"),
    ),
}

COMMON: Mapping[str, spec_text.Parameter] = {
    "seed": spec_text.Parameter(text="of all that is drawn", default=0, most=2**32 - 1, whole=True),
    "cv": spec_text.Parameter(
        text="coefficient of variation of the gaps; 1 is a Poisson process", default=1, least=0.05, most=20
    ),
    "drift_input": spec_text.Parameter(
        text="factor that prompts have grown by at the end", default=1, least=0.01, most=100
    ),
    "drift_output": spec_text.Parameter(
        text="factor that answers have grown by at the end", default=1, least=0.01, most=100
    ),
    "longest": spec_text.Parameter(
        text="tokens that a prompt or an answer is cut to", default=generators.LONGEST, least=1, most=1e8, whole=True
    ),
}


def help_text() -> str:
    """List the shapes and parameters, for people."""
    lines = [f"{PREFIX}SHAPE,NAME=VALUE,... with SHAPE one of"]
    for name, shape in SHAPES.items():
        lines.append(f"  {name}: {shape.text}")
        lines.extend(f"    {key}: {parameter}" for key, parameter in shape.parameters.items())
    lines += [
        "and for every shape",
        f"  {', '.join(spec_text.DURATIONS)}: length of the trace (one of them is required)",
    ]
    lines.append("  input, output: tokens as mean/p95, or one number for all (required)")
    lines.append("  classes: shares as interactive:0.8+batch:0.2; input.batch=4000/9000 gives a class its own lengths")
    lines.extend(f"  {key}: {parameter}" for key, parameter in COMMON.items())
    return "\n".join(lines)


def is_spec(text: str) -> bool:
    """Tell whether a text describes generated traffic rather than naming a file."""
    return text.startswith(PREFIX)


def generate(text: str) -> trace.Trace:
    """Draw the trace that a text describes; its name is the text.

    >>> generate("generate:constant,rate=2,seconds=60,input=100/300,output=20,seed=4").describe()
    '137 requests in 59.8353 s (2.29/s), 100 tokens in and 20 out on average'

    Raises:
        SpecError: with all that is wrong with the text and what is allowed.
        TraceError: when nothing, or too much, would be drawn.
    """
    name, *rest = text.removeprefix(PREFIX).split(",")
    if name not in SHAPES:
        raise errors.SpecError(f"{text}: {problems.not_one_of(name, SHAPES, 'a shape of traffic')}")
    shape = SHAPES[name]
    parameters = {**shape.parameters, **COMMON}
    pairs = spec_text.Pairs(rest, list(parameters))
    numbers = {key: pairs.number(key, parameter) for key, parameter in parameters.items()}
    duration_s, kinds = pairs.duration_s(), pairs.kinds()
    misfit = None if pairs.wrong else shape.check(numbers, duration_s)
    if pairs.wrong or misfit:
        raise spec_text.refusal(text, [*pairs.wrong, *([misfit] if misfit else [])], parameters)
    return generators.generate(
        shape.rate(numbers, duration_s),
        duration_s=duration_s,
        kinds=kinds,
        seed=int(numbers["seed"]),
        cv=numbers["cv"],
        drift=generators.Drift(input_tokens=numbers["drift_input"], output_tokens=numbers["drift_output"]),
        longest=int(numbers["longest"]),
        name=text,
    )
