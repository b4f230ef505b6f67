"""A whole stack under the real engine and a real API server, with what the stacks of this project rely on."""

import base64
import json
import re
from typing import Any

import pytest
from support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("plugins"), pytest.mark.timeout(300)]

STACK = """
image = os.environ.get("IMAGE", "engine:1")
wanted = os.environ.get("DATA", "one")
selector = os.environ.get("SELECTOR", "engine")
opts = pulumi.ResourceOptions(provider=kubernetes.Provider("cluster", enable_config_map_mutable=True))


class Team(pulumi.ComponentResource):
    def __init__(self, name, opts):
        super().__init__("test:index:Team", name, None, opts)
        self.namespace = kubernetes.core.v1.Namespace(
            f"{name}-space", opts=pulumi.ResourceOptions(parent=self)
        ).metadata["name"]
        self.register_outputs({})


team = Team("team", pulumi.ResourceOptions(providers=[opts.provider]))
place = {"namespace": team.namespace}
kubernetes.core.v1.ConfigMap("document", metadata={**place, "name": "document"}, data={"value": wanted}, opts=opts)
kubernetes.core.v1.Secret("token", metadata=place, string_data={"token": pulumi.Output.secret("hidden-1")}, opts=opts)
account = kubernetes.core.v1.ServiceAccount("account", metadata=place, opts=opts)
role = kubernetes.rbac.v1.Role(
    "role", metadata=place, rules=[{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}], opts=opts
)
kubernetes.rbac.v1.RoleBinding(
    "binding",
    metadata=place,
    role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata["name"]},
    subjects=[{"kind": "ServiceAccount", "name": account.metadata["name"], "namespace": team.namespace}],
    opts=opts,
)
service = kubernetes.core.v1.Service(
    "service",
    metadata={**place, "annotations": {"pulumi.com/skipAwait": "true"}},
    spec={"selector": {"app": "engine"}, "ports": [{"port": 80, "target_port": "http"}]},
    opts=opts,
)
kubernetes.apps.v1.Deployment(
    "engine",
    metadata={**place, "name": "engine", "annotations": {"pulumi.com/skipAwait": "true"}},
    spec={
        "replicas": 0,
        "selector": {"match_labels": {"app": selector}},
        "template": {
            "metadata": {"labels": {"app": selector}},
            "spec": {
                "containers": [
                    {
                        "name": "engine",
                        "image": image,
                        "env": [{"name": "EMPTY", "value": ""}],
                        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
                    }
                ]
            },
        },
    },
    opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["spec.replicas"])),
)
kind = kubernetes.apiextensions.v1.CustomResourceDefinition(
    "kind",
    metadata={"name": "agreements.test.tenbin.dev"},
    spec={
        "group": "test.tenbin.dev",
        "names": {"kind": "Agreement", "plural": "agreements"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"port": {"x_kubernetes_int_or_string": True}}}
                        },
                    }
                },
            }
        ],
    },
    opts=opts,
)
kubernetes.apiextensions.CustomResource(
    "agreement",
    api_version="test.tenbin.dev/v1",
    kind="Agreement",
    # The garbage collector takes half a minute to know a new kind.
    metadata={**place, "annotations": {"pulumi.com/deletionPropagationPolicy": "background"}},
    spec={"port": 80},
    opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[kind])),
)
pulumi.export("namespace", team.namespace)
pulumi.export("address", service.spec.cluster_ip)
"""


def _outputs(project: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.pulumi("stack", "output", "--json", "--stack", "test").output)
    return found


