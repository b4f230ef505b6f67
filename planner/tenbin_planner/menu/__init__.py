"""The menu: what each of a ladder of SLOs costs for one service, so that business and engineering can agree on one.

| Module | What is in it |
|---|---|
| `ladder` | the steps of thresholds and the targets beside an agreed objective |
| `demand` | the requests that each fleet is judged by: the declared peak, or the busiest hour of a trace |
| `fleets` | the cheapest constant fleet that keeps an objective, by the fleet simulator |
| `knee` | where a curve of cost bends |
| `offers` | the menu itself |

All fleets see the same requests, so that a more demanding SLO is never cheaper.

>>> from tenbin_planner import traces
>>> from tenbin_planner.backtest import stackless
>>> from tenbin_planner.menu import offers
>>> from decimal import Decimal
>>> from tenbin_spec import catalogue
>>> from tenbin_spec.objectives import Objective
>>> terms = stackless.Terms(
...     profile=catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"],
...     hourly_usd=Decimal("0.80"),
...     objectives={"": Objective(target="0.99", ttft_ms=1000)},
...     lead_s=180,
... )
>>> trace = traces.load("generate:constant,rate=12,minutes=15,input=300/900,output=60/160,seed=1")
>>> menu = offers.of(stackless.scenario(terms, trace), stackless.SERVICE)
>>> menu.agreed.fleet.replicas, menu.agreed.fleet.hourly_usd
(2, Decimal('1.60'))
"""
