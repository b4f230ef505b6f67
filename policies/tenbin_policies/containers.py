"""What containers are made of and what they take: images, resources, credentials, accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tenbin_policies import workloads
from tenbin_policies.rules import Rule, Settings, Severity, Violation, checkov, cis, finops, flag, strings
from tenbin_policies.workloads import Container, Pod

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_CREDENTIAL = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|APIKEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)(_ID)?$"
)
_MOVING = frozenset({"latest", "nightly", "main", "master", "edge", "stable", "dev"})


def _pinned(container: Container, settings: Settings) -> Iterator[Violation]:
    image = container.own.text("image")
    if _DIGEST.search(image):
        return
    tag = image.rpartition("/")[2].partition(":")[2].partition("@")[0]
    if settings["digest"]:
        yield Violation(message=f"{container.label} runs {image!r}, which is not named by its digest")
    elif not tag or tag in _MOVING:
        yield Violation(message=f"{container.label} runs {image!r}, whose content changes under its name")


def _registry(container: Container, settings: Settings) -> Iterator[Violation]:
    allowed = settings["allowed"]
    if not allowed:
        return
    image = container.own.text("image")
    if not image.startswith(tuple(allowed)):
        yield Violation(message=f"{container.label} runs {image!r}; allowed are images that begin with {_or(allowed)}")


def _bounded(container: Container, _settings: Settings) -> Iterator[Violation]:
    wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
    asked = {kind: container.own.keys("resources", kind) for kind in ("requests", "limits")}
    # A limit without a request is the request too.
    asked["requests"] = [*asked["requests"], *asked["limits"]]
    missing = [f"{kind}.{name}" for kind, name in wanted if name not in asked[kind]]
    if missing:
        yield Violation(message=f"{container.label} has no {' and no '.join(missing)}")


def _credentials(container: Container, settings: Settings) -> Iterator[Violation]:
    for variable in container.own.items("env"):
        name = variable.text("name")
        if not variable.at("valueFrom", "secretKeyRef").missing:
            yield Violation(message=f"{container.label} has a secret in its environment variable {name}")
        elif _CREDENTIAL.search(name) and name not in settings["harmless"] and not variable.at("value").missing:
            yield Violation(message=f"{container.label} has what looks like a credential in plain text, {name}")
    for source in container.own.items("envFrom"):
        if not source.at("secretRef").missing:
            name = source.text("secretRef", "name")
            yield Violation(message=f"{container.label} has the whole secret {name} in its environment")


def _account(pod: Pod, _settings: Settings) -> Iterator[Violation]:
    name = pod.spec.text("serviceAccountName")
    if pod.spec.flag("automountServiceAccountToken") is not False and name in {"", "default"}:
        yield Violation(message="its pods mount the token of the namespace's default account")


def _or(names: tuple[str, ...]) -> str:
    return " or ".join(names)


RULES = (
    Rule(
        id="image-pinned",
        wish="Containers run images that never change under their name",
        why="With `latest` two replicas of one service may run two engines, a restart becomes a roll-out, and "
        "nobody can "
        "say what was measured.",
        repair="Name a version or, better, a digest",
        severity=Severity.HIGH,
        standards=(checkov("CKV_K8S_14", "CKV_K8S_43"),),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_pinned,
        settings={"digest": flag(False, "Whether a version is not enough and each image must be named by its digest")},
        before="image: vllm/vllm-openai:latest",
        after="image: vllm/vllm-openai:v0.24.0",
    ),
    Rule(
        id="image-registry",
        wish="Images come from registries that are allowed",
        why="An image from anywhere is a program from anywhere, beside the model and the prompts.",
        repair="Mirror the image into an allowed registry and name it there",
        severity=Severity.MEDIUM,
        standards=(cis("5.1.4"),),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_registry,
        settings={"allowed": strings([], "What the name of an image may begin with; everything when empty")},
        before="image: somebody/vllm:v0.24.0",
        after="image: 111122223333.dkr.ecr.us-east-1.amazonaws.com/vllm:v0.24.0",
    ),
    Rule(
        id="resources-bounded",
        wish="Containers say what they need and how much memory they may take",
        why="Without requests the scheduler fills a node twice, and without a limit of memory one container "
        "ends others; "
        "and nobody can say what share of a node's price is whose.",
        repair="Set requests of cpu and memory, and a limit of memory",
        severity=Severity.MEDIUM,
        standards=(checkov("CKV_K8S_10", "CKV_K8S_12", "CKV_K8S_13"), finops("Allocation")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_bounded,
        before="resources: {}",
        after="resources: {requests: {cpu: 500m, memory: 512Mi}, limits: {memory: 512Mi}}",
    ),
    Rule(
        id="credentials-as-files",
        wish="Credentials are files, never environment variables",
        why="The environment is inherited by every child process, shown by `kubectl describe` and written into crash "
        "reports; a credential in plain text is in the stack's state and in Git too.",
        repair="Mount the secret as a file and name the file, as HF_TOKEN_PATH does",
        severity=Severity.HIGH,
        standards=(cis("4.4.1", "4.4.2"), checkov("CKV_K8S_35")),
        kinds=workloads.KINDS,
        parts=workloads.containers,
        check=_credentials,
        settings={"harmless": strings([], "Environment variables that sound like a credential and are none")},
        before="env: [{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hugging-face, key: token}}}]",
        after="env: [{name: HF_TOKEN_PATH, value: /var/run/secrets/tenbin/token}]",
    ),
    Rule(
        id="account-own",
        wish="Who talks to the API server has an account of its own",
        why="Rights that are given to the default account are given to every pod of the namespace.",
        repair="Set automountServiceAccountToken: false, or name a ServiceAccount of its own where the API is needed",
        severity=Severity.MEDIUM,
        standards=(cis("4.1.5", "4.1.6", "5.2.1"), checkov("CKV_K8S_38", "CKV_K8S_41")),
        kinds=workloads.KINDS,
        parts=workloads.pods,
        check=_account,
        before="spec: {serviceAccountName: default}",
        after="spec: {automountServiceAccountToken: false}",
    ),
)
