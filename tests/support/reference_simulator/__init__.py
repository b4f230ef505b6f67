"""A slow and obvious simulator of a fleet of vLLM engines, which the fast one must match.

Plain Python, one forward pass per turn of a loop, nothing in closed form, nothing kept that can be counted anew. It
takes nothing from the planner: profiles come from `tenbin_spec`, arrivals and lives are whatever has their fields.
Read `replica`, then `routing`, then `fleet`.
"""
