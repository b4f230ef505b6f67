"""The cells of the suite: their numbers, and why they are what they are.

Prices are those of the catalogue (on demand, one accelerator of the node that carries it). Days are sized so that the
cheapest constant fleet at the target has 6 to 12 replicas and nights leave a clairvoyant a fifth of its price or more.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_spec.objectives import Objective

from tenbin_planner.backtest.faults import Blind, Fault, Loss, SlowStarts
from tenbin_planner.backtest.suite.cells import Cell, Pool, Promise
from tenbin_planner.backtest.suite.laws import Bursts, Day, Event, Law, Level, Share, Swing, Tokens
from tenbin_planner.backtest.suite.recorded import Recording
from tenbin_planner.model.lives import SpotMarket

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_S = 3600.0

L40S = Pool(accelerator="L40S", accelerators=1, hourly_usd="1.861")
H100_PAIR = Pool(accelerator="H100", accelerators=2, hourly_usd="13.76")
H200 = Pool(accelerator="H200", accelerators=1, hourly_usd="7.912")
A100_PAIR = Pool(accelerator="A100-80GB", accelerators=2, hourly_usd="6.862")
L40S_SPOT = Pool(
    accelerator="L40S",
    accelerators=1,
    hourly_usd="0.744",
    nodes=16,
    interruptions=SpotMarket(interruptions_per_hour=0.05, reclaims_per_hour=0.15, drought_s=(300.0, 1800.0)),
)
"""Two fifths of the price; every seven hours a third of the pool or more goes at once, and for a while none comes."""

L40S_8B = "l40s-llama-3.1-8b-bf16-tp1-vllm-0.24"
L40S_20B = "l40s-gpt-oss-20b-mxfp4-tp1-vllm-0.24"
A100_32B = "a100-80gb-qwen3-32b-bf16-tp2-vllm-0.14"
H100_32B = "h100-qwen3-32b-bf16-tp2-vllm-0.24"
H100_70B = "h100-llama-3.3-70b-fp8-tp2-vllm-0.24"
H200_8B = "h200-llama-3.1-8b-bf16-tp1-vllm-0.23"

CHAT = Share(inputs=Tokens(mean=1500, p95=4500), outputs=Tokens(mean=420, p95=1100))
REASONING = Share(inputs=Tokens(mean=900, p95=3000), outputs=Tokens(mean=3200, p95=9000))
CODE = Share(inputs=Tokens(mean=4500, p95=12_000), outputs=Tokens(mean=60, p95=220))
SUMMARIES = Share(inputs=Tokens(mean=5000, p95=14_000), outputs=Tokens(mean=300, p95=800))
LONG = Share(inputs=Tokens(mean=12_000, p95=26_000), outputs=Tokens(mean=250, p95=700))

CHAT_SLO = Objective(target="0.99", ttft_ms=1500, tpot_ms=60)
REASONING_SLO = Objective(target="0.99", ttft_ms=2000, tpot_ms=40)
CODE_SLO = Objective(target="0.99", ttft_ms=1500, tpot_ms=100)
LONG_SLO = Objective(target="0.99", ttft_ms=6000, tpot_ms=80)
RELAXED_SLO = Objective(target="0.95", e2e_ms=120_000)

TROUBLE_S = 3000.0
"""When faults begin: fifty minutes in, when the planner knows its load."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Service:
    """A service on a pool of its own."""

    pool: Pool
    profile: str
    objective: Objective

    def cell(
        self,
        name: str,
        shows: str,
        traffic: Law | Recording,
        *,
        hours: float,
        faults: tuple[Fault, ...] = (),
        trouble: tuple[float, float] | None = None,
    ) -> Cell:
        """Return the cell in which it meets some traffic."""
        objectives = {"": self.objective}
        return Cell(
            name=name,
            shows=shows,
            duration_s=hours * HOUR_S,
            pools={"pool": self.pool},
            services={"service": Promise(profiles={"pool": self.profile}, objectives=objectives, traffic=traffic)},
            faults=faults,
            trouble=trouble,
        )


