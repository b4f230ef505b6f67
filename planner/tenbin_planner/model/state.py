"""The arrays in which the kernels keep profiles, replicas and requests.

One record per profile, replica and request; what a kernel scans stands in arrays of its own. Rows are never moved:
a request is its row, a replica its index.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tenbin_spec.profiles import EngineProfile, Knot

NEVER = 1 << 62
"""Number of a pass that does not come."""
NOBODY = -1
"""Row of no request."""

WAITS, FINISHED, SHED, FAILED, IN_FLIGHT = -1, 0, 1, 2, 3
"""What became of a request; it waits until it has arrived."""

PROFILE = np.dtype(
    [
        ("max_num_seqs", "i8"),
        ("max_num_batched_tokens", "i8"),
        ("kv_blocks", "i8"),
        ("block_size", "i8"),
        ("max_model_len", "i8"),
        ("kv_knots", "i8"),
        ("per_prefill_context_ms", "f8"),
        ("per_request_ms", "f8"),
        ("per_output_token_ms", "f8"),
        ("first_token_ms", "f8"),
    ]
)

PASS = np.dtype(
    [
        ("decodes", "i8"),
        ("kv_tokens", "i8"),  # that the decodes read
        ("prefill_tokens", "i8"),
        ("prefill_context", "f8"),
        ("firsts", "i8"),  # prompts that it completes
        ("tokens", "i8"),  # output tokens that it brings
        ("ends", "?"),  # one of them is the last of its request
    ]
)

REPLICA = np.dtype(
    [
        ("profile", "i8"),
        ("now_ms", "f8"),
        ("end_ms", "f8"),  # of the current pass
        ("api_free_ms", "f8"),
        ("composed", "i8"),  # number of the pass composed last, from 1
        ("current", "i8"),  # number of the pass that runs; 0 for none
        ("following", "i8"),  # number of the pass composed after it; 0 for none
        ("running", "i8"),
        ("decoding", "i8"),  # sequences that take part in the next pass as decodes
        ("kv_tokens", "i8"),  # tokens of context of these
        ("next_last", "i8"),  # first pass that brings one of these its last token
        ("partial", "i8"),  # row whose prompt is computed in part; it is the last one running
        ("free_blocks", "i8"),
        ("handed_out", "i8"),  # blocks taken from the queue of free ones so far
        ("arriving_head", "i8"),
        ("arriving_tail", "i8"),
        ("waiting_head", "i8"),
        ("waiting_tail", "i8"),
        ("queued", "i8"),  # requests arriving or waiting
        ("queued_prompt_tokens", "i8"),  # their prompts
        ("popped", "i8"),  # sequences preempted while their pass still runs
        ("preemptions", "i8"),
        ("events", "i8"),
        ("peak_decodes", "i8"),
        ("peak_kv_tokens", "i8"),
        ("peak_prefill_tokens", "i8"),
    ]
)

REQUEST = np.dtype(
    [
        ("arrival_ms", "f8"),
        ("input_tokens", "i8"),
        ("cached_tokens", "i8"),
        ("output_tokens", "i8"),
        ("admitted_ms", "f8"),
        ("scheduled_ms", "f8"),
        ("first_ms", "f8"),
        ("last_ms", "f8"),
        ("drawn", "i8"),  # tokens drawn before its present admission
        ("computed", "i8"),  # while its prompt is computed in part
        ("next", "i8"),
        ("cached_until", "i8"),  # `handed_out` at which the last of its blocks of before has been reused
        ("cached_blocks", "i8"),  # that it had when it was preempted
        ("preemptions", "i4"),
        ("replica", "i4"),
        ("outcome", "i1"),
    ]
)


class Model(NamedTuple):
    """Profiles as tables; never changed."""

    profiles: NDArray[Any]
    """Shape (profiles,), of `PROFILE`."""
    decode_ms: NDArray[np.float64]
    """Shape (profiles, sequences + 1)."""
    prefill_ms: NDArray[np.float64]
    """Shape (profiles, tokens + 1); 0 for a pass that computes no prompt."""
    kv_from: NDArray[np.int64]
    """Shape (profiles, knots): where each straight piece of `kv_ms` begins."""
    kv_ms: NDArray[np.float64]
    """Its value there."""
    kv_slope: NDArray[np.float64]
    """And its milliseconds per token."""


class State(NamedTuple):
    """What changes; arrays by replica and by request."""

    replicas: NDArray[Any]
    """Shape (replicas,), of `REPLICA`."""
    passes: NDArray[Any]
    """Shape (replicas, 2), of `PASS`, by number modulo 2: the one that runs and the one composed after it."""
    in_flight: NDArray[np.int64]
    """Requests not finished."""
    uncomputed: NDArray[np.int64]
    """Prompt tokens taken and not yet computed."""
    held: NDArray[np.int64]
    """Prompt tokens of all requests in flight."""
    due_ms: NDArray[np.float64]
    """Nothing that a router sees changes before, unless a request comes."""
    rows: NDArray[np.int32]
    """Shape (replicas, slots): who runs, in the order of admission."""
    starts: NDArray[np.int64]
    """Pass that completes the prompt, of each of these; `NEVER` while it is not known."""
    lasts: NDArray[np.int64]
    """Pass that brings the last token."""
    contexts: NDArray[np.int64]
    """Tokens computed when the prompt is complete."""
    phases: NDArray[np.int64]
    """Shape (replicas, block size): decodes that need a block in passes of this number modulo the block size."""
    firsts: NDArray[np.int32]
    """Shape (replicas, 2, slots): prompts that a pass completes, by its number modulo 2."""
    popped: NDArray[np.int32]
    """Shape (replicas, slots): preempted while their pass runs."""
    popped_rank: NDArray[np.int64]
    """And their place in this pass."""
    requests: NDArray[Any]
    """Shape (requests,), of `REQUEST`."""


@functools.lru_cache(maxsize=64)
def model_of(profiles: tuple[EngineProfile, ...]) -> Model:
    """Return the tables of profiles.

    Raises:
        ValueError: when the KV cache cannot hold one sequence of `max_model_len`, or a pass not one token of each
            sequence; the engine refuses to start then.
    """
    for profile in profiles:
        _refuse(profile)
    records = np.zeros(len(profiles), dtype=PROFILE)
    limits = [profile.limits for profile in profiles]
    knots = max((len(profile.forward.kv_ms) for profile in profiles), default=1)
    model = Model(
        profiles=records,
        decode_ms=np.zeros((len(profiles), max((limit.max_num_seqs for limit in limits), default=0) + 1)),
        prefill_ms=np.zeros((len(profiles), max((limit.max_num_batched_tokens for limit in limits), default=0) + 1)),
        kv_from=np.full((len(profiles), knots), NEVER, dtype=np.int64),
        kv_ms=np.zeros((len(profiles), knots)),
        kv_slope=np.zeros((len(profiles), knots)),
    )
    for index, profile in enumerate(profiles):
        _fill(model, index, profile)
    return model


class Totals(NamedTuple):
    """What replicas have counted, summed up."""

    preemptions: int = 0
    events: int = 0
    extrapolated: bool = False
    """Whether a pass of one of them went beyond the last knot of one of its profile's curves."""

    def plus(self, other: Totals) -> Totals:
        """Return both together."""
        return Totals(
            self.preemptions + other.preemptions, self.events + other.events, self.extrapolated or other.extrapolated
        )


