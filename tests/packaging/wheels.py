"""Builds every wheel and imports it in a clean environment, the planner's in one without Pulumi.

    python tests/packaging/wheels.py

Fails when a wheel lacks a file that its modules need, brings a name of its own besides its package, or when the
planner's dependencies reach Pulumi. A module may need what an extra of its distribution brings.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = {
    "spec": "tenbin_spec",
    "components": "tenbin",
    "policies": "tenbin_policies",
    "planner": "tenbin_planner",
    "local": "tenbin_local",
    "cli": "tenbin_cli",
}
WITHOUT_PULUMI = ("tenbin_spec", "tenbin_planner")
IMPORT_ALL = """
import importlib, importlib.metadata, importlib.util, pkgutil, re, sys
root = importlib.import_module(sys.argv[1])
names = [module.name for module in pkgutil.walk_packages(root.__path__, root.__name__ + ".")]
wanted = importlib.metadata.requires(sys.argv[1]) or []
extras = {re.match("[A-Za-z0-9_]+", text)[0] for text in wanted if "extra ==" in text}
for name in names:
    if not name.endswith("__main__"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in extras:
                raise
if sys.argv[2] == "without-pulumi" and importlib.util.find_spec("pulumi"):
    sys.exit("Pulumi is installed beside " + sys.argv[1])
print(f"{sys.argv[1]}: {len(names)} modules imported")
"""


def run(*command: str) -> None:
    """Run a command and end with its output when it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def check_names(wheel: pathlib.Path, package: str) -> None:
    """End unless the wheel installs its package and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        names = set(archive.namelist())
    strangers = {top for top in tops if top != package and not top.endswith(".dist-info")}
    if strangers:
        sys.exit(f"{wheel.name} installs {', '.join(sorted(strangers))} beside {package}")
    if f"{package}/py.typed" not in names:
        sys.exit(f"{wheel.name} lacks {package}/py.typed")


def check_import(wheel: pathlib.Path, package: str, folder: pathlib.Path) -> None:
    """Install a wheel into an environment of its own and import all of its modules."""
    environment = folder / f"venv-{package}"
    python = str(environment / "bin" / "python")
    run("uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    constraints = folder / "constraints.txt"
    run(
        *("uv", "pip", "install", "--quiet", "--python", python, "--find-links", str(wheel.parent)),
        *("--constraint", str(constraints), str(wheel)),
    )
    mode = "without-pulumi" if package in WITHOUT_PULUMI else "with-pulumi"
    done = subprocess.run(
        [python, "-I", "-c", IMPORT_ALL, package, mode], capture_output=True, text=True, check=False, cwd=folder
    )
    if done.returncode:
        sys.exit(f"{wheel.name} cannot be imported alone:\n{done.stdout}{done.stderr}")
    sys.stdout.write(done.stdout)


def main() -> None:
    """Build, look into and import every wheel."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wheels = folder / "wheels"
        run("uv", "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(wheels))
        run(
            *("uv", "export", "--quiet", "--frozen", "--no-hashes", "--no-emit-workspace", "--no-dev"),
            *("--format", "requirements-txt", "--output-file", str(folder / "constraints.txt")),
        )
        for package in PACKAGES.values():
            (wheel,) = wheels.glob(f"{package}-[0-9]*.whl")
            check_names(wheel, package)
            check_import(wheel, package, folder)


if __name__ == "__main__":
    main()