_CHAT = _Service(pool=L40S, profile=L40S_8B, objective=CHAT_SLO)
_REASONING = _Service(pool=H100_PAIR, profile=H100_32B, objective=REASONING_SLO)
_CODE = _Service(pool=L40S, profile=L40S_20B, objective=CODE_SLO)
_LONG = _Service(pool=H100_PAIR, profile=H100_70B, objective=LONG_SLO)

DAYS = (
    _CHAT.cell(
        "chat-day",
        "a day of chat with bursts",
        Law(
            course=Day(peak=7.2, trough=0.9, steep=1.2),
            shares=(CHAT,),
            bursts=Bursts(factor=1.5, calm_s=3600.0, burst_s=300.0),
            cv=1.2,
        ),
        hours=24,
    ),
    _REASONING.cell(
        "reasoning-day",
        "a day of long answers, which grow by a fifth",
        Law(
            course=Day(peak=4.0, trough=0.4, steep=1.4),
            shares=(REASONING,),
            bursts=Bursts(factor=1.3, calm_s=5400.0, burst_s=600.0),
            longer=1.2,
        ),
        hours=24,
    ),
    Cell(
        name="spot-day",
        shows="a day on spot capacity that is interrupted, with dear capacity beside it",
        duration_s=24 * HOUR_S,
        pools={"spot": L40S_SPOT, "on-demand": L40S},
        services={
            "service": Promise(
                profiles={"spot": L40S_8B, "on-demand": L40S_8B},
                objectives={"": CHAT_SLO},
                traffic=Law(course=Day(peak=7.2, trough=0.9, steep=1.6), shares=(CHAT,)),
                on_demand=1,
            )
        },
    ),
)

HOURS = (
    _CODE.cell(
        "code-bursts",
        "code completion in extreme bursts",
        Law(course=Level(per_second=5.0), shares=(CODE,), bursts=Bursts(factor=4.0, calm_s=600.0, burst_s=90.0)),
        hours=3,
    ),
    _LONG.cell(
        "long-context",
        "prompts of 12,000 tokens",
        Law(course=Swing(mean=2.6, amplitude=1.8, period_s=3 * HOUR_S), shares=(LONG,)),
        hours=3,
    ),
    _CHAT.cell(
        "step-x4",
        "four times the load from one second to the next",
        Law(course=Level(per_second=2.5), shares=(CHAT,), event=Event(at_s=1500.0, rate_factor=4.0)),
        hours=1.5,
    ),
    _CHAT.cell(
        "slow-ramp",
        "five times the load within two hours",
        Law(
            course=Level(per_second=2.0),
            shares=(CHAT,),
            event=Event(at_s=1800.0, rate_factor=5.0, over_s=2 * HOUR_S),
        ),
        hours=3,
    ),
    Cell(
        name="two-services",
        shows="two services on one pool, the chat of priority 2, whose peaks together are more than the cap allows",
        duration_s=4 * HOUR_S,
        pools={"pool": L40S},
        services={
            "chat": Promise(
                profiles={"pool": L40S_8B},
                objectives={"": CHAT_SLO},
                traffic=Law(course=Swing(mean=5.0, amplitude=3.5, period_s=2 * HOUR_S), shares=(CHAT,)),
                priority=2,
            ),
            "summaries": Promise(
                profiles={"pool": L40S_20B},
                objectives={"": RELAXED_SLO},
                traffic=Law(course=Swing(mean=7.0, amplitude=4.0, period_s=80 * 60.0), shares=(SUMMARIES,)),
            ),
        },
        hourly_cap="18.61",
    ),
    Cell(
        name="capped",
        shows="two classes whose target the hourly cap makes impossible at the peak",
        duration_s=2 * HOUR_S,
        pools={"pool": L40S},
        services={
            "service": Promise(
                profiles={"pool": L40S_8B},
                objectives={"interactive": CHAT_SLO, "relaxed": RELAXED_SLO},
                traffic=Law(
                    course=Swing(mean=6.0, amplitude=3.0, period_s=2 * HOUR_S),
                    shares=(
                        dataclasses.replace(CHAT, class_name="interactive", share=0.7),
                        dataclasses.replace(CHAT, class_name="relaxed", share=0.3),
                    ),
                ),
            )
        },
        hourly_cap="9.305",
        is_feasible=False,
    ),
)

