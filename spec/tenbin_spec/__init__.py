"""The shared language of tenbin.

Read `objectives` first: what a service promises. Then `services`, `pools` and `cost_cap` say what is built, where and
for how much; `stack` parses a whole configuration; `document` is what travels to planner and picker; `checks` finds
where a configuration breaks the agreement.
"""
