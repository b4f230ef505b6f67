"""Demand to look ahead on: a known rate with a known error, lengths as declared; each test changes one thing."""

from __future__ import annotations

import dataclasses

import numpy as np
from tenbin_planner.decide import answers, futures, outlook
from tenbin_planner.decide.outlook import outlooks
from tenbin_spec.workload import Lengths

STEPS = 20
NOTHING = futures.InFlight(output_tokens=np.empty(0), class_index=np.empty(0, dtype=np.int64), count=0)


def demand(rate: float = 10.0, *, spread: float = 0.2, **changes: object) -> futures.Demand:
    known = outlook.Outlook(
        at=0.0,
        step_s=15.0,
        centre=np.full(STEPS, rate),
        spread=np.full(STEPS, spread),
        added=0.0,
        dispersion=1.0,
        table=np.tile(outlooks.Z, (STEPS, 1)),
        coverage=(),
    )
    given = futures.Demand(
        outlook=known,
        horizon_s=300.0,
        inputs=answers.inputs(declared=Lengths(mean=500, p95=1500)),
        outputs=answers.outputs(answers.LengthsMemory(), declared=Lengths(mean=200, p95=600)),
        in_flight=NOTHING,
        shares={"batch": 0.25, "chat": 0.75},
        expected_rps=rate,
        peak_rps=10 * rate,
        longest=8192,
    )
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]
