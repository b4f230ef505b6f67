"""A fleet in virtual time, step-exact: requests, a router, and replicas that come, drain and die.

Each request goes, when it arrives, to a replica that takes requests then. It is refused (failed) when its lengths
exceed the engine's, shed by a full queue, finished, or in flight; requests in a replica that dies fail. The same
requests, lives and seed give the same result, in one go or in pieces.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from tenbin_spec import catalogue

from tenbin_planner import compiling
from tenbin_planner.model import replaying, state
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import fixed
from tenbin_planner.model.results import Fates, FleetResult, Loads, Outcome
from tenbin_planner.model.routing import Routing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from numpy.typing import NDArray
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.model.lives import ReplicaLife

    Number = TypeVar("Number", np.int64, np.float64)

NO_LIMIT = 1 << 60
"""More than any queue holds."""
DEAD_KEPT = 16
"""Dead replicas beyond as many as live that are carried along before their state is dropped."""


def warm_up() -> None:
    """Load the kernels, or compile them, which takes seconds once."""
    FleetSimulation(Arrivals.of([], [], []), fixed(next(iter(catalogue.profiles().values())), 1)).advance(math.inf)


def is_compiled() -> bool:
    """Whether `warm_up` only has to load."""
    return compiling.is_compiled(replaying.replay) and compiling.is_compiled(replaying.advance_all)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Service:
    """How a fleet takes requests."""

    routing: Routing = Routing.LEAST_REQUEST
    seed: int = 0
    """Of the random routing."""
    max_queued: int | None = None
    """Requests that may wait in one replica; more are shed (`--max-num-queued-reqs`). None: no limit."""
    max_queued_tokens: int | None = None
    """Prompt tokens that may wait in one replica (`--max-num-queued-tokens`). None: no limit."""
    expected_output_tokens: float = 256.0
    """What the predicted latency takes for the length of an answer, since no router knows it."""

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            ValueError: naming each.
        """
        problems = [
            f"{name} is {value}; allowed is a whole number of 0 or more, or None"
            for name, value in (("max_queued", self.max_queued), ("max_queued_tokens", self.max_queued_tokens))
            if value is not None and not (isinstance(value, int) and value >= 0)
        ]
        if not (isinstance(self.seed, int) and 0 <= self.seed < 2**63):
            problems.append(f"seed is {self.seed}; allowed is a whole number from 0 to 2**63 - 1")
        if not 1 <= self.expected_output_tokens <= 1e9:
            problems.append(f"expected_output_tokens is {self.expected_output_tokens}; allowed is 1 to 1000000000")
        if problems:
            raise ValueError("; ".join(problems))


