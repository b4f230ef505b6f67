"""Independent pieces of work, in this process or spread over several: the same results in the same order either way.

>>> import functools
>>> def work(number, told):
...     told(" · half", 0.5)
...     return number * number
>>> with Workers(1) as workers:
...     workers.run([Job(label=f"square {n}", work=functools.partial(work, n)) for n in (2, 3)])
[4, 9]
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import multiprocessing.connection
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, cast

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

Result = TypeVar("Result")
Told = Callable[[str, float], None]
"""Takes words that go on from a job's label, and the share of the job that is over, 0 to 1."""
Heard = Callable[[int, str, float], None]
"""Takes the place of a worker, 0 up, what it does, and the share of it that is over."""
Done = Callable[[], None]
Ended = Callable[[int, Result], None]
MOST = 256
"""Processes at most."""
TOLD_EVERY_S = 0.1
"""Progress of a worker is passed on this often at most."""
JOIN_S = 5.0
"""How long a process that is ended may take for it."""


class WorkerDied(Exception):  # noqa: N818 - says what happened
    """A process ended before its job did."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job(Generic[Result]):
    """One piece of work."""

    label: str
    """What people read while it goes on."""
    work: Callable[[Told], Result]
    """For several processes it must be picklable, as is a `functools.partial` of a module's function."""


class Workers:
    """Processes that work through jobs; with one of them the work is done in this process.

    What is said of progress differs from one run to the next, results do not. Leaving the context ends all processes,
    also in the middle of a job.
    """

    def __init__(self, count: int) -> None:
        """Begin without a process; they start with the first work.

        Raises:
            ValueError: for less than 1 or more than `MOST`.
        """
        if not 1 <= count <= MOST:
            raise ValueError(f"{count} processes; allowed is 1 to {MOST}")
        self._count = count
        self._running: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        for worker in self._running:
            worker.process.terminate()
        for worker in self._running:
            worker.process.join(JOIN_S)
            worker.pipe.close()
        self._running = []

    def run(
        self,
        jobs: Sequence[Job[Result]],
        *,
        told: Heard = lambda *_: None,
        done: Done = lambda: None,
        ended: Ended[Result] = lambda *_: None,
    ) -> list[Result]:
        """Do all jobs and return their results in their order.

        Args:
            jobs: may end in any order, so none may need another.
            told: hears what each worker does, in this process.
            done: hears that a job is over.
            ended: takes the place of each job and its result as it ends, for those who keep it if others fail.

        Raises:
            WorkerDied: when a process was killed, for example for want of memory.
            Exception: what the first job that failed failed with; the others are not waited for.
        """
        if self._count == 1 or len(jobs) < 2:
            return [_here(number, job, told, done, ended) for number, job in enumerate(jobs)]
        while len(self._running) < min(self._count, len(jobs)):
            self._running.append(_Worker.start())
        try:
            return self._spread(jobs, told, done, ended)
        except BaseException:
            # What the others are in the middle of would be taken for results of the next jobs.
            self._end()
            raise

    def _spread(self, jobs: Sequence[Job[Result]], told: Heard, done: Done, ended: Ended[Result]) -> list[Result]:
        results: dict[int, Result] = {}
        left = iter(range(len(jobs)))
        for worker in self._running:
            if worker.is_idle:
                worker.give(jobs, left)
        while len(results) < len(jobs):
            for place, worker, kind, content in self._messages():
                match kind:
                    case "idle":
                        worker.is_idle = True
                    case "told":
                        told(place, jobs[worker.job].label + content[0], content[1])
                        continue
                    case "failed":
                        raise content
                    case "result":
                        results[worker.job] = content
                        ended(worker.job, content)
                        done()
                worker.give(jobs, left)
                if not worker.is_idle:
                    told(place, jobs[worker.job].label, 0.0)
        return [results[number] for number in range(len(jobs))]

    def _messages(self) -> Iterator[tuple[int, _Worker, str, Any]]:
        """Wait until a worker says something, and return what each one says that does."""
        by_pipe = {worker.pipe: (place, worker) for place, worker in enumerate(self._running)}
        for pipe in multiprocessing.connection.wait(list(by_pipe)):
            place, worker = by_pipe[cast("Connection", pipe)]
            try:
                kind, content = worker.pipe.recv()
            except (EOFError, OSError) as error:
                worker.process.join(JOIN_S)
                raise WorkerDied(
                    f"a process ended with status {worker.process.exitcode} before its work did; "
                    "with less of them at once there is more memory for each"
                ) from error
            yield place, worker, kind, content


@dataclasses.dataclass(kw_only=True, eq=False)
class _Worker:
    """One process, as the process that gives out the work sees it."""

    process: SpawnProcess
    pipe: Connection
    is_idle: bool = False
    """It has said that it waits for work."""
    job: int = -1

    @classmethod
    def start(cls) -> _Worker:
        context = multiprocessing.get_context("spawn")
        pipe, own = context.Pipe()
        process = context.Process(target=_work, args=(own,), daemon=True)
        process.start()
        own.close()
        return cls(process=process, pipe=pipe)

    def give(self, jobs: Sequence[Job[Any]], left: Iterator[int]) -> None:
        """Hand over the next job, if there is one."""
        number = next(left, None)
        self.is_idle = number is None
        if number is not None:
            self.job = number
            self.pipe.send(jobs[number].work)


def _here(number: int, job: Job[Result], told: Heard, done: Done, ended: Ended[Result]) -> Result:
    told(0, job.label, 0.0)
    result = job.work(lambda text, share: told(0, job.label + text, share))
    ended(number, result)
    done()
    return result


def _work(pipe: Connection) -> None:
    """Do what comes through a pipe until it is closed."""
    # Ctrl-C reaches every process of a terminal; the one that gives out the work ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(("idle", None))
        while True:
            work: Callable[[Told], object] = pipe.recv()
            pipe.send(_outcome(work, _Teller(pipe)))


def _outcome(work: Callable[[Told], object], told: Told) -> tuple[Literal["result", "failed"], object]:
    try:
        return "result", work(told)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # noqa: BLE001 - it is raised where the work was given out
        return "failed", _portable(error)


def _portable(error: Exception) -> Exception:
    """Return an error that another process can raise: itself, with its trace as a note, where it can be copied."""
    trace = "".join(traceback.format_exception(error))
    try:
        copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - made a moment ago
        is_same = str(copied) == str(error)
    except Exception:  # noqa: BLE001 - whatever an error's own code does
        is_same = False
    portable = error if is_same else RuntimeError(f"{type(error).__name__}: {error}")
    portable.add_note(trace)
    return portable


class _Teller:
    """Passes progress on, not too often."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._next = 0.0

    def __call__(self, text: str, share: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TOLD_EVERY_S
            self._pipe.send(("told", (text, share)))