FAULTS = (
    _CHAT.cell(
        "blind-5min",
        "nothing is observed for five minutes, while the load rises by half",
        Law(
            course=Level(per_second=8.0),
            shares=(CHAT,),
            event=Event(at_s=TROUBLE_S, rate_factor=1.5, over_s=300.0, for_s=1800.0),
        ),
        hours=2,
        faults=(Blind(at_s=TROUBLE_S, for_s=300.0),),
        trouble=(TROUBLE_S, TROUBLE_S + 600.0),
    ),
    _CHAT.cell(
        "third-lost",
        "a third of the replicas is lost at once",
        Law(course=Level(per_second=8.0), shares=(CHAT,)),
        hours=2,
        faults=(Loss(at_s=TROUBLE_S, share=1 / 3),),
        trouble=(TROUBLE_S, TROUBLE_S + 900.0),
    ),
    _CHAT.cell(
        "lead-tripled",
        "replicas suddenly take three times as long to start, while the load swings",
        Law(course=Swing(mean=7.0, amplitude=3.5, period_s=HOUR_S), shares=(CHAT,)),
        hours=2,
        faults=(SlowStarts(at_s=TROUBLE_S, factor=3.0),),
        trouble=(TROUBLE_S, TROUBLE_S + 2400.0),
    ),
    _CHAT.cell(
        "traffic-x10",
        "ten times the traffic within a minute, for a quarter of an hour",
        Law(
            course=Level(per_second=1.5),
            shares=(CHAT,),
            event=Event(at_s=TROUBLE_S, rate_factor=10.0, over_s=60.0, for_s=900.0),
        ),
        hours=2,
        trouble=(TROUBLE_S, TROUBLE_S + 1200.0),
    ),
    _CHAT.cell(
        "outputs-doubled",
        "answers become twice as long from one second to the next",
        Law(course=Level(per_second=5.0), shares=(CHAT,), event=Event(at_s=TROUBLE_S, output_factor=2.0)),
        hours=2,
        trouble=(TROUBLE_S, TROUBLE_S + 900.0),
    ),
)

RECORDED = (
    dataclasses.replace(_CODE, pool=A100_PAIR, profile=A100_32B).cell(
        "azure-code", "an hour of code completion of Azure, 2023", Recording(file="azure_2023_code.csv.gz"), hours=1
    ),
    dataclasses.replace(_CHAT, pool=A100_PAIR, profile=A100_32B).cell(
        "azure-conv", "an hour of conversation of Azure, 2023", Recording(file="azure_2023_conv.csv.gz"), hours=1
    ),
    _LONG.cell(
        "mooncake",
        "an hour of long conversations of Mooncake, 2024, with what its prefix cache held",
        Recording(file="mooncake_fast25_conversation.jsonl.gz"),
        hours=1,
    ),
    _Service(pool=H200, profile=H200_8B, objective=Objective(target="0.99", ttft_ms=1000, tpot_ms=40)).cell(
        "servegen-r1-day",
        "a day of reasoning of ServeGen's deepseek-r1, four times as busy as drawn",
        Recording(file="servegen_deepseek-r1_1day_x0.25.csv.gz", copies=4),
        hours=24,
    ),
)

OWN = (*DAYS, *HOURS, *FAULTS)
CELLS: Mapping[str, Cell] = {cell.name: cell for cell in (*OWN, *RECORDED)}
ABLATED = ("chat-day", "step-x4", "spot-day", "lead-tripled")
"""Cells in which the planner is also run with one part of its recipe left out."""
