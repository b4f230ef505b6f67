"""What stacks are expected to cost: by the closed form, or by the planner's day of the declared traffic."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich import progress
from tenbin_spec import cost
from tenbin_spec.document import document_of

from tenbin_cli import refusals

if TYPE_CHECKING:
    from tenbin_planner.backtest.declared import Expectation
    from tenbin_spec.document import Document
    from tenbin_spec.stack import Stack

Attainment = Mapping[str, Mapping[str, float]]
"""Share of good requests by service and class."""


class Backtester:
    """Estimates stacks with a back-tested expectation; a service whose agreement is the same is run once."""

    def __init__(self, hours: float) -> None:
        """Take the length of the declared day, in hours."""
        self.hours = hours
        self._known: dict[tuple[str, str, bool], Expectation | None] = {}

    def estimate(self, stack: Stack) -> cost.Estimate:
        """Estimate a stack."""
        found = self._expectations(stack)
        return cost.of(stack, {name: item.hourly_usd for name, item in found.items()})

    def attainment(self, stack: Stack) -> Attainment:
        """Return the share of good requests of each service whose pools have a price and a profile."""
        return {name: item.attainment for name, item in self._expectations(stack).items()}

    def _expectations(self, stack: Stack) -> dict[str, Expectation]:
        document = document_of(stack, "stack")
        found = {name: self._expectation(document, name, stack) for name in document.services}
        return {name: item for name, item in found.items() if item is not None}

    def _expectation(self, document: Document, service: str, stack: Stack) -> Expectation | None:
        # Numpy and the compiler take a second that the other commands of `tenbin` need not wait for.
        from tenbin_planner.backtest import declared  # noqa: PLC0415
        from tenbin_planner.backtest.nodes import Billing  # noqa: PLC0415

        from tenbin_cli import simulate  # noqa: PLC0415

        own = _only(document, service)
        key = (service, own.to_json(), stack.cluster.kind == "eks")
        if key not in self._known:
            simulate.compile_simulator()
            billing = Billing.NODE if stack.cluster.kind == "eks" else Billing.REPLICA
            with _progress(service) as told:
                self._known[key] = declared.expectation(
                    own, service, hours=self.hours, billing=billing, progress=told.heard
                )
        return self._known[key]


def _only(document: Document, service: str) -> Document:
    """Return the agreement of one service: what of the others would not change what becomes of it is left out."""
    own = tuple(item for item in document.workloads if item.service == service)
    used = {item.pool for item in own}
    return document.model_copy(
        update={
            "services": {service: document.services[service]},
            "workloads": own,
            "pools": {name: pool for name, pool in document.pools.items() if name in used},
        }
    )


@dataclasses.dataclass(frozen=True)
class _Told:
    bars: progress.Progress
    task: progress.TaskID

    def heard(self, reached_s: float, end_s: float) -> None:
        self.bars.update(self.task, completed=reached_s, total=end_s)


@contextlib.contextmanager
def _progress(service: str) -> Iterator[_Told]:
    columns = (
        progress.BarColumn(bar_width=24),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.description}"),
    )
    console = refusals.error_console()
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield _Told(bars, bars.add_task(f"back-test of {service}", total=None))
