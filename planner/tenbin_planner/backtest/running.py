"""One policy through one scenario."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.backtest import bill as bills
from tenbin_planner.backtest.nodes import Billing
from tenbin_planner.backtest.policies.tenbin import Tenbin
from tenbin_planner.backtest.world import MetricsMissing, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenbin_planner.backtest.bill import Bill, Charge
    from tenbin_planner.backtest.nodes import Node
    from tenbin_planner.backtest.planner_ports import Reasoned
    from tenbin_planner.backtest.policies import Policy
    from tenbin_planner.backtest.replicas import Replica
    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.model.results import FleetResult

PROGRESS_EVERY = 100
"""Ticks between two reports of progress."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What came of a policy."""

    scenario: Scenario
    policy: str
    seed: int
    results: Mapping[str, FleetResult]
    """What became of each request, by service; all have ended."""
    replicas: Sequence[Replica]
    """All that ever were, in the order in which they were asked for."""
    waiting: Mapping[str, Sequence[tuple[float, int]]]
    """Requests that waited in engines at each tick, by service: seconds and number."""
    nodes: Sequence[Node]
    """What they ran on, in the order in which nodes started."""
    bill: Bill
    changes: int
    """Replicas that the policy asked for and gave up after the beginning."""
    reasons: Sequence[Reasoned] = ()
    """What the planner wanted and why; of other policies nothing is known."""

    @property
    def charges(self) -> Sequence[Charge]:
        """What costs, until the end of the scenario."""
        return charges(self.scenario, self.replicas, self.nodes)


def charges(given: Scenario, replicas: Sequence[Replica], nodes: Sequence[Node]) -> Sequence[Charge]:
    """Return what costs in a scenario: replicas, or the nodes under them."""
    if given.billing is Billing.NODE:
        return tuple(bills.of_nodes(nodes, given.document, end_s=given.end_s))
    return tuple(bills.of_replicas(replicas, end_s=given.end_s))


def run(
    given: Scenario, policy: Policy, *, seed: int = 0, progress: Callable[[float, float], None] | None = None
) -> Run:
    """Drive a policy through a scenario; the same scenario, policy and seed give the same run.

    Args:
        given: the scenario.
        policy: a fresh one.
        seed: of lead times, interruptions, losses and a random routing.
        progress: takes the instant reached and the end, in seconds, now and then.

    Raises:
        ValueError: when the policy starts with replicas that there cannot be.
    """
    world = World(given, policy.start(given), seed=seed)
    ticks, at_s = 0, 0.0
    while at_s < given.end_s:
        world.advance(at_s)
        with contextlib.suppress(MetricsMissing):
            policy.tick(world)
        ticks += 1
        at_s = ticks * policy.interval_s
        if progress is not None and ticks % PROGRESS_EVERY == 0:
            progress(min(at_s, given.end_s), given.end_s)
    world.advance(given.end_s)
    results = world.finish()
    if progress is not None:
        progress(given.end_s, given.end_s)
    return Run(
        scenario=given,
        policy=policy.name,
        seed=seed,
        results=results,
        replicas=tuple(world.replicas),
        waiting=world.waiting,
        nodes=tuple(world.nodes),
        bill=bills.bill(charges(given, world.replicas, world.nodes), minimum_billed_s=given.minimum_billed_s),
        changes=world.changes,
        reasons=tuple(policy.ports.reasons) if isinstance(policy, Tenbin) and policy.ports else (),
    )
