"""The frozen suite: the cells on which every claim about the planner stands.

| Module | What is in it |
|---|---|
| `own` | the cells, as numbers |
| `cells` | a cell, and the scenario that a seed and a lead time make of it |
| `laws`, `recorded` | where requests come from: laws from which seeds draw, and recorded traces |
| `tasks` | the runs of which a suite consists, and how each is made |
| `records`, `conduct` | what a run came to, as plain values; how it behaved besides its score |
| `rows`, `claims` | a row for each run, and what the planner is held to |

Each seed draws other requests of the same law and runs in another world. What a service's owner declares is what
another draw shows, the day before: never the requests that come.
"""
