"""Where weights, images and keys lie."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_policies.rules import Resource, Rule, Settings, Severity, Stack, Violation, checkov, cis

_BUCKETS = frozenset({"aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"})
_ACLS = frozenset({"aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2"})
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_REGISTRY = frozenset({"aws:ecr/repository:Repository"})
_KEY = frozenset({"aws:kms/key:Key"})
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _public(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    acl = resource.properties.text("acl")
    if acl.startswith("public-") or acl == "authenticated-read":
        yield Violation(message=f"anybody may read it (acl {acl})")


def _flags(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    off = [name for name in _BLOCKS if not resource.properties.flag(name)]
    if off:
        yield Violation(message=f"it leaves public access possible ({', '.join(off)})")


def _kept_private(resource: Resource, settings: Settings) -> Iterator[Violation]:
    return (_flags if resource.type == _BLOCK else _public)(resource, settings)


def _buckets(stack: Stack) -> Iterator[tuple[Resource, Stack]]:
    return ((bucket, stack) for bucket in stack.of(_BUCKETS))


def _blocked(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    bucket, stack = part
    if not stack.joined_to(bucket, [_BLOCK]):
        yield Violation(message="no BucketPublicAccessBlock keeps it private", resource=bucket)


def _scanned(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    if not resource.properties.flag("imageScanningConfiguration", "scanOnPush"):
        yield Violation(message="its images are not scanned when they are pushed")


def _immutable(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    if not resource.properties.text("imageTagMutability").startswith("IMMUTABLE"):
        yield Violation(message="a version of its images can be pushed again, with other content")


def _rotated(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    asymmetric = resource.properties.text("customerMasterKeySpec") not in {"", "SYMMETRIC_DEFAULT"}
    if not asymmetric and not resource.properties.flag("enableKeyRotation"):
        yield Violation(message="its material stays the same for ever")


RULES = (
    Rule(
        id="bucket-private",
        wish="Buckets are not public",
        why="Weights under licence and recorded prompts are not yours to publish.",
        repair="Remove the public acl, and set all four switches of the public access block",
        severity=Severity.CRITICAL,
        standards=(checkov("CKV_AWS_20", "CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56"),),
        kinds=_BUCKETS | _ACLS | {_BLOCK},
        check=_kept_private,
        before="acl: public-read",
        after="acl: private",
    ),
    Rule(
        id="bucket-blocked",
        wish="Every bucket has a public access block",
        why="It keeps a later policy or acl from opening the bucket.",
        repair="Add an aws.s3.BucketPublicAccessBlock of the bucket",
        severity=Severity.HIGH,
        standards=(checkov("CKV2_AWS_6"),),
        kinds=None,
        parts=_buckets,
        check=_blocked,
        before="type: aws:s3:Bucket",
        after="type: aws:s3:BucketPublicAccessBlock\nproperties: {bucket: ${weights.id}, blockPublicAcls: true, ...}",
    ),
    Rule(
        id="registry-scans",
        wish="Registries scan images when they are pushed",
        why="An engine's image carries hundreds of packages that nobody chose.",
        repair="Set imageScanningConfiguration: {scanOnPush: true}",
        severity=Severity.MEDIUM,
        standards=(cis("5.1.1"), checkov("CKV_AWS_163")),
        kinds=_REGISTRY,
        check=_scanned,
        before="imageScanningConfiguration: {scanOnPush: false}",
        after="imageScanningConfiguration: {scanOnPush: true}",
    ),
    Rule(
        id="registry-immutable",
        wish="A version in a registry stays what it was",
        why="A fixed version in a stack is worth what the registry makes of it.",
        repair="Set imageTagMutability: IMMUTABLE",
        severity=Severity.MEDIUM,
        standards=(checkov("CKV_AWS_51"),),
        kinds=_REGISTRY,
        check=_immutable,
        before="imageTagMutability: MUTABLE",
        after="imageTagMutability: IMMUTABLE",
    ),
    Rule(
        id="key-rotated",
        wish="Keys are rotated",
        why="A key that never changes lets whoever once had it read everything since.",
        repair="Set enableKeyRotation: true",
        severity=Severity.MEDIUM,
        standards=(cis("5.3.1"), checkov("CKV_AWS_7")),
        kinds=_KEY,
        check=_rotated,
        before="enableKeyRotation: false",
        after="enableKeyRotation: true",
    ),
)
