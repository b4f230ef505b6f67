"""The life of the stack `dev`: brought up, brought up again, changed one thing at a time, destroyed.

Planner, picker and gateway run as processes of the node agent; its AWS is the stand-in's.
"""

from __future__ import annotations

import pathlib

import httpx
import pytest
from support import lives, node_agent
from support.waiting import PATIENCE_S, until
from tenbin_spec.plan import PlanView

NODES = {"system": {"count": 1, "cpu": "8", "memory": "16Gi"}, "pools": []}
DOCUMENT = "ConfigMap::platform-planner-document"


def plan(life: lives.Life) -> PlanView | None:
    """Return the plan that the stack's own planner serves where the stack says; None while it has none."""
    url = life.project.pulumi("stack", "output", "planner_url", "--stack", "test").output.strip()
    answer = httpx.get(f"{url}/plan", timeout=PATIENCE_S, trust_env=False)
    return PlanView.model_validate_json(answer.text) if answer.is_success else None


@pytest.mark.timeout(900)
def test_dev_from_its_first_up_to_nothing(tmp_path: pathlib.Path) -> None:
    with (
        node_agent.run(tmp_path, NODES) as world,
        lives.of("dev", tmp_path, client=world.client, kubeconfig=world.place.kubeconfig) as life,
    ):
        life.config["tenbin:services"]["chat"]["engine"]["drain_s"] = 1
        made = life.changed()
        assert set(made.values()) == {"create"}
        assert life.missing_objects() == set()
        served = until(lambda: plan(life))
        assert served.document_problem is None
        assert [service.name for service in served.services] == ["chat"]

        assert life.project.changes("--expect-no-changes") == {}

        # On a single node no new engine starts beside the old one: its roll-out changes with the pool.
        life.pool("l40s-spot")["nodes"]["max"] = 1
        assert life.changed() == {
            "NodePool::platform-l40s-spot": "update",
            "Deployment::platform-chat-serve-l40s-spot": "update",
            DOCUMENT: "update",
        }
        pool = world.client.get("/apis/karpenter.sh/v1/nodepools/l40s-spot")
        assert pool["spec"]["limits"] == {"cpu": "8", "nvidia.com/gpu": "1"}

        life.pool("l40s-spot").update(capacity_type="on-demand", hourly_usd="2.24")
        assert life.changed() == {"NodePool::platform-l40s-spot": "update", DOCUMENT: "update"}

        life.config["tenbin:cluster"]["version"] = "1.36"
        assert life.changed() == {"Cluster::platform-cluster": "update"}

        life.destroy()
