"""What is known of one container: the states of a kubelet's report, as values."""

from __future__ import annotations

import datetime
import signal
from dataclasses import dataclass
from typing import Self, TypeAlias

from tenbin_local.agent import api

LOST = "ContainerStatusUnknown"
"""Reason of a container that was running when the agent ended: its process died with the agent."""


def now() -> datetime.datetime:
    """The time."""
    return datetime.datetime.now(datetime.UTC)


def stamp(time: datetime.datetime) -> str:
    """A time as the API writes it: whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime.datetime:
    """A time that the API wrote."""
    return datetime.datetime.fromisoformat(text)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The container is not running yet, or again."""

    reason: str
    message: str = ""

    def to_json(self) -> api.Json:
        """As the API writes it."""
        body = {"reason": self.reason} | ({"message": self.message} if self.message else {})
        return {"waiting": body}


@dataclass(frozen=True, kw_only=True)
class Running:
    """The container's process is there."""

    started_at: datetime.datetime

    def to_json(self) -> api.Json:
        """As the API writes it."""
        return {"running": {"startedAt": stamp(self.started_at)}}


@dataclass(frozen=True, kw_only=True)
class Terminated:
    """The container's process has ended.

    Attributes:
        exit_code: As a container runtime reports it: 128 + signal where a signal ended the process.
        signal: That signal, else 0.
    """

    exit_code: int
    reason: str
    started_at: datetime.datetime | None
    finished_at: datetime.datetime
    signal: int = 0
    message: str = ""
    container_id: str = ""

    @classmethod
    def from_return_code(
        cls,
        code: int,
        *,
        started_at: datetime.datetime,
        finished_at: datetime.datetime,
        message: str,
        container_id: str,
    ) -> Self:
        """From a process's return code, which is minus the signal where a signal ended it."""
        killed_by = -code if code < 0 else 0
        return cls(
            exit_code=128 + killed_by if killed_by else code,
            reason="Completed" if code == 0 else "Error",
            signal=killed_by,
            started_at=started_at,
            finished_at=finished_at,
            message=message,
            container_id=container_id,
        )

    @property
    def succeeded(self) -> bool:
        """Whether the process ended well."""
        return self.exit_code == 0

    def to_json(self) -> api.Json:
        """As the API writes it."""
        body: api.Json = {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": stamp(self.started_at) if self.started_at else None,
            "finishedAt": stamp(self.finished_at),
        }
        if self.signal:
            body["signal"] = self.signal
        if self.message:
            body["message"] = self.message
        if self.container_id:
            body["containerID"] = self.container_id
        return {"terminated": body}


State: TypeAlias = Waiting | Running | Terminated
CREATING = Waiting(reason="ContainerCreating")
INITIALIZING = Waiting(reason="PodInitializing")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One container.

    Attributes:
        state: Now.
        last: How its run before this one ended.
        ready: Whether it passes its readiness probe; of an init container, whether it has succeeded.
        started: Whether it runs and has passed its startup probe.
    """

    name: str
    image: str
    state: State = CREATING
    last: Terminated | None = None
    restart_count: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""

    def to_json(self) -> api.Json:
        """As the API writes it."""
        body: api.Json = {
            "name": self.name,
            "image": self.image,
            "imageID": f"local://{self.image}" if self.container_id else "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restart_count,
            "state": self.state.to_json(),
            "lastState": self.last.to_json() if self.last else {},
        }
        if self.container_id:
            body["containerID"] = self.container_id
        return body


def _terminated(body: api.Json) -> Terminated:
    return Terminated(
        exit_code=body["exitCode"],
        reason=body.get("reason", ""),
        signal=body.get("signal", 0),
        message=body.get("message", ""),
        started_at=parse_time(body["startedAt"]) if body.get("startedAt") else None,
        finished_at=parse_time(body["finishedAt"]) if body.get("finishedAt") else now(),
        container_id=body.get("containerID", ""),
    )


def recover(spec: api.Json, status: api.Json | None, *, finished_at: datetime.datetime) -> Record:
    """The record of a container whose agent has been restarted, from the status that the API still has.

    A container that ran then has lost its process: it counts as killed at `finished_at`.
    """
    record = Record(name=spec["name"], image=spec["image"])
    if status is None:
        return record
    state = status.get("state", {})
    last = _terminated(status["lastState"]["terminated"]) if status.get("lastState", {}).get("terminated") else None
    container_id = status.get("containerID", "")
    current: State = CREATING
    if running := state.get("running"):
        current = Terminated(
            exit_code=128 + signal.SIGKILL,
            signal=signal.SIGKILL,
            reason=LOST,
            message="The process ended together with the node agent.",
            started_at=parse_time(running["startedAt"]) if running.get("startedAt") else None,
            finished_at=finished_at,
            container_id=container_id,
        )
    elif terminated := state.get("terminated"):
        current = _terminated(terminated)
    elif last is not None:
        current, last = last, None
    return Record(
        name=spec["name"],
        image=spec["image"],
        state=current,
        last=last,
        restart_count=status.get("restartCount", 0),
        ready=isinstance(current, Terminated) and current.succeeded,
        container_id=container_id,
    )
