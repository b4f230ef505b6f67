"""What the command line of `tenbin suite` says."""

from __future__ import annotations

import dataclasses
import pathlib

from tenbin_spec import problems

from tenbin_cli import backtest_options, refusals

LEAD_TIMES = "60,180,420"
SEEDS = 3
MOST_SEEDS = 100
LONGEST_LEAD_S = 86_400
FIRST_SEED = ("hpa", "keda", "dynamo", "latency-hpa")
"""Policies whose tuning takes long."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """Options as they were written."""

    cells: str | None = None
    lead_times: str = LEAD_TIMES
    seeds: int = SEEDS
    policies: str = backtest_options.ALL_POLICIES
    ablation: bool = True
    traces: pathlib.Path | None = None
    resume: pathlib.Path | None = None
    json: pathlib.Path | None = None
    html: pathlib.Path | None = None
    markdown: pathlib.Path | None = None

    def check(self) -> None:
        """Refuse files that cannot be.

        Raises:
            UsageError: naming option and file.
        """
        for option, path in (("--json", self.json), ("--html", self.html), ("--markdown", self.markdown)):
            if path is not None and not path.absolute().parent.is_dir():
                raise refusals.UsageError(f"{option} {path} cannot be written: there is no folder {path.parent}")
        if self.traces is not None and not self.traces.is_dir():
            raise refusals.UsageError(f"--traces {self.traces}: there is no such folder")

    def leads_s(self) -> tuple[int, ...]:
        """Return the lead times in seconds, rising.

        Raises:
            UsageError: for none, or one that is not a whole number of seconds.
        """
        words = [word.strip() for word in self.lead_times.split(",") if word.strip()]
        for word in words:
            if not word.isdecimal() or not 0 < int(word) <= LONGEST_LEAD_S:
                raise refusals.UsageError(
                    f"--lead-times: {word!r} is none; allowed are whole numbers of seconds from 1 to {LONGEST_LEAD_S}"
                )
        if not words:
            raise refusals.UsageError(f"--lead-times {self.lead_times!r} names none; allowed is for example 60,180")
        return tuple(sorted({int(word) for word in words}))

    def chosen(self) -> tuple[str, ...]:
        """Return the policies, each once.

        Raises:
            UsageError: for none, or one that there is not.
        """
        return backtest_options.Asked(trace=(), policies=self.policies).chosen()

    def named(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the cells that are asked for, in the order in which they are known.

        Raises:
            UsageError: for none, or one that there is not.
        """
        if self.cells is None:
            return known
        names = [name.strip() for name in self.cells.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise refusals.UsageError(f"--cells: {problems.not_one_of(name, known, 'a cell')}")
        if not names:
            raise refusals.UsageError(f"--cells {self.cells!r} names none; allowed are {', '.join(known)}")
        return tuple(name for name in known if name in names)

    def words(self) -> list[str]:
        """Return the command that makes the same figures again, without its files."""
        found = ["tenbin", "suite"]
        for option, value, usual in (
            ("--cells", self.cells, None),
            ("--lead-times", self.lead_times, LEAD_TIMES),
            ("--seeds", str(self.seeds), str(SEEDS)),
            ("--policies", self.policies, backtest_options.ALL_POLICIES),
        ):
            if value is not None and value != usual:
                found += [option, value]
        found += [] if self.ablation else ["--no-ablation"]
        return found + ([] if self.traces is None else ["--traces", "DIR"])
