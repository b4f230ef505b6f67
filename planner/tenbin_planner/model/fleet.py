"""A fleet in virtual time: requests, a least-request router, and replicas that come, drain and die.

Each request goes, when it arrives, to the ready replica with the fewest requests in flight (the first of these in the
order given). A replica takes requests from `ready_s` until `stop_s`, finishes what it has, and loses what it still has
at `kill_s`. Every request ends as exactly one `Outcome`; same input, same result.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model import scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile


class Outcome(enum.IntEnum):
    """What became of a request."""

    FINISHED = 0
    SHED = 1
    """Refused by a full queue."""
    FAILED = 2
    """No ready replica, a length that the engine refuses, or a replica that died."""
    IN_FLIGHT = 3
    """Not finished when the simulation ended."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Arrivals:
    """Requests in the order of their arrival; all arrays have shape (requests,)."""

    arrival_s: NDArray[np.float64]
    """Seconds, not decreasing."""
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    class_index: NDArray[np.int64]
    """Position of each request's class in `classes`."""
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        arrival_s: ArrayLike,
        input_tokens: ArrayLike,
        output_tokens: ArrayLike,
        request_class: Sequence[str] | str = "",
    ) -> Arrivals:
        """Check and take arrays; requests are put into the order of their arrival.

        Args:
            arrival_s: seconds from any origin, 0 or more.
            input_tokens: tokens of each prompt, 1 or more.
            output_tokens: tokens of each answer, 1 or more.
            request_class: name of each request's class, or one name for all.

        Raises:
            ValueError: naming the first row that is not finite, negative, not whole or below 1, or arrays whose
                lengths differ.
        """
        times = np.asarray(arrival_s, dtype=np.float64)
        names = [request_class] * times.size if isinstance(request_class, str) else list(request_class)
        columns = {"input_tokens": np.asarray(input_tokens), "output_tokens": np.asarray(output_tokens)}
        sizes = {
            "arrival_s": times.size,
            **{name: column.size for name, column in columns.items()},
            "class": len(names),
        }
        if times.ndim != 1 or len(set(sizes.values())) > 1:
            raise ValueError(f"arrays must have one dimension and one length, not {sizes}")
        _refuse_rows("arrival_s", times, ~(np.isfinite(times) & (times >= 0)), "finite and 0 or more")
        for name, column in columns.items():
            numbers = column.astype(np.float64)
            with np.errstate(invalid="ignore"):
                bad = ~(np.isfinite(numbers) & (numbers >= 1) & (numbers == np.floor(numbers)))
            _refuse_rows(name, column, bad, "a whole number of 1 or more")
        classes = tuple(sorted(set(names)))
        order = np.argsort(times, kind="stable")
        position = {name: index for index, name in enumerate(classes)}
        return cls(
            arrival_s=times[order],
            input_tokens=columns["input_tokens"].astype(np.int64)[order],
            output_tokens=columns["output_tokens"].astype(np.int64)[order],
            class_index=np.array([position[name] for name in names], dtype=np.int64)[order],
            classes=classes,
        )

    def __len__(self) -> int:
        return self.arrival_s.size


def _refuse_rows(name: str, column: NDArray[np.generic], bad: NDArray[np.bool_], allowed: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name}[{row}] is {column[row]}; allowed is {allowed}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplicaLife:
    """When one replica serves."""

    profile: EngineProfile
    ready_s: float = 0.0
    """It takes requests from then on."""
    stop_s: float = math.inf
    """The router sends it none from then on; it finishes what it has."""
    kill_s: float = math.inf
    """It is gone; requests in it fail."""


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


def fixed(profile: EngineProfile, replicas: int) -> list[ReplicaLife]:
    """Return a fleet of `replicas` replicas that serve from the beginning to the end."""
    return [ReplicaLife(profile=profile) for _ in range(replicas)]


