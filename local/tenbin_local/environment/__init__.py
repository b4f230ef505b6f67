"""One local environment: its control plane, node agent, Pulumi stack and what is seen of them."""
