"""Rules of queues and event rules."""

import json
import re
from collections.abc import Iterator

from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()

TARGET = "aws:cloudwatch/eventTarget:EventTarget"

_SCHEDULE = r"rate\(\d+ (minutes?|hours?|days?)\)|cron\(\S+( \S+){5}\)"
_SQS = "docs.aws.amazon.com/AWSSimpleQueueService/latest"

_RANGES = {
    "delaySeconds": (0, 900),
    "maxMessageSize": (1024, 1048576),
    "messageRetentionSeconds": (60, 1209600),
    "receiveWaitTimeSeconds": (0, 20),
    "visibilityTimeoutSeconds": (0, 43200),
    "kmsDataKeyReusePeriodSeconds": (60, 86400),
}


@_TABLE.rule("queue-attributes-are-in-range", tokens.QUEUE, source=f"{_SQS}/APIReference/API_SetQueueAttributes.html")
def _attributes(view: View) -> Iterator[Problem]:
    for path, (least, most) in _RANGES.items():
        value = view.number(path)
        if value is not None and not least <= value <= most:
            yield Problem(path, f"{value} is not allowed; {least} to {most} are")


@_TABLE.rule("queue-name-fits-its-kind", tokens.QUEUE, source=f"{_SQS}/APIReference/API_CreateQueue.html")
def _name(view: View) -> Iterator[Problem]:
    name, fifo = view.known("name"), view.known("fifoQueue")
    if not isinstance(name, str) or view.unclear("fifoQueue"):
        return
    if not re.fullmatch(r"[\w-]{1,75}\.fifo|[\w-]{1,80}", name):
        yield Problem("name", f"{name!r}: up to 80 of a-z, A-Z, 0-9, _ and - are allowed")
    elif name.endswith(".fifo") is not bool(fifo):
        yield Problem("name", f"{name!r}: a name ends in .fifo where fifoQueue is true, and only there")


@_TABLE.rule(
    "queue-has-one-encryption", tokens.QUEUE, source=f"{_SQS}/SQSDeveloperGuide/sqs-configure-sse-existing-queue.html"
)
def _encryption(view: View) -> Iterator[Problem]:
    if view.known("sqsManagedSseEnabled") is True and view.has("kmsMasterKeyId"):
        yield Problem("kmsMasterKeyId", "You can use one type of server-side encryption (SSE) at one time")


@_TABLE.rule(
    "event-rule-has-a-pattern-or-a-schedule",
    tokens.RULE,
    source="docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html",
)
def _rule(view: View) -> Iterator[Problem]:
    if not (view.has("eventPattern") or view.has("scheduleExpression")):
        yield Problem("eventPattern", "Parameter(s) EventPattern or ScheduleExpression must be specified")
    pattern, schedule = view.known("eventPattern"), view.known("scheduleExpression")
    if isinstance(schedule, str) and not re.fullmatch(_SCHEDULE, schedule):
        yield Problem("scheduleExpression", f"Parameter ScheduleExpression is not valid: {schedule!r}")
    if isinstance(pattern, str) and (reason := _pattern_problem(pattern)):
        yield Problem("eventPattern", f"InvalidEventPatternException: Event pattern is not valid. Reason: {reason}")


def _pattern_problem(text: str) -> str:
    try:
        pattern = json.loads(text)
    except ValueError:
        return "no JSON"
    if not isinstance(pattern, dict):
        return "Filter is not an object"
    loose = sorted(key for key, value in pattern.items() if not isinstance(value, list | dict))
    return f'"{loose[0]}" must be an object or an array' if loose else ""


@_TABLE.rule(
    "target-is-an-arn", TARGET, source="docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html"
)
def _target(view: View) -> Iterator[Problem]:
    arn = view.known("arn")
    if isinstance(arn, str) and not re.fullmatch(r"arn:aws[\w-]*:[\w-]+:[\w-]*:\d*:.+", arn):
        yield Problem("arn", f"Provided Arn is not in correct format: {arn!r}")
    given = [path for path in ("input", "inputPath", "inputTransformer") if view.has(path)]
    if len(given) > 1:
        yield Problem(
            "", f"Only one of Input, InputPath, or InputTransformer must be provided; {', '.join(given)} given"
        )


RULES = _TABLE.rules
