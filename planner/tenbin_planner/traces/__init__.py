"""Traffic as recorded or drawn: readers of trace files, seeded generators, and a plain format to write.

| Module | What is in it |
|---|---|
| `trace` | a trace: times, token counts, classes and tenants, with what can be done to it |
| `reading`, `formats/` | which reader takes a file, and one module per format |
| `files`, `tables`, `columns` | bytes to chunks of columns to numbers, with everything that is wrong in one error |
| `ticks`, `prefixes` | times of a coarse clock; what a prefix cache would have held |
| `generators`, `rates`, `processes` | traffic drawn from a rate over time and distributions of lengths |
| `spec`, `spec_text` | generated traffic described in one line |
| `writing` | a trace as a plain table |

>>> from tenbin_planner import traces
>>> drawn = traces.load("generate:step,before=2,after=8,at_s=30,minutes=1,input=500/1500,output=100/300,seed=7")
>>> print(drawn.describe())
327 requests in 59.9228 s (5.46/s), 486 tokens in and 97 out on average
"""

from tenbin_planner.traces import rates
from tenbin_planner.traces.errors import FormatError, RowsError, SpecError, TraceError
from tenbin_planner.traces.generators import Drift, Kind, generate
from tenbin_planner.traces.loading import load
from tenbin_planner.traces.reader_options import Options
from tenbin_planner.traces.reading import AUTO, READERS, Reader, read
from tenbin_planner.traces.spec import help_text as spec_help
from tenbin_planner.traces.trace import Trace
from tenbin_planner.traces.writing import write_csv

__all__ = [
    "AUTO",
    "READERS",
    "Drift",
    "FormatError",
    "Kind",
    "Options",
    "Reader",
    "RowsError",
    "SpecError",
    "Trace",
    "TraceError",
    "generate",
    "load",
    "rates",
    "read",
    "spec_help",
    "write_csv",
]
