"""The engine in time: what a forward pass costs, what the scheduler makes of it, and what a fleet makes of that.

    state       profiles, replicas and requests as arrays
    composing   what the engine's scheduler puts into a pass
    advancing   one replica through time, pass by pass or over a stretch of equal passes at once
    leaving     requests that leave before their answer is complete
    routing     choice of a replica, as functions over arrays
    replaying   requests through a fleet
    stepwise    one replica with each token in sight, for the simulated engine
    simulation  a fleet that is driven piece by piece
    fleet       requests through a fleet from beginning to end
    arrivals, lives, results   what goes in: requests and replicas; what comes out
    lengths     token counts drawn from a mean and a 95th percentile
    capacity    what follows for planning: rate within an objective, replicas for a rate

Pure: no clock, no logging, no I/O; randomness only from a seed or generator that the caller passes. The simulated
engine of the local environment runs the kernels in real time, the planner and the load report run them in virtual time.
Times are milliseconds and instants are milliseconds of virtual time, save where a name ends in `_s`.
"""
