"""What the local environment needs: one `Release` per upstream project, with every way to get it.

Versions are exact for downloads and builds, so that a cache entry never changes its meaning; a program on PATH may be
of any supported minor version. Sources of the ranges: Kubernetes supports etcd from 3.5.21 on, and its components must
be of one minor version; the Python SDK speaks to engines of its own major version.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from tenbin_local.errors import ToolchainError

Version = tuple[int, int]
"""Major and minor version."""

LANGUAGE_EXEC = "pulumi-language-python-exec"


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file of an official release, with the list of checksums published beside it."""

    url: str
    checksums_url: str
    """A file of lines `<sha256>  <file name>`, or of one bare SHA-256."""
    members: Mapping[str, str]
    """Program to its path in the archive; an empty path says that the file itself is the program."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One upstream release: the programs it brings, and how each way gets them."""

    name: str
    version: str
    programs: tuple[str, ...]
    version_arguments: tuple[str, ...]
    """Arguments that make the first program print its version."""
    oldest: Version
    """Oldest supported version of a program on PATH."""
    newest: Version
    """Newest supported version of a program on PATH."""
    downloads: tuple[Download, ...]
    wrapper: str
    """Folder below `wrappers/` whose go.mod and go.sum pin the sources."""
    packages: Mapping[str, str]
    """Program to the Go package that is its main package."""
    link_flags: str = "-s -w"
    module_files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Program that is a script: to the Go module it lies in, and its path there."""


def architecture() -> str:
    """Return this machine's architecture as Go names it.

    Raises:
        ToolchainError: the environment does not run here.
    """
    if platform.system() != "Linux":
        raise ToolchainError(
            f"The local environment needs Linux (it gives each pod a loopback address), and this is {platform.system()}"
        )
    names = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    if machine not in names:
        raise ToolchainError(f"The local environment runs on x86_64 and aarch64, not on {machine}")
    return names[machine]


def pulumi(arch: str) -> Release:
    """Return the Pulumi engine, with the script that starts Python programs."""
    version = "3.250.0"
    base = f"https://github.com/pulumi/pulumi/releases/download/v{version}"
    download = Download(
        url=f"{base}/pulumi-v{version}-linux-{'x64' if arch == 'amd64' else arch}.tar.gz",
        checksums_url=f"{base}/pulumi-{version}-checksums.txt",
        members={"pulumi": "pulumi/pulumi", LANGUAGE_EXEC: f"pulumi/{LANGUAGE_EXEC}"},
    )
    return Release(
        name="pulumi",
        version=version,
        programs=("pulumi", LANGUAGE_EXEC),
        version_arguments=("version",),
        oldest=(3, 230),
        newest=(3, 9999),
        downloads=(download,),
        wrapper="pulumi",
        packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        link_flags=f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
        module_files={LANGUAGE_EXEC: ("github.com/pulumi/pulumi/sdk/v3", f"python/cmd/{LANGUAGE_EXEC}")},
    )


def kubernetes(arch: str) -> Release:
    """Return the three programs of a Kubernetes control plane."""
    version = "1.36.3"
    programs = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    base = f"https://dl.k8s.io/release/v{version}/bin/linux/{arch}"
    stamp = "k8s.io/component-base/version"
    return Release(
        name="kubernetes",
        version=version,
        programs=programs,
        version_arguments=("--version",),
        oldest=(1, 34),
        newest=(1, 37),
        downloads=tuple(
            Download(url=f"{base}/{name}", checksums_url=f"{base}/{name}.sha256", members={name: ""})
            for name in programs
        ),
        wrapper="kubernetes",
        packages={name: f"k8s.io/kubernetes/cmd/{name}" for name in programs},
        link_flags=f"-s -w -X {stamp}.gitVersion=v{version} -X {stamp}.gitMajor=1 -X {stamp}.gitMinor=36",
    )


def etcd(arch: str) -> Release:
    """Return etcd, in the version that the Kubernetes release above is built against."""
    version = "3.6.8"
    base = f"https://github.com/etcd-io/etcd/releases/download/v{version}"
    folder = f"etcd-v{version}-linux-{arch}"
    return Release(
        name="etcd",
        version=version,
        programs=("etcd",),
        version_arguments=("--version",),
        oldest=(3, 5),
        newest=(3, 6),
        downloads=(
            Download(
                url=f"{base}/{folder}.tar.gz", checksums_url=f"{base}/SHA256SUMS", members={"etcd": f"{folder}/etcd"}
            ),
        ),
        wrapper="kubernetes",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
    )


def all_releases() -> tuple[Release, ...]:
    """Return the releases of the environment for this machine, in the order in which they are fetched."""
    arch = architecture()
    return (kubernetes(arch), etcd(arch), pulumi(arch))
