"""Which parts of the decision are in use: all of them, save where their worth is measured by leaving one out."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parts of the decision."""

    forecast: bool = True
    """Plan for what will come; without it, for what comes now."""
    lead_learning: bool = True
    """Learn lead times from what replicas took; without it, the declared ones count."""
    pacing: bool = True
    """Run leaner ahead of the error budget and buy more behind it."""
    look_ahead: bool = True
    """Judge candidates by simulated futures; without it, by the capacity of a fleet in steady state."""
    pool_choice: bool = True
    """Choose pools by price; without it, fill them in the order of the agreement."""


FULL = Recipe()
