"""The provider's configuration: what it means, and when a change of it replaces all that was made with it."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins import properties
from tenbin_local.plugins.kubernetes import kubeconfig

PREFIX = "kubernetes:config:"

_ENVIRONMENT = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
}

IDENTIFIER = "clusterIdentifier"

_CLUSTER_KEYS = ("kubeconfig", "context", "cluster")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration of one provider."""

    kubeconfig: str = ""
    """Contents or path; empty takes $KUBECONFIG or ~/.kube/config."""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    """Namespace of objects that name none; empty takes the context's."""
    config_map_mutable: bool = False
    secret_mutable: bool = False
    delete_unreachable: bool = False
    """Whether objects of an unreachable cluster are dropped from the state."""
    skip_unreachable: bool = False
    """Whether a refresh leaves objects of an unreachable cluster as they are."""


def parse(variables: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the engine's configuration variables, with the official environment variables behind them."""

    def text(key: str) -> str:
        return variables.get(f"{PREFIX}{key}", "")

    def enabled(key: str) -> bool:
        return (text(key) or environment.get(_ENVIRONMENT[key], "")) == "true"

    return Settings(
        kubeconfig=text("kubeconfig"),
        context=text("context"),
        cluster=text("cluster"),
        namespace=text("namespace"),
        config_map_mutable=enabled("enableConfigMapMutable"),
        secret_mutable=enabled("enableSecretMutable"),
        delete_unreachable=enabled("deleteUnreachable"),
        skip_unreachable=enabled("skipUpdateUnreachable"),
    )


def problems(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What this stand-in cannot do of what the configuration asks for, by key."""
    found = {}
    if inputs.get("renderYamlToDirectory"):
        found["renderYamlToDirectory"] = "this stand-in does not render YAML; use the official provider for that"
    if inputs.get("enableServerSideApply") in (False, "false"):
        found["enableServerSideApply"] = "this stand-in works by server-side apply only"
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfigurationDifference:
    """Which keys changed, and which of them mean another cluster."""

    changed: tuple[str, ...]
    replaces: tuple[str, ...]


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> ConfigurationDifference:
    """What a change of the configuration means.

    Another cluster replaces the provider and with it all objects. Clusters have no identity of their own: they are
    told apart by the active entry of the kubeconfig, unless `clusterIdentifier` is set, which then decides alone.

    Raises:
        kubeconfig.KubeconfigError: The kubeconfig is no YAML object.
    """
    changed = tuple(sorted(key for key in {*old, *new} if old.get(key) != new.get(key)))
    identifiers = (old.get(IDENTIFIER), new.get(IDENTIFIER))
    replaces: list[str] = []
    if all(identifiers):
        replaces = [IDENTIFIER] if IDENTIFIER in changed else []
    elif unknown := [key for key in _CLUSTER_KEYS if new.get(key) is properties.UNKNOWN]:
        replaces = unknown[:1]
    else:
        before, after = _active(old), _active(new)
        if before is not None and after is not None and before != after:
            replaces = [key for key in _CLUSTER_KEYS if key in changed]
    return ConfigurationDifference(changed=changed, replaces=tuple(replaces))


def _active(inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The cluster entry that the inputs choose; None where they leave the choice to the environment."""
    given = inputs.get("kubeconfig")
    if not isinstance(given, str) or not given:
        return {}
    try:
        config = kubeconfig.load(given)
        return kubeconfig.active(
            config, context=str(inputs.get("context") or ""), cluster=str(inputs.get("cluster") or "")
        )[1]
    except kubeconfig.KubeconfigError:
        return None
