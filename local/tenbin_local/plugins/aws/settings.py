"""The provider's configuration and environment: region, account, default tags, where the account's state lies."""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins import properties

PREFIX = "aws:config:"

ACCOUNT = "123456789012"
"""The account id of AWS's own documentation."""

STATE = "TENBIN_AWS_STATE"
"""Folder of the account's state; by default one below $PULUMI_HOME."""

CONTROL_PLANE = "TENBIN_AWS_KUBECONFIG"
"""Kubeconfig of a running cluster that every EKS cluster of the account is backed by."""

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration of one provider."""

    region: str
    """"" where none is configured, which resources of a region then miss."""
    account: str = ACCOUNT
    default_tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    state: pathlib.Path
    kubeconfig: str = ""

    def partition(self, region: str) -> str:
        """The partition that a region belongs to."""
        return partition(region or self.region)


def partition(region: str) -> str:
    """The partition of a region: `aws`, or one of the regions that AWS runs apart."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def parse(variables: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the engine's configuration variables, with AWS's own environment variables behind them."""

    def plain(key: str) -> Any:
        text = variables.get(f"{PREFIX}{key}", "")
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text

    region = variables.get(f"{PREFIX}region", "")
    allowed = plain("allowedAccountIds") or []
    tags = plain("defaultTags") or {}
    home = environment.get("PULUMI_HOME") or str(pathlib.Path(environment.get("HOME", "~")).expanduser() / ".pulumi")
    return Settings(
        region=region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "",
        account=str(allowed[0]) if allowed else ACCOUNT,
        default_tags=tags.get("tags") or {} if isinstance(tags, Mapping) else {},
        state=pathlib.Path(environment.get(STATE) or pathlib.Path(home) / "tenbin-aws"),
        kubeconfig=environment.get(CONTROL_PLANE, ""),
    )


def problems(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the configuration, by key."""
    region = inputs.get("region")
    if isinstance(region, str) and region and not _REGION.fullmatch(region):
        return {"region": f"{region!r} is no region; it is written like us-east-1"}
    return {}


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that changed; none of them replaces the provider."""
    before, after = properties.reveal(dict(old)), properties.reveal(dict(new))
    return tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))
