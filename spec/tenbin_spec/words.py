"""The agreement in plain words, for tables, plans and people who do not read configuration."""

from __future__ import annotations

from tenbin_spec.objectives import Objective, Slo
from tenbin_spec.quantities import window_text


def objective_text(name: str, objective: Objective) -> str:
    """Say an objective in one sentence.

    >>> objective_text("chat", Objective(target="0.99", ttft_ms=1000))
    '99 % of chat requests: first token within 1 s'
    """
    parts = []
    if objective.ttft_ms is not None:
        parts.append(f"first token within {duration_text(objective.ttft_ms)}")
    if objective.tpot_ms is not None:
        parts.append(f"each further token within {duration_text(objective.tpot_ms)}")
    if objective.e2e_ms is not None:
        parts.append(f"whole answer within {duration_text(objective.e2e_ms)}")
    return f"{percent_text(float(objective.target))} of {name} requests: {', '.join(parts)}"


def slo_text(slo: Slo) -> str:
    """Say all objectives of a service, a line each, and their window."""
    lines = [objective_text(name, objective) for name, objective in slo.classes.items()]
    return "\n".join([*lines, f"counted over {window_text(slo.window)}"])


def duration_text(milliseconds: int) -> str:
    """Write a duration in seconds from one second on: `40 ms`, `1.5 s`."""
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds} ms"


def percent_text(share: float) -> str:
    """Write a share in per cent: 0.995 is `99.5 %`."""
    return f"{round(share * 100, 4):g} %"
