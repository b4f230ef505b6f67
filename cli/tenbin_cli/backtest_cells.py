"""What `tenbin backtest` is asked for, as scenarios: traffic, agreement and lead times."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import pydantic
from tenbin_local import stack_files
from tenbin_planner import traces
from tenbin_planner.backtest import scenario, stackless
from tenbin_planner.model.lives import LeadTime
from tenbin_planner.traces import mixing
from tenbin_spec import problems
from tenbin_spec.document import Document, document_of

from tenbin_cli import backtest_options, profile_files, refusals, slo_option

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineProfile

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
DEFAULT_LEAD = "120"
LONGEST_LEAD_S = 86_400
SPREAD = 1.25
"""95th percentile of a lead time over its median, unless it is given."""
MOST_USD = Decimal(1_000_000)
OF_AGREEMENT = ("--profile", "--price", "--slo", "--hourly-cap", "--min-replicas", "--max-replicas")
"""Options that say what a stack says too."""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_LEAD = re.compile(r"(\d+)(?:/(\d+))?")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Traffic:
    """One agreement and the requests that come under it, at all lead times to be tried."""

    name: str
    """What tables call it, unlike any other."""
    description: Mapping[str, str]
    """Of the requests, by service."""
    notes: tuple[str, ...]
    """What readers changed."""
    given: scenario.Scenario
    leads: tuple[LeadTime | None, ...]
    """None: as the stack declares it."""

    def at(self, lead: LeadTime | None) -> scenario.Scenario:
        """Return its scenario at a lead time."""
        return self.given if lead is None else self.given.with_lead(lead)

    @property
    def services(self) -> tuple[str, ...]:
        """Names of its services."""
        return tuple(sorted(self.given.document.services))

    @property
    def profiles(self) -> tuple[EngineProfile, ...]:
        """Engine profiles of its workloads."""
        found = {item.profile.name: item.profile for item in self.given.document.workloads if item.profile is not None}
        return tuple(found[name] for name in sorted(found))


def lead_s(given: scenario.Scenario) -> float:
    """Return the longest median lead time of a scenario's pools, in seconds."""
    return max(given.lead(pool).median_s for pool in given.document.pools)


def of(asked: backtest_options.Asked) -> list[Traffic]:
    """Return the traffic that is asked for.

    Raises:
        UsageError: naming option, value and what is allowed.
        TenbinError: for a profile, an objective, a trace or a stack that cannot be.
    """
    if asked.stack is not None:
        return [_of_stack(asked)]
    return _of_profile(asked)


def _of_profile(asked: backtest_options.Asked) -> list[Traffic]:
    missing = [name for name in ("--profile", "--price", "--slo", "--trace") if name not in asked.of_traffic]
    if missing:
        raise refusals.UsageError(
            f"{', '.join(missing)} missing: a back-test needs --trace with --profile, --price and --slo or with "
            "--stack, or it needs --scenario"
        )
    profile = profile_files.find(str(asked.profile))
    price = _usd("--price", str(asked.price))
    cap = None if asked.hourly_cap is None else _usd("--hourly-cap", asked.hourly_cap)
    _check_fleet(asked, price, cap)
    leads = lead_times(asked.lead_time or DEFAULT_LEAD)
    cut = Cut.of(asked)
    loaded = [cut.load(text) for text in asked.trace]
    earlier = [traces.load(text) for text in asked.history]
    if len(earlier) not in {0, 1, len(loaded)}:
        raise refusals.UsageError(
            f"--history is given {len(earlier)} times for {len(loaded)} traces; "
            "allowed is once, or once for each --trace"
        )
    found = []
    names = _names([trace.name for trace, _ in loaded])
    for index, (trace, duration_s) in enumerate(loaded):
        terms = stackless.Terms(
            profile=profile,
            hourly_usd=price,
            objectives=slo_option.by_class(asked.slo, trace.classes),
            lead_s=0,
            min_replicas=asked.min_replicas,
            max_replicas=asked.max_replicas,
            hourly_cap=cap,
        )
        history = earlier[index % len(earlier)] if earlier else None
        given = alone(terms, trace, history=history, name=names[index], duration_s=duration_s)
        found.append(
            Traffic(
                name=names[index],
                description={stackless.SERVICE: trace.describe()},
                notes=(*trace.notes, *(history.notes if history else ())),
                given=given,
                leads=leads,
            )
        )
    return found


