"""The planner in a cluster: ports of the loop over Kubernetes, engines and the gateway."""
