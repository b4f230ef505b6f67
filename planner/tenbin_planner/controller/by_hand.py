"""What a person says of a workload's count, by annotations on it. Pure: annotations in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_spec.contract import ANNOTATION_PAUSED, ANNOTATION_REPLICAS_MAX, ANNOTATION_REPLICAS_MIN

from tenbin_planner.decide.observation import ByHand

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 100_000


def read(workload: str, annotations: Mapping[str, str]) -> ByHand:
    """Return what the annotations say; what cannot be followed is told in `problems`, and the rest holds."""
    problems: list[str] = []
    paused = annotations.get(ANNOTATION_PAUSED, "false")
    if paused not in ("true", "false"):
        problems.append(f"{workload}: annotation {ANNOTATION_PAUSED} is {paused[:40]!r}; allowed is true or false")
    least = _count(workload, annotations, ANNOTATION_REPLICAS_MIN, problems)
    most = _count(workload, annotations, ANNOTATION_REPLICAS_MAX, problems)
    if least is not None and most is not None and least > most:
        problems.append(
            f"{workload}: annotation {ANNOTATION_REPLICAS_MIN} is {least}, above {ANNOTATION_REPLICAS_MAX}, {most}"
        )
        least = most = None
    return ByHand(is_paused=paused == "true", least=least or 0, most=most, problems=tuple(problems))


def _count(workload: str, annotations: Mapping[str, str], name: str, problems: list[str]) -> int | None:
    text = annotations.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and int(text) <= MOST:
        return int(text)
    problems.append(f"{workload}: annotation {name} is {text[:40]!r}; allowed is a whole number from 0 to {MOST}")
    return None