class FleetSimulation:
    """A fleet that is driven piece by piece.

    >>> from tenbin_planner.model.arrivals import Arrivals
    >>> from tenbin_planner.model.lives import fixed
    >>> from tenbin_planner.model.simulation import FleetSimulation
    >>> from tenbin_spec import catalogue
    >>> profile = catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"]
    >>> simulation = FleetSimulation(Arrivals.of([0.0, 5.0], [300, 300], [2, 20]), fixed(profile, 1))
    >>> simulation.advance(5.5)
    >>> simulation.in_flight
    array([1])
    >>> simulation.advance(60.0)
    >>> simulation.result().ttft_ms.round(2)
    array([56.47, 56.47])
    """

    def __init__(
        self, arrivals: Arrivals, lives: Sequence[ReplicaLife], service: Service | None = None, *, now_s: float = 0.0
    ) -> None:
        """Start with idle replicas.

        Args:
            arrivals: requests that will come.
            lives: replicas from the beginning; more may join.
            service: routing and limits.
            now_s: the present; nothing happens before.

        Raises:
            ValueError: for a profile whose limits contradict each other.
        """
        self.arrivals = arrivals
        self.now_s = now_s
        """The instant up to which it has been driven, seconds."""
        self._service = service or Service()
        self._profiles: tuple[EngineProfile, ...] = tuple(dict.fromkeys(life.profile for life in lives))
        self._lives = list(lives)
        self._kill_ms = np.array([life.kill_s * 1000.0 for life in lives])
        self._members = np.arange(len(lives))
        self._times = replaying.times_of(lives)
        self._next_row = 0
        self._model = state.model_of(self._profiles)
        kinds = [self._profiles.index(life.profile) for life in lives]
        self._state = state.empty_state(self._model, kinds, len(arrivals))
        self._chosen = np.full(len(arrivals), state.NOBODY)
        self._dropped = state.Totals()
        requests = self._state.requests
        requests["arrival_ms"] = arrivals.arrival_s * 1000
        requests["input_tokens"] = arrivals.input_tokens
        requests["output_tokens"] = arrivals.output_tokens
        requests["cached_tokens"] = arrivals.cached_tokens

    def advance(self, until_s: float) -> None:
        """Let all happen that happens before an instant, in seconds; the past is left as it is.

        Raises:
            ValueError: when the instant is not a number.
        """
        if math.isnan(until_s):
            raise ValueError("until_s is nan; allowed is a number")
        first = self._next_row
        stop = max(first, int(np.searchsorted(self.arrivals.arrival_s, until_s, side="left")))
        if self._members.size:
            replaying.replay(self._model, self._state, self._times, self._rules(), first, stop)
            replaying.advance_all(self._model, self._state, self._times, until_s * 1000)
            rows = self._state.requests["replica"][first:stop]
            self._chosen[first:stop] = np.where(rows < 0, state.NOBODY, self._members[rows])
        else:
            self._state.requests["outcome"][first:stop] = state.FAILED
        self._next_row = stop
        self.now_s = max(self.now_s, until_s)
        self._drop_dead()

    def add(self, life: ReplicaLife) -> int:
        """Have one more replica, and return its index."""
        index = len(self._lives)
        if life.profile not in self._profiles:
            self._profiles = (*self._profiles, life.profile)
            self._model = state.model_of(self._profiles)
        self._lives.append(life)
        self._kill_ms = np.append(self._kill_ms, life.kill_s * 1000.0)
        self._members = np.append(self._members, index)
        self._times = replaying.joined(self._times, replaying.times_of([life]))
        self._state = state.with_replica(self._state, self._model, self._profiles.index(life.profile))
        return index

    def change(self, index: int, *, stop_s: float | None = None, kill_s: float | None = None) -> None:
        """Have a replica drain or die at an instant, which must not lie in the past; at infinity, it never does.

        One that drains may be taken back, one that is dead may not.

        Raises:
            ValueError: naming an instant that lies in the past, or a replica that is dead.
        """
        life = self._lives[index]
        if life.kill_s <= self.now_s < math.inf:
            raise ValueError(f"replica {index} is dead since {life.kill_s}; allowed is one that lives")
        for name, instant in (("stop_s", stop_s), ("kill_s", kill_s)):
            if instant is not None and not instant >= self.now_s:
                raise ValueError(f"{name} is {instant}; allowed is {self.now_s}, the present, or later")
        changed = dataclasses.replace(
            life,
            stop_s=life.stop_s if stop_s is None else stop_s,
            kill_s=life.kill_s if kill_s is None else kill_s,
        )
        self._lives[index] = changed
        row = int(np.searchsorted(self._members, index))
        self._times.stop_ms[row] = changed.stop_s * 1000
        self._times.kill_ms[row] = self._kill_ms[index] = changed.kill_s * 1000

    def copy(self) -> FleetSimulation:
        """Return a fleet that goes on from here by itself."""
        other = copy.copy(self)
        vars(other).update(
            _lives=list(self._lives),
            _kill_ms=self._kill_ms.copy(),
            _times=replaying.copied(self._times),
            _chosen=self._chosen.copy(),
            _state=state.copied(self._state),
        )
        return other

    @property
    def lives(self) -> tuple[ReplicaLife, ...]:
        """Replicas, in the order in which they joined."""
        return tuple(self._lives)

    @property
    def in_flight(self) -> NDArray[np.int64]:
        """Requests in each replica that are not finished, shape (replicas,)."""
        return self._by_life(self._state.in_flight)

    @property
    def queued(self) -> NDArray[np.int64]:
        """Requests in each replica that wait for admission, shape (replicas,)."""
        return self._by_life(self._state.replicas["queued"])

    @property
    def kv_usage(self) -> NDArray[np.float64]:
        """Share of KV blocks in use in each replica, 0 to 1, shape (replicas,)."""
        return self._by_life(self._kv_usage())

    def loads(self) -> Loads:
        """Return what is in each replica that has not died."""
        replicas, live = self._state.replicas, np.flatnonzero(self._living())
        return Loads(
            replica=self._members[live],
            in_flight=self._state.in_flight[live],
            running=replicas["running"][live],
            waiting=replicas["queued"][live],
            decoding=replicas["decoding"][live],
            kv_usage=self._kv_usage()[live],
            kv_tokens=replicas["kv_tokens"][live],
            waiting_tokens=replicas["queued_prompt_tokens"][live],
            uncomputed_tokens=self._state.uncomputed[live],
        )

    def fates(self, rows: NDArray[np.int64] | slice) -> Fates:
        """Return what became of some requests by now: what reaches its client later, or dies on the way, has not."""
        requests, chosen = self._state.requests[rows], self._chosen[rows]
        now_ms = self.now_s * 1000
        kills = np.append(self._kill_ms, math.inf)[chosen]
        ends = np.minimum(kills, now_ms)
        first = np.where(requests["first_ms"] < ends, requests["first_ms"], np.nan)
        last = np.where(requests["last_ms"] < ends, requests["last_ms"], np.nan)
        outcome = np.where(requests["outcome"] == state.WAITS, Outcome.IN_FLIGHT, requests["outcome"])
        late = (outcome == Outcome.FINISHED) & ~np.isfinite(last)
        outcome[late] = np.where(kills[late] <= now_ms, Outcome.FAILED, Outcome.IN_FLIGHT)
        ended = np.where(np.isnan(requests["admitted_ms"]), requests["arrival_ms"], kills)
        ended = np.where(outcome == Outcome.FINISHED, last, ended)
        return Fates(
            outcome=outcome.astype(np.uint8),
            replica=chosen,
            first_ms=first,
            last_ms=last,
            ended_ms=np.where(outcome == Outcome.IN_FLIGHT, math.inf, ended),
        )

    def ended_ms(self, index: int) -> float:
        """Return when the last of a replica's requests ended; infinite while one is in flight, -infinite for none."""
        row = int(np.searchsorted(self._members, index))
        if row < self._members.size and self._members[row] == index and self._state.in_flight[row]:
            return math.inf
        first = int(np.searchsorted(self.arrivals.arrival_s, self._lives[index].ready_s))
        rows = first + np.flatnonzero(self._chosen[first : self._next_row] == index)
        return float(self.fates(rows).ended_ms.max(initial=-math.inf))

    def result(self) -> FleetResult:
        """Return what became of each request by now."""
        fates, arrival_ms = self.fates(slice(None)), self._state.requests["arrival_ms"]
        gaps = self.arrivals.output_tokens - 1
        totals = self._dropped.plus(state.totals(self._profiles, self._state.replicas))
        return FleetResult(
            arrivals=self.arrivals,
            outcome=fates.outcome,
            replica=fates.replica.copy(),
            ttft_ms=fates.first_ms - arrival_ms,
            tpot_ms=np.where(gaps > 0, (fates.last_ms - fates.first_ms) / np.maximum(gaps, 1), np.nan),
            e2e_ms=fates.last_ms - arrival_ms,
            preemptions=totals.preemptions,
            events=totals.events + self._next_row,
            extrapolated=totals.extrapolated,
        )

    def _by_life(self, values: NDArray[Number]) -> NDArray[Number]:
        whole = np.zeros(len(self._lives), dtype=values.dtype)
        whole[self._members] = values
        return whole

    def _living(self) -> NDArray[np.bool_]:
        living: NDArray[np.bool_] = ~((self._times.kill_ms <= self.now_s * 1000) & np.isfinite(self._times.kill_ms))
        return living

    def _kv_usage(self) -> NDArray[np.float64]:
        blocks = self._model.profiles["kv_blocks"][self._state.replicas["profile"]]
        usage: NDArray[np.float64] = 1 - self._state.replicas["free_blocks"] / blocks
        return usage

    def _drop_dead(self) -> None:
        """Drop the state of dead replicas, once it is most of all: each request looks at all replicas."""
        dead = ~self._living()
        if np.count_nonzero(dead) <= DEAD_KEPT + np.count_nonzero(~dead):
            return
        self._dropped = self._dropped.plus(state.totals(self._profiles, self._state.replicas[dead]))
        live = np.flatnonzero(self._living())
        self._state = state.with_replicas(self._state, live, self._next_row - 1)
        self._members = self._members[live]
        self._times = replaying.Times._make(column[live] for column in self._times)

    def _rules(self) -> replaying.Rules:
        service = self._service
        return replaying.Rules(
            routing=list(Routing).index(Routing(service.routing)),
            seed=service.seed,
            max_queued=min(NO_LIMIT if service.max_queued is None else service.max_queued, NO_LIMIT),
            max_queued_tokens=min(
                NO_LIMIT if service.max_queued_tokens is None else service.max_queued_tokens, NO_LIMIT
            ),
            expected_output_tokens=float(service.expected_output_tokens),
        )
