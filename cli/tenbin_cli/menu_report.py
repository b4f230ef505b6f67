"""A menu in words: sentences and figures that the terminal's table and the page share, and all of it as plain data."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tenbin_planner.menu.fleets import Fleet
from tenbin_planner.menu.ladder import Step, StepName
from tenbin_planner.menu.offers import Menu, Offer
from tenbin_spec.objectives import Objective
from tenbin_spec.quantities import HOURS_A_MONTH, money_text
from tenbin_spec.words import duration_text, percent_text

from tenbin_cli.menu_words import WORDS, Language, Words
from tenbin_cli.simulation_report import share_text

AGREED, KNEE, CAPPED = "●", "◆", "†"
LONGEST_ERROR = 420
"""Characters of a profile's stated error that a page has room for."""
MOST_PROFILES = 2
"""Profiles whose error a page has room for."""
MOST_CLASSES = 2
"""Other classes that a page has room for."""
MOST_NOTES, LONGEST_NOTE = 3, 140
"""Notes that a page has room for, and characters of each."""
MOST_NAME = 48
"""Characters of a trace's name that are shown."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """A menu in one language."""

    menu: Menu
    language: Language
    notes: tuple[str, ...] = ()
    """What the reader of a trace changed or left out, in English."""

    @property
    def words(self) -> Words:
        """Words of the language."""
        return WORDS[self.language]

    def promise(self) -> str:
        """Return the agreed objective in one sentence."""
        menu, window = self.menu, self.menu.terms.slo.window
        return self.words.promise.format(window=self._window(window), **self._objective(menu.class_name))

    def also(self) -> list[str]:
        """Return a sentence of what the other classes keep, as many as there is room for; none without any."""
        others = [name for name in self.menu.terms.slo.classes if name != self.menu.class_name]
        told = [self.words.also_class.format(**self._objective(name)) for name in others[:MOST_CLASSES]]
        if len(others) > len(told):
            told.append(self.words.also_more.format(n=len(others) - len(told)))
        return [self.words.also.format(others=self.words.listed.join(told))] if told else []

    def verdict(self) -> list[str]:
        """Return why the agreement cannot be kept as it stands; nothing when it can."""
        offer = self.menu.agreed
        if offer.fleet is None:
            return [self.words.not_met.format(share=share_text(offer.share), largest=offer.largest)]
        return [self.words.above_cap.format(cap=exact(self.menu.hourly_cap))] if self.menu.is_capped(offer) else []

    def step(self, step: Step) -> tuple[str, str]:
        """Return a step's name and its thresholds."""
        pairs = (f"{name[:-3].upper()} {duration_text(value)}" for name, value in step.thresholds_ms.items())
        return self.words.steps[step.name], ", ".join(pairs)

    def marks(self, offer: Offer) -> list[str]:
        """Return the marks of an offer: agreed, knee, above the cap."""
        menu, column = self.menu, self.menu.objective.target
        found = {
            AGREED: (offer.step.name, offer.target) == (StepName.AGREED, column),
            KNEE: (offer.step.name, offer.target) == (menu.knee, column),
            CAPPED: menu.is_capped(offer),
        }
        return [mark for mark, holds in found.items() if holds]

    def cell(self, offer: Offer) -> list[str]:
        """Return what stands in a cell of the ladder, a text for each line."""
        if offer.fleet is None:
            share = self.words.no_fleet_share.format(share=share_text(offer.share), largest=offer.largest)
            return [self.words.no_fleet, share]
        return [
            f"{offer.monthly_usd:,.0f}",
            self.replicas(offer.fleet),
            f"{usd(offer.hourly_usd)}/h",
            f"{usd(offer.million_usd)}/M",
        ]

    def replicas(self, fleet: Fleet) -> str:
        """Return the number of replicas in words."""
        return (self.words.replica if fleet.replicas == 1 else self.words.replicas).format(n=fleet.replicas)

    def fleet(self, fleet: Fleet) -> str:
        """Return a fleet in words, by pool."""
        pools = " + ".join(f"{count} {pool}" for pool, count in fleet.by_pool.items())
        return self.words.pools.format(replicas=self.replicas(fleet), pools=pools)

    def legend(self) -> list[str]:
        """Return what stands in the cells, and what the terms and marks that occur mean."""
        menu, words = self.menu, self.words
        told = [words.cell, *(words.terms[name] for name in menu.steps[0].thresholds_ms)]
        told += [words.agreed_legend, words.knee_legend if menu.knee else words.no_knee]
        if any(offer.fleet is None for offer in menu.offers.values()):
            told.append(words.no_fleet_legend)
        if any(menu.is_capped(offer) for offer in menu.offers.values()):
            told.append(words.capped_legend.format(cap=exact(menu.hourly_cap)))
        return told

    def neighbours(self) -> list[tuple[str, str, str]]:
        """Return what each step from the agreement is called, what it promises, and what it costs."""
        return [
            (self.words.beside_names[name], "" if offer is None else self._varied(name, offer), self._beside(offer))
            for name, offer in self.menu.neighbours().items()
        ]

    def assumptions(self) -> list[str]:
        """Return what was assumed."""
        menu, words, declared = self.menu, self.words, self.menu.terms.workload
        demand, rate = menu.demand, declared.requests_per_second
        told = []
        if demand.trace is None:
            told.append(
                words.declared.format(
                    peak=f"{rate.peak:g}",
                    expected=f"{rate.expected:g}",
                    tokens_in=f"{declared.input_tokens.mean:,}",
                    tokens_out=f"{declared.output_tokens.mean:,}",
                    requests=f"{demand.requests:,}",
                )
            )
        else:
            name = demand.trace
            shown = name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"
            told.append(
                words.recorded.format(trace=shown, requests=f"{demand.requests:,}", rate=f"{demand.rate_rps:.3g}")
            )
        told.append(words.constant)
        prices = ", ".join(f"{pool} {exact(price)}" for pool, price in menu.prices.items())
        told.append(words.prices.format(prices=prices))
        if menu.spot:
            told.append(words.spot.format(pools=", ".join(menu.spot)))
        tokens = words.tokens_declared if demand.trace is None else words.tokens_recorded
        told.append(tokens.format(expected=f"{rate.expected:g}"))
        told.append(words.good)
        return [
            *told,
            self._cap(),
            *self.left_out(),
            *(shortened(note, LONGEST_NOTE) for note in self.notes[:MOST_NOTES]),
        ]

    def left_out(self) -> list[str]:
        """Return which pools are not on offer, and why."""
        words = self.words
        return [
            words.left_out.format(pool=pool, lacks=words.both.join(words.lacks[lack] for lack in lacks))
            for pool, lacks in self.menu.left_out.items()
        ]

    def sureness(self) -> list[str]:
        """Return how sure the figures are."""
        menu, words = self.menu, self.words
        told = []
        pools = menu.agreed.fleet.by_pool if menu.agreed.fleet is not None else menu.profiles
        used = list(dict.fromkeys(profile for pool, profile in menu.profiles.items() if pool in pools))
        for profile in used[:MOST_PROFILES]:
            told.append(words.profile.format(name=profile.name, date=profile.date, kind=words.kinds[profile.kind]))
            error = profile.error
            told.append(words.stated_error.format(error=shortened(error)) if error else words.no_error)
        others = dict.fromkeys(
            profile.name for profile in menu.profiles.values() if profile not in used[:MOST_PROFILES]
        )
        if others:
            names = ", ".join(others)
            told.append(words.more_profiles.format(names=names))
        if menu.agreed.fleet is not None:
            target = percent_text(float(menu.objective.target))
            told.append(words.reached.format(share=share_text(menu.agreed.share), target=target))
        offer = menu.if_slower
        if offer.fleet is None or offer.monthly_usd is None:
            told.append(words.if_slower_none.format(share=share_text(offer.share)))
        else:
            before = menu.agreed.monthly_usd
            difference = "—" if before is None else f"{offer.monthly_usd - before:+,.2f}"
            told.append(
                words.if_slower.format(
                    fleet=self.fleet(offer.fleet), month=usd(offer.monthly_usd), difference=difference
                )
            )
        return [*told, words.model]

    def show(self, console: Console) -> None:
        """Print the menu."""
        menu, words = self.menu, self.words
        console.print(Text(f"{words.title}: {menu.service}", style="bold"))
        for text in (self.promise(), *self.also()):
            console.print(Text(text))
        for text in self.verdict():
            console.print(Text(text, style="yellow"))
        console.print(self._table())
        for text in self.legend():
            console.print(Text(text, style="dim"))
        console.print(Text(f"\n{words.beside}", style="bold"))
        for name, promise, cost in self.neighbours():
            console.print(Text(f"  {name}: {f'{promise}: ' if promise else ''}{cost}"))
        for title, texts in ((words.assumed, self.assumptions()), (words.sureness, self.sureness())):
            console.print(Text(f"\n{title}", style="bold"))
            for text in texts:
                console.print(Text(f"  - {text}"))

    def plain(self) -> dict[str, object]:
        """Return all figures for JSON; amounts of USD are strings."""
        menu = self.menu
        return {
            "stack": menu.stack,
            "revision": menu.revision,
            "service": menu.service,
            "class": menu.class_name,
            "agreed": _plain_offer(menu, menu.agreed),
            "knee": menu.knee and menu.knee.value,
            "offers": [_plain_offer(menu, offer) for offer in menu.offers.values()],
            "if_10_percent_slower": _plain_offer(menu, menu.if_slower),
            "hourly_cap_usd": money_text(menu.hourly_cap),
            "hours_a_month": HOURS_A_MONTH,
            "traffic": {
                "trace": menu.demand.trace,
                "requests": menu.demand.requests,
                "requests_per_second": round(menu.demand.rate_rps, 6),
                "output_tokens_per_hour": round(menu.demand.output_tokens_per_hour, 3),
            },
            "prices_usd": {pool: money_text(price) for pool, price in menu.prices.items()},
            "profiles": [
                {"name": item.name, "kind": item.kind.value, "date": str(item.date), "error": item.error}
                for item in dict.fromkeys(menu.profiles.values())
            ],
            "notes": list(self.notes),
        }

    def _table(self) -> Table:
        menu, words = self.menu, self.words
        table = Table(show_lines=True)
        table.add_column(words.step, no_wrap=True)
        for target in menu.targets:
            table.add_column(words.target.format(share=percent_text(float(target))), justify="right")
        for step in menu.steps:
            name, thresholds = self.step(step)
            row = [self._terminal_cell(menu.at(step.name, target)) for target in menu.targets]
            table.add_row(Text("\n".join([name, *thresholds.split(", ")])), *row)
        return table

    def _terminal_cell(self, offer: Offer) -> Text:
        marks = self.marks(offer)
        style = "bold" if AGREED in marks else "dim" if offer.fleet is None else ""
        first, *rest = self.cell(offer)
        if offer.fleet is not None:
            rest[0] = self.words.few.format(n=offer.fleet.replicas)
        return Text("\n".join([" ".join([*marks, first]), *rest]), style=style)

    def _objective(self, name: str) -> dict[str, str]:
        objective = self.menu.terms.slo.classes[name]
        return {
            "share": percent_text(float(objective.target)),
            "name": name,
            "thresholds": self._thresholds(objective),
        }

    def _thresholds(self, objective: Objective) -> str:
        words = self.words
        pairs = ((words.ttft, objective.ttft_ms), (words.tpot, objective.tpot_ms), (words.e2e, objective.e2e_ms))
        parts = [text.format(time=self._time(value)) for text, value in pairs if value is not None]
        return words.before_last.join(filter(None, [words.between.join(parts[:-1]), parts[-1]]))

    def _time(self, milliseconds: int) -> str:
        if milliseconds >= 1000:
            return self.words.seconds.format(n=f"{milliseconds / 1000:g}")
        return self.words.milliseconds.format(n=milliseconds)

    def _window(self, window: datetime.timedelta) -> str:
        minutes = int(window.total_seconds()) // 60
        for text, size in ((self.words.days, 1440), (self.words.hours, 60)):
            if minutes % size == 0:
                return text.format(n=minutes // size)
        return self.words.minutes.format(n=minutes)

    def _varied(self, name: str, offer: Offer) -> str:
        if name in {"faster", "slower"}:
            return self.step(offer.step)[1]
        return self.words.target.format(share=percent_text(float(offer.target)))

    def _beside(self, offer: Offer | None) -> str:
        words = self.words
        if offer is None:
            return words.beside_none
        if offer.fleet is None or offer.monthly_usd is None:
            return words.beside_open.format(largest=offer.largest, share=share_text(offer.share))
        month, before = usd(offer.monthly_usd), self.menu.agreed.monthly_usd
        difference = Decimal(0) if before is None else offer.monthly_usd - before
        if before is not None and not difference:
            return words.beside_same.format(month=month)
        text = words.beside_more if difference > 0 else words.beside_less
        if before is None:
            return f"{month} {words.per_month}, {self.fleet(offer.fleet)}"
        return text.format(difference=usd(abs(difference)), month=month, fleet=self.fleet(offer.fleet))

    def _cap(self) -> str:
        agreed = self.menu.terms.cost
        monthly = None if agreed is None else agreed.monthly_usd
        hour = exact(self.menu.hourly_cap)
        if monthly is None:
            return self.words.cap.format(hour=hour)
        return self.words.cap_monthly.format(hour=hour, month=exact(monthly))


def usd(amount: Decimal | None) -> str:
    """Return an amount with two decimals, or a dash for none."""
    return "—" if amount is None else f"{amount:,.2f}"


def exact(amount: Decimal) -> str:
    """Return an amount with all of its decimals, two at least.

    >>> exact(Decimal("14000")), exact(Decimal("0.8048"))
    ('14,000.00', '0.8048')
    """
    return f"{Decimal(money_text(amount)):,}"


def shortened(text: str, most: int = LONGEST_ERROR) -> str:
    """Cut a text after its last whole sentence of at most so many characters; a first sentence is cut within.

    >>> shortened("Within 5 %. Not checked beyond.", 15)
    'Within 5 %. …'
    """
    if len(text) <= most:
        return text
    kept = text[: most + 1].rfind(". ")
    return f"{text[: kept + 1]} …" if kept > 0 else f"{text[: most - 1]}…"


def _plain_offer(menu: Menu, offer: Offer) -> dict[str, object]:
    amounts: Sequence[tuple[str, Decimal | None]] = (
        ("hourly_usd", offer.hourly_usd),
        ("monthly_usd", offer.monthly_usd),
        ("usd_per_million_output_tokens", offer.million_usd),
    )
    return {
        "step": offer.step.name.value,
        **offer.step.thresholds_ms,
        "target": str(offer.target),
        "share": round(offer.share, 6),
        "replicas": None if offer.fleet is None else offer.fleet.replicas,
        "replicas_by_pool": None if offer.fleet is None else dict(offer.fleet.by_pool),
        **{name: None if amount is None else money_text(amount) for name, amount in amounts},
        "largest_replicas": offer.largest,
        "is_above_hourly_cap": menu.is_capped(offer),
    }
