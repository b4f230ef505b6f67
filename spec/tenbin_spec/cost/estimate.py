"""The estimate of a stack's bill: lines by service, pool and part that add up to it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from tenbin_spec import catalogue
from tenbin_spec.catalogue.prices import FixedPrices
from tenbin_spec.cost import fixed, fleets
from tenbin_spec.cost.amounts import NOTHING, ZERO, Amounts, Level, text, total
from tenbin_spec.pools import Backend, CapacityType, Pool
from tenbin_spec.quantities import HOURS_A_MONTH
from tenbin_spec.stack import Stack

SECONDS_AN_HOUR = 3600
_MILLION = 1_000_000
_FRACTION = Decimal("0.0001")


class Part(enum.StrEnum):
    """Parts of a bill."""

    REPLICAS = "replicas"
    """Of a service on a pool: the share of nodes that they take."""
    NODES = "rest-of-nodes"
    """Of a pool: what its nodes cost beyond replicas; below 0 where services count on the same nodes at the maximum."""
    VOLUMES = "volumes"
    """Of a pool: root volumes of its nodes."""
    AUTO_MODE = "auto-mode-fee"
    """Of a pool: what EKS takes for running its nodes."""
    CONTROL_PLANE = "control-plane"
    NAT_GATEWAYS = "nat-gateways"
    ENDPOINTS = "endpoints"
    SYSTEM_NODES = "system-nodes"
    CAP = "held-by-the-cap"
    """What the stack's hourly cap keeps from being bought, below 0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a bill."""

    part: Part
    service: str | None = None
    pool: str | None = None
    hourly_usd: Amounts
    replicas: Mapping[Level, int] = dataclasses.field(default_factory=dict, compare=False)
    """Of the service on the pool, by level."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What the line is of: service, pool and part; lines are in this order, those of the whole stack last."""
        return self.service or "~", self.pool or "~", self.part.value

    @property
    def name(self) -> str:
        """What the line is of, in words: `chat on l40s`, `l40s: volumes`, `nat gateways`."""
        part = self.part.value.replace("-", " ")
        if self.service is not None:
            return f"{self.service} on {self.pool}"
        return part if self.pool is None else f"{self.pool}: {part}"

    @property
    def monthly_usd(self) -> Amounts:
        """USD per month, in cents."""
        return self.hourly_usd.monthly()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a stack costs.

    Amounts per month are sums of the lines in cents, so that they add up as written.
    """

    lines: tuple[Line, ...]
    committed_hourly_usd: Decimal | None
    """Paid whether anything runs or not: reservations and capacity blocks."""
    spot_share: float | None
    """Of what replicas are expected to cost; None where that is nothing or unknown."""
    tokens_per_hour: Mapping[str, tuple[float, float]]
    """Of prompts and of answers at the expected rate, by service."""
    unknown: tuple[str, ...]
    """Prices, profiles and counts that nobody knows, in words: the amounts that need them are unknown, never 0."""
    not_counted: tuple[str, ...]
    """What is paid and not in the lines."""

    @property
    def hourly_usd(self) -> Amounts:
        """USD per hour of the stack."""
        return total(line.hourly_usd for line in self.lines)

    @property
    def monthly_usd(self) -> Amounts:
        """USD per month of the stack, in cents."""
        return total(line.monthly_usd for line in self.lines)

    def of_service(self, name: str) -> tuple[Line, ...]:
        """Return the lines of a service."""
        return tuple(line for line in self.lines if line.service == name)

    def of_pool(self, name: str) -> tuple[Line, ...]:
        """Return the lines of a pool, replicas of all services on it included."""
        return tuple(line for line in self.lines if line.pool == name)

    def of_stack(self) -> tuple[Line, ...]:
        """Return the lines of no pool."""
        return tuple(line for line in self.lines if line.pool is None)

    def usd_per_million(self, service: str | None = None, *, outputs_only: bool = True) -> Decimal | None:
        """Return the expected price of a million tokens, or None where it is unknown.

        Args:
            service: whose replicas and tokens; None: the whole bill over the tokens of all services.
            outputs_only: whether only tokens of answers count, or those of prompts too.
        """
        chosen = self.tokens_per_hour if service is None else {service: self.tokens_per_hour[service]}
        tokens = sum(answers + (0.0 if outputs_only else prompts) for prompts, answers in chosen.values())
        lines = self.lines if service is None else self.of_service(service)
        usd = total(line.hourly_usd for line in lines).expected
        return None if usd is None or not tokens else (usd * _MILLION / Decimal(tokens)).quantize(_FRACTION)

    def plain(self) -> dict[str, Any]:
        """Return the estimate as plain values for outputs, policies and JSON; amounts are texts."""
        services, pools = sorted(self.tokens_per_hour), sorted({line.pool for line in self.lines if line.pool})
        return {
            "hourly_usd": self.hourly_usd.texts(),
            "monthly_usd": self.monthly_usd.texts(),
            "services": {name: _sums(self.of_service(name)) | self._per_million(name) for name in services},
            "pools": {name: _sums(self.of_pool(name)) for name in pools},
            "lines": [
                {
                    "part": line.part.value,
                    **({} if line.service is None else {"service": line.service}),
                    **({} if line.pool is None else {"pool": line.pool}),
                    **(
                        {}
                        if not line.replicas
                        else {"replicas": {level.value: n for level, n in line.replicas.items()}}
                    ),
                    "hourly_usd": line.hourly_usd.texts(),
                    "monthly_usd": line.monthly_usd.texts(),
                }
                for line in self.lines
            ],
            "committed_hourly_usd": text(self.committed_hourly_usd),
            "spot_share": "unknown" if self.spot_share is None else f"{self.spot_share:.4f}",
            **self._per_million(None),
            "unknown": list(self.unknown),
            "not_counted": list(self.not_counted),
            "hours_a_month": HOURS_A_MONTH,
        }

    def _per_million(self, service: str | None) -> dict[str, str]:
        return {
            "usd_per_million_output_tokens": text(self.usd_per_million(service)),
            "usd_per_million_tokens": text(self.usd_per_million(service, outputs_only=False)),
        }


Run = Mapping[str, Mapping[str, Decimal]]
"""USD per hour by service and pool, as a back-test had it: of whole nodes where the stack makes them."""


def of(stack: Stack, expected: Run | None = None) -> Estimate:
    """Estimate what a stack costs.

    Args:
        stack: the agreement.
        expected: what services are expected to cost, by a back-test, which has no service whose pools lack price or
            profile; None: by the closed form of `tenbin_spec.capacity`.
    """
    found = fleets.of(stack)
    replicas = [line for name in found for line in _replicas(stack, name, found[name], expected)]
    lines, unknown = list(replicas), list[str]()
    for name, fleet in found.items():
        unknown += [] if expected is not None and name in expected else fleet.unknown
    for name in sorted(stack.pools):
        made, lacking = _Pool(stack, name, found, [line for line in replicas if line.pool == name], expected).lines()
        lines += made
        unknown += lacking
    if stack.cluster.kind == "eks":
        for charge in fixed.charges(stack.cluster, _fixed_prices(stack)):
            lines.append(Line(part=Part(charge.name), hourly_usd=charge.hourly_usd))
            unknown += charge.unknown
    lines.append(Line(part=Part.CAP, hourly_usd=_held(stack, lines)))
    used = [line for line in lines if line.part is Part.REPLICAS or not line.hourly_usd.is_nothing]
    return Estimate(
        lines=tuple(sorted(used, key=lambda line: line.key)),
        committed_hourly_usd=_committed(stack),
        spot_share=_spot_share(stack, replicas),
        tokens_per_hour={name: _tokens(stack, name) for name in sorted(stack.services)},
        unknown=tuple(dict.fromkeys(unknown)),
        not_counted=fixed.not_counted(stack.cluster),
    )


def _replicas(stack: Stack, name: str, fleet: fleets.ServiceFleet, expected: Run | None) -> Iterator[Line]:
    """Return what the replicas of a service cost by pool, within its own cap."""
    amounts: dict[str, dict[Level, Decimal | None]] = {item.pool: {} for item in fleet.own}
    for item in fleet.own:
        for level in Level:
            if level is Level.EXPECTED and expected is not None:
                amounts[item.pool][level] = expected[name].get(item.pool, ZERO) if name in expected else None
            elif level not in fleet.counts:
                amounts[item.pool][level] = None
            else:
                count = fleet.counts[level][item.pool]
                amounts[item.pool][level] = _times(count, item.hourly_usd)
    own = stack.services[name].cost
    for level in (Level.EXPECTED, Level.MAXIMUM):
        known = [found for by_level in amounts.values() if (found := by_level[level]) is not None]
        whole = sum(known, ZERO)
        if own is not None and len(known) == len(amounts) and whole > own.hourly_usd:
            for by_level in amounts.values():
                by_level[level] = (by_level[level] or ZERO) * own.hourly_usd / whole
    for item in fleet.own:
        yield Line(
            part=Part.REPLICAS,
            service=name,
            pool=item.pool,
            hourly_usd=Amounts.by_level(lambda level, own=amounts[item.pool]: own[level]),  # type: ignore[misc]
            replicas={level: counts[item.pool] for level, counts in fleet.counts.items()},
        )


@dataclasses.dataclass(frozen=True)
class _Pool:
    """What a pool costs besides the replicas on it."""

    stack: Stack
    name: str
    found: Mapping[str, fleets.ServiceFleet]
    replicas: list[Line]
    expected: Run | None

    def lines(self) -> tuple[list[Line], list[str]]:
        """Return its lines, and the prices that nobody knows."""
        pool, price = self._pool, catalogue.node_price(self._pool)
        place = f"{pool.instance_type} {pool.capacity_type} in {pool.region}"
        unknown = [] if price is not None else [f"the price of {place} (pool {self.name})"]
        lines = [self._line(Part.NODES, lambda level: self._rest(level, price))]
        if self._is_made:
            prices = catalogue.price_book().fixed_in(pool.region)
            volume = fixed.volume_hourly(prices, pool.volume_gb)
            unknown += [] if volume is not None else [f"the price of a GB of gp3 in {pool.region}"]
            lines.append(self._line(Part.VOLUMES, lambda level: self._by_node(level, volume)))
            if self._has_fee:
                fee = self._fee(prices)
                unknown += (
                    [] if fee is not None else [f"the fee of Auto Mode for {pool.instance_type} in {pool.region}"]
                )
                lines.append(self._line(Part.AUTO_MODE, lambda level: self._by_node(level, fee)))
        return lines, unknown

    @property
    def _pool(self) -> Pool:
        return self.stack.pools[self.name]

    @property
    def _is_made(self) -> bool:
        return self.stack.cluster.kind == "eks"

    @property
    def _has_fee(self) -> bool:
        cluster = self.stack.cluster
        return cluster.kind == "eks" and cluster.auto_mode and self._pool.backend is Backend.KARPENTER

    def _line(self, part: Part, amount: Any) -> Line:
        return Line(part=part, pool=self.name, hourly_usd=Amounts.by_level(amount))

    def _fee(self, prices: FixedPrices) -> Decimal | None:
        """Return what Auto Mode takes for a node and hour: a share of its price on demand, however it was bought."""
        pool = self._pool
        listed = catalogue.price_book().find(
            region=pool.region, capacity_type=CapacityType.ON_DEMAND, instance_type=pool.instance_type
        )
        return None if listed is None or prices.auto_mode is None else listed.hourly_usd * prices.auto_mode.share

    def _rest(self, level: Level, price: Decimal | None) -> Decimal | None:
        """Return what nodes cost beyond replicas: all of a node is paid, and no node twice."""
        used = total(line.hourly_usd for line in self.replicas).at(level)
        nodes = self._nodes(level)
        if nodes == 0 and used == 0:
            return ZERO
        if used is None or nodes is None or price is None:
            return None
        paid = nodes * price
        is_whole = self._is_made or self._pool.capacity_type in fleets.COMMITTED
        return paid - used if is_whole else min(ZERO, self._pool.nodes.max * price - used)

    def _by_node(self, level: Level, each: Decimal | None) -> Decimal | None:
        nodes = self._nodes(level)
        return ZERO if nodes == 0 else None if nodes is None or each is None else nodes * each

    def _nodes(self, level: Level) -> Decimal | None:
        """Return the nodes that are paid for; a back-test's money tells their mean number."""
        pool, price = self._pool, catalogue.node_price(self._pool)
        if level is Level.EXPECTED and self.expected is not None and pool.capacity_type not in fleets.COMMITTED:
            used = total(line.hourly_usd for line in self.replicas).expected
            if used is None or (used and not price):
                return None
            mean = used / price if price else ZERO
            return min(max(mean, Decimal(pool.nodes.min if self._is_made else 0)), Decimal(pool.nodes.max))
        on_it = [(fleet, item) for fleet in self.found.values() for item in fleet.own if item.pool == self.name]
        if any(level not in fleet.counts for fleet, _ in on_it) and pool.capacity_type not in fleets.COMMITTED:
            return None
        sizes = [(item.accelerators, fleet.counts.get(level, {}).get(self.name, 0)) for fleet, item in on_it]
        return Decimal(fleets.nodes(pool, sizes, is_made=self._is_made))