def simulate(
    arrivals: Arrivals, lives: Sequence[ReplicaLife], *, max_queued: int | None = None, until_s: float = math.inf
) -> FleetResult:
    """Send requests through a fleet.

    Args:
        arrivals: requests.
        lives: replicas, any number of them, each with its own profile and times.
        max_queued: requests that may wait in one replica; more are shed. None: no limit.
        until_s: end of the simulation; requests that arrive later are in flight.

    Returns:
        One outcome and the times of each request.
    """
    fleet = [_Member(life, max_queued) for life in lives]
    outcome = np.full(len(arrivals), Outcome.IN_FLIGHT, dtype=np.uint8)
    chosen = np.full(len(arrivals), -1, dtype=np.int64)
    sequences: dict[int, scheduler.Sequence] = {}
    columns = (arrivals.arrival_s.tolist(), arrivals.input_tokens.tolist(), arrivals.output_tokens.tolist())
    for row, (second, input_tokens, output_tokens) in enumerate(zip(*columns, strict=True)):
        if second > until_s:
            break
        for member in fleet:
            member.advance(second * 1000)
        ready = [(member.replica.in_flight, index) for index, member in enumerate(fleet) if member.takes(second)]
        if not ready:
            outcome[row] = Outcome.FAILED
            continue
        chosen[row] = index = min(ready)[1]
        replica = fleet[index].replica
        if input_tokens + output_tokens > replica.profile.limits.max_model_len:
            outcome[row] = Outcome.FAILED
            continue
        request = scheduler.Request(
            id=row, arrival_ms=second * 1000, input_tokens=input_tokens, output_tokens=output_tokens
        )
        sequence = replica.add(request)
        if sequence is None:
            outcome[row] = Outcome.SHED
        else:
            sequences[row] = sequence
    for member in fleet:
        member.advance(until_s * 1000)
    killed = np.array([member.killed_by(until_s) for member in fleet] + [False])
    return _result(arrivals, outcome, chosen, sequences, killed[chosen])


class _Member:
    """A replica of the fleet and its life."""

    def __init__(self, life: ReplicaLife, max_queued: int | None) -> None:
        self.replica = scheduler.Replica(life.profile, max_queued=max_queued)
        self._life = life

    def takes(self, second: float) -> bool:
        return self._life.ready_s <= second < min(self._life.stop_s, self._life.kill_s)

    def killed_by(self, second: float) -> bool:
        return self._life.kill_s < math.inf and self._life.kill_s <= second

    def advance(self, instant_ms: float) -> None:
        """Do all that happens before `instant_ms`; passes that would end at or after the replica's death never do."""
        until = min(instant_ms, self._life.kill_s * 1000)
        replica = self.replica
        while replica.next_ms < until:
            replica.step()


def _result(
    arrivals: Arrivals,
    outcome: NDArray[np.uint8],
    chosen: NDArray[np.int64],
    sequences: Mapping[int, scheduler.Sequence],
    killed: NDArray[np.bool_],
) -> FleetResult:
    """Put the sequences' times into arrays; `killed` tells for each request whether its replica has died."""
    rows = np.fromiter(sequences.keys(), dtype=np.int64, count=len(sequences))
    first, last = np.full(len(arrivals), np.nan), np.full(len(arrivals), np.nan)
    first[rows] = [sequence.first_token_ms for sequence in sequences.values()]
    last[rows] = [sequence.last_token_ms if sequence.finished else math.nan for sequence in sequences.values()]
    finished = np.isfinite(last)
    outcome[finished] = Outcome.FINISHED
    outcome[killed & ~finished & (outcome == Outcome.IN_FLIGHT)] = Outcome.FAILED
    arrival_ms = arrivals.arrival_s * 1000
    gaps = arrivals.output_tokens - 1
    tpot = np.where(gaps > 0, (last - first) / np.maximum(gaps, 1), np.nan)
    return FleetResult(
        arrivals=arrivals,
        outcome=outcome,
        replica=chosen,
        ttft_ms=first - arrival_ms,
        tpot_ms=tpot,
        e2e_ms=last - arrival_ms,
    )
