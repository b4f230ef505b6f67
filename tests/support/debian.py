"""Programs from Debian's packages, unpacked without root and without installing anything."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

_NO_MORE = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


class Archive:
    """The package archive that this machine's apt knows, as of now."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Read the lists of packages into an empty folder.

        Raises:
            FileNotFoundError: when this is no Debian.
            subprocess.CalledProcessError: when the archive cannot be reached.
        """
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise FileNotFoundError("this is no Debian: there is neither apt-get nor dpkg-deb")
        self._folder = folder
        self._options: list[str] = []
        for name, place in (("Dir::State::lists", "lists"), ("Dir::Cache", "cache")):
            (folder / place / "partial").mkdir(parents=True)
            self._options += ["-o", f"{name}={folder / place}"]
        self._options += ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        self._run("apt-get", "--quiet", "update")

    def unpack(self, *packages: str) -> pathlib.Path:
        """Download packages, and return the folder that they are unpacked into, together with those of before.

        Raises:
            subprocess.CalledProcessError: when one of them is not to be had.
        """
        own, target = self._folder / "packages", self._folder / "root"
        own.mkdir()
        self._run("apt-get", "--quiet", "download", *packages, cwd=own)
        for file in sorted(own.glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", file, target], check=True, capture_output=True)
        shutil.rmtree(own)
        return target

    def missing_libraries(self, package: str) -> list[str]:
        """Return the libraries that a package needs, directly or not, and that are not installed."""
        without = [f"--no-{kind}" for kind in _NO_MORE]
        needed = self._run("apt-cache", "depends", "--recurse", *without, package).splitlines()
        status = self._run(
            "dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", own_options=False
        )
        installed = {line.partition(" ")[2] for line in status.splitlines() if line.startswith("installed ")}
        return sorted({name for name in needed if name.startswith("lib")} - installed)

    def _run(self, program: str, *arguments: str, cwd: pathlib.Path | None = None, own_options: bool = True) -> str:
        command = [program, *(self._options if own_options else []), *arguments]
        return subprocess.run(command, cwd=cwd or self._folder, check=True, capture_output=True, text=True).stdout
