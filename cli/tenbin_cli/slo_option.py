"""Objectives in one line, as the option `--slo` takes them: `[CLASS:]ttft<=1000,tpot<=50@0.99`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pydantic
from tenbin_spec import problems
from tenbin_spec.objectives import Objective

FORM = "[CLASS:]ttft<=MS,tpot<=MS,e2e<=MS@SHARE"
_WHOLE = re.compile(r"(?:(?P<name>[^:@<=,]+):)?(?P<thresholds>[^:@]+)(?:@(?P<target>[^@:]+))?")
_THRESHOLD = re.compile(r"\s*(ttft|tpot|e2e)\s*<=?\s*(\d+)\s*")
DEFAULT_TARGET = "0.99"


class SloError(problems.TenbinError):
    """An objective that cannot be read."""


def parse(text: str) -> tuple[str | None, Objective]:
    """Return the class that an objective is for, None for every class, and the objective.

    >>> parse("interactive:ttft<=1000,tpot<=50@0.99")
    ('interactive', Objective(target=Decimal('0.99'), ttft_ms=1000, tpot_ms=50, e2e_ms=None))

    Raises:
        SloError: saying what is wrong and what is allowed.
    """
    whole = _WHOLE.fullmatch(text.strip())
    if whole is None:
        raise SloError(f"--slo {text!r} is not of the form {FORM}")
    fields: dict[str, object] = {"target": (whole["target"] or DEFAULT_TARGET).strip()}
    for part in whole["thresholds"].split(","):
        threshold = _THRESHOLD.fullmatch(part)
        if threshold is None:
            raise SloError(
                f"--slo {text!r}: {part.strip()!r} is no threshold; allowed are ttft<=MS, tpot<=MS and e2e<=MS "
                "with whole milliseconds"
            )
        key = f"{threshold[1]}_ms"
        if key in fields:
            raise SloError(f"--slo {text!r}: {threshold[1]} is given twice")
        fields[key] = int(threshold[2])
    try:
        return whole["name"] and whole["name"].strip(), Objective.model_validate(fields)
    except pydantic.ValidationError as error:
        found = "; ".join(str(problem) for problem in problems.problems_of(error, Objective))
        raise SloError(f"--slo {text!r}: {found}") from error


def by_class(texts: Sequence[str], classes: Iterable[str]) -> dict[str, Objective]:
    """Return the objective of each class: its own where one names it, else the one that names none.

    Args:
        texts: values of the option.
        classes: of the requests; the empty name is that of requests without a class.

    Raises:
        SloError: for a class that is named twice, has no objective, or is not among the requests.
    """
    if not texts:
        return {}
    named: dict[str | None, Objective] = {}
    for text in texts:
        name, objective = parse(text)
        if name in named:
            whose = "every class" if name is None else f"class {name!r}"
            raise SloError(f"--slo {text!r}: {whose} has an objective already")
        named[name] = objective
    known = sorted(classes)
    for name in named:
        if name is not None and name not in known:
            raise SloError(f"--slo: {problems.not_one_of(name, filter(None, known), 'a class of these requests')}")
    missing = [name for name in known if name not in named and None not in named]
    if missing:
        names = ", ".join(repr(name) for name in missing)
        raise SloError(f"--slo: no objective for class {names}: give it one, or one without a class")
    return {name: named.get(name) or named[None] for name in known}


def thresholds_text(objective: Objective) -> str:
    """Write the thresholds of an objective.

    >>> thresholds_text(Objective(target="0.99", ttft_ms=1000, e2e_ms=20000))
    'TTFT <= 1,000 ms, E2E <= 20,000 ms'
    """
    pairs = (("TTFT", objective.ttft_ms), ("TPOT", objective.tpot_ms), ("E2E", objective.e2e_ms))
    return ", ".join(f"{name} <= {value:,} ms" for name, value in pairs if value is not None)
