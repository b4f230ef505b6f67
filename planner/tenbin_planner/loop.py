"""The loop: observe, decide, act, explain, remember.

Level-triggered: each tick starts from what is seen, and a step that failed is tried again by the next tick because what
it was to change is still not so.

Production and back-test drive this same loop through `ports`; nothing here knows which of them it is in.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, TypeVar

from tenbin_planner import decide, ports
from tenbin_planner.decide import drain, memory
from tenbin_planner.decide.recipe import FULL, Recipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from tenbin_planner.decide.capacity import FleetCapacity

Result = TypeVar("Result")


class StepFailed(Exception):  # noqa: N818 - says what happened, and never leaves this module
    """A step of a tick failed and was recorded; the tick ends here."""


class Loop:
    """Drives the ports, tick by tick."""

    def __init__(
        self,
        *,
        observer: ports.Observer,
        modeller: ports.Modeller,
        actuator: ports.Actuator,
        store: ports.StateStore,
        leadership: ports.Leadership,
        recorder: ports.Recorder,
        clock: ports.Clock,
        is_dry_run: bool = False,
        recipe: Recipe = FULL,
    ) -> None:
        """Take the ports; nothing happens before the first tick.

        Args:
            observer: sees.
            modeller: knows what fleets do.
            actuator: does.
            store: remembers.
            leadership: says whether to write.
            recorder: explains.
            clock: time, for the duration of steps.
            is_dry_run: decide and explain, whatever the document says, but change nothing.
            recipe: parts of the decision in use.
        """
        self._observer = observer
        self._modeller = modeller
        self._actuator = actuator
        self._store = store
        self._leadership = leadership
        self._recorder = recorder
        self._clock = clock
        self._is_dry_run = is_dry_run
        self._recipe = recipe
        self._memory: memory.Memory | None = None
        self._led = False

    async def tick(self) -> ports.Tick | None:
        """Pass once through the loop.

        Returns:
            What happened; None when a step without which nothing can be decided failed.
        """
        is_leader = self._leadership.is_leader
        try:
            before = await self._recall(is_leader=is_leader)
            scene = await self._step("observe", self._observer.observe())
            capacities = await self._step(
                "model", self._modeller.capacities(scene.document, decide.traffics(scene.document, before))
            )
            decision = await self._step("decide", self._decide(scene, capacities, before))
        except StepFailed:
            return None
        is_dry_run = self._is_dry_run or scene.document.planner.dry_run
        orders = drain.orders(decision.plan, scene.observation)
        asked = orders if is_leader and not is_dry_run else ()
        if any(isinstance(order, drain.Scale) for order in asked):
            # Whoever goes on from here must know its own counts, also when this is the last that this planner does.
            await self._remember(_with_counts(decision.memory, scene, asked, ()))
        done = await self._act(asked)
        self._memory = _with_counts(decision.memory, scene, asked, done)
        tick = ports.Tick(
            scene=scene,
            plan=decision.plan,
            orders=orders,
            done=done,
            is_leader=is_leader,
            is_dry_run=is_dry_run,
        )
        self._recorder.record(tick)
        if is_leader:
            await self._remember(self._memory)
        return tick

    async def _recall(self, *, is_leader: bool) -> memory.Memory:
        """Return the memory: what this planner has, or, at the start and when it begins to lead, what was saved."""
        if self._memory is None or (is_leader and not self._led):
            saved = await self._step("recall", self._store.load())
            self._memory = memory.merge(saved or memory.Memory(), self._memory)
        self._led = is_leader
        return self._memory

    async def _remember(self, remembered: memory.Memory) -> None:
        with contextlib.suppress(StepFailed):
            await self._step("remember", self._store.save(remembered))

    async def _decide(
        self, scene: ports.Scene, capacities: Mapping[str, FleetCapacity], before: memory.Memory
    ) -> decide.Decision:
        return decide.decide(scene.document, capacities, scene.observation, before, self._recipe)

    async def _act(self, orders: tuple[drain.Order, ...]) -> tuple[drain.Order, ...]:
        done = []
        for order in orders:
            if not self._leadership.is_leader:
                break
            try:
                await self._step("act", self._actuator.carry_out(order))
            except StepFailed:
                continue
            done.append(order)
        return tuple(done)

    async def _step(self, name: str, work: Awaitable[Result]) -> Result:
        """Run a step, timed and recorded from outside."""
        started = self._clock.now()
        try:
            result = await work
        except Exception as error:
            self._recorder.step(name, self._clock.now() - started, error)
            raise StepFailed from error
        self._recorder.step(name, self._clock.now() - started, None)
        return result


def _with_counts(
    after: memory.Memory, scene: ports.Scene, asked: tuple[drain.Order, ...], done: tuple[drain.Order, ...]
) -> memory.Memory:
    """Remember the counts that the cluster is told; one that somebody else wrote is taken over once it is reported.

    Args:
        after: the decision's memory.
        scene: what it was made on.
        asked: orders that are given.
        done: of these, those that are known to have been carried out.
    """
    told = {name: state.wanted for name, state in scene.observation.workloads.items() if name in after.workloads}
    written, open_counts = told | _counts(done), dict(_counts(asked).items() - _counts(done).items())
    workloads = {
        name: dataclasses.replace(item, written=written.get(name, item.written), asked=open_counts.get(name))
        for name, item in after.workloads.items()
    }
    return dataclasses.replace(after, workloads=workloads)


def _counts(orders: tuple[drain.Order, ...]) -> dict[str, int]:
    return {order.workload: order.wanted for order in orders if isinstance(order, drain.Scale)}
