"""Classes for requests of which none is known: each is drawn for itself, by shares."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping

import numpy as np

from tenbin_planner.traces import errors, trace

TOLERANCE = 0.001
"""By how much shares may add up to something else than 1; the last class has the rest."""


def parse(text: str) -> dict[str, float]:
    """Read shares by class, which must add up to 1.

    >>> parse("interactive=0.8,batch=0.2")
    {'interactive': 0.8, 'batch': 0.2}

    Raises:
        TraceError: saying what is wrong and what is allowed.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not name or not 0 < share <= 1 or name in shares:
            raise errors.TraceError(f"{part.strip()!r}: allowed is NAME=SHARE, each name once, shares above 0, up to 1")
        shares[name] = share
    check(shares)
    return shares


def check(shares: Mapping[str, float]) -> None:
    """Refuse shares that do not add up.

    Raises:
        TraceError: saying to what they do, and what is allowed.
    """
    total = sum(shares.values())
    if not abs(total - 1) <= TOLERANCE:
        raise errors.TraceError(f"shares add up to {total:.6g}; allowed is 1")


def mixed(requests: trace.Trace, shares: Mapping[str, float], *, seed: int = 0) -> trace.Trace:
    """Return a trace that says nothing of classes with some: a request's place and the seed alone decide on its class.

    Args:
        requests: the trace.
        shares: by class, above 0, which add up to 1; their order does not matter.
        seed: of the draw.

    Raises:
        TraceError: when it has classes already, or shares do not add up.
    """
    check(shares)
    if requests.classes != trace.UNKNOWN:
        raise errors.TraceError(
            f"{requests.name} has classes already: {', '.join(name or 'none' for name in requests.classes)}; "
            "allowed are traces without"
        )
    names = sorted(shares)
    rng = np.random.default_rng([seed, zlib.crc32(b"class mix")])
    borders = np.cumsum([shares[name] for name in names])[:-1]
    places = np.searchsorted(borders, rng.random(len(requests)), side="right")
    named = dataclasses.replace(requests, classes=tuple(names), class_index=places.astype(np.int64))
    # A class that nobody drew is left out.
    return named.select(np.arange(len(requests)))