def _changes(project: Any, env: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Operation and changed paths of each resource that a preview would touch."""
    return {
        step["urn"].rsplit("::", 1)[-1]: (step["op"], sorted(step.get("detailedDiff") or {}))
        for step in project.preview(env=env)["steps"]
        if step["op"] not in ("same", "create-replacement", "delete-replaced")
    }


def _see_created(api: Any, project: Any) -> str:
    """Brings the stack up, looks at what was made, and returns the namespace."""
    assert project.preview()["changeSummary"] == {"create": 13}
    project.up()
    namespace, address = (_outputs(project)[key] for key in ("namespace", "address"))
    assert re.fullmatch(r"team-space-[0-9a-f]{8}", namespace)
    assert address.startswith("127.")
    annotations = api.get(f"/api/v1/namespaces/{namespace}")["metadata"]["annotations"]
    assert annotations == {"pulumi.com/autonamed": "true"}
    assert "labels" not in api.get(f"/api/v1/namespaces/{namespace}/configmaps/document")["metadata"]
    assert api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/engine")["spec"]["replicas"] == 0
    [agreement] = api.get(f"/apis/test.tenbin.dev/v1/namespaces/{namespace}/agreements")["items"]
    assert agreement["spec"] == {"port": 80}
    return str(namespace)


def _see_counts_left_alone(api: Any, project: Any, workload: str) -> None:
    """A count written through /scale survives a change of image, and does not show up afterwards.

    Nothing else shows up either: neither quantities that the server writes another way, nor what it leaves out.
    """
    api.scale(workload, 3)
    env = {"IMAGE": "engine:2"}
    assert _changes(project, env) == {"engine": ("update", ["spec.template.spec.containers[0].image"])}
    project.up(env=env)
    live = api.get(workload)
    assert (live["spec"]["replicas"], live["spec"]["template"]["spec"]["containers"][0]["image"]) == (3, "engine:2")
    assert _changes(project, env) == {}
    project.pulumi("refresh", "--yes", "--skip-preview", "--stack", "test")
    project.up("--expect-no-changes", env=env)
    api.scale(workload, 2)


def _see_a_document_changed_in_place(api: Any, project: Any, document: str, env: dict[str, str]) -> None:
    uid = api.get(document)["metadata"]["uid"]
    assert _changes(project, env) == {
        "document": ("update", ["data.value"]),
        "engine": ("update", ["spec.template.spec.containers[0].image"]),
    }
    project.up(env=env)
    changed = api.get(document)
    assert (changed["metadata"]["uid"], changed["data"]) == (uid, {"value": "two"})


def _see_a_conflict(api: Any, project: Any, document: str, env: dict[str, str]) -> None:
    """A declared field that another manager has changed is a conflict, once a refresh has found it."""
    api.edit(document, {"data": {"value": "edited", "other": "kept"}}, "somebody")
    refused = project.pulumi("up", "--refresh", "--yes", "--skip-preview", "--stack", "test", env=env)
    assert refused.code != 0
    assert 'Apply failed with 1 conflict: conflict with "somebody" using v1: .data.value' in refused.output
    assert "Server-Side Apply field conflict detected" in refused.output
    assert api.get(document)["data"] == {"value": "edited", "other": "kept"}
    api.edit(document, {"data": {"value": "two"}}, "somebody")
    project.pulumi("refresh", "--yes", "--skip-preview", "--stack", "test")
    project.up("--expect-no-changes", env=env)


def _see_the_state(api: Any, project: Any, root: str) -> None:
    state = project.resources()
    assert "hidden-1" not in json.dumps(state)
    assert base64.b64encode(b"hidden-1").decode() not in json.dumps(state)
    assert state["kind"]["outputs"]["__initialApiVersion"] == "apiextensions.k8s.io/v1"
    assert state["engine"]["outputs"]["__fieldManager"].startswith("pulumi-kubernetes-")
    assert state["engine"]["outputs"]["__inputs"]["metadata"]["name"] == "engine"
    [token] = [item for item in api.get(f"{root}/secrets")["items"] if item["metadata"]["name"].startswith("token-")]
    assert base64.b64decode(token["data"]["token"]) == b"hidden-1"


def test_a_stack_goes_through_its_life(api: Any, project: Any) -> None:
    project.program(STACK)
    namespace = _see_created(api, project)
    root = f"/api/v1/namespaces/{namespace}"
    workload = f"/apis/apps/v1/namespaces/{namespace}/deployments/engine"
    env = {"IMAGE": "engine:3", "DATA": "two"}
    _see_counts_left_alone(api, project, workload)
    _see_a_document_changed_in_place(api, project, f"{root}/configmaps/document", env)
    assert api.get(workload)["spec"]["replicas"] == 2
    _see_a_conflict(api, project, f"{root}/configmaps/document", env)
    _see_the_state(api, project, root)

    steps = {
        step["urn"].rsplit("::", 1)[-1]: step for step in project.preview(env=env | {"SELECTOR": "other"})["steps"]
    }
    assert steps["engine"]["replaceReasons"] == ["spec.selector.matchLabels.app"]

    done = project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test")
    assert done.code == 0, done.output
    assert not api.exists(root)
    until(lambda: not project.processes())
