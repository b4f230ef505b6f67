"""The fleets among which a service chooses: a ladder of replica counts, each rung a way to spread them over pools.

Growing fills the cheapest pool that is open first; shrinking empties the dearest one first. What is below the least on
pools that are not spot stays there. Cheap is price per request that a replica serves.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_planner.decide.options import Option


@dataclasses.dataclass(frozen=True)
class Ladder:
    """All fleets of a service that follow from what runs."""

    options: tuple[Option, ...]
    least_firm: int
    """Replicas on pools that are not spot, at least."""

    @property
    def current(self) -> int:
        """Replicas that serve or will."""
        return sum(option.current for option in self.options)

    @property
    def least(self) -> int:
        """The lowest rung: what a person has set."""
        return sum(option.floor for option in self.options)

    @property
    def most(self) -> int:
        """The highest rung: all that runs and all that open pools hold."""
        return sum(_room(option) for option in self.options)

    def rung(self, count: int) -> dict[str, int]:
        """Return the replicas by workload of a fleet of so many."""
        counts = {option.name: max(option.current, option.floor) for option in self.options}
        ordered = sorted(self.options, key=lambda option: option.dearness)
        while sum(counts.values()) > max(count, self.least):
            counts[_dearest(ordered, counts, self.least_firm).name] -= 1
        missing = max(0, count - sum(counts.values()))
        firm = sum(counts[option.name] for option in self.options if not option.is_spot)
        for only_firm in (True, False):
            for option in ordered:
                if only_firm and option.is_spot:
                    continue
                room = max(0, _room(option) - counts[option.name])
                taken = min(room, missing, max(0, self.least_firm - firm) if only_firm else missing)
                counts[option.name] += taken
                missing -= taken
                firm += 0 if option.is_spot else taken
        return counts


def _room(option: Option) -> int:
    """Return the most replicas of an option: none are bought where it is closed."""
    most = option.current if option.closed is not None else max(option.current, option.max_replicas)
    return max(most, option.floor)


def _dearest(ordered: Sequence[Option], counts: Mapping[str, int], least_firm: int) -> Option:
    """Return the option whose replica goes next: the dearest; the floor off spot goes last."""
    firm = sum(counts[option.name] for option in ordered if not option.is_spot)
    held = [option for option in ordered if counts[option.name] > option.floor]
    free = [option for option in held if option.is_spot or firm > least_firm] or held
    return max(free, key=lambda option: option.dearness)
