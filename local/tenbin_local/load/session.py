"""One run from beginning to end: send the traffic, watch what follows, and hand back all that was seen."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from tenbin_local import errors
from tenbin_local.agent import api as kubernetes
from tenbin_local.load import driving, live, preparation, summary
from tenbin_local.load.client import Client
from tenbin_local.load.observing import FleetWatch, PlanWatch
from tenbin_local.load.preparation import Options, Plan, Target
from tenbin_local.load.progress import Progress
from tenbin_local.load.report import Run

REFRESH_S = 0.5
LINE_PERIOD_S = 5.0
LATE_P99_MS = 100.0
"""A client that is later than this measures its own delay too."""


async def run(target: Target, options: Options, console: Console) -> Run:
    """Send the traffic and watch; an interrupt (SIGINT, SIGTERM) ends it at once with what was done.

    Raises:
        UsageError: the options ask for something that is not done; nothing was sent.
        LocalError: the cluster cannot be reached, or has no stack.
    """
    async with _connected(target.kubeconfig) as api:
        plan = await preparation.prepare(api, target, options)
        share = f", {plan.rate / plan.capacity_rps:.2f} of what one replica can do" if plan.capacity_rps else ""
        console.print(
            f"{len(plan.requests)} requests to {plan.service} at {plan.gateway_url} over "
            f"{options.shape.duration_s:g} s; base rate {plan.rate:.2f}/s{share}",
            highlight=False,
            soft_wrap=True,
        )
        return await _run(api, plan, options, console)


async def _run(api: kubernetes.Api, plan: Plan, options: Options, console: Console) -> Run:
    loop = asyncio.get_running_loop()
    began = loop.time()

    def clock() -> float:
        return loop.time() - began

    started = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    fleet_watch = FleetWatch(api, plan.document, plan.service, clock)
    plan_watch = PlanWatch(plan.planner_url, plan.service, clock) if plan.planner_url else None
    model = plan.document.services[plan.service].model
    async with Client(plan.gateway_url, service=plan.service, model=model, clock=clock) as client:
        traffic = driving.Traffic(plan.requests, client.send, clock, max_in_flight=options.max_in_flight)
        progress = Progress(
            plan, shape=options.shape, traffic=traffic, fleet_watch=fleet_watch, plan_watch=plan_watch, clock=clock
        )
        watching = [fleet_watch.run(), *([plan_watch.run()] if plan_watch else []), _show(progress, console, clock)]
        with _interrupt() as stop:
            async with _in_background(watching):
                await traffic.run(stop)
                await _until(options.shape.duration_s, clock, stop)
                duration_s = clock()
    return Run(
        document=plan.document,
        service=plan.service,
        shape=options.shape,
        rate=plan.rate,
        capacity_rps=plan.capacity_rps,
        seed=options.seed,
        started=started,
        duration_s=duration_s,
        interrupted=stop.is_set(),
        records=sorted(traffic.records, key=lambda record: record.planned.number),
        samples=fleet_watch.samples,
        decisions=plan_watch.decisions if plan_watch else [],
        problems=_problems(traffic, fleet_watch, plan_watch),
    )


def _problems(traffic: driving.Traffic, fleet_watch: FleetWatch, plan_watch: PlanWatch | None) -> list[str]:
    problems = []
    if fleet_watch.trouble.times:
        problems.append(f"{fleet_watch.trouble.times} samples of the replicas are missing: {fleet_watch.trouble.last}")
    if plan_watch is None:
        problems.append("The cluster has no planner, so there are no decisions to show.")
    elif plan_watch.trouble.times:
        problems.append(f"{plan_watch.trouble.times} looks at the planner failed: {plan_watch.trouble.last}")
    late = summary.percentiles(record.late_ms for record in traffic.records)
    if late and late.p99 > LATE_P99_MS:
        problems.append(
            f"This client was late: 1 % of the requests were sent {late.p99:.0f} ms or more after their time, so this "
            "machine was overloaded and the times include that"
        )
    return problems


@contextlib.asynccontextmanager
async def _connected(kubeconfig: Path) -> AsyncIterator[kubernetes.Api]:
    api = await kubernetes.Api.connect(kubeconfig)
    try:
        yield api
    except kubernetes.ApiError as error:
        if error.status:
            raise
        raise errors.LocalError(
            f"The API server does not answer ({error}): `make up` starts the environment"
        ) from error
    finally:
        await api.close()


@contextlib.contextmanager
def _interrupt() -> Iterator[asyncio.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets; the second one acts as if nobody listened."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def ended() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, ended)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _in_background(work: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _until(at_s: float, clock: Callable[[], float], stop: asyncio.Event) -> None:
    """Wait for an instant, or for `stop`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(at_s - clock(), 0.0)):
            await stop.wait()


async def _show(progress: Progress, console: Console, clock: Callable[[], float]) -> None:
    """Show the figures until cancelled."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_PERIOD_S - clock() % LINE_PERIOD_S)
            console.print(live.line(progress.figures()), highlight=False, markup=False, soft_wrap=True)
    with Live(console=console, auto_refresh=False, transient=True) as drawn:
        while True:
            drawn.update(live.table(progress.figures()), refresh=True)
            await asyncio.sleep(REFRESH_S)
