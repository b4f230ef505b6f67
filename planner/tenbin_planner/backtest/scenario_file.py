"""A scenario as a file describes it: what it holds, and what is wrong with it, by key path.

| Keys | Say |
|---|---|
| `stack`, or `profile`, `price`, `slo`, `replicas`, ... | the agreement: that of a stack, or one of its own |
| `traces`, `history`, `window`, `class_mix`, `duration_s` | the traffic |
| `leads`, `node_lead_s`, `spot`, `faults` | what the cluster is really like |
| `billing`, `minimum_billed_s`, `consolidation_s` | what is paid for |
| `routing`, `max_queued`, `grace_s`, `initial` | how replicas serve, end and begin |
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Discriminator, Field, Tag, model_validator
from tenbin_spec.objectives import Objective
from tenbin_spec.problems import ConfigurationError, Problem, problems_of, unknown_key_message
from tenbin_spec.quantities import Frozen, Name, Seconds, Usd
from tenbin_spec.services import ReplicaRange

from tenbin_planner.backtest import faults as mishaps
from tenbin_planner.backtest.nodes import Billing
from tenbin_planner.model.lives import LeadTime, SpotMarket
from tenbin_planner.model.routing import Routing
from tenbin_planner.traces import TraceError, mixing

OWN = ("profile", "price", "slo")
"""What an agreement of its own needs."""
OWN_MORE = ("replicas", "replicas_per_node", "hourly_cap", "lead_time_s", "interval_s")
"""What it may say besides."""
LONGEST_S = 10_000_000.0
Time = Annotated[float, Field(strict=True, ge=0, le=LONGEST_S, allow_inf_nan=False)]
Part = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
PerHour = Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)]
Factor = Annotated[float, Field(strict=True, ge=0, le=1000, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0, le=10_000)]


class LeadTimeFile(Frozen):
    """Seconds until a new replica serves, log-normal."""

    median_s: Time
    p95_s: Time | None = None
    """95th percentile; the median when missing, so that nothing is random."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.p95_s is not None and self.p95_s < self.median_s:
            raise ValueError(f"p95_s {self.p95_s:g} is below median_s {self.median_s:g}: allowed is that or more")
        return self

    def lead(self) -> LeadTime:
        """Return it as the cluster draws it."""
        return LeadTime(median_s=self.median_s, p95_s=self.median_s if self.p95_s is None else self.p95_s)


