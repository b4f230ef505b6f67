"""The cells of the suite: the same seed, the same bytes; another seed, another draw of the same law."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest
from support import suites
from tenbin_planner import traces
from tenbin_planner.backtest import stackless
from tenbin_planner.backtest.suite import cells, laws, own, recorded
from tenbin_planner.traces import TraceError
from tenbin_spec import catalogue
from tenbin_spec.document import parse_document

SHORT = [cell for cell in own.OWN if not cell.is_day]


@pytest.mark.parametrize("cell", own.OWN, ids=lambda cell: cell.name)
def test_each_cell_is_the_same_for_the_same_seed_and_its_agreement_is_one(cell: cells.Cell) -> None:
    first = cell.scenario(3, lead_s=180)
    cells.drawn.cache_clear()
    again = cell.scenario(3, lead_s=180)
    for service in cell.services:
        assert first.traces[service].digest() == again.traces[service].digest()
    assert first.document == again.document == parse_document(first.document.to_json())
    assert first.end_s == cell.duration_s
    assert {first.lead(pool).median_s for pool in cell.pools} == {180.0}
    assert cell.expected_requests == pytest.approx(sum(len(trace) for trace in first.traces.values()), rel=0.25)


@pytest.mark.parametrize("cell", SHORT, ids=lambda cell: cell.name)
def test_another_seed_draws_another_trace(cell: cells.Cell) -> None:
    digests = {cell.scenario(seed, lead_s=60).traces[name].digest() for seed in range(3) for name in cell.services}
    assert len(digests) == 3 * len(cell.services)


def test_names_are_unique_and_all_profiles_and_prices_are_those_of_the_catalogue() -> None:
    everything = (*own.OWN, *own.RECORDED)
    assert len(own.CELLS) == len(everything)
    assert len({cell.digest() for cell in everything}) == len(everything)
    assert set(own.ABLATED) <= {cell.name for cell in own.OWN}
    for cell in everything:
        for service in cell.services.values():
            for pool, profile in service.profiles.items():
                found = catalogue.profiles()[profile]
                assert found.accelerator == cell.pools[pool].accelerator
                assert found.tensor_parallel == cell.pools[pool].accelerators


def test_the_suite_has_what_is_asked_of_it() -> None:
    assert len(own.OWN) >= 8
    assert sum(cell.is_day for cell in own.OWN) >= 3
    assert [cell.name for cell in own.OWN if not cell.is_feasible] == ["capped"]
    assert sum(cell.trouble is not None for cell in own.OWN) == 5
    assert any(cell.loses_replicas and cell.is_day for cell in own.OWN)


def test_what_is_declared_is_never_the_trace_itself() -> None:
    cell = suites.cell()
    given = cell.scenario(0, lead_s=60)
    declared = given.document.services["service"].workload
    assert declared != stackless.declared(given.traces["service"])
    assert declared.requests_per_second.peak < 6, "the event that no other day has is not declared"


def test_with_history_the_day_before_is_known_and_all_else_is_the_same() -> None:
    cell = suites.cell()
    bare, known = (cell.scenario(1, lead_s=60, with_history=flag) for flag in (False, True))
    assert bare.history == {}
    assert known.document == bare.document
    assert known.traces["service"].digest() == bare.traces["service"].digest() != known.history["service"].digest()
    assert stackless.declared(known.history["service"]) == known.document.services["service"].workload


def test_an_event_multiplies_rate_and_answers_from_its_instant_on() -> None:
    law = laws.Law(course=laws.Level(per_second=20.0), shares=(suites.SHARE,))
    event = laws.Event(at_s=600.0, rate_factor=3.0, output_factor=2.0, for_s=600.0)
    drawn = dataclasses.replace(law, event=event).draw("event", duration_s=1800.0, seed=0)
    before, during, after = (drawn.window(start, start + 600.0) for start in (0.0, 600.0, 1200.0))
    assert len(during) == pytest.approx(3 * len(before), rel=0.1)
    assert len(after) == pytest.approx(len(before), rel=0.1)
    assert during.output_tokens.mean() == pytest.approx(2 * before.output_tokens.mean(), rel=0.1)
    yesterday = dataclasses.replace(law, event=event).draw("event", duration_s=1800.0, seed=0, number=laws.YESTERDAY)
    assert len(yesterday.window(600.0, 1200.0)) == pytest.approx(len(yesterday.window(0.0, 600.0)), rel=0.15)


def test_a_steep_day_has_longer_nights() -> None:
    flat, steep = (laws.Day(peak=9.0, trough=1.0, steep=factor).rate() for factor in (1.0, 2.0))
    at_s = np.linspace(0, 86_400, 97)
    assert (steep.per_second(at_s) <= flat.per_second(at_s) + 1e-9).all()
    assert steep.per_second(np.array([15 * 3600.0])) == pytest.approx(9.0)
    assert steep.per_second(np.array([3 * 3600.0])) == pytest.approx(1.0)


def test_a_change_of_a_cell_changes_its_digest() -> None:
    cell = suites.cell()
    assert cell.digest() == suites.cell().digest()
    assert cell.digest() != dataclasses.replace(cell, hourly_cap="3").digest()
    assert cell.digest() != suites.cell(course=laws.Level(per_second=3.5)).digest()


def test_copies_of_a_recording_lie_on_each_other_and_only_its_beginning_is_declared(tmp_path: pathlib.Path) -> None:
    rows = "\n".join(f"{second},100,10" for second in range(1200))
    (tmp_path / "trace.csv").write_text(f"arrival_s,input_tokens,output_tokens\n{rows}\n")
    recording = recorded.Recording(file="trace.csv", copies=3)
    today, known = recording.draw("three", seed=1, folder=tmp_path)
    assert len(today) == 3600
    assert (np.diff(today.arrival_s) >= 0).all()
    assert known.duration_s < recorded.KNOWN_S
    assert isinstance(today, traces.Trace)
    assert today.digest() != recording.draw("three", seed=2, folder=tmp_path)[0].digest()


def test_a_recording_without_its_file_says_which(tmp_path: pathlib.Path) -> None:
    with pytest.raises(TraceError, match=r"azure-code/service: there is no file azure_2023_code\.csv\.gz in "):
        own.CELLS["azure-code"].scenario(0, lead_s=60, folder=tmp_path)
