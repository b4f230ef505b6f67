"""Rules whose parameters are chosen in hindsight, by the name that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_planner.backtest.policies import dynamo, hpa, keda, latency_hpa, trend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest import tuning

RULES: Mapping[str, type[tuning.Rule]] = {
    "trend": trend.Trend,
    "hpa": hpa.Hpa,
    "keda": keda.Keda,
    "dynamo": dynamo.Dynamo,
    "latency-hpa": latency_hpa.LatencyHpa,
}
