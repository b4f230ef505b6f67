"""What became of requests, and how many were good."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tenbin_planner.model import state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective

    from tenbin_planner.model.arrivals import Arrivals


class Outcome(enum.IntEnum):
    """What became of a request."""

    FINISHED = state.FINISHED
    SHED = state.SHED
    """Refused by a full queue."""
    FAILED = state.FAILED
    """No ready replica, a length that the engine refuses, or a replica that died."""
    IN_FLIGHT = state.IN_FLIGHT
    """Not finished when the simulation ended."""


class Fates(NamedTuple):
    """What became of some requests by an instant; arrays of shape (requests,), instants in ms of the simulation."""

    outcome: NDArray[np.uint8]
    """Values of `Outcome`."""
    replica: NDArray[np.int64]
    """Position of the replica that got the request, -1 for none."""
    first_ms: NDArray[np.float64]
    """When the first token reached the client; NaN when none has."""
    last_ms: NDArray[np.float64]
    """When the last token did; NaN unless finished."""
    ended_ms: NDArray[np.float64]
    """When it was finished, shed or failed; infinite while in flight."""


class Loads(NamedTuple):
    """What is in replicas at an instant; arrays of shape (replicas that have not died,)."""

    replica: NDArray[np.int64]
    """Positions in `lives`, rising."""
    in_flight: NDArray[np.int64]
    """Requests not finished."""
    running: NDArray[np.int64]
    """Of these, sequences in execution."""
    waiting: NDArray[np.int64]
    """Of these, requests that wait for admission."""
    decoding: NDArray[np.int64]
    """Sequences that take part in the next pass as decodes."""
    kv_usage: NDArray[np.float64]
    """Share of KV blocks in use, 0 to 1."""
    kv_tokens: NDArray[np.int64]
    """Tokens of context of the decoding sequences."""
    waiting_tokens: NDArray[np.int64]
    """Prompt tokens of the requests that wait."""
    uncomputed_tokens: NDArray[np.int64]
    """Prompt tokens, of all requests in flight, that are still to be computed."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FleetResult:
    """What became of each request of `arrivals`, in the same order; all arrays have shape (requests,)."""

    arrivals: Arrivals
    outcome: NDArray[np.uint8]
    """Values of `Outcome`."""
    replica: NDArray[np.int64]
    """Position of the replica that got the request, -1 for none."""
    ttft_ms: NDArray[np.float64]
    """From arrival to the first token; NaN when none came."""
    tpot_ms: NDArray[np.float64]
    """(e2e - ttft) / (output tokens - 1); NaN unless finished with two tokens or more."""
    e2e_ms: NDArray[np.float64]
    """From arrival to the last token; NaN unless finished."""
    preemptions: int
    events: int
    """Passes and stretches of passes that were computed one by one, and requests."""
    extrapolated: bool
    """Whether a pass went beyond what its profile measured."""

    def count(self, outcome: Outcome) -> int:
        """Return the number of requests with this outcome."""
        return int(np.count_nonzero(self.outcome == outcome))

    def good(self, objectives: Mapping[str, Objective]) -> NDArray[np.bool_]:
        """Tell for each request whether it finished within all thresholds of its class.

        Raises:
            KeyError: when a class among the arrivals has no objective.
        """
        good: NDArray[np.bool_] = self.outcome == Outcome.FINISHED
        for index, name in enumerate(self.arrivals.classes):
            good &= (self.arrivals.class_index != index) | self._within(objectives[name])
        return good

    def attainment(self, objectives: Mapping[str, Objective]) -> dict[str, float]:
        """Return the share of good requests by class; shed and failed requests count as missed, those in flight not.

        A class without any request that counts is absent.
        """
        good, known = self.good(objectives), self.outcome != Outcome.IN_FLIGHT
        shares = {}
        for index, name in enumerate(self.arrivals.classes):
            members = known & (self.arrivals.class_index == index)
            if members.any():
                shares[name] = float(good[members].mean())
        return shares

    def _within(self, objective: Objective) -> NDArray[np.bool_]:
        within = np.ones(len(self.arrivals), dtype=np.bool_)
        for threshold, times in ((objective.ttft_ms, self.ttft_ms), (objective.e2e_ms, self.e2e_ms)):
            if threshold is not None:
                within &= times <= threshold
        if objective.tpot_ms is not None:
            within &= (self.tpot_ms <= objective.tpot_ms) | (self.arrivals.output_tokens == 1)
        return within
