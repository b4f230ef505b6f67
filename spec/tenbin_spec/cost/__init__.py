"""What a stack costs: by service, by pool and all together, at its minimum, expected and maximum. Pure.

| Module | What is in it |
|---|---|
| `ranges` | what a service's replicas cost per hour at the least and at the most |
| `fleets` | replicas and nodes at the three levels |
| `fixed` | what is paid besides accelerators: control plane, NAT, endpoints, system nodes |
| `amounts`, `estimate` | the lines that add up to the bill of a stack |
| `causes`, `changes` | what a change of the configuration does to each line, cause by cause |
| `review` | whether a change is within what may change without a question |

>>> from tenbin_spec.stack import parse_stack
>>> stack = parse_stack(
...     {
...         "cluster": {"kind": "existing"},
...         "pools": {"l40s": {"instance_type": "g6e.xlarge", "nodes": {"max": 4}}},
...         "services": {
...             "chat": {
...                 "model": {"id": "meta-llama/Llama-3.1-8B-Instruct"},
...                 "engine": {"kind": "vllm", "image": "vllm/vllm-openai:v0.24.0", "max_model_len": 8192},
...                 "pools": ["l40s"],
...                 "replicas": {"min": 1, "max": 4},
...                 "slo": {"window": "30d", "classes": {"interactive": {"target": "0.99", "ttft_ms": 1000}}},
...                 "workload": {
...                     "requests_per_second": {"expected": 15, "peak": 20},
...                     "input_tokens": {"mean": 600, "p95": 2000},
...                     "output_tokens": {"mean": 150, "p95": 400},
...                 },
...             }
...         },
...         "cost": {"hourly_usd": "10.00"},
...     }
... )
>>> of(stack).monthly_usd
Amounts(minimum=Decimal('1358.53'), expected=Decimal('2717.06'), maximum=Decimal('5434.12'))
"""

from tenbin_spec.cost.amounts import Amounts, Level
from tenbin_spec.cost.estimate import Estimate, Line, Part, of
from tenbin_spec.cost.ranges import HourlyRange, service_range, stack_range

__all__ = ["Amounts", "Estimate", "HourlyRange", "Level", "Line", "Part", "of", "service_range", "stack_range"]
