"""Keys, log groups and buckets."""

from typing import Any

from tenbin_local.plugins.aws.kind import THIS, Call, Kind, Making, Name, Reference
from tenbin_local.plugins.aws.kinds import references, tokens

_ROOT = (
    '{{"Statement":[{{"Action":"kms:*","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},'
)
_POLICY = _ROOT + '"Resource":"*","Sid":"Enable IAM User Permissions"}}],"Version":"2012-10-17"}}'


def _key(making: Making) -> dict[str, Any]:
    given = making.inputs
    return {
        "arn": making.arn("kms", f"key/{making.identifier}"),
        "description": given.get("description") or "",
        "keyId": making.identifier,
        "multiRegion": bool(given.get("multiRegion")),
        "policy": given.get("policy") or _POLICY.format(partition=making.partition, account=making.account),
        "rotationPeriodInDays": given.get("rotationPeriodInDays") or (365 if given.get("enableKeyRotation") else 0),
    }


def _alias(making: Making) -> dict[str, Any]:
    target = str(making.inputs["targetKeyId"])
    found = making.find(tokens.KEY, target, "id|arn") or {}
    return {
        "arn": making.arn("kms", making.identifier),
        "targetKeyArn": found.get("arn") or making.arn("kms", f"key/{target}"),
    }


def _bucket(making: Making) -> dict[str, Any]:
    given, name = making.inputs, making.identifier
    return {
        "accelerationStatus": given.get("accelerationStatus") or "",
        "acl": given.get("acl"),
        "arn": f"arn:{making.partition}:s3:::{name}",
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketNamespace": given.get("bucketNamespace") or "global",
        "bucketRegion": making.region,
        "bucketRegionalDomainName": f"{name}.s3.{making.region}.amazonaws.com",
        "corsRules": given.get("corsRules") or [],
        "grants": given.get("grants") or [],
        "hostedZoneId": "Z3AQBSTGFYJSTF",
        "lifecycleRules": given.get("lifecycleRules") or [],
        "objectLockEnabled": bool(given.get("objectLockEnabled")),
        "policy": given.get("policy") or "",
        "requestPayer": given.get("requestPayer") or "BucketOwner",
        "serverSideEncryptionConfiguration": given.get("serverSideEncryptionConfiguration")
        or {
            "rule": {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": False},
        },
        "versioning": given.get("versioning") or {"enabled": False, "mfaDelete": False},
        "websiteDomain": "",
        "websiteEndpoint": "",
    }


def _part(token: str, label: str, operation: str, fields: str, **more: Any) -> Kind:
    """A setting of a bucket that is a resource of its own; its id is the bucket's name."""
    outputs = more.pop("outputs", lambda _: {})
    return Kind(
        token=f"aws:s3/{token[0].lower()}{token[1:]}:{token}",
        label=label,
        calls=(
            Call(
                operation=operation,
                fields=f"bucket {fields}",
                renamed=more.pop("renamed", {}),
                given=more.pop("given", {}),
            ),
        ),
        identity=lambda making: str(making.inputs["bucket"]),
        outputs=outputs,
        replaces="bucket",
        references=(references.bucket(),),
        delete=more.pop("delete"),
        **more,
    )


_TAKEN = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please "
    "select a different name and try again."
)

_RULES = "LifecycleConfiguration.Rules"

