"""The catalogue: accelerators, instance types, models, dated prices and engine profiles, each with its source.

An unknown price or profile is a typed unknown (None), never 0: the checks treat it as a finding.
"""

from __future__ import annotations

import datetime
import enum
import functools
import importlib.resources
import json
from decimal import Decimal
from typing import Any

from tenbin_spec.catalogue.prices import PriceBook
from tenbin_spec.model_shapes import ModelShape
from tenbin_spec.pools import Pool
from tenbin_spec.profiles import EngineProfile
from tenbin_spec.quantities import Day, Frozen


class Vendor(enum.StrEnum):
    """Who makes an accelerator, and with it which driver, device plugin and machine image its nodes need."""

    NVIDIA = "nvidia"
    AWS = "aws"
    """Inferentia and Trainium, driven by Neuron."""


class Architecture(enum.StrEnum):
    """Instruction set of a node's processor, as Kubernetes writes it (`kubernetes.io/arch`)."""

    AMD64 = "amd64"
    ARM64 = "arm64"


class Accelerator(Frozen):
    """One accelerator model."""

    vendor: Vendor
    resource: str
    """Extended resource that its device plugin offers, one for each accelerator."""
    memory_mib: int
    bandwidth_gb_s: int | None
    """Peak memory bandwidth in GB/s; None where the vendor does not say."""


class Instance(Frozen):
    """One instance type.

    >>> instances()["p6-b300.48xlarge"].efa_cards
    range(1, 17)
    """

    accelerator: str
    """Name in the catalogue of accelerators, which knows memory and resource."""
    accelerators: int
    vcpu: int
    memory_gib: int
    architecture: Architecture
    network_mbps: int
    """Network bandwidth that is always there, in Mbit/s, over all network cards."""
    network_cards: int
    """The first one carries the node's own address."""
    efa_interfaces: int
    """Elastic Fabric Adapters at most, one on a card; 0 where the type has none."""
    nvme_gb: int
    """Local NVMe in GB, over all disks; 0 where the type has none."""
    capacity_block: bool
    """Whether AWS sells capacity blocks of it."""

    @property
    def efa_cards(self) -> range:
        """Indexes of the network cards with EFA: all of them, or all but the first."""
        return range(self.network_cards - self.efa_interfaces, self.network_cards)


class _Accelerators(Frozen):
    source: str
    date: Day
    accelerators: dict[str, Accelerator]


class _Instances(Frozen):
    source: str
    date: Day
    instances: dict[str, Instance]


class _Models(Frozen):
    source: str
    date: Day
    models: dict[str, ModelShape]


class _Addons(Frozen):
    source: str
    date: Day
    versions: dict[str, dict[str, str]]


def _read(name: str) -> Any:
    return json.loads(importlib.resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))


@functools.cache
def accelerators() -> dict[str, Accelerator]:
    """Return the accelerators by name."""
    return _Accelerators.model_validate(_read("accelerators.json")).accelerators


@functools.cache
def instances() -> dict[str, Instance]:
    """Return the instance types by name."""
    return _Instances.model_validate(_read("instances.json")).instances


@functools.cache
def models() -> dict[str, ModelShape]:
    """Return what is known of the sizes of models, by their id in the hub."""
    return _Models.model_validate(_read("models.json")).models


@functools.cache
def addon_versions() -> dict[str, dict[str, str]]:
    """Return the versions of EKS add-ons that a cluster is built with, by version of Kubernetes and name."""
    return _Addons.model_validate(_read("addons.json")).versions


@functools.cache
def price_book() -> PriceBook:
    """Return the prices that come with tenbin."""
    return PriceBook.model_validate(_read("prices.json"))


@functools.cache
def profiles() -> dict[str, EngineProfile]:
    """Return the engine profiles by name."""
    folder = importlib.resources.files(__name__).joinpath("profiles")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".json")), key=lambda item: item.name)
    found = [EngineProfile.model_validate_json(item.read_text(encoding="utf-8")) for item in files]
    return {profile.name: profile for profile in found}


def node_price(pool: Pool) -> Decimal | None:
    """Return the price of one node of a pool for an hour in USD, or None when nobody knows it."""
    if pool.hourly_usd is not None:
        return pool.hourly_usd
    price = price_book().of(pool)
    return None if price is None else price.hourly_usd


def priced_on(pool: Pool) -> datetime.date | None:
    """Return the day of a pool's price, or None when there is no price or nobody wrote its day."""
    if pool.hourly_usd is not None:
        return pool.priced_on
    price = price_book().of(pool)
    return None if price is None else price.date


def find_profile(
    *, model: str, accelerator: str, tensor_parallel: int, pipeline_parallel: int = 1, engine: str
) -> EngineProfile | None:
    """Return the profile of a model on an accelerator, measured ones first, or None.

    Synthetic profiles are never found this way: only a stack that names one gets it.
    """
    order = ["measured", "vendor-model", "extrapolated"]
    found = [
        profile
        for profile in profiles().values()
        if profile.kind in order
        and (profile.model, profile.accelerator) == (model, accelerator)
        and (profile.tensor_parallel, profile.pipeline_parallel) == (tensor_parallel, pipeline_parallel)
        and profile.engine == engine
    ]
    return min(found, key=lambda profile: (order.index(profile.kind), profile.name), default=None)
