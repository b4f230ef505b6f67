"""The policy pack: rules over SLOs, money, accelerators, workloads and the cluster under them.

A rule is plain data and a pure check (`rules`). It reads a resource through a `view`, which says so where a value is
not known yet. `judging` runs one rule on one subject, `settings` and `exemptions` are what a configuration may say of
it, and `pack` alone speaks with Pulumi. Each other module holds the rules of one concern; `catalogue` lists them all.
"""