def totals(profiles: Sequence[EngineProfile], replicas: NDArray[Any]) -> Totals:
    """Sum up what replicas have counted."""
    return Totals(
        preemptions=int(replicas["preemptions"].sum()),
        events=int(replicas["events"].sum()),
        extrapolated=any(_is_extrapolated(profiles[replica["profile"]], replica) for replica in replicas),
    )


def _is_extrapolated(profile: EngineProfile, replica: NDArray[Any]) -> bool:
    forward = profile.forward
    return bool(
        replica["peak_decodes"] > forward.decode_ms[-1][0]
        or replica["peak_kv_tokens"] > forward.kv_ms[-1][0]
        or replica["peak_prefill_tokens"] > forward.prefill_ms[-1][0]
    )


def _refuse(profile: EngineProfile) -> None:
    limits = profile.limits
    if limits.kv_tokens < limits.max_model_len:
        raise ValueError(
            f"profile {profile.name}: a KV cache of {limits.kv_tokens} tokens cannot hold one sequence of "
            f"max_model_len {limits.max_model_len}"
        )
    if limits.max_num_batched_tokens < limits.max_num_seqs:
        raise ValueError(
            f"profile {profile.name}: max_num_batched_tokens {limits.max_num_batched_tokens} is below max_num_seqs "
            f"{limits.max_num_seqs}: a pass could not hold one token of each sequence"
        )


def _fill(model: Model, index: int, profile: EngineProfile) -> None:
    forward, limits, record = profile.forward, profile.limits, model.profiles[index]
    for name, value in limits:
        record[name] = value
    for name, value in profile.api:
        record[name] = value
    record["per_prefill_context_ms"] = forward.per_prefill_context_ms
    record["kv_knots"] = len(forward.kv_ms)
    model.decode_ms[index, : limits.max_num_seqs + 1] = _table(forward.decode_ms, limits.max_num_seqs)
    model.prefill_ms[index, : limits.max_num_batched_tokens + 1] = _table(
        forward.prefill_ms, limits.max_num_batched_tokens
    )
    model.prefill_ms[index, 0] = 0.0
    slope = 0.0
    for piece, (tokens, milliseconds) in enumerate(forward.kv_ms):
        if piece + 1 < len(forward.kv_ms):
            following = forward.kv_ms[piece + 1]
            slope = (following[1] - milliseconds) / (following[0] - tokens)
        model.kv_from[index, piece] = tokens
        model.kv_ms[index, piece] = milliseconds
        model.kv_slope[index, piece] = slope


