"""Bucket edges of the engine's latency histograms, with one exactly at each threshold of the SLO.

Between two edges a histogram only knows an interpolation, and vLLM's first edges (10 ms between tokens, 300 ms for a
whole request) lie above many thresholds. With an edge at the threshold the share of good requests is exact.

Edges are part of the engine's command line, so that new ones restart every replica. Therefore the thresholds that
people usually agree on are always among them: to go from one of these to another changes nothing on the engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tenbin_spec.objectives import Slo

_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
_BETWEEN_TOKENS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_WHOLE_REQUEST = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip

DEFAULTS: Mapping[str, tuple[float, ...]] = {
    "time_to_first_token": _FIRST_TOKEN,
    "inter_token_latency": _BETWEEN_TOKENS,
    "request_latency": _WHOLE_REQUEST,
}
"""Edges in seconds by bucket family, as vLLM 0.33 has them (vllm/v1/metrics/buckets.py)."""

USUAL: Mapping[str, tuple[float, ...]] = {
    "time_to_first_token": (
        0.15, 0.2, 0.3, 0.35, 0.4, 0.6, 0.7, 0.8, 0.9, 1.2, 1.25, 1.5, 1.8, 2.0, 3.0, 4.0, 6.0, 8.0, 15.0, 30.0,
    ),
    "inter_token_latency": (0.015, 0.02, 0.03, 0.035, 0.04, 0.045, 0.06, 0.07, 0.08, 0.09, 0.12, 0.25),
    "request_latency": (3.0, 4.0, 6.0, 8.0, 12.0, 25.0, 45.0, 90.0, 180.0, 300.0, 600.0),
}  # fmt: skip
"""Further edges in seconds, at thresholds that are usual and no default. Each costs one series per engine."""


def custom(slo: Slo) -> dict[str, list[float]]:
    """Return the edges in seconds of each family, rising strictly, as vLLM demands."""
    objectives = slo.classes.values()
    thresholds = {
        "time_to_first_token": _seconds(objective.ttft_ms for objective in objectives),
        "inter_token_latency": _seconds(objective.tpot_ms for objective in objectives),
        "request_latency": _seconds(objective.e2e_ms for objective in objectives),
    }
    return {family: sorted({*DEFAULTS[family], *USUAL[family], *edges}) for family, edges in thresholds.items()}


def _seconds(milliseconds: Iterable[int | None]) -> list[float]:
    return [value / 1000 for value in milliseconds if value is not None]