class SpotFile(Frozen):
    """How the market takes nodes of a pool back."""

    interruptions_per_hour: PerHour = 0.0
    """Of one node on its own."""
    notice_s: Time = 120.0
    """Warning before a node is gone."""
    reclaims_per_hour: PerHour = 0.0
    """Of the pool as a whole."""
    reclaim_share: tuple[Part, Part] = (0.3, 0.8)
    """Least and most of its nodes that one of these takes."""
    drought_s: tuple[Time, Time] = (0.0, 0.0)
    """Least and most seconds without new nodes after one of these."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        for name, (low, high) in (("reclaim_share", self.reclaim_share), ("drought_s", self.drought_s)):
            if high < low:
                raise ValueError(f"{name} falls from {low:g} to {high:g}: allowed is the least, then the most")
        return self

    def market(self) -> SpotMarket:
        """Return it as the cluster draws from it."""
        return SpotMarket(**dict(self))


class BlindFile(Frozen):
    """Nothing of gateways and engines is heard for a while."""

    kind: Literal["blind"]
    at_s: Time
    for_s: Time

    def fault(self) -> mishaps.Fault:
        """Return it as the world applies it."""
        return mishaps.Blind(at_s=self.at_s, for_s=self.for_s)


class LossFile(Frozen):
    """A share of the ready replicas of each service is lost at once."""

    kind: Literal["loss"]
    at_s: Time
    share: Part
    noticed_s: Time = 40.0
    """From the loss until the cluster says so."""
    evicted_s: Time = 340.0
    """From the loss until replicas are given up and replaced."""

    def fault(self) -> mishaps.Fault:
        """Return it as the world applies it."""
        return mishaps.Loss(at_s=self.at_s, share=self.share, noticed_s=self.noticed_s, evicted_s=self.evicted_s)


class SlowStartsFile(Frozen):
    """Replicas asked for from an instant on take a multiple of their lead time."""

    kind: Literal["slow-starts"]
    at_s: Time
    factor: Factor
    for_s: Time | None = None
    """Until the end when missing."""
    pool: str | None = None
    """Every pool when missing."""

    def fault(self) -> mishaps.Fault:
        """Return it as the world applies it."""
        for_s = math.inf if self.for_s is None else self.for_s
        return mishaps.SlowStarts(at_s=self.at_s, factor=self.factor, for_s=for_s, pool=self.pool)


class NoNodesFile(Frozen):
    """A pool gives no nodes for a while."""

    kind: Literal["no-nodes"]
    at_s: Time
    for_s: Time
    pool: str

    def fault(self) -> mishaps.Fault:
        """Return it as the world applies it."""
        return mishaps.NoNodes(at_s=self.at_s, for_s=self.for_s, pool=self.pool)


KINDS = ("blind", "loss", "slow-starts", "no-nodes")
"""Of faults."""


_FAULTS = (BlindFile, LossFile, SlowStartsFile, NoNodesFile)
_KIND = re.compile(rf"(?P<fault>faults\[\d+\])\.(?P<kind>{'|'.join(KINDS)})(?=\.|$)")
"""How pydantic writes a key of a fault: with its kind, which stands beside the key."""


def _kind(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)


FaultFile = Annotated[
    Annotated[BlindFile, Tag(KINDS[0])]
    | Annotated[LossFile, Tag(KINDS[1])]
    | Annotated[SlowStartsFile, Tag(KINDS[2])]
    | Annotated[NoNodesFile, Tag(KINDS[3])],
    Discriminator(
        _kind,
        custom_error_type="tenbin",
        custom_error_message=f"needs a kind. Allowed: {', '.join(KINDS)}",
    ),
]


class ScenarioFile(Frozen):
    """One scenario of a back-test; times are in seconds from its beginning, paths are beside the file.

    Without a stack the one service is `service`, its pool `pool` and its workload `service-serve-pool`.
    """

    name: str | None = None
    """What tables call it; the file's name when missing."""
    stack: str | None = None
    """Stack whose services, pools and prices count."""
    profile: str | None = None
    """Engine profile: a name of the catalogue, or a file."""
    price: Usd | None = None
    """US dollars for one replica and hour."""
    slo: Annotated[dict[Name, Objective], Field(min_length=1, max_length=16)] | None = None
    """Objectives by class of the trace; `default` is for requests without one."""
    replicas: ReplicaRange = ReplicaRange(min=1, max=64)
    replicas_per_node: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Replicas that fill a node."""
    hourly_cap: Usd | None = None
    """US dollars that all may cost per hour; what all replicas cost when missing."""
    lead_time_s: Seconds | None = None
    """Lead time that is declared, which the planner begins with; the median of `leads` when missing, or 120."""
    interval_s: Annotated[int, Field(strict=True, ge=1, le=300)] = 15
    """Seconds between two ticks of the planner."""

    traces: Annotated[dict[str, str], Field(min_length=1)]
    """Trace file, or `generate:...`, by service."""
    history: dict[str, str] = Field(default_factory=dict)
    """Trace of the time before, by service."""
    window: str | None = None
    """Part of the traces, such as `6h:18h`."""
    class_mix: dict[Name, Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    """Shares of the classes that requests of traces without any are given."""
    duration_s: Annotated[float, Field(strict=True, gt=0, le=LONGEST_S, allow_inf_nan=False)] | None = None
    """Length; up to the last arrival when missing."""

    leads: dict[str, LeadTimeFile] = Field(default_factory=dict)
    """Lead times as they are, by pool; as declared where missing."""
    node_lead_s: dict[str, Time] = Field(default_factory=dict)
    """Seconds of each lead time until a new node is there, by pool."""
    spot: dict[str, SpotFile] = Field(default_factory=dict)
    """Interruptions, by pool."""
    faults: tuple[FaultFile, ...] = ()
    """What goes wrong."""

    billing: Billing = Billing.REPLICA
    """What is paid for: `replica`, or `node` where replicas are packed on whole nodes."""
    minimum_billed_s: dict[str, Time] = Field(default_factory=dict)
    """Seconds that each start costs at least, by pool."""
    consolidation_s: dict[str, Time] = Field(default_factory=dict)
    """Seconds for which an empty node stays, by pool; with `billing: node`."""

    routing: Routing = Routing.LEAST_REQUEST
    max_queued: Count | None = None
    """Requests that may wait in one replica; more are shed."""
    grace_s: dict[str, Time] = Field(default_factory=dict)
    """Seconds after which a replica that is being removed is killed, by service."""
    initial: dict[str, Count] | None = None
    """Replicas that are ready at the beginning, by workload; what the first ten minutes need when missing."""

    def conditions(self) -> dict[str, Any]:
        """Return the fields of a `Scenario` that are neither the agreement nor the traffic."""
        return {
            "leads": {name: item.lead() for name, item in self.leads.items()},
            "node_lead_s": dict(self.node_lead_s),
            "spot": {name: item.market() for name, item in self.spot.items()},
            "faults": tuple(item.fault() for item in self.faults),
            "billing": self.billing,
            "minimum_billed_s": dict(self.minimum_billed_s),
            "consolidation_s": dict(self.consolidation_s),
            "routing": self.routing,
            "max_queued": self.max_queued,
            "grace_s": dict(self.grace_s),
            "initial": None if self.initial is None else dict(self.initial),
        }


def parse(plain: object, source: str = "scenario") -> ScenarioFile:
    """Check plain values, as a reader of YAML or JSON returns them.

    Args:
        plain: a mapping.
        source: what messages call the file.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    if not isinstance(plain, dict):
        raise ConfigurationError([Problem(path="file", message="holds no mapping of keys to values")], source)
    found = _agreement_problems(plain)
    try:
        parsed = ScenarioFile.model_validate(plain)
    except pydantic.ValidationError as error:
        found += problems_of(error, ScenarioFile)
        raise ConfigurationError(_placed(found), source) from error
    found += _amount_problems(parsed)
    if found:
        raise ConfigurationError(found, source)
    return parsed


def schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ScenarioFile.model_json_schema()


def _agreement_problems(plain: dict[Any, Any]) -> list[Problem]:
    """Say what does not go together: a stack, or an agreement of its own."""
    given = {key for key, value in plain.items() if value is not None}
    if "stack" in given:
        return [
            Problem(path=key, message="stands beside stack, which says this itself: allowed is one or the other")
            for key in (*OWN, *OWN_MORE)
            if key in given
        ]
    return [
        Problem(path=key, message="is required and missing: a scenario needs stack, or profile, price and slo")
        for key in OWN
        if key not in given
    ]


def _amount_problems(parsed: ScenarioFile) -> list[Problem]:
    """Say which amounts do not go together."""
    found = {}
    least = max(parsed.replicas.min, 1) * (parsed.price or 0)
    if parsed.price is not None and not parsed.price:
        found["price"] = f"{parsed.price}: allowed are US dollars per hour above 0"
    if parsed.hourly_cap is not None and parsed.hourly_cap < least:
        found["hourly_cap"] = (
            f"{parsed.hourly_cap} is below {least}, what the smallest fleet costs: allowed is that or more"
        )
    if parsed.replicas.on_demand_min:
        found["replicas.on_demand_min"] = f"{parsed.replicas.on_demand_min}: allowed is 0, there is one pool"
    try:
        mixing.check(parsed.class_mix or {"": 1.0})
    except TraceError as error:
        found["class_mix"] = str(error)
    return [Problem(path=path, message=message) for path, message in found.items()]


def _placed(problems: list[Problem]) -> list[Problem]:
    """Give each problem the place at which it stands in the file."""
    found = []
    for problem in problems:
        path, message = problem.path, problem.message
        matched = _KIND.match(path)
        if matched is not None:
            path = matched["fault"] + path[matched.end() :]
            if message.startswith("unknown key"):
                allowed = _FAULTS[KINDS.index(matched["kind"])].model_fields
                message = unknown_key_message(path.rpartition(".")[2], allowed)
        found.append(Problem(path=path or "file", message=message))
    return found
