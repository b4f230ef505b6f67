"""Online correction of step times: what a running engine takes over what its profile says.

Machines of one kind differ by a few per cent, clocks fall under heat, and a profile may be of another version of the
engine. So the planner compares the time that an engine was busy with the time its profile gives the same work, and
multiplies all step times by a factor. The factor is

- a mean of logarithms of ratios, weighted by the time predicted, in which the past loses half its weight with every
  `HALF_LIFE_MS` of predicted time: an hour's history does not hide that a clock has fallen;
- robust: an observation counts as if it were no farther than `LARGEST_SURPRISE` from the mean so far, so that a single
  stall moves it little and a lasting change is followed;
- pulled towards 1 as long as there is little evidence, as if `PRIOR_MS` of exact prediction had been seen before;
- within `LOWEST` and `HIGHEST`: what is farther off is no matter of a clock but of a profile that does not belong to
  the machine, which `at_bound` tells.

>>> from tenbin_planner.model.correction import Correction
>>> correction = Correction()
>>> for _ in range(300):
...     correction = correction.updated(observed_ms=1100.0, predicted_ms=1000.0)
>>> round(correction.factor, 2), correction.at_bound
(1.09, False)
"""

from __future__ import annotations

import dataclasses
import math

LOWEST, HIGHEST = 0.7, 1.5
"""Measured machines of one kind lie within 0.96 and 1.04, a power cap took a clock from 1,980 to 1,470 MHz (1.35)."""
HALF_LIFE_MS = 60_000.0
PRIOR_MS = 10_000.0
LARGEST_SURPRISE = math.log(1.25)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Correction:
    """What has been seen so far; a new one knows nothing and corrects nothing."""

    log_ratio: float = 0.0
    """Weighted mean of the logarithm of observed over predicted time."""
    evidence_ms: float = 0.0
    """Predicted time that the mean rests on, after the past has faded; never above HALF_LIFE_MS / ln 2 by much."""

    @property
    def factor(self) -> float:
        """Factor on all step times of the profile."""
        return min(max(self._unbounded, LOWEST), HIGHEST)

    @property
    def at_bound(self) -> bool:
        """Whether the observations ask for more than is allowed."""
        return not LOWEST < self._unbounded < HIGHEST

    @property
    def _unbounded(self) -> float:
        return math.exp(self.log_ratio * self.evidence_ms / (self.evidence_ms + PRIOR_MS))

    def updated(self, *, observed_ms: float, predicted_ms: float) -> Correction:
        """Return the correction after one more observation.

        Args:
            observed_ms: time that the engine was busy with some passes.
            predicted_ms: time that the profile, uncorrected, gives the same passes.

        Raises:
            ValueError: for a time that is not a finite number above 0; the message names it.
        """
        for name, value in (("observed_ms", observed_ms), ("predicted_ms", predicted_ms)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; allowed are finite numbers above 0")
        faded = self.evidence_ms * 0.5 ** (predicted_ms / HALF_LIFE_MS)
        surprise = math.log(observed_ms) - math.log(predicted_ms) - self.log_ratio
        surprise = min(max(surprise, -LARGEST_SURPRISE), LARGEST_SURPRISE)
        evidence = faded + predicted_ms
        log_ratio = self.log_ratio + surprise * predicted_ms / evidence
        # Far outside the bounds the mean would take long to come back from.
        log_ratio = min(max(log_ratio, math.log(LOWEST) - LARGEST_SURPRISE), math.log(HIGHEST) + LARGEST_SURPRISE)
        return Correction(log_ratio=log_ratio, evidence_ms=evidence)
