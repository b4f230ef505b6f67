"""The back-tester: what policies make of a trace, in virtual time, and what that costs.

| Module | What is in it |
|---|---|
| `scenario`, `stackless`, `faults` | an agreement, its traffic, and what the cluster is really like |
| `scenario_file` | a scenario as a file describes it |
| `world`, `cluster`, `replicas`, `nodes`, `gateway` | what a policy reads and acts on |
| `policies/` | the planner and what it is compared with, one module each |
| `planner_ports`, `observing` | the ports of the planner's loop on a world |
| `running`, `bill`, `timeline` | a run, its money, its course over time |
| `fixed_fleets`, `hull` | constant fleets around the target, and what they cost at any attainment |
| `scores` | the figures of a run |
| `suite/` | the frozen cells on which every claim stands, and the claims |
| `jobs` | independent runs, spread over processes |

The planner is driven through the loop of production: there is no second implementation of its decisions.

>>> from decimal import Decimal
>>> from tenbin_planner import traces
>>> from tenbin_planner.backtest import running, scores, stackless
>>> from tenbin_planner.backtest.policies.fixed import Fixed
>>> from tenbin_spec import catalogue
>>> from tenbin_spec.objectives import Objective
>>> terms = stackless.Terms(
...     profile=catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"],
...     hourly_usd=Decimal("0.80"),
...     objectives={"": Objective(target="0.99", ttft_ms=1000)},
...     lead_s=180,
... )
>>> trace = traces.load("generate:constant,rate=5,minutes=15,input=300,output=60,seed=1")
>>> run = running.run(stackless.scenario(terms, trace), Fixed({stackless.SERVICE: 2}))
>>> run.bill.usd, scores.score(run).attainment
(Decimal('0.40'), 1.0)
"""
