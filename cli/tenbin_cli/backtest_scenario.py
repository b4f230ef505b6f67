"""The scenario that a file describes, as `tenbin backtest --scenario` takes it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tenbin_local import stack_files
from tenbin_planner import traces
from tenbin_planner.backtest import scenario, scenario_file, stackless
from tenbin_planner.backtest.scenario_file import ScenarioFile
from tenbin_planner.traces import spec
from tenbin_spec.document import document_of
from tenbin_spec.pools import CapacityType
from tenbin_spec.problems import ConfigurationError, Problem, not_one_of

from tenbin_cli import backtest_cells, backtest_options, profile_files, refusals
from tenbin_cli.backtest_cells import Cut, Traffic

if TYPE_CHECKING:
    from tenbin_spec.objectives import Objective

DEFAULT_LEAD_S = int(backtest_cells.DEFAULT_LEAD)


def of(asked: backtest_options.Asked) -> Traffic:
    """Return the traffic of the scenario that is asked for.

    Raises:
        UsageError: for options that say what the file says.
        ConfigurationError: with everything that is wrong with the file.
        TenbinError: for a stack, a profile or a trace that cannot be.
    """
    path = pathlib.Path(str(asked.scenario))
    both = list(asked.of_traffic)
    if both:
        raise refusals.UsageError(f"{', '.join(both)} and --scenario: the file says this; allowed is one or the other")
    described = scenario_file.parse(stack_files.read_yaml(path), source=str(path))
    span = None if described.window is None else backtest_cells.window(f"{path}: window", described.window)
    file = _File(
        path=path,
        said=described,
        cut=Cut(mix=described.class_mix, window=span),
        history={service: traces.load(_beside(path, text)) for service, text in described.history.items()},
    )
    try:
        made = _alone(file) if described.stack is None else _of_stack(file, described.stack, asked.folder)
    except ValueError as error:
        raise refusals.UsageError(f"{path}: {error}") from error
    return Traffic(
        name=made.name,
        description={service: trace.describe() for service, trace in made.traces.items()},
        notes=tuple(note for trace in (*made.traces.values(), *made.history.values()) for note in trace.notes),
        given=made,
        leads=backtest_cells.lead_times(asked.lead_time) if asked.lead_time else (None,),
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _File:
    """A file that has been read."""

    path: pathlib.Path
    said: ScenarioFile
    cut: Cut
    history: Mapping[str, traces.Trace]

    @property
    def name(self) -> str:
        return self.said.name or self.path.stem

    def load(self, service: str) -> tuple[traces.Trace, float | None]:
        return self.cut.load(_beside(self.path, self.said.traces[service]))


def _of_stack(file: _File, stack: str, folder: pathlib.Path) -> scenario.Scenario:
    document = document_of(stack_files.read_stack_file(stack_files.stack_file_path(folder, stack)).stack, stack)
    _check_services(file, document.services, "a service of the stack")
    file.cut.check(document)
    return backtest_cells.together(
        document,
        {service: file.load(service) for service in file.said.traces},
        name=file.name,
        duration_s=file.said.duration_s,
        history=file.history,
        **file.said.conditions(),
    )


def _alone(file: _File) -> scenario.Scenario:
    said = file.said
    _check_services(file, [stackless.SERVICE], "the service of a scenario without a stack")
    trace, length_s = file.load(stackless.SERVICE)
    profile, price = said.profile, said.price
    assert profile is not None and price is not None  # noqa: PT018, S101 - the file has been checked
    beside = file.path.parent / profile
    terms = stackless.Terms(
        profile=profile_files.find(str(beside) if beside.is_file() else profile),
        hourly_usd=price,
        objectives=_objectives(file, trace),
        lead_s=_declared_lead_s(said),
        min_replicas=said.replicas.min,
        max_replicas=said.replicas.max,
        hourly_cap=said.hourly_cap,
        interval_s=said.interval_s,
        replicas_per_node=said.replicas_per_node,
        capacity_type=CapacityType.SPOT if said.spot else CapacityType.ON_DEMAND,
    )
    return backtest_cells.alone(
        terms,
        trace,
        history=file.history.get(stackless.SERVICE),
        name=file.name,
        duration_s=length_s if said.duration_s is None else said.duration_s,
        **said.conditions(),
    )


def _declared_lead_s(said: ScenarioFile) -> int:
    if said.lead_time_s is not None:
        return said.lead_time_s
    lead = said.leads.get(stackless.POOL)
    return DEFAULT_LEAD_S if lead is None else round(lead.median_s)


def _objectives(file: _File, trace: traces.Trace) -> dict[str, Objective]:
    """Return objectives by class of the trace, with that of requests without a class under the empty name."""
    slo = dict(file.said.slo or {})
    default = slo.get(stackless.DEFAULT_CLASS)
    missing = [name for name in trace.classes if name not in slo and default is None]
    if missing:
        shown = ", ".join(name or stackless.DEFAULT_CLASS for name in missing)
        problem = Problem(path="slo", message=f"has no objective for {shown}: give one, or one named default")
        raise ConfigurationError([problem], str(file.path))
    return {name: found for name in trace.classes if (found := slo.get(name, default)) is not None}


def _check_services(file: _File, known: Iterable[str], what: str) -> None:
    described, names = file.said, sorted(known)
    found = [
        Problem(path=f"{key}.{service}", message=not_one_of(service, names, what))
        for key, given in (("traces", described.traces), ("history", described.history))
        for service in given
        if service not in names
    ]
    found += [
        Problem(path=f"history.{service}", message="has no trace beside it: allowed are services with one")
        for service in described.history
        if service in names and service not in described.traces
    ]
    if found:
        raise ConfigurationError(found, str(file.path))


def _beside(path: pathlib.Path, text: str) -> str:
    """Return where a trace is: drawn ones anywhere, files beside the scenario's."""
    return text if spec.is_spec(text) else str(path.parent / text)
