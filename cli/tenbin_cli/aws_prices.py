"""Asks AWS for prices and instance types: the one place of the command line that knows botocore."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from tenbin_spec import catalogue, problems
from tenbin_spec.catalogue.prices import PriceList
from tenbin_spec.pools import CapacityType
from tenbin_spec.problems import TenbinError

from tenbin_cli import price_offers

PRICING_REGION = "us-east-1"
"""The price list of all regions is served from three of them."""
SPOT_SPAN = datetime.timedelta(days=7)
"""How far back spot prices are looked at."""
BLOCK_HOURS, BLOCK_DAYS_AHEAD = 24, 56
"""Length of the capacity blocks that are asked for, and how far ahead: the shortest, and as far as AWS sells them."""
_NOT_SOLD_HERE = frozenset({"InvalidParameterValue", "Unsupported", "UnsupportedOperation"})
"""What AWS answers when a region sells no capacity blocks of a type."""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedAccess", "UnauthorizedOperation"})
_NOT_ACCEPTED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class AwsError(TenbinError):
    """AWS did not answer, or refused to; `code` is what it said, where it did."""

    def __init__(self, message: str, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What AWS says of a region."""

    lists: tuple[PriceList, ...]
    differences: tuple[str, ...]
    """Where AWS's facts of instance types differ from the catalogue's, in words."""
    not_offered: tuple[str, ...]
    """Instance types of the catalogue that the region does not have."""


def ask(region: str, now: datetime.datetime, progress: Callable[[str], None]) -> Answer:
    """Ask for all prices of a region: on demand, spot and capacity blocks.

    Throttled and failed calls are tried up to five times, as botocore's standard mode does.

    Args:
        region: a region of AWS's public partition.
        now: the current time, with its zone.
        progress: told what is asked for.

    Raises:
        AwsError: when a call fails, with the IAM action that it needs, or the region does not exist.
        OfferError: when an answer is not what AWS documents.
    """
    # Loading it takes half a second, which the other commands need not wait for.
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=60)
    with _told("reading the configuration of AWS"):
        session = botocore.session.get_session()
        known = session.get_available_regions("ec2", partition_name="aws")
        if region not in known:
            raise AwsError(f"--region: {problems.not_one_of(region, known, 'a region of AWS')}")
        ec2 = session.create_client("ec2", region_name=region, config=config)
        pricing = session.create_client("pricing", region_name=PRICING_REGION, config=config)
    progress("instance types")
    types = _types(ec2)
    offered = [entry["InstanceType"] for entry in types]
    progress("on-demand prices")
    on_demand = price_offers.on_demand(_products(pricing, region), offered)
    if not on_demand:
        raise AwsError(f"AWS lists no on-demand price of any instance type of the catalogue in {region}")
    progress("spot prices")
    spot = price_offers.spot(_spot_history(ec2, offered, now), region)
    blocks = {}
    for name in offered:
        if catalogue.instances()[name].capacity_block:
            progress(f"capacity blocks of {name}")
            blocks[name] = price_offers.capacity_block(_blocks(ec2, name, now))
    return Answer(
        lists=tuple(_lists(region, now.date(), on_demand, spot, blocks)),
        differences=tuple(price_offers.differences(types, catalogue.instances())),
        not_offered=tuple(sorted(catalogue.instances().keys() - set(offered))),
    )


def _types(ec2: Any) -> list[dict[str, Any]]:
    # A filter, since naming a type that the region does not have is an error.
    filters = [{"Name": "instance-type", "Values": sorted(catalogue.instances())}]
    return _pages(ec2, "describe_instance_types", "InstanceTypes", Filters=filters)


def _products(pricing: Any, region: str) -> list[str]:
    wanted = {
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    return _pages(pricing, "get_products", "PriceList", ServiceCode="AmazonEC2", Filters=filters)


def _spot_history(ec2: Any, names: list[str], now: datetime.datetime) -> list[dict[str, Any]]:
    return _pages(
        ec2,
        "describe_spot_price_history",
        "SpotPriceHistory",
        InstanceTypes=names,
        ProductDescriptions=["Linux/UNIX"],
        StartTime=now - SPOT_SPAN,
        EndTime=now,
    )


def _blocks(ec2: Any, name: str, now: datetime.datetime) -> list[dict[str, Any]]:
    try:
        return _pages(
            ec2,
            "describe_capacity_block_offerings",
            "CapacityBlockOfferings",
            InstanceType=name,
            InstanceCount=1,
            CapacityDurationHours=BLOCK_HOURS,
            StartDateRange=now,
            EndDateRange=now + datetime.timedelta(days=BLOCK_DAYS_AHEAD),
        )
    except AwsError as error:
        if error.code in _NOT_SOLD_HERE:
            return []
        raise


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    """Return what is under a key in all pages of an operation's answer."""
    action = f"{client.meta.service_model.signing_name}:{client.meta.method_to_api_mapping[operation]}"
    with _told(action):
        return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get(key, [])]


@contextlib.contextmanager
def _told(action: str) -> Iterator[None]:
    """Tell the errors of botocore in words."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415 - see ask

    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in _DENIED:
            hint = "allow this IAM action to the credentials in use"
            raise AwsError(f"AWS refuses {action} ({code}): {hint}", code) from error
        if code in _NOT_ACCEPTED:
            hint = "they are expired or wrong, or the region is not enabled in the account"
            raise AwsError(f"AWS does not accept the credentials for {action} ({code}): {hint}", code) from error
        raise AwsError(f"{action} failed: {code}: {message}", code) from error
    except NoCredentialsError as error:
        hint = "set AWS_PROFILE or AWS_ACCESS_KEY_ID, or sign in with `aws sso login`"
        raise AwsError(f"no AWS credentials are found for {action}: {hint}") from error
    except (BotoCoreError, json.JSONDecodeError) as error:
        raise AwsError(f"{action} failed: {error}") from error


def _lists(
    region: str,
    day: datetime.date,
    on_demand: dict[str, Decimal],
    spot: dict[str, Decimal],
    blocks: dict[str, Decimal | None],
) -> Iterable[PriceList]:
    known_blocks = {name: price for name, price in blocks.items() if price is not None}
    for capacity_type, source, found in (
        (CapacityType.ON_DEMAND, "AWS price list, Linux on shared hardware", on_demand),
        (CapacityType.SPOT, "AWS spot price history: highest of 7 days in a zone, median of the zones", spot),
        (CapacityType.CAPACITY_BLOCK, "AWS capacity blocks on offer: 24 hours within 8 weeks, dearest", known_blocks),
    ):
        if found:
            yield PriceList(
                source=source,
                date=day.isoformat(),
                region=region,
                capacity_type=capacity_type,
                hourly_usd=dict(sorted(found.items())),
            )
