"""The record of demand: entries in, observations out, bounded in memory whatever comes."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.demand.entries import Ended, Outcome, Running, Started
from tenbin_planner.demand.observation import (
    BLIND_AFTER_S,
    Attainment,
    ClassObservation,
    GatewayObservation,
    Quantiles,
    known_until,
)
from tenbin_planner.demand.pace import Pace, Seen, so_far
from tenbin_planner.demand.progress import BINS, AnswerCounts, RunningSample, bins_of, histogram, passed
from tenbin_planner.demand.tokens import TokenEstimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective, Slo

HISTORY_S = 600
"""Seconds of arrivals that are kept."""
FORGOTTEN_AFTER_S = 35.0
"""A running request is heard of every 10 s; after three times that and a bit its end was lost."""
GATEWAY_GONE_AFTER_S = 600.0
_SAMPLE_S = 60.0
_SAMPLE_SIZE = 20_000
_COUNT_BIN_S = 5
_COUNT_BINS = 3600 // _COUNT_BIN_S
_MOST_IN_FLIGHT = 200_000
_MOST_GATEWAYS = 1000
_MOST_CAUSES = 100


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    at: float
    ttft_ms: float | None
    tpot_ms: float | None
    e2e_ms: float | None
    tokens: int | None
    is_estimated: bool
    is_streamed: bool


@dataclasses.dataclass(kw_only=True, slots=True)
class _ClassRecord:
    objective: Objective
    arrivals: dict[int, int] = dataclasses.field(default_factory=dict)
    """Requests by second, for the last `HISTORY_S`."""
    counts: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    """Good and all requests by bin of `_COUNT_BIN_S`, for the last hour."""
    answers: collections.deque[_Answer] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=_SAMPLE_SIZE)
    )
    good: int = 0
    total: int = 0
    outcomes: collections.Counter[Outcome] = dataclasses.field(default_factory=collections.Counter)
    pace: Pace = dataclasses.field(default_factory=Pace)
    counting_since: float | None = None
    ended: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    """Answers by the bin in which they ended."""
    reached: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    """Requests that are gone, by the bin that they got to, less those that came late, by the bin they came in with."""

    def count(self, *, is_good: bool, at: float) -> None:
        self.good += is_good
        self.total += 1
        counted = self.counts.setdefault(int(at // _COUNT_BIN_S), [0, 0])
        counted[0] += is_good
        counted[1] += 1
        if len(self.counts) > 2 * _COUNT_BINS:
            self.prune(at)

    def arrive(self, at: float) -> None:
        self.arrivals[int(at)] = self.arrivals.get(int(at), 0) + 1
        if len(self.arrivals) > 2 * HISTORY_S:
            self.prune(at)

    def within(self, seconds: int, now: float) -> Attainment:
        oldest = (now - seconds) / _COUNT_BIN_S
        recent = [counted for bin_, counted in self.counts.items() if bin_ + 1 > oldest]
        return Attainment(good=sum(good for good, _ in recent), total=sum(total for _, total in recent))

    def prune(self, now: float) -> None:
        _drop_below(self.arrivals, int(now) - HISTORY_S)
        _drop_below(self.counts, int(now // _COUNT_BIN_S) - _COUNT_BINS)
        while self.answers and self.answers[0].at < now - _SAMPLE_S:
            self.answers.popleft()

    def leave(self, tokens: int, *, is_end: bool) -> None:
        """Count an answer that is gone, at its end or at a number of tokens beyond which nothing is known."""
        bin_ = int(bins_of(tokens))
        if bin_ >= 0:
            self.reached[bin_] += 1
            self.ended[bin_] += is_end

    def come_late(self, tokens: int) -> None:
        """Count an answer that was not seen to get as far as it has."""
        bin_ = int(bins_of(tokens))
        if bin_ >= 0:
            self.reached[bin_] -= 1


def _drop_below(by_moment: dict[int, int] | dict[int, list[int]], oldest: int) -> None:
    for moment in [moment for moment in by_moment if moment < oldest]:
        del by_moment[moment]


class DemandLog:
    """Arrivals, requests in flight and attainment by service and class, from the entries of all gateways.

    Times given to the methods are seconds of one clock of the caller, best a monotonic one. An entry about a service
    or class that is not configured is counted as ignored and changes nothing else.
    """

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _ClassRecord] = {}
        self._tokens: dict[str, TokenEstimate] = {}
        self._in_flight: dict[str, Seen] = {}
        self._gateways: dict[str, float] = {}
        self._known_since: float | None = None
        self._ignored: collections.Counter[str] = collections.Counter()

    def configure(self, services: Mapping[str, Slo]) -> None:
        """Set the services with their objectives; what is known of those that stay is kept."""
        wanted = {
            (service, name): objective for service, slo in services.items() for name, objective in slo.classes.items()
        }
        self._records = {
            key: self._records.get(key, _ClassRecord(objective=objective)) for key, objective in wanted.items()
        }
        for key, objective in wanted.items():
            self._records[key].objective = objective
        self._tokens = {service: self._tokens.get(service, TokenEstimate()) for service in services}
        self._in_flight = {request: seen for request, seen in self._in_flight.items() if seen.key in wanted}

    def heard(self, gateway: str, *, at: float) -> None:
        """Take note of a sign of life of a gateway, by its node id. Call it before the entries that came with it."""
        last = max(self._gateways.values(), default=None)
        if last is None or at - last > BLIND_AFTER_S:
            self._known_since = at
        if gateway in self._gateways or len(self._gateways) < _MOST_GATEWAYS:
            self._gateways[gateway] = at
        else:
            self.ignore("too many gateways")

    def ignore(self, cause: str) -> None:
        """Count an entry that cannot be used."""
        if cause in self._ignored or len(self._ignored) < _MOST_CAUSES:
            self._ignored[cause] += 1

    def started(self, entry: Started, *, at: float) -> None:
        """Record an arrival."""
        record = self._record(entry.service, entry.class_name)
        if record is None:
            return
        if entry.request in self._in_flight:
            self.ignore("request started twice")
            return
        self._arrive(record, at)
        self._keep(entry, came_at=at, at=at)

    def running(self, entry: Running, *, at: float) -> None:
        """Record that a request still runs; one whose start was lost becomes known."""
        record = self._record(entry.service, entry.class_name)
        if record is None:
            return
        is_late = entry.request not in self._in_flight
        seen = self._keep(entry, came_at=at - (entry.age_ms or 0.0) / 1000, at=at)
        self._see_bytes(seen, entry)
        if seen is None:
            return
        seen.is_streamed, seen.is_heard = entry.is_streamed, True
        if entry.ttft_ms is not None:
            seen.first_at = seen.came_at + entry.ttft_ms / 1000
        if is_late:
            record.come_late(so_far(seen, self._tokens[entry.service], record.pace, now=at))

    def ended(self, entry: Ended, *, at: float) -> None:
        """Record the end of a request and judge it by its class's objective of this moment."""
        record = self._record(entry.service, entry.class_name)
        if record is None:
            return
        seen = self._in_flight.pop(entry.request, None)
        came_at = at - (entry.e2e_ms or 0.0) / 1000
        if seen is None:
            self._arrive(record, came_at)
        self._see_bytes(seen, entry)
        if seen is not None or self._is_known(came_at):
            self._leave(record, entry)
        record.outcomes[entry.outcome] += 1
        if entry.outcome in (Outcome.FAILED, Outcome.SHED):
            record.count(is_good=False, at=at)
        elif entry.outcome is Outcome.ANSWERED:
            answer = self._answer(entry, at)
            record.answers.append(answer)
            is_good = record.objective.is_good(ttft_ms=answer.ttft_ms, tpot_ms=answer.tpot_ms, e2e_ms=answer.e2e_ms)
            record.count(is_good=is_good, at=at)

    def learn_tokens(self, service: str, *, tokens: float) -> None:
        """Learn bytes per token from the engines: tokens that a service's engines generated since the last call."""
        if service in self._tokens:
            self._tokens[service].learn_counter(tokens)

    def snapshot(self, now: float) -> GatewayObservation:
        """Return what is known at `now`, and forget what is too old."""
        for request in [name for name, seen in self._in_flight.items() if seen.heard_at < now - FORGOTTEN_AFTER_S]:
            lost = self._in_flight.pop(request)
            self._records[lost.key].leave(
                so_far(lost, self._tokens[lost.key[0]], Pace(), now=lost.heard_at), is_end=False
            )
        for gateway in [name for name, at in self._gateways.items() if at < now - GATEWAY_GONE_AFTER_S]:
            del self._gateways[gateway]
        in_flight: dict[tuple[str, str], list[Seen]] = {key: [] for key in self._records}
        for seen in self._in_flight.values():
            in_flight[seen.key].append(seen)
        gateways = {name: max(0.0, now - at) for name, at in sorted(self._gateways.items())}
        until = int(known_until(gateways, now))
        return GatewayObservation(
            at=now,
            gateways=gateways,
            classes={
                key: self._observe(key, record, in_flight[key], now, until)
                for key, record in sorted(self._records.items())
            },
            ignored=dict(sorted(self._ignored.items())),
        )

    def _record(self, service: str, class_name: str) -> _ClassRecord | None:
        record = self._records.get((service, class_name))
        if record is None:
            self.ignore("unknown service or class")
        return record

    def _arrive(self, record: _ClassRecord, at: float) -> None:
        if self._is_known(at):
            record.arrive(at)

    def _is_known(self, at: float) -> bool:
        """Tell whether the gateways were heard without a gap since an instant."""
        return self._known_since is not None and at >= self._known_since - 1

    def _keep(self, entry: Started | Running, *, came_at: float, at: float) -> Seen | None:
        seen = self._in_flight.get(entry.request)
        if seen is not None:
            seen.heard_at = at
        elif len(self._in_flight) < _MOST_IN_FLIGHT:
            seen = Seen(key=(entry.service, entry.class_name), came_at=came_at, heard_at=at)
            self._in_flight[entry.request] = seen
        else:
            self.ignore("too many requests in flight")
        return seen

    def _leave(self, record: _ClassRecord, entry: Ended) -> None:
        if entry.outcome in (Outcome.SHED, Outcome.REFUSED):
            return
        tokens = entry.output_tokens
        if tokens is None:
            streamed = entry.is_streamed and entry.output_bytes > 0
            tokens = self._tokens[entry.service].tokens(entry.output_bytes) if streamed else 0
        record.leave(tokens, is_end=entry.outcome in (Outcome.ANSWERED, Outcome.CANCELLED))

    def _see_bytes(self, seen: Seen | None, entry: Running | Ended) -> None:
        before = seen.output_bytes if seen else 0
        self._tokens[entry.service].see_bytes(max(0, entry.output_bytes - before), is_streamed=entry.is_streamed)
        if seen:
            seen.output_bytes = entry.output_bytes

    def _answer(self, entry: Ended, at: float) -> _Answer:
        estimate = self._tokens[entry.service]
        tokens, tpot_ms = entry.output_tokens, None
        is_estimated = entry.is_streamed and tokens is None
        if entry.is_streamed:
            if tokens is None:
                tokens = estimate.tokens(entry.output_bytes)
            else:
                estimate.learn_usage(output_bytes=entry.output_bytes, output_tokens=tokens)
            if tokens > 1 and entry.ttft_ms is not None and entry.e2e_ms is not None:
                tpot_ms = max(0.0, entry.e2e_ms - entry.ttft_ms) / (tokens - 1)
        return _Answer(
            at=at,
            ttft_ms=entry.ttft_ms,
            tpot_ms=tpot_ms,
            e2e_ms=entry.e2e_ms,
            tokens=tokens,
            is_estimated=is_estimated,
            is_streamed=entry.is_streamed,
        )

    def _observe(
        self, key: tuple[str, str], record: _ClassRecord, in_flight: list[Seen], now: float, until: int
    ) -> ClassObservation:
        record.prune(now)
        first = max(int(now) - HISTORY_S, int(self._known_since) + 1 if self._known_since is not None else until)
        answers = [answer for answer in record.answers if now - _SAMPLE_S <= answer.at <= now]
        tokens = [answer.tokens for answer in answers if answer.tokens is not None]
        ttft_ms, tpot_ms = (
            Quantiles.of(_known(getattr(answer, name) for answer in answers)) for name in ("ttft_ms", "tpot_ms")
        )
        record.pace = Pace.of(ttft_ms, tpot_ms, _plain_token_ms(answers))
        progress = np.array([so_far(seen, self._tokens[key[0]], record.pace, now=now) for seen in in_flight], dtype=int)
        ages = np.array([max(0.0, now - seen.came_at) for seen in in_flight], dtype=float)
        if record.counting_since is None and self._known_since is not None:
            record.counting_since = now
        return ClassObservation(
            service=key[0],
            class_name=key[1],
            arrivals=tuple(record.arrivals.get(second, 0) for second in range(first, until)),
            in_flight=len(in_flight),
            last_minute=record.within(60, now),
            last_5_minutes=record.within(300, now),
            last_hour=record.within(3600, now),
            cumulative=Attainment(good=record.good, total=record.total),
            ttft_ms=ttft_ms,
            tpot_ms=tpot_ms,
            e2e_ms=Quantiles.of(_known(answer.e2e_ms for answer in answers)),
            tpot_is_estimated=any(answer.is_estimated for answer in answers),
            output_tokens=sum(tokens) / len(tokens) if tokens else None,
            failed=record.outcomes[Outcome.FAILED],
            shed=record.outcomes[Outcome.SHED],
            cancelled=record.outcomes[Outcome.CANCELLED],
            refused=record.outcomes[Outcome.REFUSED],
            running=RunningSample.of(ages, progress),
            answers=_counts(record, progress),
        )


def _counts(record: _ClassRecord, progress: NDArray[np.int64]) -> AnswerCounts | None:
    if record.counting_since is None:
        return None
    beyond = np.maximum(passed(record.reached + histogram(progress)), 0)
    return AnswerCounts(since=record.counting_since, ended=tuple(record.ended.tolist()), passed=tuple(beyond.tolist()))


def _plain_token_ms(answers: Iterable[_Answer]) -> float | None:
    """Return what a token takes in answers in one piece that say how many they had, in ms."""
    known = [
        answer.e2e_ms / answer.tokens
        for answer in answers
        if not answer.is_streamed and answer.tokens and answer.e2e_ms is not None
    ]
    found = Quantiles.of(known)
    return found.p50 if found else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
