"""An estimate in words."""

from __future__ import annotations

from decimal import Decimal

from tenbin_spec.cost.amounts import UNKNOWN
from tenbin_spec.cost.estimate import Estimate


def usd(amount: Decimal | None) -> str:
    """Write an amount with two decimals.

    >>> usd(Decimal("89908.24")), usd(None)
    ('89,908.24', 'unknown')
    """
    return UNKNOWN if amount is None else f"{amount:,.2f}"


def signed(amount: Decimal | None) -> str:
    """Write a difference with its sign; none for 0.

    >>> signed(Decimal("3.50")), signed(Decimal("-1200")), signed(Decimal("0.00"))
    ('+3.50', '-1,200.00', '0.00')
    """
    return UNKNOWN if amount is None else f"{amount:+,.2f}" if amount else "0.00"


def sentence(estimate: Estimate) -> str:
    """Say what a stack costs in one sentence, and what is unknown in it."""
    month, million = estimate.monthly_usd, estimate.usd_per_million()
    text = (
        f"cost by estimate, in USD a month: {usd(month.minimum)} at the minimum, {usd(month.expected)} expected,"
        f" {usd(month.maximum)} at most"
    )
    if million is not None:
        text += f"; {usd(million)} per million output tokens"
    if estimate.committed_hourly_usd:
        text += f"; {usd(estimate.committed_hourly_usd)} an hour are committed"
    return "; unknown: ".join([text, *([", ".join(estimate.unknown)] if estimate.unknown else [])])
