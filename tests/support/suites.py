"""Small cells and rows of a suite."""

from __future__ import annotations

from typing import Any

from tenbin_planner.backtest.suite import cells, laws
from tenbin_spec.objectives import Objective

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
SHARE = laws.Share(inputs=laws.Tokens(mean=300, p95=900), outputs=laws.Tokens(mean=60, p95=160))


def cell(
    name: str = "tiny", *, duration_s: float = 480.0, course: laws.Course | None = None, **more: Any
) -> cells.Cell:
    """Return a cell of minutes on simulated engines, whose load grows threefold."""
    law = laws.Law(
        course=course or laws.Level(per_second=3.0),
        shares=(SHARE,),
        event=laws.Event(at_s=180.0, rate_factor=3.0),
        longest=4000,
    )
    service = cells.Promise(
        profiles={"pool": PROFILE},
        objectives={"": Objective(target="0.99", ttft_ms=1000, tpot_ms=60)},
        traffic=law,
        most=8,
    )
    return cells.Cell(
        name=name,
        shows="three times the load within minutes",
        duration_s=duration_s,
        pools={"pool": cells.Pool(accelerator="L4", accelerators=1, hourly_usd="0.80", nodes=8)},
        services={"service": service},
        **more,
    )


def row(policy: str = "tenbin", **more: Any) -> dict[str, Any]:
    """Return a row that breaks no claim."""
    usual = {"tenbin": (80.0, 20), "clairvoyant": (70.0, 20), "trend": (90.0, 60), "fixed": (100.0, 0)}
    usd, changes = usual[policy]
    captured = {"tenbin": 0.9, "clairvoyant": 1.0, "trend": 0.4, "fixed": None}[policy]
    return {
        "policy": policy,
        "cell": "day",
        "lead_time_s": 60,
        "seed": 0,
        "history": False,
        "left_out": None,
        "service": None,
        "replicas": None,
        "attainment": 0.992,
        "target_met": True,
        "attainment_by_class": {"service/default": 0.992},
        "target_by_class": {"service/default": 0.99},
        "attainment_by_service": {"service": 0.992},
        "worst_5min_attainment": 0.9,
        "minutes_below_target": 3,
        "usd": usd,
        "usd_per_million_good_tokens": usd / 10,
        "fixed_usd_at_same_attainment": 100.0,
        "captured_saving": captured,
        "clairvoyant_saving": None if policy == "fixed" else 0.3,
        "replica_changes": changes,
        "peak_hourly_usd": 8.0,
        "cap": 10.0,
        "is_over_cap": False,
        "hasty_starts_s": [],
        "spans": None,
        "reasons": {"forecast": 3},
        **more,
    }
