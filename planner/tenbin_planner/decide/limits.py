"""Hard limits: nodes of a pool, and dollars per hour of the stack and of each service.

What exists costs money whether the plan wants it or not: replicas that drain or are being removed count until they are
gone. So an hour's bill never exceeds the cap while one replica replaces another.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

from tenbin_spec.reasons import Reason

from tenbin_planner.decide.spending import STACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_planner.decide.allocate import Allocation
    from tenbin_planner.decide.options import Demanded

ZERO = Decimal(0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Account:
    """What the ledger knows of a workload."""

    service: str
    pool: str
    accelerators: int
    """Of one replica."""
    hourly_usd: Decimal | None
    existing: int
    """Replicas with a node that the cluster is told to run, lost ones excepted."""
    leaving: int
    """Replicas with a node that are being removed: they cost besides what is wanted."""
    lost: int
    """Replicas whose node does not answer, or is about to go: the count must make up for them, and they still cost."""


class Ledger:
    """Keeps count of what the plan takes from pools and budgets."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        pool_accelerators: Mapping[str, int],
        stack_cap: Decimal,
        service_caps: Mapping[str, Decimal],
        monthly: frozenset[str] = frozenset(),
    ) -> None:
        """Open the books.

        Args:
            accounts: by workload.
            pool_accelerators: accelerators that each pool has at most.
            stack_cap: USD per hour over all services.
            service_caps: USD per hour of each service that has a cap of its own.
            monthly: of these caps, those that pace a month; `spending.STACK` is the stack's.
        """
        self._accounts = dict(sorted(accounts.items()))
        self._pool_accelerators = pool_accelerators
        self._stack_cap = stack_cap
        self._service_caps = service_caps
        self._monthly = monthly
        self._wanted = dict.fromkeys(self._accounts, 0)
        self._lost = {name: account.lost for name, account in self._accounts.items()}

    def lost(self, workload: str) -> int:
        """Return the lost replicas of a workload that its count makes up for."""
        return self._lost[workload]

    def set(self, workload: str, wanted: int) -> None:
        """Take note of a workload's wanted replicas."""
        self._wanted[workload] = wanted

    def hourly_usd(self, service: str | None = None) -> Decimal:
        """Return the price of the wanted replicas for an hour, of one service or of all, without unknown prices."""
        return sum(
            (
                (self._wanted[name] + self._lost[name]) * account.hourly_usd
                for name, account in self._accounts.items()
                if account.hourly_usd is not None and service in (None, account.service)
            ),
            ZERO,
        )

    def refusal(self, workload: str) -> Reason | None:
        """Return what forbids one more replica of a workload, None when nothing does."""
        account = self._accounts[workload]
        more = {workload: self._wanted[workload] + 1}
        if self._accelerators(account.pool, more) > self._pool_accelerators[account.pool]:
            return Reason.POOLS_FULL
        if account.hourly_usd is None:
            return Reason.PRICE_UNKNOWN
        if self._billed(more) > self._stack_cap:
            return self.cap_reason(STACK)
        cap = self._service_caps.get(account.service)
        if cap is not None and self._billed(more, account.service) > cap:
            return self.cap_reason(account.service)
        return None

    def cap_reason(self, payer: str) -> Reason:
        """Return the name of a payer's cap: the hour's, or the month's where that one is lower."""
        return Reason.MONTHLY_CAP if payer in self._monthly else Reason.HOURLY_CAP

    def room_usd(self) -> Decimal:
        """Return the USD per hour that the stack may spend at most."""
        return self._stack_cap

    def own_cap(self, service: str) -> Decimal | None:
        """Return the USD per hour that a service may spend at most; None where it has no cap of its own."""
        return self._service_caps.get(service)

    def enforce(self, demands: Sequence[Demanded], given: Mapping[str, Allocation]) -> None:
        """Take replicas away, the dearest first, until pools hold them and no cap is exceeded."""
        for demand in demands:
            cap = self._service_caps.get(demand.service)
            while cap is not None and self.hourly_usd(demand.service) > cap:
                self._take_one([demand], given, self.cap_reason(demand.service))
        while self.hourly_usd() > self._stack_cap:
            self._take_one(demands, given, self.cap_reason(STACK))
        for pool, most in sorted(self._pool_accelerators.items()):
            while self._wanted_accelerators(pool) > most:
                self._take_one(demands, given, Reason.POOLS_FULL, pool)

    def _take_one(
        self, demands: Sequence[Demanded], given: Mapping[str, Allocation], reason: Reason, pool: str | None = None
    ) -> None:
        """Take one replica from the service with the most replicas above its minimum, from its dearest pool.

        Lost replicas go first: the count no longer makes up for them. Those that a person has set go last.
        """
        names = [option.name for demand in demands for option in demand.options if pool in (None, option.pool)]
        lost = next((name for name in sorted(names) if self._lost[name]), None)
        if lost is not None:
            self._lost[lost] -= 1
            return
        candidates = []
        for demand in demands:
            allocation = given[demand.service]
            options = [
                option
                for option in demand.options
                if allocation.wanted[option.name] > 0
                and (pool == option.pool if pool is not None else bool(option.hourly_usd))
            ]
            if options:
                free = [option for option in options if allocation.wanted[option.name] > option.floor]
                dearest = max(free or options, key=lambda option: option.dearness)
                candidates.append((bool(free), allocation.total - demand.least, demand.service, dearest.name))
        _, _, service, name = max(candidates)
        allocation = given[service]
        allocation.wanted[name] -= 1
        self._wanted[name] -= 1
        if reason not in allocation.bitten:
            allocation.bitten.append(reason)

    def _of_pool(self, pool: str) -> list[tuple[str, Account]]:
        return [(name, account) for name, account in self._accounts.items() if account.pool == pool]

    def _wanted_accelerators(self, pool: str) -> int:
        return sum((self._wanted[name] + self._lost[name]) * item.accelerators for name, item in self._of_pool(pool))

    def _accelerators(self, pool: str, more: Mapping[str, int]) -> int:
        """Return the accelerators of a pool that are taken: by what is wanted and by what still exists."""
        return sum(self._taken(name, account, more) * account.accelerators for name, account in self._of_pool(pool))

    def _taken(self, name: str, account: Account, more: Mapping[str, int]) -> int:
        return max(more.get(name, self._wanted[name]), account.existing) + account.leaving + account.lost

    def _billed(self, more: Mapping[str, int], service: str | None = None) -> Decimal:
        """Return the price for an hour of all that is wanted or still exists, with some counts replaced."""
        return sum(
            (
                self._taken(name, account, more) * account.hourly_usd
                for name, account in self._accounts.items()
                if account.hourly_usd is not None and service in (None, account.service)
            ),
            ZERO,
        )
