"""Work over several processes: the same results, progress, and nothing left behind whatever happens."""

from __future__ import annotations

import functools
import os
import pathlib
from typing import TYPE_CHECKING

import pytest
from support import waiting, work
from tenbin_planner.backtest import jobs

if TYPE_CHECKING:
    from collections.abc import Callable

SQUARES = [jobs.Job(label=f"square {number}", work=functools.partial(work.square, number)) for number in range(7)]


def job(function: Callable[..., int], *arguments: object) -> jobs.Job[int]:
    return jobs.Job(label=function.__name__, work=functools.partial(function, *arguments))


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_jobs_whatever_the_number_of_processes(count: int) -> None:
    heard: list[tuple[int, str, float]] = []
    over: list[None] = []
    with jobs.Workers(count) as workers:
        first = workers.run(SQUARES, told=lambda *said: heard.append(said), done=lambda: over.append(None))
        again = workers.run(SQUARES[2:])
    assert first == [0, 1, 4, 9, 16, 25, 36]
    assert again == [4, 9, 16, 25, 36]
    assert len(over) == 7
    assert {place for place, _, _ in heard} <= set(range(count))
    assert {text for _, text, share in heard if share == 0} == {item.label for item in SQUARES}
    assert any(text.endswith(" · half") and share == 0.5 for _, text, share in heard)


def test_one_process_does_the_work_itself_and_several_keep_theirs_for_the_next_work() -> None:
    asking = [job(work.process)] * 4
    with jobs.Workers(1) as workers:
        assert set(workers.run(asking)) == {os.getpid()}
    with jobs.Workers(2) as workers:
        first, again = set(workers.run(asking)), set(workers.run(asking))
    assert os.getpid() not in first | again
    assert len(first | again) <= 2


@pytest.mark.parametrize("count", [1, 2])
def test_what_fails_fails_where_the_work_was_given_out(count: int) -> None:
    with jobs.Workers(count) as workers:
        with pytest.raises(ValueError, match=r"^4 is refused") as caught:
            workers.run([*SQUARES, job(work.refuse, 4)])
        assert count == 1 or "support/work.py" in "".join(caught.value.__notes__)
        assert workers.run(SQUARES[:3]) == [0, 1, 4], "it can be used again"


def test_an_error_that_cannot_be_copied_keeps_its_words() -> None:
    with jobs.Workers(2) as workers, pytest.raises(RuntimeError, match="ConfigurationError: configuration has 1 prob"):
        workers.run([job(work.refuse_oddly), *SQUARES])


def test_a_process_that_dies_is_told_of() -> None:
    with jobs.Workers(2) as workers, pytest.raises(jobs.WorkerDied, match="ended with status 9 before its work did"):
        workers.run([*SQUARES, job(work.die)])


def test_an_interruption_ends_all_processes(tmp_path: pathlib.Path) -> None:
    busy: set[int] = set()

    def told(place: int, _text: str, _share: float) -> None:
        busy.add(place)
        if len(busy) == 2:
            waiting.until(lambda: len(list(tmp_path.iterdir())) == 2)
            raise KeyboardInterrupt

    sleeping = [jobs.Job(label="sleep", work=functools.partial(work.sleep, tmp_path)) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt), jobs.Workers(2) as workers:
        workers.run(sleeping, told=told)
    for begun in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(begun.name), 0)


@pytest.mark.parametrize("count", [0, -1, 257])
def test_numbers_of_processes_that_mean_nothing_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=rf"^{count} processes; allowed is 1 to 256$"):
        jobs.Workers(count)
