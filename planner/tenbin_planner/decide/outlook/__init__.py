"""What demand is to be expected: a forecast of a service's request rate as calibrated quantiles.

Pure: arrivals and instants in, numbers out; no clock and no randomness. `learn` takes in the seconds of late at each
tick, `outlook` tells of the time to come. `levels` says what the rate has been, `seasons` what the time of day tells,
`experts` what either makes of the future, `learning` whom to believe, and `spreads` how far to.
"""

from __future__ import annotations

from tenbin_planner.decide.outlook.histories import from_history, merge
from tenbin_planner.decide.outlook.learning import learn
from tenbin_planner.decide.outlook.memory import DemandMemory, empty, from_plain
from tenbin_planner.decide.outlook.outlooks import Coverage, Outlook, Prior, outlook

__all__ = [
    "Coverage",
    "DemandMemory",
    "Outlook",
    "Prior",
    "empty",
    "from_history",
    "from_plain",
    "learn",
    "merge",
    "outlook",
]
