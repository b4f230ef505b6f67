"""Writes the plugins as small executables into a folder of an environment."""

import importlib.metadata
import pathlib
import shlex
import sys

from tenbin_local.plugins import executor, versions

_SCRIPT = """#!/bin/sh
exec {python} -P -m {module} "$@"
"""

_MODULES = {
    "aws": "tenbin_local.plugins.aws.command_line",
    "pulumi-language-python": "tenbin_local.plugins.language_host",
    "pulumi-resource-aws": "tenbin_local.plugins.aws",
    "pulumi-resource-kubernetes": "tenbin_local.plugins.kubernetes",
}


def install_plugins(
    bin_dir: pathlib.Path,
    *,
    python: str = sys.executable,
    exec_path: pathlib.Path | None = None,
    pulumi_home: pathlib.Path | None = None,
) -> list[pathlib.Path]:
    """Puts the language host, its executor and the two providers into `bin_dir` and returns their paths.

    The host, the providers and `aws`, which logs in to the clusters of the stand-in, are scripts; the executor is a
    link to the official file, which the program's own interpreter runs.

    Args:
        bin_dir: Folder that goes first on the PATH of an environment's commands. Made where it is missing.
        python: Interpreter with tenbin_local installed, which runs the plugins.
        exec_path: The official `pulumi-language-python-exec`; None takes the newest one in the toolchain cache.
        pulumi_home: Where given, the plugins are also registered in its plugin cache. With
            PULUMI_IGNORE_AMBIENT_PLUGINS=true the engine then takes them from there, without a warning for each that
            it found on PATH.

    Raises:
        tenbin_local.errors.ToolchainError: The official executor is not where it is looked for.
    """
    program = executor.find(exec_path).absolute()
    bin_dir.mkdir(parents=True, exist_ok=True)
    written = [bin_dir / executor.NAME]
    _link(written[0], program)
    for name, module in _MODULES.items():
        path = bin_dir / name
        fresh = bin_dir / f"{name}.new"
        fresh.write_text(_SCRIPT.format(python=shlex.quote(python), module=module))
        fresh.chmod(0o755)
        fresh.replace(path)
        written.append(path)
    if pulumi_home is not None:
        plugins = {"language-python": versions.LANGUAGE_HOST}
        for package, newest in (("aws", versions.AWS), ("kubernetes", versions.KUBERNETES)):
            plugins[f"resource-{package}"] = _sdk_version(f"pulumi-{package}", newest)
        for plugin, version in plugins.items():
            _link(pulumi_home / "plugins" / f"{plugin}-v{version}" / f"pulumi-{plugin}", bin_dir / f"pulumi-{plugin}")
    return written


def _link(link: pathlib.Path, target: pathlib.Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.absolute())
    fresh.replace(link)


def _sdk_version(distribution: str, newest: str) -> str:
    """The version that programs ask the engine for: that of the installed SDK, `newest` where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return newest
