"""Queues, event rules and their targets."""

from typing import Any

from tenbin_local.plugins.aws.kind import Call, Kind, Making, Name, Reference
from tenbin_local.plugins.aws.kinds import tokens

_ATTRIBUTES = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}


def _queue(making: Making) -> dict[str, Any]:
    given = making.inputs
    return {
        "arn": making.arn("sqs", str(given["name"])),
        "deduplicationScope": given.get("deduplicationScope") or "",
        "fifoThroughputLimit": given.get("fifoThroughputLimit") or "",
        "kmsDataKeyReusePeriodSeconds": given.get("kmsDataKeyReusePeriodSeconds") or 300,
        "policy": given.get("policy") or "",
        "redriveAllowPolicy": given.get("redriveAllowPolicy") or "",
        "redrivePolicy": given.get("redrivePolicy") or "",
        "sqsManagedSseEnabled": given.get("sqsManagedSseEnabled", "kmsMasterKeyId" not in given),
        "url": making.identifier,
    }


def _url(making: Making) -> str:
    return f"https://sqs.{making.region}.amazonaws.com/{making.account}/{making.inputs['name']}"


KINDS = (
    Kind(
        token=tokens.QUEUE,
        label="SQS Queue",
        calls=(
            Call(
                operation="sqs.CreateQueue",
                fields="name=QueueName " + " ".join(f"{key}=Attributes.{name}" for key, name in _ATTRIBUTES.items()),
                tags="map:tags",
            ),
        ),
        local="namePrefix",
        name=Name(prefix="namePrefix"),
        kept="deduplicationScope fifoThroughputLimit kmsDataKeyReusePeriodSeconds policy "
        "redriveAllowPolicy redrivePolicy sqsManagedSseEnabled",
        identity=_url,
        outputs=_queue,
        defaults={
            "contentBasedDeduplication": False,
            "delaySeconds": 0,
            "fifoQueue": False,
            "maxMessageSize": 262144,
            "messageRetentionSeconds": 345600,
            "receiveWaitTimeSeconds": 0,
            "visibilityTimeoutSeconds": 30,
        },
        replaces="name namePrefix fifoQueue",
        documents="policy redriveAllowPolicy redrivePolicy",
        taken=("QueueAlreadyExists", "A queue already exists with the same name and a different value for attributes"),
        delete="sqs.DeleteQueue",
    ),
    Kind(
        token="aws:sqs/queuePolicy:QueuePolicy",
        label="SQS Queue Policy",
        calls=(Call(operation="sqs.SetQueueAttributes", fields="queueUrl policy=Attributes.Policy"),),
        identity=lambda making: str(making.inputs["queueUrl"]),
        outputs=lambda _: {},
        replaces="queueUrl",
        documents="policy",
        references=(
            Reference(
                path="queueUrl",
                to=tokens.QUEUE,
                code="AWS.SimpleQueueService.NonExistentQueue",
                message="The specified queue does not exist.",
            ),
        ),
        delete="sqs.SetQueueAttributes",
    ),
    Kind(
        token=tokens.RULE,
        label="EventBridge Rule",
        calls=(
            Call(
                operation="events.PutRule",
                fields="name description eventBusName eventPattern roleArn scheduleExpression state",
                tags="list:Tags",
            ),
        ),
        local="forceDestroy isEnabled namePrefix",
        name=Name(prefix="namePrefix"),
        identity=lambda making: str(making.inputs["name"]),
        outputs=lambda making: {
            "arn": making.arn("events", f"rule/{making.identifier}"),
        },
        defaults={"eventBusName": "default", "forceDestroy": False},
        replaces="eventBusName name namePrefix",
        documents="eventPattern",
        in_use=("ValidationException", "Rule can't be deleted since it has targets."),
        delete="events.DeleteRule",
    ),
    Kind(
        token="aws:cloudwatch/eventTarget:EventTarget",
        label="EventBridge Target",
        calls=(
            Call(
                operation="events.PutTargets",
                fields="rule eventBusName "
                + " ".join(
                    f"{name}=Targets[0].{member}"
                    for name, member in {
                        "targetId": "Id",
                        "arn": "Arn",
                        "roleArn": "RoleArn",
                        "input": "Input",
                        "inputPath": "InputPath",
                        "inputTransformer": "InputTransformer",
                        "deadLetterConfig": "DeadLetterConfig",
                        "retryPolicy": "RetryPolicy",
                        "sqsTarget": "SqsParameters",
                        "batchTarget": "BatchParameters",
                        "ecsTarget": "EcsParameters",
                        "httpTarget": "HttpParameters",
                        "kinesisTarget": "KinesisParameters",
                        "redshiftTarget": "RedshiftDataParameters",
                        "sagemakerPipelineTarget": "SageMakerPipelineParameters",
                        "appsyncTarget": "AppSyncParameters",
                        "runCommandTargets": "RunCommandParameters.RunCommandTargets",
                    }.items()
                ),
                renamed={
                    "inputTransformer.inputPaths": "InputPathsMap",
                    "retryPolicy.maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
                },
            ),
        ),
        local="forceDestroy",
        name=Name(property="targetId"),
        identity=lambda making: f"{making.inputs['rule']}-{making.inputs['targetId']}",
        outputs=lambda _: {},
        defaults={"eventBusName": "default", "forceDestroy": False},
        replaces="eventBusName rule targetId",
        documents="input",
        references=(
            Reference(
                path="rule",
                to=tokens.RULE,
                code="ResourceNotFoundException",
                message="Rule {value} does not exist on EventBus default.",
            ),
        ),
        delete="events.RemoveTargets",
    ),
)
