"""The resource operations of the provider in plain values: what a program declares, against what the cluster has.

`tenbin_local.plugins.kubernetes.provider` wraps these in the engine's protocol.
"""

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_local.plugins import differences, engine_log, outcomes, paths, properties
from tenbin_local.plugins.kubernetes import (
    awaiting,
    checkpoint,
    diff,
    kubeconfig,
    naming,
    operations,
    secrecy,
    settings,
)
from tenbin_local.plugins.kubernetes import cluster as clusters

UNREACHABLE = "configured Kubernetes cluster is unreachable"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """An object that was read: its state, and inputs as they would have to be to describe it."""

    identifier: str
    state: dict[str, Any]
    inputs: dict[str, Any]


def logical_name(urn: str) -> str:
    """The name that the program gave the resource with this URN."""
    return urn.split("::", 3)[-1]


def identifier_of(obj: Mapping[str, Any]) -> str:
    """The engine's id of an object: namespace/name, or the name alone where there is no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


class Resources:
    """Resources of one configured provider."""

    def __init__(
        self,
        chosen: settings.Settings,
        log: engine_log.EngineLog,
        cancelled: threading.Event,
    ) -> None:
        self._settings = chosen
        self._log = log
        self._cancelled = cancelled
        self._cluster: clusters.Cluster | None = None
        self._reason = ""
        self._warned = threading.Lock()
        try:
            connection = kubeconfig.connect(
                chosen.kubeconfig, context=chosen.context, cluster=chosen.cluster, namespace=chosen.namespace
            )
            self.namespace = connection.namespace
            cluster = clusters.Cluster(connection)
            cluster.version()
            self._cluster = cluster
        except (clusters.ClusterError, kubeconfig.KubeconfigError, OSError, ValueError) as error:
            self.namespace = getattr(self, "namespace", chosen.namespace or kubeconfig.DEFAULT_NAMESPACE)
            self._reason = str(error)

    def _reached(self) -> operations.Operations:
        if self._cluster is None:
            raise outcomes.RefusedError(f"{UNREACHABLE}: {self._reason}")
        return operations.Operations(self._cluster, self._log, self._cancelled)

    def _knows(self, obj: Mapping[str, Any]) -> bool:
        return self._cluster is not None and self._cluster.knows(obj)

    def _namespaced(self, obj: Mapping[str, Any]) -> bool:
        if self._cluster is not None and self._cluster.knows(obj):
            return self._cluster.kind(str(obj["apiVersion"]), str(obj["kind"])).namespaced
        return obj.get("kind") not in clusters.CLUSTER_SCOPED

    def check(
        self,
        urn: str,
        old_inputs: Mapping[str, Any],
        new_inputs: Mapping[str, Any],
        *,
        seed: bytes,
        proposed: str = "",
        unnamed: bool = False,
    ) -> dict[str, Any]:
        """The inputs with name and namespace filled in; secrets stay marked.

        Args:
            urn: The resource.
            old_inputs: Inputs of the existing resource, empty for a new one.
            new_inputs: What the program declares.
            seed: Randomness for a made-up name.
            proposed: The name that the engine proposes.
            unnamed: Whether the engine's configuration forbids made-up names.
        """
        if self._cluster is None and self._warned.acquire(blocking=False):
            self._log.warning("", f"{UNREACHABLE}: {self._reason}")
        inputs = {"metadata": {}, **checkpoint.to_object(new_inputs)}
        if isinstance(inputs["metadata"], Mapping) and inputs["metadata"].get("generateName"):
            raise outcomes.RefusedError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
        if old_inputs:
            inputs = naming.adopt(inputs, checkpoint.to_object(old_inputs))
        else:
            inputs = naming.assign(inputs, logical_name(urn), seed=seed, proposed=proposed, disabled=unnamed)
        metadata = inputs["metadata"]
        if isinstance(metadata, Mapping) and not metadata.get("namespace") and self._namespaced(inputs):
            inputs["metadata"] = {**metadata, "namespace": self.namespace}
        return secrecy.mark(inputs, new_inputs)

    def diff(
        self, old_state: Mapping[str, Any], new_inputs: Mapping[str, Any], ignored: Sequence[str]
    ) -> differences.Differences:
        """What the new inputs would change."""
        old_inputs, live = checkpoint.parse(old_state)
        new = checkpoint.to_object(new_inputs)
        return diff.compare(
            live=live,
            old_inputs=old_inputs,
            new_inputs=new,
            namespaced=self._namespaced(new),
            ignored=[paths.parse(text) for text in ignored],
            config_map_mutable=self._settings.config_map_mutable,
            secret_mutable=self._settings.secret_mutable,
        )

    def create(
        self, urn: str, marked: Mapping[str, Any], *, timeout_s: float, preview: bool
    ) -> tuple[str, dict[str, Any]]:
        """Makes the object and returns its id and state; in a preview, the state as the server foretells it."""
        inputs = checkpoint.to_object(marked)
        if preview and (properties.has_unknown(inputs) or not self._knows(inputs)):
            return "", dict(marked)
        objects = self._reached()
        manager = checkpoint.field_manager(inputs, {})
        version = str(inputs.get("apiVersion"))
        try:
            if preview:
                live = objects.preview_create(inputs, manager)
            else:
                live = objects.create(urn, inputs, manager, timeout_s)
        except awaiting.NotReadyError as error:
            state = checkpoint.build(
                inputs=inputs, live=error.live, marked=marked, api_version=version, manager=manager
            )
            raise outcomes.PartlyDoneError(
                f"resource {urn!r} was successfully created, but the Kubernetes API server reported that it failed to "
                f"fully initialize or become live: {error}",
                identifier=identifier_of(error.live), state=state, reasons=error.reasons,
            ) from error  # fmt: skip
        except clusters.NoMatchError as error:
            raise outcomes.RefusedError(
                f"creation of resource {urn!r} with kind {version}/{inputs.get('kind')} failed because the Kubernetes "
                "API server reported that the apiVersion for this resource does not exist. Verify that any required "
                f"CRDs have been created: {error}"
            ) from error
        except (clusters.ClusterError, operations.ConflictError) as error:
            if preview and isinstance(error, clusters.ApiError) and (error.missing_namespace or error.code == 403):
                return "", dict(marked)
            raise outcomes.RefusedError(
                f"resource {urn!r} was not successfully created by the Kubernetes API server: {error}"
            ) from error
        state = checkpoint.build(inputs=inputs, live=live, marked=marked, api_version=version, manager=manager)
        return ("" if preview else identifier_of(live)), state

    def update(
        self,
        urn: str,
        old_state: Mapping[str, Any],
        marked: Mapping[str, Any],
        *,
        ignored: Sequence[str],
        timeout_s: float,
        preview: bool,
    ) -> dict[str, Any]:
        """Changes the object and returns its state; in a preview, the state as the server foretells it."""
        inputs = diff.normalise(checkpoint.to_object(marked))
        if preview and (properties.has_unknown(inputs) or not self._knows(inputs)):
            return dict(marked)
        objects = self._reached()
        _, old_live = checkpoint.parse(old_state)
        before = checkpoint.field_manager({}, old_state)
        manager = checkpoint.field_manager(inputs, old_state)
        version = str(old_state.get(checkpoint.API_VERSION) or inputs.get("apiVersion"))

        def state(live: Mapping[str, Any]) -> dict[str, Any]:
            return checkpoint.build(inputs=inputs, live=live, marked=marked, api_version=version, manager=manager)

        try:
            live = objects.update(
                urn, old_live, inputs,
                manager=manager, ignored=[paths.parse(text) for text in ignored], option_s=timeout_s, preview=preview,
            )  # fmt: skip
            if not preview and before != manager:
                objects.relinquish(live, before)
        except awaiting.NotReadyError as error:
            raise outcomes.PartlyDoneError(
                f"the Kubernetes API server reported that {identifier_of(error.live)!r} failed to fully initialize or "
                f"become live: {error}",
                identifier=identifier_of(error.live), state=state(error.live), reasons=error.reasons,
            ) from error  # fmt: skip
        except (clusters.ClusterError, operations.ConflictError) as error:
            if preview and isinstance(error, clusters.ApiError) and error.code == 403:
                return dict(marked)
            raise outcomes.RefusedError(f"update of resource {urn!r} failed: {error}") from error
        return state(live)

    def read(
        self, urn: str, identifier: str, state: Mapping[str, Any], marked: Mapping[str, Any], kind: Mapping[str, Any]
    ) -> Found | None:
        """The object as it is now, None where it is gone.

        Args:
            urn: The resource.
            identifier: namespace/name, or the name alone.
            state: The state so far, empty for an import.
            marked: The inputs so far with secret marks, empty for an import.
            kind: `apiVersion` and `kind` by the resource's type.

        Raises:
            outcomes.PartlyDoneError: The object exists, but is not ready.
            outcomes.RefusedError: The cluster does not answer.
        """
        if self._cluster is None:
            return self._unread(urn, identifier, state, marked)
        namespace, _, name = identifier.rpartition("/")
        old_inputs = diff.normalise(checkpoint.to_object(marked))
        wanted = {"apiVersion": kind["apiVersion"], "kind": kind["kind"], "metadata": {"name": name}}
        wanted["metadata"]["namespace"] = namespace or old_inputs.get("metadata", {}).get("namespace")
        objects = self._reached()
        try:
            live = objects.read(wanted)
        except clusters.ClusterError as error:
            raise outcomes.RefusedError(f"failed to read {identifier!r}: {error}") from error
        if live is None:
            return None
        # An import has no inputs to compare with: all that the object declares becomes one.
        inputs = diff.prune(live, old_inputs) if old_inputs else _declared(live)
        built = checkpoint.build(
            inputs=inputs,
            live=live,
            marked=marked,
            api_version=str(old_inputs.get("apiVersion") or kind["apiVersion"]),
            manager=checkpoint.field_manager(inputs, state),
        )
        found = Found(identifier=identifier, state=built, inputs=secrecy.mark(inputs, marked))
        reasons = objects.unready(old_inputs, live) if old_inputs else ()
        if reasons:
            raise outcomes.PartlyDoneError(
                f"Resource {name!r} was created but failed to initialize",
                identifier=identifier, state=found.state, reasons=reasons, inputs=found.inputs,
            )  # fmt: skip
        return found

    def _unread(self, urn: str, identifier: str, state: Mapping[str, Any], marked: Mapping[str, Any]) -> Found | None:
        self._log.warning(urn, f"{UNREACHABLE}: {self._reason}")
        if self._settings.delete_unreachable:
            self._log.info(urn, f"{UNREACHABLE} and the `deleteUnreachable` option is enabled; the state drops it")
            return None
        if self._settings.skip_unreachable:
            return Found(identifier=identifier, state=dict(state), inputs=dict(marked))
        raise outcomes.RefusedError(
            "failed to read resource state due to unreachable cluster. If the cluster was deleted, you can remove this "
            "resource from Pulumi state by rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE environment "
            'variable set to "true"'
        )

    def delete(self, urn: str, state: Mapping[str, Any], *, timeout_s: float) -> None:
        """Deletes the object and waits until it is gone."""
        if self._cluster is None and self._settings.delete_unreachable:
            self._log.warning(urn, f"{UNREACHABLE}; `deleteUnreachable` is enabled, so the state drops the object")
            return
        inputs, live = checkpoint.parse(state)
        try:
            self._reached().delete(urn, inputs, live, timeout_s)
        except awaiting.NotReadyError as error:
            raise outcomes.PartlyDoneError(
                str(error), identifier=identifier_of(live), state=dict(state), reasons=error.reasons
            ) from error
        except clusters.ClusterError as error:
            raise outcomes.RefusedError(f"deletion of {identifier_of(live)!r} failed: {error}") from error

    def close(self) -> None:
        """Closes the connection to the cluster."""
        if self._cluster is not None:
            self._cluster.close()


def _declared(live: Mapping[str, Any]) -> dict[str, Any]:
    """What of a live object somebody has declared: all but its status and the server's own metadata."""
    inputs = diff.normalise({key: value for key, value in live.items() if key != "status"})
    annotations = inputs["metadata"].get("annotations") or {}
    for key in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"):
        annotations.pop(key, None)
    return inputs
