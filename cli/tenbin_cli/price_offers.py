"""What AWS answers about prices and instance types, in the terms of the catalogue: plain answers in, prices out."""

from __future__ import annotations

import decimal
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from tenbin_spec.catalogue import Architecture, Instance
from tenbin_spec.problems import TenbinError

_SMALLEST = Decimal("0.000001")
_MIB_PER_GIB = 1024
_ARCHITECTURES = {"x86_64": Architecture.AMD64, "arm64": Architecture.ARM64}


class OfferError(TenbinError):
    """An answer that does not hold what AWS documents."""


def on_demand(products: Iterable[str], wanted: Collection[str]) -> dict[str, Decimal]:
    """Return the on-demand price for an hour of each wanted instance type that is sold so.

    Args:
        products: the texts of GetProducts of AmazonEC2, filtered to Linux on shared hardware.
        wanted: instance types.

    Raises:
        OfferError: when a text is not what AWS documents, or gives a type two prices.
    """
    found: dict[str, Decimal] = {}
    for text in products:
        try:
            plain = json.loads(text, parse_float=Decimal)
            attributes = plain["product"]["attributes"]
            name = attributes["instanceType"]
            if name not in wanted or attributes.get("marketoption", "OnDemand") != "OnDemand":
                continue
            prices = {
                _usd(dimension["pricePerUnit"]["USD"])
                for term in plain["terms"].get("OnDemand", {}).values()
                for dimension in term["priceDimensions"].values()
                if dimension["unit"] == "Hrs"
            }
        except (AttributeError, KeyError, TypeError, ValueError, decimal.InvalidOperation) as error:
            raise OfferError(f"a product of the price list cannot be read ({_said(error)}): {text[:200]}") from error
        for price in prices - {Decimal(0)}:
            if found.setdefault(name, price) != price:
                raise OfferError(f"the price list has two on-demand prices of {name}: {found[name]} and {price} USD")
    return found


def spot(history: Iterable[Mapping[str, Any]], region: str) -> dict[str, Decimal]:
    """Return an indication of the spot price for an hour by instance type: the median of the zones.

    Of each zone the highest price counts, so that the indication does not rest on a quiet hour; of the zones the
    median, since one without capacity shows the on-demand price. Local zones do not count.

    Args:
        history: entries of DescribeSpotPriceHistory.
        region: region that the zones are of.

    Raises:
        OfferError: when an entry is not what AWS documents.
    """
    zone = re.compile(re.escape(region) + "[a-z]")
    highest: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for entry in history:
        try:
            name, place, price = entry["InstanceType"], entry["AvailabilityZone"], _usd(entry["SpotPrice"])
        except (KeyError, ValueError, decimal.InvalidOperation) as error:
            raise OfferError(f"an entry of the spot price history cannot be read ({_said(error)}): {entry}") from error
        if zone.fullmatch(place):
            highest[name][place] = max(price, highest[name].get(place, price))
    return {name: statistics.median_high(zones.values()) for name, zones in highest.items()}


def capacity_block(offerings: Iterable[Mapping[str, Any]]) -> Decimal | None:
    """Return the price of one node for an hour in the dearest of the capacity blocks on offer, None without any.

    Raises:
        OfferError: when an offering is not what AWS documents, or is not in US dollars.
    """
    prices = []
    for offering in offerings:
        try:
            if offering["CurrencyCode"] != "USD":
                raise OfferError(f"a capacity block is offered in {offering['CurrencyCode']}, not in USD")
            minutes = 60 * offering["CapacityBlockDurationHours"] + offering.get("CapacityBlockDurationMinutes", 0)
            prices.append(_usd(offering["UpfrontFee"], per=Decimal(offering["InstanceCount"] * minutes) / 60))
        except (KeyError, TypeError, ValueError, decimal.DecimalException) as error:
            raise OfferError(f"a capacity block cannot be read ({_said(error)}): {offering}") from error
    return max(prices, default=None)


def differences(types: Iterable[Mapping[str, Any]], known: Mapping[str, Instance]) -> list[str]:
    """Say where entries of DescribeInstanceTypes differ from the catalogue; a fact that is left out agrees."""
    found = []
    for entry in sorted(types, key=lambda item: str(item["InstanceType"])):
        name = entry["InstanceType"]
        for field, value in _facts(entry).items():
            ours = getattr(known[name], field)
            if value is not None and value != ours:
                found.append(f"{name}: {field} is {value} at AWS and {ours} in the catalogue")
    return found


def _facts(entry: Mapping[str, Any]) -> dict[str, Any]:
    network = entry.get("NetworkInfo", {})
    memory = entry.get("MemoryInfo", {}).get("SizeInMiB")
    devices = entry.get("GpuInfo", {}).get("Gpus") or entry.get("NeuronInfo", {}).get("NeuronDevices")
    architectures = entry.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    return {
        "accelerators": sum(device["Count"] for device in devices) if devices else None,
        "vcpu": entry.get("VCpuInfo", {}).get("DefaultVCpus"),
        "memory_gib": memory // _MIB_PER_GIB if memory else None,
        "architecture": next((_ARCHITECTURES[item] for item in architectures if item in _ARCHITECTURES), None),
        "network_cards": network.get("MaximumNetworkCards"),
        "efa_interfaces": network.get("EfaInfo", {}).get("MaximumEfaInterfaces"),
        "nvme_gb": entry.get("InstanceStorageInfo", {}).get("TotalSizeInGB"),
    }


def _usd(text: str, per: Decimal = Decimal(1)) -> Decimal:
    """Return an amount in millionths of a dollar, rounded up: a cap must hold against what is paid."""
    amount = Decimal(text)
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{text!r} is no price")
    return (amount / per).quantize(_SMALLEST, rounding=decimal.ROUND_UP).normalize() + Decimal(0)


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
