"""The ladder of SLOs beside an agreed objective: steps of thresholds, from the fastest to the slowest, and targets."""

from __future__ import annotations

import dataclasses
import enum
import math
from decimal import Decimal

from tenbin_spec.objectives import Objective
from tenbin_spec.quantities import MILLISECONDS_PER_DAY

TARGETS = tuple(map(Decimal, ("0.9", "0.95", "0.99", "0.995", "0.999")))
"""Shares of good requests that are offered besides the agreed one."""


class StepName(enum.StrEnum):
    """Steps, the fastest first."""

    FASTEST = "fastest"
    FASTER = "faster"
    AGREED = "agreed"
    SLOWER = "slower"
    SLOWEST = "slowest"


FACTORS = {
    StepName.FASTEST: (0.25, 0.5),
    StepName.FASTER: (0.5, 0.75),
    StepName.AGREED: (1.0, 1.0),
    StepName.SLOWER: (2.0, 1.5),
    StepName.SLOWEST: (4.0, 2.0),
}
"""Of the agreed TTFT, and of the agreed TPOT and E2E: these follow the engine's pace and have less room than a wait."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the ladder; all thresholds of the class move together."""

    name: StepName
    objective: Objective
    """Thresholds of the step, with the agreed target."""

    @property
    def thresholds_ms(self) -> dict[str, int]:
        """Thresholds that there are, in milliseconds, by `ttft_ms`, `tpot_ms` and `e2e_ms`."""
        found = self.objective.model_dump(include={"ttft_ms", "tpot_ms", "e2e_ms"}, exclude_none=True)
        return {name: int(value) for name, value in found.items()}

    @property
    def log_latency(self) -> float:
        """Mean of the natural logarithms of its thresholds in milliseconds: equal factors are equal distances."""
        logs = [math.log(value) for value in self.thresholds_ms.values()]
        return sum(logs) / len(logs)


def steps(agreed: Objective) -> tuple[Step, ...]:
    """Return the steps beside an objective, the fastest first; thresholds are whole milliseconds, 1 to one day.

    >>> [step.thresholds_ms for step in steps(Objective(target="0.99", ttft_ms=1000, tpot_ms=60))][:2]
    [{'ttft_ms': 250, 'tpot_ms': 30}, {'ttft_ms': 500, 'tpot_ms': 45}]
    """
    return tuple(step(agreed, name) for name in StepName)


def step(agreed: Objective, name: StepName) -> Step:
    """Return one step beside an objective."""
    of_ttft, of_pace = FACTORS[name]
    objective = Objective(
        target=agreed.target,
        ttft_ms=_scaled(agreed.ttft_ms, of_ttft),
        tpot_ms=_scaled(agreed.tpot_ms, of_pace),
        e2e_ms=_scaled(agreed.e2e_ms, of_pace),
    )
    return Step(name=name, objective=objective)


def targets(agreed: Objective) -> tuple[Decimal, ...]:
    """Return the targets on offer, rising; the agreed one is among them."""
    return tuple(sorted({*TARGETS, agreed.target}))


def _scaled(threshold_ms: int | None, factor: float) -> int | None:
    return None if threshold_ms is None else max(1, min(round(threshold_ms * factor), MILLISECONDS_PER_DAY))
