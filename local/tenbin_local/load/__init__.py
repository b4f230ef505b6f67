"""The load client: sends a bounded traffic shape through a gateway, watches what follows, and reports it.

    bounds     limits of a run
    shape      rate over time, as multiples of a base rate
    arrivals   seeded Poisson arrivals with token counts and classes
    prompts    bodies of requests with a wanted number of tokens
    streaming  one streamed answer, timed without parsing each token
    client     sends one request and records what became of it
    driving    open loop: sends each request at its time, whatever became of those before
    records    one request's outcome, and the file of all of them
    fleet      replicas by pool from the pods, and what they cost
    observing  samples the cluster and the planner while traffic runs
    summary    attainment and percentiles
    comparison the cheapest fixed fleet on the same arrivals
    report     totals and verdict, as JSON and as a table
    picture    the same drawn over time
    outcome    writes and shows both
    live       what a person sees meanwhile
    progress   figures of a run that goes on
    preparation what is sent where, decided before the first request
    session    one run

The client measures where users are: at its own socket. It never retries, since a retry would hide what a user saw.
"""