def _table(knots: tuple[Knot, ...], last: int) -> NDArray[np.float64]:
    """Return a curve's value at 0, 1, ..., last."""
    amounts = np.arange(last + 1)
    at, milliseconds = np.array(knots, dtype=np.float64).T
    values: NDArray[np.float64] = np.interp(amounts, at, milliseconds)
    beyond = amounts > at[-1]
    if len(knots) > 1:
        slope = (milliseconds[-1] - milliseconds[-2]) / (at[-1] - at[-2])
        values[beyond] += slope * (amounts[beyond] - at[-1])
    return values


def empty_state(model: Model, replica_profiles: Sequence[int], requests: int) -> State:
    """Return idle replicas and rows for requests.

    Args:
        model: profiles.
        replica_profiles: index of each replica's profile.
        requests: number of rows.
    """
    count = len(replica_profiles)
    slots = int(model.profiles["max_num_seqs"].max(initial=1))
    replicas = np.zeros(count, dtype=REPLICA)
    replicas["profile"] = replica_profiles
    replicas["next_last"] = NEVER
    for name in ("partial", "arriving_head", "arriving_tail", "waiting_head", "waiting_tail"):
        replicas[name] = NOBODY
    replicas["free_blocks"] = model.profiles["kv_blocks"][list(replica_profiles)]
    rows = np.zeros(requests, dtype=REQUEST)
    for name in ("admitted_ms", "scheduled_ms", "first_ms", "last_ms"):
        rows[name] = np.nan
    rows["next"] = rows["replica"] = NOBODY
    rows["outcome"] = WAITS
    return State(
        replicas=replicas,
        passes=np.zeros((count, 2), dtype=PASS),
        in_flight=np.zeros(count, dtype=np.int64),
        uncomputed=np.zeros(count, dtype=np.int64),
        held=np.zeros(count, dtype=np.int64),
        due_ms=np.full(count, np.inf),
        rows=np.zeros((count, slots), dtype=np.int32),
        starts=np.zeros((count, slots), dtype=np.int64),
        lasts=np.zeros((count, slots), dtype=np.int64),
        contexts=np.zeros((count, slots), dtype=np.int64),
        phases=np.zeros((count, int(model.profiles["block_size"].max(initial=1))), dtype=np.int64),
        firsts=np.zeros((count, 2, slots), dtype=np.int32),
        popped=np.zeros((count, slots), dtype=np.int32),
        popped_rank=np.zeros((count, slots), dtype=np.int64),
        requests=rows,
    )


def copied(state: State) -> State:
    """Return a state of its own with the same content."""
    return State(**{name: array.copy() for name, array in state._asdict().items()})


def with_replica(state: State, model: Model, profile: int) -> State:
    """Return a state with one more replica, idle, of a profile; the requests' array is shared."""
    fresh = empty_state(model, [profile], 0)._asdict()
    joined = {}
    for name, old in state._asdict().items():
        new = fresh[name]
        if name == "requests":
            joined[name] = old
            continue
        wide = np.zeros((old.shape[0] + 1, *np.maximum(old.shape[1:], new.shape[1:])), dtype=old.dtype)
        wide[(slice(0, old.shape[0]), *(slice(0, size) for size in old.shape[1:]))] = old
        wide[(old.shape[0], *(slice(0, size) for size in new.shape[1:]))] = new[0]
        joined[name] = wide
    return State(**joined)


def with_replicas(state: State, kept: NDArray[np.int64], newest_row: int) -> State:
    """Return a state with some of its replicas alone; the requests' array is shared and changed.

    Args:
        state: to take them from; nothing is in flight in the others.
        kept: their indices, rising.
        newest_row: request that came last, whose replica a router may still ask for; -1 for none.
    """
    requests = state.requests
    rows = np.flatnonzero(requests["outcome"] == IN_FLIGHT)
    requests["replica"][rows] = np.searchsorted(kept, requests["replica"][rows])
    if newest_row >= 0 and requests["outcome"][newest_row] != IN_FLIGHT:
        # The next one in a circle stays the next one, whether its predecessor is kept or not.
        before = requests["replica"][newest_row]
        requests["replica"][newest_row] = np.searchsorted(kept, before, side="right") - 1
    return State(**{name: old if name == "requests" else old[kept] for name, old in state._asdict().items()})
