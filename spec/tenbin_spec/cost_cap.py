"""The agreement on money."""

from __future__ import annotations

from tenbin_spec.quantities import Frozen, Usd


class CostCap(Frozen):
    """Money limit of a service or a stack."""

    hourly_usd: Usd
    """Never exceeded by a plan."""
    monthly_usd: Usd | None = None
    """Paced over the month."""
