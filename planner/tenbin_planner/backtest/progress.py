"""How far the answers of one service have come, as a gateway that counts tokens would know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.demand import progress
from tenbin_planner.model.results import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tenbin_planner.backtest.gateway import Gateway
    from tenbin_planner.model.simulation import FleetSimulation


class Progress:
    """Follows the answers of a gateway, at the instants at which it is asked."""

    def __init__(self, gateway: Gateway, simulation: FleetSimulation) -> None:
        """Begin before the first request."""
        shape = (len(gateway.arrivals.classes), progress.BINS)
        self._gateway = gateway
        self._simulation = simulation
        self._tokens = np.zeros(len(gateway.arrivals), dtype=np.int64)
        """Tokens of each answer, by row, when it was last heard of."""
        self._ended = np.zeros(shape, dtype=np.int64)
        self._reached = np.zeros(shape, dtype=np.int64)
        """Requests that are gone, by class and the bin that they got to."""
        self._noted = 0
        self._open = np.empty(0, dtype=np.int64)
        self._looked_s = -1.0

    def running(self, class_index: int) -> progress.RunningSample:
        """Return a sample of a class's requests in flight."""
        self._look()
        rows = self._open[self._gateway.arrivals.class_index[self._open] == class_index]
        return progress.RunningSample.of(
            self._gateway.now_s - self._gateway.arrivals.arrival_s[rows], self._tokens[rows]
        )

    def answers(self, class_index: int, *, since: float) -> progress.AnswerCounts:
        """Return a class's counts since the beginning, which was at `since` on the planner's clock."""
        self._look()
        rows = self._open[self._gateway.arrivals.class_index[self._open] == class_index]
        passed = progress.passed(self._reached[class_index] + progress.histogram(self._tokens[rows]))
        return progress.AnswerCounts(
            since=since, ended=tuple(self._ended[class_index].tolist()), passed=tuple(passed.tolist())
        )

    def _look(self) -> None:
        """Take note of what has happened since the last time; nothing is heard while the gateway is silent."""
        gateway = self._gateway
        if self._looked_s == gateway.now_s or mishaps.is_blind(gateway.blind, gateway.now_s):
            return
        self._looked_s = gateway.now_s
        gone = gateway.ended.row[self._noted : gateway.ended.size]
        self._noted = gateway.ended.size
        answered = gone[gateway.heard[gone] & (gateway.outcome[gone] == Outcome.FINISHED)]
        self._tokens[answered] = gateway.arrivals.output_tokens[answered]
        self._count(self._reached, gone)
        self._count(self._ended, answered)
        self._open = gateway.open.copy()
        self._tokens[self._open] = _so_far(self._simulation, self._open)

    def _count(self, counts: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        for index in range(counts.shape[0]):
            counts[index] += progress.histogram(self._tokens[rows[self._gateway.arrivals.class_index[rows] == index]])


def _so_far(simulation: FleetSimulation, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tokens that requests in flight have brought, for rising rows; at least 1 once the first came."""
    state = simulation._state  # noqa: SLF001 - the pass that runs and those that brought tokens are known there alone
    tokens = state.requests["drawn"][rows]
    slots = np.arange(state.rows.shape[1]) < state.replicas["running"][:, None]
    brought = np.maximum(state.replicas["current"][:, None] - state.starts, 0)[slots]
    running = state.rows[slots]
    place = np.searchsorted(rows, running)
    known = place < rows.size
    known[known] = rows[place[known]] == running[known]
    np.add.at(tokens, place[known], brought[known])
    tokens = np.minimum(tokens, simulation.arrivals.output_tokens[rows])
    first_ms = simulation.fates(rows).first_ms
    return np.where(np.isnan(first_ms), 0, np.maximum(tokens, 1))
