"""The engine in time: what a forward pass costs, what the scheduler makes of it, and what a fleet makes of that.

    forward    time of one forward pass from a profile
    scheduler  one replica: vLLM's scheduler as a state machine over virtual time
    fleet      many replicas behind a least-request router, request by request
    lengths    token counts drawn from a mean and a 95th percentile
    capacity   what follows for planning: rate within an objective, replicas for a rate, time to drain

Pure: no clock, no logging, no I/O; randomness only from a seed or generator that the caller passes. The simulated
engine of the local environment runs `scheduler` in real time, the planner and the load report run it in virtual time.
Times are milliseconds and instants are milliseconds of virtual time, save where a name ends in `_s`.
"""
