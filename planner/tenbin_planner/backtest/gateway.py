"""What the gateway knows of one service's requests: who came, who is in flight, how each ended.

Followed from the simulation's arrays, in the order in which requests end.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.backtest.progress import Progress
from tenbin_planner.model.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective

    from tenbin_planner.model.arrivals import Arrivals
    from tenbin_planner.model.results import Fates
    from tenbin_planner.model.simulation import FleetSimulation


class Requests(NamedTuple):
    """Requests that came in a window, in the order of their arrival; arrays of shape (requests,)."""

    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    class_index: NDArray[np.int64]


class Finished(NamedTuple):
    """Requests whose answer ended in a window, in the order in which they ended; arrays of shape (requests,)."""

    ended_s: NDArray[np.float64]
    ttft_ms: NDArray[np.float64]
    tpot_ms: NDArray[np.float64]
    """NaN for an answer of one token."""
    e2e_ms: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    class_index: NDArray[np.int64]
    good: NDArray[np.bool_]


@dataclasses.dataclass(eq=False)
class _Log:
    """Rows in the order of an instant that each has, as they become known."""

    at_s: NDArray[np.float64]
    row: NDArray[np.int64]
    size: int = 0

    @classmethod
    def of(cls, rows: int) -> _Log:
        return cls(np.empty(rows), np.empty(rows, dtype=np.int64))

    def add(self, at_s: NDArray[np.float64], rows: NDArray[np.int64]) -> slice:
        order = np.lexsort((rows, at_s))
        added = slice(self.size, self.size + rows.size)
        self.at_s[added], self.row[added] = at_s[order], rows[order]
        self.size = added.stop
        return added

    def since(self, from_s: float) -> slice:
        return slice(int(np.searchsorted(self.at_s[: self.size], from_s)), self.size)


class Gateway:
    """Follows one service."""

    def __init__(
        self, simulation: FleetSimulation, objectives: Mapping[str, Objective], faults: Sequence[mishaps.Fault]
    ) -> None:
        """Begin before the first request.

        Args:
            simulation: the service's fleet.
            objectives: by class.
            faults: of which those count that keep the gateway from being heard.
        """
        self.arrivals: Arrivals = simulation.arrivals
        self._simulation = simulation
        self._limits = _limits(self.arrivals, objectives)
        self.blind = tuple(fault for fault in faults if isinstance(fault, mishaps.Blind))
        """Faults that keep it from being heard."""
        count, classes = len(self.arrivals), len(self.arrivals.classes)
        self.ended, self._first = _Log.of(count), _Log.of(count)
        self.times_ms = np.full((3, count), np.nan)
        """TTFT, TPOT and E2E of what has ended, by row."""
        self.outcome = np.full(count, Outcome.IN_FLIGHT, dtype=np.uint8)
        self.good = np.zeros(count, dtype=np.bool_)
        self.heard = np.ones(count, dtype=np.bool_)
        """Whether the end of a request was heard of, by row."""
        self.open = np.empty(0, dtype=np.int64)
        """Rows of the requests that came and have not ended, rising."""
        self._unanswered = np.empty(0, dtype=np.int64)
        self._came = 0
        self.now_s = 0.0
        self.good_total = np.zeros((2, classes), dtype=np.int64)
        """Good requests and all that count, since the beginning, by class."""
        self.missed_total = np.zeros((2, classes), dtype=np.int64)
        """Failed and shed requests, by class."""
        self.in_flight = np.zeros(classes, dtype=np.int64)
        """Requests that came and have not ended, by class, when the gateway was last heard."""
        self.by_second = _by_second(self.arrivals, self.blind)
        """Arrivals of which was heard, by class and whole second."""
        self.progress = Progress(self, simulation)

    def follow(self) -> None:
        """Take note of what has happened since the last time."""
        now_s = self._simulation.now_s
        stop = int(np.searchsorted(self.arrivals.arrival_s, now_s))
        fresh = np.arange(self._came, stop)
        self.open = np.concatenate([self.open, fresh])
        fates = self._simulation.fates(self.open)
        self._note_first(self.open, fates, fresh)
        is_over = fates.outcome != Outcome.IN_FLIGHT
        if is_over.any():
            self._note_ends(self.open[is_over], *(column[is_over] for column in fates))
            self.open = self.open[~is_over]
        self._came, self.now_s = stop, now_s
        if not mishaps.is_blind(self.blind, now_s):
            self.in_flight = np.bincount(self.arrivals.class_index[self.open], minlength=self.in_flight.size)

    def arrived(self, window_s: float) -> slice:
        """Return the rows of the requests that came in the last `window_s` seconds."""
        return slice(int(np.searchsorted(self.arrivals.arrival_s[: self._came], self.now_s - window_s)), self._came)

    def requests(self, window_s: float) -> Requests:
        """Return what is known when it comes of the requests of the last `window_s` seconds."""
        rows = self.arrived(window_s)
        return Requests(
            self.arrivals.arrival_s[rows], self.arrivals.input_tokens[rows], self.arrivals.class_index[rows]
        )

    def finished(self, window_s: float) -> Finished:
        """Return the requests that were answered in the last `window_s` seconds."""
        since = self.ended.since(self.now_s - window_s)
        rows, at_s = self.ended.row[since], self.ended.at_s[since]
        answered = self.outcome[rows] == Outcome.FINISHED
        rows = rows[answered]
        ttft, tpot, e2e = self.times_ms[:, rows]
        return Finished(
            ended_s=at_s[answered],
            ttft_ms=ttft,
            tpot_ms=tpot,
            e2e_ms=e2e,
            input_tokens=self.arrivals.input_tokens[rows],
            output_tokens=self.arrivals.output_tokens[rows],
            class_index=self.arrivals.class_index[rows],
            good=self.good[rows],
        )

    def missed(self, window_s: float) -> int:
        """Return the requests that were shed or failed in the last `window_s` seconds."""
        rows = self.ended.row[self.ended.since(self.now_s - window_s)]
        return int(np.count_nonzero(self.outcome[rows] != Outcome.FINISHED))

    def first_tokens_ms(self, window_s: float) -> NDArray[np.float64]:
        """Return the TTFT of the requests whose first token came in the last `window_s` seconds."""
        since = self._first.since(self.now_s - window_s)
        rows = self._first.row[since]
        times: NDArray[np.float64] = (self._first.at_s[since] - self.arrivals.arrival_s[rows]) * 1000
        return times

    def _note_first(self, rows: NDArray[np.int64], fates: Fates, fresh: NDArray[np.int64]) -> None:
        waits = np.zeros(rows.size, dtype=np.bool_)
        waits[np.searchsorted(rows, self._unanswered)] = True
        waits[rows.size - fresh.size :] = True
        begun = waits & ~np.isnan(fates.first_ms)
        self._first.add(fates.first_ms[begun] / 1000, rows[begun])
        self._unanswered = rows[waits & ~begun & (fates.outcome == Outcome.IN_FLIGHT)]

    def _note_ends(
        self,
        rows: NDArray[np.int64],
        outcome: NDArray[np.uint8],
        _replica: NDArray[np.int64],
        first_ms: NDArray[np.float64],
        last_ms: NDArray[np.float64],
        ended_ms: NDArray[np.float64],
    ) -> None:
        arrival_ms, gaps = self.arrivals.arrival_s[rows] * 1000, self.arrivals.output_tokens[rows] - 1
        classes = self.arrivals.class_index[rows]
        answered = outcome == Outcome.FINISHED
        tpot = np.where(gaps > 0, (last_ms - first_ms) / np.maximum(gaps, 1), np.nan)
        times = np.stack([first_ms - arrival_ms, tpot, last_ms - arrival_ms])
        good = answered & ~(times > self._limits[:, classes]).any(axis=0)
        heard = np.ones(rows.size, dtype=np.bool_)
        for fault in self.blind:
            heard &= (ended_ms < fault.at_s * 1000) | (ended_ms >= (fault.at_s + fault.for_s) * 1000)
        self.times_ms[:, rows], self.outcome[rows], self.good[rows], self.heard[rows] = times, outcome, good, heard
        self.ended.add(ended_ms / 1000, rows)
        size = self.in_flight.size
        for totals, masks in (
            (self.good_total, (good, np.ones_like(good))),
            (self.missed_total, (outcome == Outcome.FAILED, outcome == Outcome.SHED)),
        ):
            totals += [np.bincount(classes[heard & mask], minlength=size) for mask in masks]


def _limits(arrivals: Arrivals, objectives: Mapping[str, Objective]) -> NDArray[np.float64]:
    """Return the thresholds in ms on TTFT, TPOT and E2E by class, infinite where there is none: shape (3, classes)."""
    wanted = [objectives[name] for name in arrivals.classes]
    rows = [[getattr(item, name) for item in wanted] for name in ("ttft_ms", "tpot_ms", "e2e_ms")]
    return np.array([[math.inf if limit is None else float(limit) for limit in row] for row in rows]).reshape(3, -1)


def _by_second(arrivals: Arrivals, blind: Sequence[mishaps.Blind]) -> NDArray[np.int64]:
    seconds = np.floor(arrivals.arrival_s).astype(np.int64)
    heard = np.ones(len(arrivals), dtype=np.bool_)
    for fault in blind:
        heard &= (arrivals.arrival_s < fault.at_s) | (arrivals.arrival_s >= fault.at_s + fault.for_s)
    length = int(seconds.max(initial=-1)) + 1
    counts = [
        np.bincount(seconds[heard & (arrivals.class_index == c)], minlength=length)
        for c in range(len(arrivals.classes))
    ]
    return np.array(counts, dtype=np.int64).reshape(len(arrivals.classes), length)
