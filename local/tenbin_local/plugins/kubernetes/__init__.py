"""pulumi-resource-kubernetes: a stand-in for the official Kubernetes provider, against a real API server.

It speaks the engine's provider protocol (`pulumirpc.ResourceProvider`) and applies objects by server-side apply. Names,
namespaces, previews, differences, replacements, waiting, refresh, import and the shape of the state are those of
pulumi-kubernetes 4.34, so that a stack may go on with the official provider. Where it differs:

- A Service is ready when a pod that it selects is, without EndpointSlices and without ten seconds to settle.
- Waiting covers Deployment, StatefulSet, DaemonSet, Job, Pod and Service; PersistentVolumeClaim, Ingress and others are
  taken as ready once they exist, and `pulumi.com/waitFor` and `pulumi.com/replaceUnready` are not acted upon.
- Helm v3 Releases are recorded, not installed. Patch resources, Lists, charts, YAML groups, Kustomize, functions,
  client-side apply, YAML rendering and log-in by auth-provider are refused with their own messages.
- Fields that an object declares with their type's zero value, and that the server drops, never count as a difference.
- A field that the API server does not know fails at the server, not in Check; deprecated API versions are not reported.

Reading order: `resources` (what each operation means), `diff`, `ownership`, `readiness`, `provider` (the protocol).
"""
