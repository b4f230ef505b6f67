"""Token counts drawn from a mean and a 95th percentile.

A lognormal distribution is fitted to the two numbers: with location m and scale s,

    mean = exp(m + s**2 / 2)    and    p95 = exp(m + z * s),  z = 1.6449, the 95th percentile of the normal distribution

so log(p95 / mean) = z * s - s**2 / 2, whose smaller root is the scale. The left side is at most z**2 / 2 = 1.353: a
p95 above 3.87 times the mean fits no lognormal, and the scale stays at z, the most spread that keeps the mean.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tenbin_spec.workload import Lengths

NORMAL_P95 = 1.6448536269514722


@dataclasses.dataclass(frozen=True, kw_only=True)
class LengthDistribution:
    """Lognormal distribution of a token count."""

    location: float
    """Mean of the logarithm."""
    scale: float
    """Standard deviation of the logarithm; 0 is a constant."""

    @classmethod
    def fit(cls, lengths: Lengths) -> LengthDistribution:
        """Fit to a declared mean and 95th percentile."""
        return cls.fit_moments(mean=lengths.mean, p95=lengths.p95)

    @classmethod
    def fit_moments(cls, *, mean: float, p95: float) -> LengthDistribution:
        """Fit to a mean and a 95th percentile, in tokens.

        Raises:
            ValueError: unless both are finite and 0 < mean <= p95.
        """
        if not 0 < mean <= p95 < math.inf:
            raise ValueError(f"mean {mean} and p95 {p95} must be finite, above 0 and in this order")
        scale = NORMAL_P95 - math.sqrt(max(NORMAL_P95**2 - 2 * math.log(p95 / mean), 0.0))
        return cls(location=math.log(mean) - scale**2 / 2, scale=scale)

    def sample(self, count: int, rng: np.random.Generator, *, longest: int) -> NDArray[np.int64]:
        """Draw token counts.

        Args:
            count: how many.
            rng: source of randomness; `count` normal variates are taken from it whatever the distribution.
            longest: longer ones are cut to this, as the engine's limit does; must be 1 or more.

        Returns:
            Whole numbers of shape (count,), from 1 to `longest`.
        """
        if longest < 1:
            raise ValueError(f"longest is {longest}; allowed is 1 or more")
        tokens = np.exp(self.location + self.scale * rng.standard_normal(count))
        return np.clip(np.rint(tokens), 1, longest).astype(np.int64)