def alone(terms: stackless.Terms, trace: traces.Trace, **more: Any) -> scenario.Scenario:
    """Return the scenario of a service on its own.

    Raises:
        UsageError: for numbers or names that no agreement may have.
    """
    try:
        return stackless.scenario(terms, trace, **more)
    except pydantic.ValidationError as error:
        told = "; ".join(str(problem) for problem in problems.problems_of(error, Document))
        raise refusals.UsageError(f"no agreement can be made of these options: {told}") from error


def _of_stack(asked: backtest_options.Asked) -> Traffic:
    both = [name for name in asked.of_traffic if name in OF_AGREEMENT]
    if both:
        raise refusals.UsageError(
            f"{', '.join(both)} and --stack: the stack says this itself; allowed is one or the other"
        )
    if not asked.trace:
        raise refusals.UsageError("--trace missing: --stack needs one for each service that counts, SERVICE=FILE")
    name = str(asked.stack)
    read = stack_files.read_stack_file(stack_files.stack_file_path(asked.folder, name))
    document = document_of(read.stack, name)
    cut = Cut.of(asked)
    cut.check(document)
    loaded = {service: cut.load(text) for service, text in _by_service("--trace", asked.trace, document).items()}
    history = {
        service: traces.load(text) for service, text in _by_service("--history", asked.history, document).items()
    }
    _check_history(history, loaded)
    made = together(document, loaded, history=history, name=name)
    return Traffic(
        name=name,
        description={service: trace.describe() for service, (trace, _) in loaded.items()},
        notes=tuple(note for trace, _ in loaded.values() for note in trace.notes),
        given=made,
        leads=lead_times(asked.lead_time) if asked.lead_time else (None,),
    )


def together(
    document: Document,
    loaded: Mapping[str, tuple[traces.Trace, float | None]],
    *,
    name: str,
    duration_s: float | None = None,
    **more: Any,
) -> scenario.Scenario:
    """Return the scenario of the services of a stack that have requests.

    Args:
        document: the stack's agreement.
        loaded: trace and length of each service.
        name: of the scenario.
        duration_s: its length; None: as its traces have it.
        more: further fields of the scenario.

    Raises:
        UsageError: for a service that cannot be priced or simulated.
        ValueError: for fields that do not fit together.
    """
    lengths_s = [length_s for _, length_s in loaded.values() if length_s is not None]
    made = scenario.Scenario(
        name=name,
        document=_with_traffic(document, loaded),
        traces={service: trace for service, (trace, _) in loaded.items()},
        duration_s=max(lengths_s, default=None) if duration_s is None else duration_s,
        **more,
    )
    for service in made.document.services:
        if not made.workloads(service):
            raise refusals.UsageError(
                f"stack {document.stack}: service {service} has no pool whose price and profile are known"
            )
    return made


def _by_service(option: str, texts: Sequence[str], document: Document) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        service, equals, source = text.partition("=")
        if not equals or not source or ":" in service:
            raise refusals.UsageError(f"{option} {text!r}: with --stack allowed is SERVICE=FILE")
        if service not in document.services:
            raise refusals.UsageError(
                f"{option}: {problems.not_one_of(service, document.services, 'a service of the stack')}"
            )
        if service in found:
            raise refusals.UsageError(f"{option}: service {service!r} is given twice; allowed is one file for each")
        found[service] = source
    return found


def _check_history(history: Mapping[str, traces.Trace], loaded: Mapping[str, Any]) -> None:
    for service in history:
        if service not in loaded:
            raise refusals.UsageError(f"--history: service {service!r} has no --trace; allowed are {', '.join(loaded)}")


