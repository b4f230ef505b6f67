"""The node agent: the kubelet, the kube-proxy and the cloud of the embedded environment, in one asyncio process.

`python -m tenbin_local.agent --environment ROOT` reads `ROOT/environment.json` (name, octet), `ROOT/nodes.json` (which
nodes there are; read again whenever it changes) and `ROOT/kubeconfig-agent` (else `ROOT/kubeconfig`), and then

- registers the Node objects, renews their Leases and their Ready condition (`nodes`, `registrar`);
- runs the pods bound to its nodes as processes on loopback addresses and reports them as a kubelet does
  (`pods` which pods, `pod_worker` one pod, `containers` one container, `probes`, `volumes`, `status`);
- forwards each Service's cluster IP to ready pods, as kube-proxy would (`services`, `forwarder`).

What is simulated, and not as on a real node:

- **No isolation.** A container is a process group of the agent's own user. Its absolute paths lie below the folder that
  `TENBIN_ROOT` names; command arguments and environment values that begin with a declared mount path are rewritten to
  it. Security context, resource limits and read-only mounts are accepted and not enforced; `privileged`, host paths and
  the like are refused: the pod is Failed with reason `UnimplementedField` and a message that names the field.
- **Images** are commands from the table in `tenbin_local.images`.
- **Start delay.** A pod on a node of a pool with `start_delay_s` waits that long, counted from its binding, before its
  containers start. This stands for the time that a new node, the image and the weights take on real hardware.
- **Services** of kind ClusterIP listen while they have a ready pod, and refuse connections otherwise. There is no DNS
  and no `<SERVICE>_SERVICE_HOST` variable but `KUBERNETES_SERVICE_HOST` and `_PORT`, which name the API server.
- **Back-off** of restarts begins at 10 s and ends at 300 s as a kubelet's; `agent.restart_backoff_s` in nodes.json
  shortens it, the end staying at 30 times the beginning.
- **Logs** are `ROOT/pods/<namespace>_<pod>_<uid>/<container>.log` and, of the run before, `<container>.previous.log`;
  the log API (`kubectl logs`, `exec`) is not served. A pod's folder goes with the pod.
- **Limits.** `terminationMessagePath` is not read, the image of a running pod is not changed in place, and a program
  that leaves its process group outlives its container until the agent's next start.

Killing a node: annotate the Node with `local.tenbin.dev/killed="true"` (`killed.kill_node` does it). Its processes get
SIGKILL at once and its heartbeats stop, so the node controller taints it and evicts its pods. After
`agent.killed_node_delete_s` (15 s) the agent, now in the part of a cloud's node controller, deletes the Node and the
pods bound to it, without the minute that the pod garbage collector would wait. The node is recorded in
`ROOT/killed-nodes.json`, so that a restarted agent leaves it dead. `killed.revive_nodes`, or taking the annotation away
while the Node is still there, registers it anew.

On SIGTERM the agent ends its pods' processes and leaves the API objects alone. When it dies, its children die with it
(PR_SET_PDEATHSIG); the next start counts their containers as terminated and restarts them under their restart policy.

Rights that the agent's user needs: everything on nodes, nodes/status, leases of `kube-node-lease`; get, list, watch on
pods, services, configmaps, secrets; patch on pods/status; delete on pods; create on serviceaccounts/token; create and
patch on events.
"""
