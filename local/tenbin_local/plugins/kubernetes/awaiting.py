"""Waiting: until an object is ready, until it is gone, or until the time is up or the engine cancels."""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tenbin_local.plugins import engine_log
from tenbin_local.plugins.kubernetes import cluster as clusters
from tenbin_local.plugins.kubernetes import naming, readiness

SKIP = "pulumi.com/skipAwait"
TIMEOUT = "pulumi.com/timeoutSeconds"
WAIT_FOR = "pulumi.com/waitFor"

DELETE_TIMEOUT_S = 300.0
"""Seconds until a deletion counts as stuck; twice that for workloads with replicas."""

FIRST_POLL_S, LAST_POLL_S = 0.1, 1.0
"""Seconds between the first two looks at an object, and at most between later ones."""

_SKIPS_DELETION = frozenset(
    {"Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"}
)
_SLOW_DELETION = frozenset({"Deployment", "StatefulSet", "ReplicationController"})


class NotReadyError(Exception):
    """The object exists, or still exists, but is not as it should be."""

    def __init__(self, message: str, live: Mapping[str, Any], reasons: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((message, *(f"- {reason}" for reason in reasons))))
        self.live = live
        """The object as it was last seen."""
        self.reasons = reasons
        """Why it is not ready."""


def skips(inputs: Mapping[str, Any]) -> bool:
    """Whether the program asks not to wait for this object."""
    return naming.annotation(inputs, SKIP) == "true"


def timeout_s(option: float, inputs: Mapping[str, Any], default: float) -> float:
    """Seconds to wait: the resource option's, the annotation's or the kind's."""
    if option:
        return option
    text = naming.annotation(inputs, TIMEOUT) or ""
    return float(text) if text.isdigit() else default


class Waiter:
    """Waits for objects of one cluster."""

    def __init__(self, cluster: clusters.Cluster, log: engine_log.EngineLog, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._log = log
        self._cancelled = cancelled

    def assess(self, live: Mapping[str, Any]) -> readiness.Readiness:
        """The verdict on an object now.

        Raises:
            clusters.ClusterError: What the verdict depends on cannot be read.
        """
        check = readiness.CHECKS.get((str(live.get("apiVersion")), str(live.get("kind"))))
        if check is None:
            return readiness.READY
        namespace = live["metadata"].get("namespace", "")
        replica_sets = self._cluster.items("apps/v1", "ReplicaSet", namespace) if check.needs_replica_sets else []
        pods = self._cluster.items("v1", "Pod", namespace) if check.needs_pods else []
        return check.judge(live, replica_sets, pods)

    def until_ready(
        self, urn: str, inputs: Mapping[str, Any], live: Mapping[str, Any], option_s: float
    ) -> dict[str, Any]:
        """The live object once it is ready.

        Raises:
            NotReadyError: It failed, the time was up, or the engine cancelled.
        """
        check = readiness.CHECKS.get((str(live.get("apiVersion")), str(live.get("kind"))))
        if check is None or skips(inputs):
            return dict(live)
        name = live["metadata"]["name"]
        verdict = readiness.READY
        for _ in self._polls(timeout_s(option_s, inputs, check.timeout_s)):
            live, verdict = self._look(live)
            if verdict.ready:
                self._log.status(urn, "")
                return dict(live)
            if verdict.failed:
                raise NotReadyError(f"Resource {name!r} was created but failed to initialize", live, verdict.reasons)
            shown = [verdict.progress, *verdict.reasons[-1:]]
            self._log.status(urn, "; ".join(dict.fromkeys(shown)))
        raise NotReadyError(self._ended(name, "to be Ready"), live, verdict.reasons)

    def _look(self, live: Mapping[str, Any]) -> tuple[Mapping[str, Any], readiness.Readiness]:
        """The object and the verdict on it; a server that does not answer is one more reason to wait."""
        try:
            live = self._cluster.get(live)
            return live, self.assess(live)
        except clusters.ClusterError as error:
            gone = isinstance(error, clusters.ApiError) and error.missing
            return live, readiness.Readiness(ready=False, progress=str(error), reasons=(str(error),), failed=gone)

    def until_gone(self, urn: str, inputs: Mapping[str, Any], live: Mapping[str, Any], option_s: float) -> None:
        """Returns once the object no longer exists.

        Raises:
            NotReadyError: The time was up or the engine cancelled; the object is as last seen.
        """
        kind, name = str(live.get("kind")), live["metadata"]["name"]
        if skips(inputs) and kind in _SKIPS_DELETION:
            return
        default = DELETE_TIMEOUT_S * (2 if kind in _SLOW_DELETION else 1)
        for _ in self._polls(timeout_s(option_s, inputs, default)):
            try:
                live = self._cluster.get(live)
            except clusters.NoMatchError:
                return
            except clusters.ApiError as error:
                if error.missing:
                    self._log.status(urn, "")
                    return
                raise
            self._log.status(urn, f"Waiting for {kind} {name!r} to be gone{_held(live)}")
        raise NotReadyError(self._ended(name, "to be deleted"), live, tuple(filter(None, (_held(live).lstrip(": "),))))

    def _polls(self, seconds: float) -> Iterator[None]:
        """Yields at growing intervals until `seconds` have passed or the engine has cancelled."""
        end, pause = time.monotonic() + seconds, FIRST_POLL_S
        yield
        while (left := end - time.monotonic()) > 0 and not self._cancelled.wait(min(pause, left)):
            yield
            pause = min(pause * 1.5, LAST_POLL_S)

    def _ended(self, name: str, goal: str) -> str:
        if self._cancelled.is_set():
            return f"Resource operation was cancelled for {name!r}"
        return f"{name!r} timed out waiting {goal}"


def _held(live: Mapping[str, Any]) -> str:
    """What still holds a deleted object: finalizers, or what a terminating namespace still contains."""
    held = [f"finalizer {finalizer}" for finalizer in live["metadata"].get("finalizers") or []]
    held.extend(
        str(condition.get("message"))
        for condition in live.get("status", {}).get("conditions") or []
        if condition.get("type", "").startswith("Namespace") and condition.get("status") == "True"
    )
    return f": {'; '.join(held)}" if held else ""
