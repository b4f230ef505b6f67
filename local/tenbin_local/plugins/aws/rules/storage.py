"""Rules of keys, log groups and buckets."""

import re
from collections.abc import Iterator

from tenbin_local.plugins.aws import facts
from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()

ALIAS = "aws:kms/alias:Alias"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


@_TABLE.rule(
    "alias-begins-with-alias", ALIAS, source="docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html"
)
def _alias(view: View) -> Iterator[Problem]:
    name = view.known("name")
    if isinstance(name, str) and (not name.startswith("alias/") or name.startswith("alias/aws/")):
        yield Problem("name", f"{name!r} must begin with 'alias/', and not with 'alias/aws/'")


@_TABLE.rule(
    "key-is-deleted-after-7-to-30-days",
    tokens.KEY,
    source="docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html",
)
def _window(view: View) -> Iterator[Problem]:
    days = view.number("deletionWindowInDays")
    if days is not None and not 7 <= days <= 30:
        yield Problem("deletionWindowInDays", f"{days} is not allowed; 7 to 30 are")


@_TABLE.rule(
    "only-symmetric-keys-rotate", tokens.KEY, source="docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html"
)
def _rotation(view: View) -> Iterator[Problem]:
    spec = view.known("customerMasterKeySpec")
    if view.known("enableKeyRotation") is True and spec not in (None, "SYMMETRIC_DEFAULT"):
        yield Problem("enableKeyRotation", f"not supported for a key of {spec}")
    if view.has("rotationPeriodInDays") and view.known("enableKeyRotation") is False:
        yield Problem("rotationPeriodInDays", "allowed with enableKeyRotation only")


@_TABLE.rule(
    "logs-are-kept-for-an-allowed-time",
    tokens.LOG_GROUP,
    source="docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html",
)
def _retention(view: View) -> Iterator[Problem]:
    days = view.number("retentionInDays")
    if days is not None and days not in facts.LOG_RETENTION_DAYS:
        allowed = ", ".join(map(str, facts.LOG_RETENTION_DAYS))
        yield Problem("retentionInDays", f"{days} is not allowed; allowed are {allowed}")


@_TABLE.rule(
    "bucket-name-is-a-host-name",
    tokens.BUCKET,
    source="docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html",
)
def _bucket(view: View) -> Iterator[Problem]:
    name = view.known("bucket")
    if not isinstance(name, str):
        return
    address = re.fullmatch(r"\d+(\.\d+){3}", name)
    reserved = name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(("-s3alias", "--ol-s3", "--x-s3"))
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) or ".." in name or address or reserved:
        yield Problem(
            "bucket",
            f"InvalidBucketName: {name!r}; 3 to 63 of a-z, 0-9, dots and hyphens, beginning and ending with a letter "
            "or digit, no address and no reserved affix",
        )


@_TABLE.rule(
    "kms-encryption-names-kms",
    ENCRYPTION,
    source="docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html",
)
def _encryption(view: View) -> Iterator[Problem]:
    for index, rule in enumerate(view.known("rules") or []):
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        if default.get("kmsMasterKeyId") and default.get("sseAlgorithm") == "AES256":
            yield Problem(
                f"rules[{index}]", "a key of KMS is allowed with aws:kms and aws:kms:dsse only, not with AES256"
            )


@_TABLE.rule(
    "lifecycle-rule-does-something",
    LIFECYCLE,
    source="docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html",
)
def _lifecycle(view: View) -> Iterator[Problem]:
    actions = (
        "expiration",
        "transitions",
        "noncurrentVersionExpiration",
        "noncurrentVersionTransitions",
        "abortIncompleteMultipartUpload",
    )
    for index, rule in enumerate(view.known("rules") or []):
        if not any(rule.get(action) for action in actions):
            yield Problem(
                f"rules[{index}]", f"At least one action needs to be specified in a rule: {', '.join(actions)}"
            )


RULES = _TABLE.rules
