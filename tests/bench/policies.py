"""What the policy pack adds to a preview of the prod stack: a resource judged by all rules, and the preview itself."""

from __future__ import annotations

import json
import pathlib
import statistics
import tempfile
import time
from typing import Any

import psutil
from support import committed_stacks, policy_pack, projects

STACK = "prod"
TIMES = 3


def figures() -> dict[str, float | str]:
    """Return figures; units are in their names. Targets: less than 5 ms for a resource, less than 2 s for a preview."""
    with tempfile.TemporaryDirectory() as folder:
        project = projects.Project(
            pathlib.Path(folder) / "project",
            imports="",
            variables={"AWS_REGION": "us-east-1", "TENBIN_AWS_STATE": str(pathlib.Path(folder) / "account")},
        )
        try:
            done = project.pulumi("stack", "init", "test")
            if done.code:
                raise RuntimeError(done.output)
            committed_stacks.configure(project, committed_stacks.configuration(STACK))
            items = _items(project.preview())
            without, with_pack = _previews(project)
        finally:
            project.end()
    with policy_pack.running() as pack:
        start_s = _cpu_s(pack)
        pack.configure({})
        for item in items:
            pack.resource(item)
        resources_s = _cpu_s(pack) - start_s
        pack.stack(items)
        stack_s = _cpu_s(pack) - start_s - resources_s
    return {
        "policies_resources": len(items),
        "policies_cpu_s_to_start": start_s,
        "policies_cpu_ms_for_a_resource": resources_s / len(items) * 1000,
        "policies_cpu_s_for_the_stack": stack_s,
        "policies_cpu_s_in_all": start_s + resources_s + stack_s,
        "policies_preview_s_without": without,
        "policies_preview_s_with": with_pack,
    }


def _cpu_s(pack: policy_pack.Pack) -> float:
    """Return the seconds of processor that the pack took, which other programs of the machine do not lengthen."""
    taken = psutil.Process(pack.process).cpu_times()
    return taken.user + taken.system


def _items(preview: dict[str, Any]) -> list[policy_pack.Item]:
    states = [step["newState"] for step in preview["steps"] if "newState" in step]
    return [
        policy_pack.Item(
            type=state["type"],
            name=state["urn"].rpartition("::")[2],
            properties=json.loads(json.dumps(state.get("inputs", {}))),
        )
        for state in states
    ]


def _previews(project: projects.Project) -> tuple[float, float]:
    """Return the median time of a preview without the pack and with it, in turns, since machines slow down."""
    levels = policy_pack.PACK / "levels" / f"{STACK}.json"
    flags = ("--policy-pack", str(policy_pack.PACK), "--policy-pack-config", str(levels))
    without, with_pack = [], []
    for _ in range(TIMES):
        without.append(_timed(project))
        with_pack.append(_timed(project, *flags))
    return statistics.median(without), statistics.median(with_pack)


def _timed(project: projects.Project, *flags: str) -> float:
    started = time.perf_counter()
    project.preview(*flags)
    return time.perf_counter() - started
