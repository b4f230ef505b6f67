"""What a provider does to objects: create, update, read and delete, each until it is really done."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_local.plugins import engine_log, paths
from tenbin_local.plugins.kubernetes import awaiting, naming, ownership
from tenbin_local.plugins.kubernetes import cluster as clusters

FORCE = "pulumi.com/patchForce"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"

RETRIES = 5
"""Times that a creation is tried again while its namespace or its definition is missing."""

FIRST_PAUSE_S = 0.5
"""Seconds before the first retry; twice as long before each further one."""

CONFLICT_HELP = (
    "Server-Side Apply field conflict detected. See https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources for troubleshooting help."
)


class ConflictError(Exception):
    """Another manager owns a field that the program declares."""


class Operations:
    """Operations on one cluster."""

    def __init__(self, cluster: clusters.Cluster, log: engine_log.EngineLog, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._log = log
        self._cancelled = cancelled
        self._waiter = awaiting.Waiter(cluster, log, cancelled)

    def preview_create(self, inputs: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """The object as the server would make it, without its status.

        Conflicts are left to the creation: the object that is there now may be one that a replacement deletes first.
        """
        try:
            made = self._cluster.apply(inputs, manager=manager, force=True, dry_run=True)
        except clusters.ApiError as error:
            if not error.immutable:
                raise
            metadata = {**inputs["metadata"], "name": naming.unique(f"{inputs['metadata']['name']}-")}
            made = self._cluster.apply({**inputs, "metadata": metadata}, manager=manager, force=True, dry_run=True)
        made.pop("status", None)
        return made

    def create(self, urn: str, inputs: Mapping[str, Any], manager: str, option_s: float) -> dict[str, Any]:
        """Applies a new object, or takes over one that is there, and waits until it is ready."""
        try:
            live = self._apply_when_possible(urn, inputs, manager)
        except ConflictError:
            self._warn_of_deletion(urn, self.read(inputs) or {})
            raise
        self._warn_of_deletion(urn, live)
        if inputs.get("kind") == "CustomResourceDefinition":
            self._cluster.forget()
        return self._waiter.until_ready(urn, inputs, live, option_s)

    def _warn_of_deletion(self, urn: str, live: Mapping[str, Any]) -> None:
        metadata = live.get("metadata", {})
        if metadata.get("deletionTimestamp"):
            self._log.warning(
                urn,
                f"{metadata['name']} is still being deleted, and what is applied now goes with it. "
                f"{awaiting.SKIP} does not wait for deletions either; {PROPAGATION}: background deletes at once",
            )

    def _apply_when_possible(self, urn: str, inputs: Mapping[str, Any], manager: str) -> dict[str, Any]:
        pause = FIRST_PAUSE_S
        for attempt in range(RETRIES + 1):
            try:
                return self._apply(inputs, manager, force=_forced(inputs), dry_run=False)
            except clusters.NoMatchError as error:
                problem: clusters.ClusterError = error
            except clusters.ApiError as error:
                if not error.missing:
                    raise
                problem = error
            if attempt == RETRIES or self._cancelled.wait(pause):
                raise problem
            self._log.status(urn, f"Retry #{attempt + 1}; creation failed: {problem}")
            pause *= 2
        raise AssertionError("the loop above returns or raises")

    def update(
        self,
        urn: str,
        old_live: Mapping[str, Any],
        inputs: Mapping[str, Any],
        *,
        manager: str,
        ignored: Sequence[paths.Path],
        option_s: float,
        preview: bool,
    ) -> dict[str, Any]:
        """Applies changed inputs to a live object; in a preview the server only says what would come of it."""
        current = self._cluster.get(old_live)
        if inputs.get("kind") == "CustomResourceDefinition":
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            whole = {**inputs, "metadata": {**inputs["metadata"], **version}}
            live = self._cluster.replace(whole, manager=manager, dry_run=preview)
            self._cluster.forget()
        else:
            settled = ownership.settle_ignored(inputs, current, manager=manager, ignored=ignored)
            live = self._apply(settled, manager, force=_forced(inputs), dry_run=preview)
        return live if preview else self._waiter.until_ready(urn, inputs, live, option_s)

    def _apply(self, inputs: Mapping[str, Any], manager: str, *, force: bool, dry_run: bool) -> dict[str, Any]:
        try:
            return self._cluster.apply(inputs, manager=manager, force=force, dry_run=dry_run)
        except clusters.ApiError as error:
            if not error.conflict:
                raise
            raise ConflictError(
                f"{CONFLICT_HELP}\nThe resource managed by field manager {manager!r} had an apply conflict: {error}"
            ) from error

    def relinquish(self, live: Mapping[str, Any], manager: str) -> None:
        """Gives up all fields that were applied under a manager's name."""
        identity = {key: live[key] for key in ("apiVersion", "kind")}
        metadata = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
        self._cluster.apply({**identity, "metadata": metadata}, manager=manager)

    def read(self, obj: Mapping[str, Any]) -> dict[str, Any] | None:
        """The live object, None where it or its kind does not exist."""
        try:
            return self._cluster.get(obj)
        except clusters.NoMatchError:
            return None
        except clusters.ApiError as error:
            if error.missing:
                return None
            raise

    def unready(self, inputs: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[str, ...]:
        """Why an object that exists is not ready; empty where it is, or where the program does not wait for it."""
        return () if awaiting.skips(inputs) else self._waiter.assess(live).reasons

    def delete(self, urn: str, inputs: Mapping[str, Any], live: Mapping[str, Any], option_s: float) -> None:
        """Deletes an object, dependents first unless its annotation says otherwise, and waits until it is gone."""
        policy = (naming.annotation(inputs, PROPAGATION) or "").lower()
        try:
            self._cluster.delete(
                live, propagation={"orphan": "Orphan", "background": "Background"}.get(policy, "Foreground")
            )
        except clusters.NoMatchError:
            return
        except clusters.ApiError as error:
            if error.missing:
                return
            raise
        self._waiter.until_gone(urn, inputs, live, option_s)
        if inputs.get("kind") == "CustomResourceDefinition":
            self._cluster.forget()


def _forced(inputs: Mapping[str, Any]) -> bool:
    return naming.annotation(inputs, FORCE) == "true"