KINDS = (
    Kind(
        token=tokens.KEY,
        label="KMS Key",
        calls=(
            Call(
                operation="kms.CreateKey",
                fields="bypassPolicyLockoutSafetyCheck customKeyStoreId customerMasterKeySpec=KeySpec description "
                "keyUsage multiRegion policy xksKeyId",
                tags="kms:Tags",
            ),
            Call(
                operation="kms.EnableKeyRotation",
                fields="rotationPeriodInDays",
                given={"KeyId": THIS},
                when="enableKeyRotation",
            ),
        ),
        local="deletionWindowInDays isEnabled",
        kept="description multiRegion policy rotationPeriodInDays",
        identity=lambda making: making.uuid("key"),
        outputs=_key,
        defaults={
            "bypassPolicyLockoutSafetyCheck": False,
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "enableKeyRotation": False,
            "isEnabled": True,
            "keyUsage": "ENCRYPT_DECRYPT",
        },
        replaces="customKeyStoreId customerMasterKeySpec keyUsage multiRegion xksKeyId",
        documents="policy",
        delete="kms.ScheduleKeyDeletion",
    ),
    Kind(
        token="aws:kms/alias:Alias",
        label="KMS Alias",
        calls=(Call(operation="kms.CreateAlias", fields="name=AliasName targetKeyId"),),
        local="namePrefix",
        name=Name(prefix="namePrefix"),
        identity=lambda making: str(making.inputs["name"]),
        outputs=_alias,
        replaces="name namePrefix",
        references=(
            Reference(
                path="targetKeyId",
                to=tokens.KEY,
                by="id|arn",
                code="NotFoundException",
                message="Key '{value}' does not exist",
                holds=False,
            ),
        ),
        taken=("AlreadyExistsException", "An alias with the name {value} already exists"),
        delete="kms.DeleteAlias",
    ),
    Kind(
        token=tokens.LOG_GROUP,
        label="CloudWatch Logs Log Group",
        calls=(
            Call(
                operation="logs.CreateLogGroup",
                fields="name=logGroupName kmsKeyId logGroupClass deletionProtectionEnabled",
                tags="map:tags",
            ),
            Call(
                operation="logs.PutRetentionPolicy",
                fields="retentionInDays",
                given={"logGroupName": THIS},
                when="retentionInDays",
            ),
        ),
        local="namePrefix skipDestroy",
        name=Name(prefix="namePrefix"),
        kept="deletionProtectionEnabled logGroupClass",
        identity=lambda making: str(making.inputs["name"]),
        outputs=lambda making: {
            "arn": making.arn("logs", f"log-group:{making.identifier}"),
            "deletionProtectionEnabled": bool(making.inputs.get("deletionProtectionEnabled")),
            "logGroupClass": making.inputs.get("logGroupClass") or "STANDARD",
        },
        defaults={"retentionInDays": 0, "skipDestroy": False},
        replaces="name namePrefix logGroupClass",
        references=(references.key("kmsKeyId"),),
        taken=("ResourceAlreadyExistsException", "The specified log group already exists"),
        delete="logs.DeleteLogGroup",
    ),
    Kind(
        token=tokens.BUCKET,
        label="S3 Bucket",
        calls=(
            Call(
                operation="s3.CreateBucket",
                fields="bucket acl=ACL bucketNamespace objectLockEnabled=ObjectLockEnabledForBucket",
            ),
            Call(
                operation="s3.PutBucketTagging",
                given={"Bucket": THIS, "Tagging.TagSet": []},
                tags="list:Tagging.TagSet",
                when="tags",
            ),
            Call(
                operation="s3.PutBucketPolicy",
                fields="policy",
                given={"Bucket": THIS},
                when="policy",
            ),
        ),
        local="bucketPrefix forceDestroy",
        name=Name(property="bucket", prefix="bucketPrefix"),
        kept="bucketNamespace objectLockEnabled",
        identity=lambda making: str(making.inputs["bucket"]),
        outputs=_bucket,
        defaults={"forceDestroy": False},
        replaces="bucket bucketPrefix bucketNamespace objectLockEnabled",
        documents="policy",
        taken=(
            "BucketAlreadyExists",
            _TAKEN,
        ),
        in_use=("BucketNotEmpty", "The bucket you tried to delete is not empty"),
        delete="s3.DeleteBucket",
    ),
    _part(
        "BucketPublicAccessBlock",
        "S3 Bucket Public Access Block",
        "s3.PutPublicAccessBlock",
        " ".join(
            f"{name}=PublicAccessBlockConfiguration.{name[0].upper()}{name[1:]}"
            for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        ),
        given={"PublicAccessBlockConfiguration": {}},
        local="skipDestroy",
        delete="s3.DeletePublicAccessBlock",
    ),
    _part(
        "BucketVersioning",
        "S3 Bucket Versioning",
        "s3.PutBucketVersioning",
        "versioningConfiguration=VersioningConfiguration",
        renamed={"versioningConfiguration.mfaDelete": "MFADelete"},
        local="expectedBucketOwner mfa",
        delete="s3.PutBucketVersioning",
    ),
    _part(
        "BucketServerSideEncryptionConfiguration",
        "S3 Bucket Server-side Encryption Configuration",
        "s3.PutBucketEncryption",
        "rules=ServerSideEncryptionConfiguration.Rules",
        renamed={
            "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": "KMSMasterKeyID",
            "rules.blockedEncryptionTypes": "BlockedEncryptionTypes.EncryptionType",
        },
        local="expectedBucketOwner",
        delete="s3.DeleteBucketEncryption",
    ),
    _part(
        "BucketLifecycleConfiguration",
        "S3 Bucket Lifecycle Configuration",
        "s3.PutBucketLifecycleConfiguration",
        f"rules={_RULES} transitionDefaultMinimumObjectSize",
        renamed={
            "rules.id": "ID",
            "rules.noncurrentVersionTransitions.newerNoncurrentVersions": "NewerNoncurrentVersions",
        },
        local="expectedBucketOwner timeouts",
        kept="expectedBucketOwner transitionDefaultMinimumObjectSize",
        delete="s3.DeleteBucketLifecycle",
        outputs=lambda making: {
            "expectedBucketOwner": "",
            "transitionDefaultMinimumObjectSize": making.inputs.get("transitionDefaultMinimumObjectSize")
            or "all_storage_classes_128K",
        },
    ),
    _part(
        "BucketPolicy",
        "S3 Bucket Policy",
        "s3.PutBucketPolicy",
        "policy",
        documents="policy",
        delete="s3.DeleteBucketPolicy",
    ),
    _part(
        "BucketOwnershipControls",
        "S3 Bucket Ownership Controls",
        "s3.PutBucketOwnershipControls",
        "rule=OwnershipControls.Rules[0]",
        delete="s3.DeleteBucketOwnershipControls",
    ),
)
