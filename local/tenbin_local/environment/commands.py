"""The environment of commands: this environment's plugins, state and cluster, and nothing that other tools see."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tenbin_local.environment.layout import PASSPHRASE, Layout
from tenbin_local.plugins import install
from tenbin_local.toolchain import Toolchain
from tenbin_local.toolchain.releases import LANGUAGE_EXEC


def variables(layout: Layout, toolchain: Toolchain, stack: str) -> dict[str, str]:
    """Return the environment variables of a command that works with this environment.

    Args:
        layout: the environment.
        toolchain: where the programs lie.
        stack: what Pulumi commands without `--stack` mean.
    """
    python = Path(sys.executable).parent
    own = [layout.bin, toolchain.path("pulumi").parent, python]
    path = os.pathsep.join([*(str(folder) for folder in own), os.environ.get("PATH", os.defpath)])
    return _without_pulumi(os.environ) | {
        "PATH": path,
        "KUBECONFIG": str(layout.kubeconfig),
        "PULUMI_HOME": str(layout.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{layout.pulumi_state}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_STACK": stack,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # The stand-ins are in this PULUMI_HOME as well; the engine warns of each that it takes from PATH.
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "TENBIN_LOCAL": layout.name,
    }


def prepare(layout: Layout, toolchain: Toolchain) -> None:
    """Write the stand-ins for plugins and the folders that Pulumi expects."""
    for folder in (layout.pulumi_home, layout.pulumi_state):
        folder.mkdir(parents=True, exist_ok=True)
    install.install_plugins(layout.bin, exec_path=toolchain.path(LANGUAGE_EXEC), pulumi_home=layout.pulumi_home)


def _without_pulumi(inherited: Mapping[str, str]) -> dict[str, str]:
    """Drop the user's own Pulumi settings: an access token or backend of theirs has no place here."""
    return {key: value for key, value in inherited.items() if not key.startswith("PULUMI_")}
