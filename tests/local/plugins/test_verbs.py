"""Single abilities of the plugins under the real engine: replacement, import, refusals, plugins of other kinds."""

import json
import pathlib
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("plugins"), pytest.mark.timeout(300)]

MAPS = """
value = os.environ.get("DATA", "one")
opts = pulumi.ResourceOptions(provider=kubernetes.Provider("plain", namespace="default"))
kubernetes.core.v1.ConfigMap("named", metadata={"name": "named"}, data={"value": value}, opts=opts)
kubernetes.core.v1.ConfigMap("unnamed", data={"value": value}, opts=opts)
kubernetes.core.v1.ConfigMap(
    "unchanged", metadata={"labels": {"value": value}}, data={"value": "one"}, opts=opts
)
"""

OTHERS = """
kubernetes.core.v1.ConfigMap(
    "adopted", metadata={"name": "adopted"}, data={"a": "1"}, opts=pulumi.ResourceOptions(import_="default/adopted")
)
found = kubernetes.core.v1.ConfigMap.get("found", "kube-system/extension-apiserver-authentication")
pulumi.export("found", found.metadata["name"])
kubernetes.helm.v3.Release("chart", name="chart", chart="nginx", version="1.2.3", values={"size": 1})
"""

PACKAGE = '''
from typing import Optional, TypedDict

import pulumi
from pulumi.provider.experimental import component_provider_host


class TeamArgs(TypedDict):
    size: pulumi.Input[int]


class Team(pulumi.ComponentResource):
    """A team."""

    label: pulumi.Output[str]

    def __init__(self, name: str, args: TeamArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("tenbin:index:Team", name, {}, opts)
        self.label = pulumi.Output.from_input(name)
        self.register_outputs({"label": self.label})


if __name__ == "__main__":
    component_provider_host(name="tenbin", components=[Team], version="0.1.0")
'''


DEFINITION = """
more = {"more": {"type": "string"}} if os.environ.get("MORE") else {}
properties = {"spec": {"type": "object", "properties": {"size": {"type": "integer"}, **more}}}
kind = kubernetes.apiextensions.v1.CustomResourceDefinition(
    "kind",
    metadata={"name": "things.test.tenbin.dev"},
    spec={
        "group": "test.tenbin.dev",
        "names": {"kind": "Thing", "plural": "things"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"open_apiv3_schema": {"type": "object", "properties": properties}},
            }
        ],
    },
)
kubernetes.apiextensions.CustomResource(
    "thing",
    api_version="test.tenbin.dev/v1",
    kind="Thing",
    metadata={"name": "thing", "annotations": {"pulumi.com/deletionPropagationPolicy": "background"}},
    spec={"size": 1, **({"more": "x"} if more else {})},
    opts=pulumi.ResourceOptions(depends_on=[kind]),
)
"""


def _deletes_first(output: str, name: str) -> bool:
    """Whether an update deleted the old object before it made the new one."""
    return output.index(f" {name} deleted original") < output.index(f" {name} created replacement")


def test_changed_data_replace_a_config_map_unless_that_is_switched_off(api: Any, project: Any) -> None:
    project.program(MAPS)
    project.up()
    before = api.get("/api/v1/namespaces/default/configmaps/named")["metadata"]["uid"]
    old_name = project.resources()["unnamed"]["id"]
    env = {"DATA": "two"}
    steps = {step["urn"].rsplit("::", 1)[-1]: step for step in project.preview(env=env)["steps"]}
    assert {name: step["op"] for name, step in steps.items() if step["op"] != "same"} == {
        "named": "replace",
        "unnamed": "replace",
        "unchanged": "update",
    }
    assert steps["named"]["replaceReasons"] == ["data.value"]
    output = project.up(env=env)
    assert _deletes_first(output, "named")
    assert not _deletes_first(output, "unnamed")
    after = api.get("/api/v1/namespaces/default/configmaps/named")
    assert after["data"] == {"value": "two"}
    assert after["metadata"]["uid"] != before
    assert project.resources()["unnamed"]["id"] != old_name
    project.up("--expect-no-changes", env=env)


