"""What the command line of `tenbin backtest` says, and the names of the policies."""

from __future__ import annotations

import dataclasses
import pathlib

from tenbin_spec import problems

from tenbin_cli import refusals

POLICIES = ("tenbin", "fixed", "trend", "hpa", "keda", "dynamo", "latency-hpa", "clairvoyant")
ALL_POLICIES = ",".join(POLICIES)
MIN_REPLICAS, MAX_REPLICAS, MOST_REPLICAS = 1, 64, 2_000
MOST_SEEDS = 1_000
MOST_JOBS = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """Options as they were written."""

    trace: tuple[str, ...] = ()
    scenario: pathlib.Path | None = None
    profile: str | None = None
    price: str | None = None
    slo: tuple[str, ...] = ()
    stack: str | None = None
    folder: pathlib.Path = pathlib.Path("stacks")
    history: tuple[str, ...] = ()
    window: str | None = None
    class_mix: str | None = None
    policies: str = ALL_POLICIES
    lead_time: str | None = None
    seeds: int = 1
    min_replicas: int = MIN_REPLICAS
    max_replicas: int = MAX_REPLICAS
    hourly_cap: str | None = None

    @property
    def of_traffic(self) -> dict[str, object]:
        """Return the options that say what a scenario's file says, those that are given."""
        given = {
            "--stack": self.stack,
            "--profile": self.profile,
            "--price": self.price,
            "--slo": self.slo,
            "--trace": self.trace,
            "--history": self.history,
            "--window": self.window,
            "--class-mix": self.class_mix,
            "--hourly-cap": self.hourly_cap,
            "--min-replicas": None if self.min_replicas == MIN_REPLICAS else self.min_replicas,
            "--max-replicas": None if self.max_replicas == MAX_REPLICAS else self.max_replicas,
        }
        return {name: value for name, value in given.items() if value}

    def chosen(self) -> tuple[str, ...]:
        """Return the policies, each once, in the order of `POLICIES`.

        Raises:
            UsageError: for none, or one that there is not.
        """
        names = [name.strip() for name in self.policies.split(",") if name.strip()]
        if not names:
            raise refusals.UsageError(f"--policies {self.policies!r} names none; allowed are {', '.join(POLICIES)}")
        for name in names:
            if name not in POLICIES:
                raise refusals.UsageError(f"--policies: {problems.not_one_of(name, POLICIES, 'a policy')}")
        return tuple(name for name in POLICIES if name in names)

    def plain(self) -> dict[str, object]:
        """Return the options that say something, for JSON."""
        found = dataclasses.asdict(self) | {
            "folder": str(self.folder) if self.stack or self.scenario else None,
            "scenario": str(self.scenario) if self.scenario else None,
        }
        if self.stack or self.scenario:
            found |= {"min_replicas": None, "max_replicas": None}
        return {name: value for name, value in found.items() if value not in (None, (), [])}