def _with_traffic(document: Document, loaded: Mapping[str, Any]) -> Document:
    """Leave out services without requests, which would only add the price of their minimum to every policy."""
    for service in sorted(set(document.services) - set(loaded)):
        refusals.warn(f"service {service} has no --trace and is left out")
    workloads = tuple(item for item in document.workloads if item.service in loaded)
    used = {item.pool for item in workloads}
    return document.model_copy(
        update={
            "services": {name: item for name, item in document.services.items() if name in loaded},
            "workloads": workloads,
            "pools": {name: pool for name, pool in document.pools.items() if name in used},
        }
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut:
    """What is made of every trace."""

    mix: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Shares of the classes that requests are given."""
    window: tuple[float, float] | None = None
    """Its part that counts, in seconds."""

    @classmethod
    def of(cls, asked: backtest_options.Asked) -> Cut:
        """Return what the options say.

        Raises:
            UsageError: naming the option.
        """
        try:
            mix = mixing.parse(asked.class_mix) if asked.class_mix is not None else {}
        except traces.TraceError as error:
            raise refusals.UsageError(f"--class-mix {asked.class_mix!r}: {error}") from error
        return cls(mix=mix, window=window("--window", asked.window) if asked.window is not None else None)

    def check(self, document: Document) -> None:
        """Refuse classes that no service of a stack knows.

        Raises:
            UsageError: naming the first.
        """
        known = {name for service in document.services.values() for name in service.slo.classes}
        for name in self.mix:
            if name not in known:
                raise refusals.UsageError(f"class mix: {problems.not_one_of(name, known, 'a class of the stack')}")

    def load(self, text: str) -> tuple[traces.Trace, float | None]:
        """Return a trace with its classes in its window, and the window's length in seconds; None without one.

        Raises:
            TraceError: for one that cannot be read, has classes already, or no request in the window.
        """
        trace = traces.load(text)
        if self.mix:
            trace = mixing.mixed(trace, self.mix)
        if self.window is None:
            return trace, None
        start_s, end_s = self.window
        chosen = trace.window(start_s, end_s)
        return chosen, min(end_s, math.floor(trace.duration_s) + 1.0) - start_s


def window(option: str, text: str) -> tuple[float, float]:
    """Read START:END, in seconds.

    Raises:
        UsageError: saying what is allowed.
    """
    start, colon, end = text.partition(":")
    spans = [_SPAN.fullmatch(part.strip()) for part in (start or "0", end)]
    if not colon or (spans[1] is None and end) or spans[0] is None:
        raise refusals.UsageError(
            f"{option} {text!r}: allowed is START:END, seconds or with s, m, h or d, such as 6h:18h; 6h: has no end"
        )
    low, high = (math.inf if span is None else float(span[1]) * UNITS[span[2]] for span in spans)
    if not low < high:
        raise refusals.UsageError(f"{option} {text!r}: the end is not after the start; allowed is START before END")
    return low, high


def lead_times(text: str) -> tuple[LeadTime, ...]:
    """Read the lead times of the option.

    Raises:
        UsageError: saying what is allowed.
    """
    found: list[LeadTime] = []
    for part in text.split(","):
        matched = _LEAD.fullmatch(part.strip())
        median_s = int(matched[1]) if matched else -1
        p95_s = float(matched[2]) if matched and matched[2] else median_s * SPREAD
        if not 0 <= median_s <= p95_s <= 10 * LONGEST_LEAD_S or median_s > LONGEST_LEAD_S:
            raise refusals.UsageError(
                f"--lead-time {part.strip()!r}: allowed are whole seconds, 0 to {LONGEST_LEAD_S:,}, or "
                "MEDIAN/P95 with a 95th percentile that is not below the median, such as 180 or 180/240"
            )
        lead = LeadTime(median_s=float(median_s), p95_s=p95_s)
        if lead.median_s in {known.median_s for known in found}:
            raise refusals.UsageError(f"--lead-time {text!r}: {median_s} is given twice; allowed is each once")
        found.append(lead)
    return tuple(found)


def _usd(option: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not (amount.is_finite() and 0 < amount <= MOST_USD):
        raise refusals.UsageError(f"{option} {text!r}: allowed are US dollars per hour above 0, up to {MOST_USD:,}")
    return amount


def _check_fleet(asked: backtest_options.Asked, price: Decimal, cap: Decimal | None) -> None:
    if asked.min_replicas > asked.max_replicas:
        raise refusals.UsageError(
            f"--min-replicas {asked.min_replicas}: allowed is up to --max-replicas, {asked.max_replicas}"
        )
    least = max(asked.min_replicas, 1) * price
    if cap is not None and cap < least:
        raise refusals.UsageError(f"--hourly-cap {cap}: allowed is {least} or more, what the smallest fleet costs")


def _names(names: Iterable[str]) -> list[str]:
    """Return names that differ: what is there already gets a number."""
    found: list[str] = []
    for name in names:
        own, count = name, 1
        while own in found:
            count += 1
            own = f"{name} ({count})"
        found.append(own)
    return found
