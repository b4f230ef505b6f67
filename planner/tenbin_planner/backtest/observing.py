"""What the planner is told of a service, as the record of the access log would have it (`tenbin_planner.demand`)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner import demand
from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.decide.observation import ObservedLengths
from tenbin_planner.demand import log
from tenbin_planner.demand.observation import BLIND_AFTER_S
from tenbin_planner.model.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tenbin_planner.backtest.gateway import Gateway

GATEWAY = "gateway"
BIN_S = 5
SAMPLE_S = 60.0
SAMPLE_SIZE = 20_000
LENGTHS_S = 300.0
WINDOWS_S = (60, 300, 3600)


def observation(
    gateways: Mapping[str, Gateway],
    classes: Mapping[str, Iterable[str]],
    faults: Sequence[mishaps.Fault],
    *,
    now_s: float,
    epoch_s: float,
) -> demand.GatewayObservation:
    """Return what is known at an instant.

    Args:
        gateways: by service.
        classes: classes of each service's agreement.
        faults: of which those count that keep the gateway from being heard.
        now_s: seconds of the scenario.
        epoch_s: seconds of the planner's clock at the beginning of the scenario, a whole multiple of 5.
    """
    blind = [fault for fault in faults if isinstance(fault, mishaps.Blind) and fault.at_s <= now_s]
    silence_s = max((now_s - fault.at_s for fault in blind if fault.hides(now_s)), default=0.0)
    gaps = [fault.at_s + fault.for_s for fault in blind if fault.for_s > BLIND_AFTER_S and not fault.hides(now_s)]
    known_s = math.floor(max(gaps, default=0.0)) + 1
    silences_s = {GATEWAY: silence_s} if silence_s <= log.GATEWAY_GONE_AFTER_S else {}
    until_s = demand.known_until(silences_s, now_s)
    return demand.GatewayObservation(
        at=epoch_s + now_s,
        gateways=silences_s,
        classes={
            (service, name): _observed(
                gateways[service], service, name, known=range(known_s, math.floor(until_s)), epoch_s=epoch_s
            )
            for service in sorted(gateways)
            for name in sorted(classes[service])
        },
        ignored={},
    )


def lengths(gateway: Gateway) -> ObservedLengths | None:
    """Return the mean lengths of what was answered lately, None without any."""
    since = gateway.ended.since(gateway.now_s - LENGTHS_S)
    rows = gateway.ended.row[since]
    rows = rows[gateway.heard[rows] & (gateway.outcome[rows] == Outcome.FINISHED)]
    if not rows.size:
        return None
    return ObservedLengths(
        input_tokens=float(gateway.arrivals.input_tokens[rows].mean()),
        output_tokens=float(gateway.arrivals.output_tokens[rows].mean()),
        requests=rows.size,
    )


def _observed(gateway: Gateway, service: str, name: str, *, known: range, epoch_s: float) -> demand.ClassObservation:
    names = gateway.arrivals.classes
    index = names.index(name) if name in names else None
    windows = [demand.Attainment(good=0, total=0) if index is None else _within(gateway, index, s) for s in WINDOWS_S]
    rows = np.empty(0, dtype=np.int64) if index is None else _sample(gateway, index)
    ttft, tpot, e2e = gateway.times_ms[:, rows]
    good, total = (0, 0) if index is None else gateway.good_total[:, index].tolist()
    failed, shed = (0, 0) if index is None else gateway.missed_total[:, index].tolist()
    tokens = gateway.arrivals.output_tokens[rows]
    return demand.ClassObservation(
        service=service,
        class_name=name,
        arrivals=_arrivals(gateway, index, known),
        in_flight=0 if index is None else int(gateway.in_flight[index]),
        last_minute=windows[0],
        last_5_minutes=windows[1],
        last_hour=windows[2],
        cumulative=demand.Attainment(good=good, total=total),
        ttft_ms=_quantiles(ttft),
        tpot_ms=_quantiles(tpot[~np.isnan(tpot)]),
        e2e_ms=_quantiles(e2e),
        tpot_is_estimated=False,
        output_tokens=float(tokens.mean()) if tokens.size else None,
        failed=failed,
        shed=shed,
        cancelled=0,
        refused=0,
        running=demand.RunningSample() if index is None else gateway.progress.running(index),
        answers=demand.AnswerCounts(since=epoch_s) if index is None else gateway.progress.answers(index, since=epoch_s),
    )


def _arrivals(gateway: Gateway, index: int | None, known: range) -> tuple[int, ...]:
    known = known[-log.HISTORY_S :]
    column = [] if index is None or not known else gateway.by_second[index, known.start : known.stop].tolist()
    return (*column, *[0] * (len(known) - len(column)))


def _within(gateway: Gateway, index: int, seconds: int) -> demand.Attainment:
    """Count by bins, as the record does."""
    rows = gateway.ended.row[gateway.ended.since(BIN_S * math.floor((gateway.now_s - seconds) / BIN_S))]
    rows = rows[gateway.heard[rows] & (gateway.arrivals.class_index[rows] == index)]
    return demand.Attainment(good=int(np.count_nonzero(gateway.good[rows])), total=rows.size)


def _sample(gateway: Gateway, index: int) -> NDArray[np.int64]:
    rows = gateway.ended.row[gateway.ended.since(gateway.now_s - SAMPLE_S)]
    answered = gateway.heard[rows] & (gateway.outcome[rows] == Outcome.FINISHED)
    sample: NDArray[np.int64] = rows[answered & (gateway.arrivals.class_index[rows] == index)][-SAMPLE_SIZE:]
    return sample


def _quantiles(sample: NDArray[np.float64]) -> demand.Quantiles | None:
    if not sample.size:
        return None
    ordered = np.sort(sample)
    p50, p90, p99 = (float(ordered[math.ceil(share * sample.size) - 1]) for share in (0.50, 0.90, 0.99))
    return demand.Quantiles(p50=p50, p90=p90, p99=p99, count=sample.size)