def _held(stack: Stack, lines: Iterable[Line]) -> Amounts:
    """Return what the hourly cap of the stack holds back: it bounds replicas, on nodes that no two of them share."""
    counted = [
        line.hourly_usd if line.part is Part.REPLICAS else _below_zero(line.hourly_usd)
        for line in lines
        if line.part in {Part.REPLICAS, Part.NODES}
    ]
    wanted = total(counted)

    def held(level: Level) -> Decimal:
        amount = wanted.at(level)
        return ZERO if amount is None or level is Level.MINIMUM else min(ZERO, stack.cost.hourly_usd - amount)

    return Amounts.by_level(held)


def _below_zero(amounts: Amounts) -> Amounts:
    def below(level: Level) -> Decimal | None:
        amount = amounts.at(level)
        return None if amount is None else min(amount, ZERO)

    return Amounts.by_level(below)


def _times(count: int, price: Decimal | None) -> Decimal | None:
    return ZERO if count == 0 else None if price is None else count * price


def _sums(lines: tuple[Line, ...]) -> dict[str, Any]:
    return {
        "hourly_usd": total(line.hourly_usd for line in lines).texts(),
        "monthly_usd": total(line.monthly_usd for line in lines).texts(),
    }


def _tokens(stack: Stack, name: str) -> tuple[float, float]:
    load = stack.services[name].workload
    an_hour = load.requests_per_second.expected * SECONDS_AN_HOUR
    return an_hour * load.input_tokens.mean, an_hour * load.output_tokens.mean


def _committed(stack: Stack) -> Decimal | None:
    bought = [pool for pool in stack.pools.values() if pool.capacity_type in fleets.COMMITTED]
    prices = [(pool.nodes.max, catalogue.node_price(pool)) for pool in bought]
    known = [count * price for count, price in prices if price is not None]
    return sum(known, ZERO) if len(known) == len(prices) else None


def _spot_share(stack: Stack, replicas: Iterable[Line]) -> float | None:
    lines = list(replicas)
    whole = total(line.hourly_usd for line in lines).expected
    spot = [line.hourly_usd for line in lines if stack.pools[line.pool or ""].capacity_type is CapacityType.SPOT]
    on_spot = total([*spot, NOTHING]).expected
    return None if not whole or on_spot is None else float(on_spot / whole)


def _fixed_prices(stack: Stack) -> FixedPrices:
    assert stack.cluster.kind == "eks"  # noqa: S101 - asked for such a cluster
    return catalogue.price_book().fixed_in(stack.cluster.region)
