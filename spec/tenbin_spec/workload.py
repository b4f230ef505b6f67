"""The traffic that a service is built for."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.quantities import Frozen, Tokens

PerSecond = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]


class Rate(Frozen):
    """Requests per second."""

    expected: PerSecond
    """Mean over an ordinary day."""
    peak: PerSecond
    """Highest rate that is to be served within the objectives."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.peak < self.expected:
            raise ValueError(f"peak {self.peak:g} is below expected {self.expected:g}: allowed is expected or more")
        return self


class Lengths(Frozen):
    """Distribution of a token count, by two numbers that everybody can read off a dashboard."""

    mean: Tokens
    """Mean number of tokens."""
    p95: Tokens
    """95th percentile of the number of tokens."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.p95 < self.mean:
            raise ValueError(f"p95 {self.p95} is below mean {self.mean}: allowed is mean or more")
        return self


class Workload(Frozen):
    """Declared traffic: what the fleet is planned for before there is any."""

    requests_per_second: Rate
    input_tokens: Lengths
    output_tokens: Lengths