def test_objects_are_imported_and_read_and_releases_recorded(api: Any, project: Any) -> None:
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "adopted"}, "data": {"a": "1"}}
    api.client.apply("/api/v1/namespaces/default/configmaps/adopted", found)
    project.program(OTHERS)
    output = project.up()
    assert "= 1 imported" in output
    assert "Helm release: not installed (stand-in)" in output
    state = project.resources()
    assert state["adopted"]["inputs"]["data"] == {"a": "1"}
    assert state["adopted"]["outputs"]["metadata"]["namespace"] == "default"
    assert state["chart"]["id"] == "default/chart"
    assert state["chart"]["outputs"]["status"] == {
        "status": "not installed (stand-in)",
        "name": "chart",
        "namespace": "default",
        "chart": "nginx",
        "version": "1.2.3",
    }
    project.up("--expect-no-changes")


def test_a_definition_changes_in_place_and_its_objects_follow(api: Any, project: Any) -> None:
    project.program(DEFINITION)
    project.up()
    place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.test.tenbin.dev"
    uid = api.get(place)["metadata"]["uid"]
    env = {"MORE": "1"}
    assert "2 updated" in project.up(env=env)
    assert api.get(place)["metadata"]["uid"] == uid
    assert api.get("/apis/test.tenbin.dev/v1/things/thing")["spec"] == {"size": 1, "more": "x"}
    project.up("--expect-no-changes", env=env)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            'kubernetes.core.v1.ConfigMapPatch("patch", metadata={"name": "a"})',
            "kubernetes:core/v1:ConfigMapPatch: Patch resources are not supported by this stand-in",
        ),
        (
            'kubernetes.Provider("yaml", render_yaml_to_directory="out")',
            "this stand-in does not render YAML; use the official provider for that",
        ),
        (
            'kubernetes.core.v1.ConfigMap("bad", metadata={"name": "Bad_Name"})',
            'Invalid value: "Bad_Name"',
        ),
        ('raise ValueError("broken")', "ValueError: broken"),
    ],
)
def test_what_cannot_be_done_is_said_in_the_preview(project: Any, program: str, message: str) -> None:
    project.program(program)
    refused = project.pulumi("preview", "--stack", "test")
    assert refused.code != 0
    assert message in refused.output


def test_an_unreachable_cluster_is_previewed_with_a_warning_and_otherwise_refused(project: Any) -> None:
    project.program('kubernetes.core.v1.ConfigMap("settings", data={"a": "1"})')
    project.up()
    config = json.loads(pathlib.Path(project.environment["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    gone = project.root / "kubeconfig-gone"
    gone.write_text(json.dumps(config))
    env = {"KUBECONFIG": str(gone)}

    project.program('kubernetes.core.v1.ConfigMap("settings", metadata={"labels": {"b": "2"}}, data={"a": "1"})')
    previewed = project.pulumi("preview", "--stack", "test", env=env)
    assert previewed.code == 0, previewed.output
    reason = (
        "configured Kubernetes cluster is unreachable: GET https://127.0.0.1:1/version: [Errno 111] Connection refused"
    )
    assert f"warning: {reason}" in previewed.output
    refused = project.pulumi("up", "--yes", "--skip-preview", "--stack", "test", env=env)
    assert refused.code != 0
    assert f"error: {reason}" in refused.output
    refreshed = project.pulumi("refresh", "--yes", "--skip-preview", "--stack", "test", env=env)
    assert refreshed.code != 0
    assert 'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"' in refreshed.output
    dropped = env | {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
    assert project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test", env=dropped).code == 0
    assert "settings" not in project.resources()


def test_a_component_package_and_the_project_are_described(project: Any) -> None:
    package = project.root / "package"
    package.mkdir()
    (package / "__main__.py").write_text(PACKAGE)
    (package / "PulumiPlugin.yaml").write_text("runtime: {name: python, options: {toolchain: uv}}\n")
    shown = project.pulumi("package", "get-schema", "./package")
    assert shown.code == 0, shown.output
    schema = json.loads(shown.output[shown.output.index("{") :])
    assert (schema["name"], schema["version"]) == ("tenbin", "0.1.0")
    assert schema["resources"]["tenbin:index:Team"]["requiredInputs"] == ["size"]
    about = project.pulumi("about")
    assert f"executable='{project.root / '.venv/bin/python'}'" in about.output
