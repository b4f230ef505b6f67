"""Layout of the components: parsed agreement in, plain Kubernetes manifests out. Imports no Pulumi."""
