"""What a change may cost before somebody must agree, and before nobody can."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.quantities import Frozen, Usd

Percent = Annotated[float, Field(strict=True, ge=0, le=100_000, allow_inf_nan=False)]


class GrowthLimit(Frozen):
    """How much more a stack may be expected to cost; whichever is reached first counts."""

    monthly_usd: Usd | None = None
    """USD a month more."""
    percent: Percent | None = None
    """Per cent more."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.monthly_usd is None and self.percent is None:
            raise ValueError("has no limit: give at least one of monthly_usd, percent")
        return self


class Review(Frozen):
    """Limits of `tenbin cost diff`."""

    approval: GrowthLimit | None = None
    """Beyond it somebody must agree to the change."""
    refusal: GrowthLimit | None = None
    """Beyond it the change is refused, whoever agrees."""
    expected_monthly_usd: Usd | None = None
    """A stack that is expected to cost more a month is refused, whoever agrees."""
