"""One replica driven pass by pass, with each token in sight: what a simulated engine runs on."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner import compiling
from tenbin_planner.model import advancing, leaving, state

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineProfile


ROWS = 64
"""Rows for requests at the start; they are doubled when they run out."""


def warm_up(profile: EngineProfile) -> None:
    """Load the kernels, or compile them, which takes seconds once; until then a first request would wait for it."""
    replica = Replica(profile)
    for number in range(2):
        replica.add(Request(id=number, arrival_ms=0.0, input_tokens=1, output_tokens=1))
    replica.abort(1)
    while replica.next_ms < math.inf:
        replica.step()


def is_compiled() -> bool:
    """Whether `warm_up` only has to load."""
    return compiling.is_compiled(advancing.step) and compiling.is_compiled(leaving.abort)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a client asks for."""

    id: int
    arrival_ms: float
    """When the API process gets it."""
    input_tokens: int
    output_tokens: int
    """Length of the answer; the engine learns it only by reaching it."""
    request_class: str = ""
    cached_tokens: int = 0
    """Tokens of the prompt that need no computing (prefix cache)."""


@dataclasses.dataclass(slots=True, eq=False)
class Sequence:
    """A request inside a replica, and what became of it so far. Read it; only the replica writes it."""

    request: Request
    admitted_ms: float
    """When the API process hands it to the engine."""
    scheduled_ms: float = math.nan
    """When it was first put into a pass; NaN before its first token."""
    first_token_ms: float = math.nan
    """When its first token reached the client; NaN before."""
    last_token_ms: float = math.nan
    """When its newest token reached the client; NaN before the first."""
    emitted: int = 0
    """Output tokens that came out of the accelerator."""
    preemptions: int = 0

    @property
    def finished(self) -> bool:
        """Whether the whole answer is out."""
        return self.emitted == self.request.output_tokens


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A pass that ended, and the tokens that it brought."""

    sequences: list[Sequence]
    """Sequences that got a token, in the order in which the API process delivers them."""
    prefill_tokens: int
    """Prompt tokens that it computed."""
    delivered_ms: list[float]
    """When the token of each of these reaches its client."""


class Replica:
    """One engine replica over virtual time.

    >>> import math
    >>> from tenbin_planner.model.stepwise import Replica, Request
    >>> from tenbin_spec import catalogue
    >>> replica = Replica(catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"])
    >>> answer = replica.add(Request(id=1, arrival_ms=0.0, input_tokens=300, output_tokens=2))
    >>> while replica.next_ms < math.inf:
    ...     step = replica.step()
    >>> round(answer.first_token_ms, 2), round(answer.last_token_ms, 2)
    (56.47, 80.95)
    """

    def __init__(self, profile: EngineProfile, *, max_queued: int | None = None) -> None:
        """Start an empty replica.

        Args:
            profile: timing and limits.
            max_queued: requests that may wait; more are refused (`--max-num-queued-reqs`). None: no limit.

        Raises:
            ValueError: when the profile's limits contradict each other; the engine refuses to start then.
        """
        self.profile = profile
        self._max_queued = 1 << 60 if max_queued is None else max_queued
        self._model = state.model_of((profile,))
        self._state = state.empty_state(self._model, [0], ROWS)
        self._sequences: dict[int, Sequence] = {}
        self._rows: dict[int, int] = {}
        self._free_rows = list(range(ROWS))
        self._sampled = np.zeros(2 * profile.limits.max_num_seqs, dtype=np.int64)

    @property
    def now_ms(self) -> float:
        """The instant up to which it has been driven."""
        return float(self._state.replicas["now_ms"][0])

    @property
    def next_ms(self) -> float:
        """When `step` has something to do next, in milliseconds; infinite while the replica is idle."""
        return advancing.next_ms(self._state, 0)

    @property
    def in_flight(self) -> int:
        """Requests that are not finished."""
        return len(self._sequences)

    @property
    def running(self) -> int:
        """Sequences in execution."""
        return int(self._state.replicas["running"][0])

    @property
    def waiting(self) -> int:
        """Requests that wait for their admission or, preempted, for their return."""
        return int(self._state.replicas["queued"][0])

    @property
    def kv_usage(self) -> float:
        """Share of KV blocks in use, 0 to 1."""
        return 1 - float(self._state.replicas["free_blocks"][0]) / self.profile.limits.kv_blocks

    @property
    def preemptions(self) -> int:
        """Preemptions so far."""
        return int(self._state.replicas["preemptions"][0])

    def add(self, request: Request) -> Sequence | None:
        """Take a request at its `arrival_ms`.

        Whoever drives the replica adds the requests that arrive at an instant before it steps past that instant.

        Returns:
            Its sequence; None when the queue is full and the request is refused.

        Raises:
            ValueError: for a length or an instant that is impossible; the message names it.
        """
        self._check(request)
        if self.waiting >= self._max_queued:
            return None
        row = self._row()
        fresh = self._state.requests[row]
        fresh["arrival_ms"] = request.arrival_ms
        fresh["input_tokens"] = request.input_tokens
        fresh["cached_tokens"] = request.cached_tokens
        fresh["output_tokens"] = request.output_tokens
        fresh["scheduled_ms"] = fresh["first_ms"] = fresh["last_ms"] = math.nan
        fresh["drawn"] = fresh["computed"] = fresh["preemptions"] = 0
        fresh["cached_until"] = fresh["cached_blocks"] = 0
        advancing.add(self._model, self._state, 0, row, 1 << 60, 1 << 60)
        sequence = Sequence(request, admitted_ms=float(fresh["admitted_ms"]))
        self._sequences[row] = sequence
        self._rows[request.id] = row
        return sequence

    def abort(self, request_id: int) -> Sequence | None:
        """Forget a request whose client has gone; its share of passes already composed is still computed.

        Returns:
            The sequence; None when the replica does not hold it.
        """
        row = self._rows.pop(request_id, None)
        if row is None:
            return None
        leaving.abort(self._model, self._state, 0, row)
        self._free_rows.append(row)
        return self._sequences.pop(row)

    def step(self) -> Step | None:
        """Go to `next_ms`: end the pass that runs and start the next one, or start the first one after idleness.

        Returns:
            The pass that ended; None when none ran.

        Raises:
            RuntimeError: when the replica is idle.
        """
        if self.next_ms == math.inf:
            raise RuntimeError("the replica is idle: it has no next step")
        replica = self._state.replicas[0]
        number = int(replica["current"])
        if not number:
            advancing.step(self._model, self._state, 0)
            return None
        rows = self._sampled[: leaving.sampled(self._state, 0, self._sampled)].tolist()
        prefill_tokens = int(self._state.passes["prefill_tokens"][0, number & 1])
        sequences = [self._sequences[row] for row in rows]
        delivered = self._delivered_ms(sequences, max(float(replica["api_free_ms"]), float(replica["end_ms"])))
        advancing.step(self._model, self._state, 0)
        for row, instant in zip(rows, delivered, strict=True):
            self._note(row, instant)
        return Step(sequences, prefill_tokens, delivered)

    def _delivered_ms(self, sequences: list[Sequence], start_ms: float) -> list[float]:
        """Return when the tokens of a pass reach their clients; the API process takes them up in turn."""
        api, instants = self.profile.api, []
        for position, sequence in enumerate(sequences, start=1):
            instant = start_ms + position * api.per_output_token_ms
            instants.append(max(instant, sequence.first_token_ms) if sequence.emitted else instant + api.first_token_ms)
        return instants

    def _note(self, row: int, delivered_ms: float) -> None:
        """Write down one more token of a request, and forget a finished one."""
        sequence, record = self._sequences[row], self._state.requests[row]
        sequence.emitted += 1
        sequence.last_token_ms = delivered_ms
        sequence.preemptions = int(record["preemptions"])
        if sequence.emitted == 1:
            sequence.first_token_ms = delivered_ms
            sequence.scheduled_ms = float(record["scheduled_ms"])
        if sequence.finished:
            del self._sequences[row], self._rows[sequence.request.id]
            self._free_rows.append(row)

    def _row(self) -> int:
        if not self._free_rows:
            held = self._state.requests
            self._state = self._state._replace(requests=np.concatenate([held, np.zeros_like(held)]))
            self._free_rows = list(range(held.size, 2 * held.size))
        return self._free_rows.pop()

    def _check(self, request: Request) -> None:
        limit = self.profile.limits.max_model_len
        if request.input_tokens < 1 or request.output_tokens < 1:
            raise ValueError(
                f"request {request.id}: input_tokens {request.input_tokens} and output_tokens {request.output_tokens} "
                "must be 1 or more"
            )
        if not 0 <= request.cached_tokens < request.input_tokens:
            raise ValueError(
                f"request {request.id}: cached_tokens {request.cached_tokens} must be 0 or more and below the "
                f"input_tokens {request.input_tokens}"
            )
        if request.input_tokens + request.output_tokens > limit:
            raise ValueError(
                f"request {request.id}: {request.input_tokens} + {request.output_tokens} tokens exceed "
                f"max_model_len {limit}"
            )
        if not self.now_ms <= request.arrival_ms < math.inf:
            raise ValueError(
                f"request {request.id}: arrival_ms {request.arrival_ms} must be finite and not before {self.now_ms}"
            )
        if request.id in self._rows:
            raise ValueError(f"request {request.id}: this id is already in flight")
