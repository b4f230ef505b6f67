"""The control plane: who reaches it, who is let in, what it writes down, how long it is supported."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_spec import catalogue

from tenbin_policies.rules import (
    Resource,
    Rule,
    Settings,
    Severity,
    Violation,
    checkov,
    cis,
    eks_guide,
    finops,
    flag,
    integer,
    strings,
)

_EKS = frozenset({"aws:eks/cluster:Cluster"})
_LOG_GROUP = frozenset({"aws:cloudwatch/logGroup:LogGroup"})
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_ENCRYPTED_BY_ITSELF = (1, 28)


def _logs(resource: Resource, settings: Settings) -> Iterator[Violation]:
    missing = sorted(set(settings["types"]) - set(resource.properties.texts("enabledClusterLogTypes")))
    if missing:
        yield Violation(message=f"its control plane does not log {', '.join(missing)}")


def _endpoint(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    network = resource.properties.at("vpcConfig")
    if not network.flag("endpointPrivateAccess"):
        yield Violation(message="nodes reach its API server over the internet (endpointPrivateAccess is off)")
    if network.flag("endpointPublicAccess") is False:
        return
    ranges = network.texts("publicAccessCidrs")
    if not ranges or _EVERYWHERE & set(ranges):
        yield Violation(message="its API server is open to the internet")


def _secrets(resource: Resource, settings: Settings) -> Iterator[Violation]:
    own = resource.properties.at("encryptionConfig")
    if not own.missing and "secrets" in own.texts("resources"):
        return
    version = resource.properties.text("version")
    if settings["customer_key"] or not version or _number(version) < _ENCRYPTED_BY_ITSELF:
        yield Violation(message="its secrets are not encrypted with a key of your own")


def _version(resource: Resource, settings: Settings) -> Iterator[Violation]:
    version, supported = resource.properties.text("version"), settings["versions"]
    if version not in supported:
        what = f"version {version}" if version else "whatever version is newest"
        yield Violation(message=f"it runs {what} of Kubernetes; in standard support and tested: {', '.join(supported)}")
    if resource.properties.text("upgradePolicy", "supportType") != "STANDARD":
        yield Violation(message="it passes into extended support by itself, at six times the fee")


def _entries(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    access = resource.properties.at("accessConfig")
    mode = access.text("authenticationMode")
    if mode != "API":
        yield Violation(message=f"who may enter is said by {mode or 'CONFIG_MAP'}, not by access entries alone")
    if access.flag("bootstrapClusterCreatorAdminPermissions") is not False:
        yield Violation(message="whoever creates it stays its administrator")


def _kept(resource: Resource, _settings: Settings) -> Iterator[Violation]:
    if not resource.properties.flag("deletionProtection"):
        yield Violation(message="AWS deletes it on the first call (deletionProtection is off)")
    if not resource.protected:
        yield Violation(message="Pulumi deletes it when the program does not say it (protect is off)")


def _expires(resource: Resource, settings: Settings) -> Iterator[Violation]:
    days, least = resource.properties.number("retentionInDays") or 0, settings["days"]
    if days == 0:
        yield Violation(message="its records are kept, and paid, for ever")
    elif days < least:
        yield Violation(message=f"its records are kept for {days} days, {least} are needed")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


RULES = (
    Rule(
        id="eks-logged",
        wish="The control plane writes down everything that it does",
        why="Without the audit log nobody can say who deleted what; the types that seem dull are those an "
        "inquiry needs.",
        repair="Name all five types in enabledClusterLogTypes",
        severity=Severity.MEDIUM,
        standards=(cis("2.1.1", "2.1.2"), checkov("CKV_AWS_37")),
        kinds=_EKS,
        check=_logs,
        settings={"types": strings(_LOGS, "Types of logs that must be on")},
        before="enabledClusterLogTypes: [api]",
        after="enabledClusterLogTypes: [api, audit, authenticator, controllerManager, scheduler]",
    ),
    Rule(
        id="eks-endpoint-private",
        wish="The API server is reached from inside, and from outside by named ranges alone",
        why="An API server on the internet is one stolen credential, or one flaw, away from anybody.",
        repair="Turn endpointPrivateAccess on, and endpointPublicAccess off or down to publicAccessCidrs",
        severity=Severity.CRITICAL,
        standards=(cis("5.4.1", "5.4.2"), checkov("CKV_AWS_38", "CKV_AWS_39")),
        kinds=_EKS,
        check=_endpoint,
        before="vpcConfig: {endpointPublicAccess: true}",
        after="vpcConfig: {endpointPrivateAccess: true, endpointPublicAccess: false}",
    ),
    Rule(
        id="eks-secrets-encrypted",
        wish="Secrets of the cluster are encrypted",
        why="From Kubernetes 1.28 on EKS encrypts all that the API server keeps with a key of its own; before that, or "
        "where a key must be yours to revoke, you name one.",
        repair="Set encryptionConfig with a key of yours for the resource secrets",
        severity=Severity.HIGH,
        standards=(cis("5.3.1"), checkov("CKV_AWS_58")),
        kinds=_EKS,
        check=_secrets,
        settings={"customer_key": flag(False, "Whether only a key of your own will do")},
        before='version: "1.27"',
        after="encryptionConfig: {provider: {keyArn: arn:aws:kms:...}, resources: [secrets]}",
    ),
    Rule(
        id="eks-supported",
        wish="The cluster runs a version in standard support and does not slip out of it",
        why="Extended support costs six times the fee of a cluster and ends too.",
        repair="Name a supported version, and set upgradePolicy: {supportType: STANDARD}",
        severity=Severity.HIGH,
        standards=(checkov("CKV_AWS_339"), finops("Rate Optimization")),
        kinds=_EKS,
        check=_version,
        settings={
            "versions": strings(sorted(catalogue.addon_versions()), "Versions of Kubernetes that a cluster may run")
        },
        before='version: "1.29"',
        after='version: "1.35"\nupgradePolicy: {supportType: STANDARD}',
    ),
    Rule(
        id="eks-access-entries",
        wish="Access entries alone say who may enter the cluster",
        why="The ConfigMap aws-auth can be changed by whoever may write ConfigMaps, and locks everybody out when it is "
        "wrong; a creator that stays administrator is in no list at all.",
        repair="Set authenticationMode: API and bootstrapClusterCreatorAdminPermissions: false, and name "
        "administrators",
        severity=Severity.HIGH,
        standards=(cis("4.1.7", "5.5.1"),),
        kinds=_EKS,
        check=_entries,
        before="accessConfig: {authenticationMode: CONFIG_MAP}",
        after="accessConfig: {authenticationMode: API, bootstrapClusterCreatorAdminPermissions: false}",
    ),
    Rule(
        id="eks-deletion-protected",
        wish="A cluster cannot be deleted by accident",
        why="A renamed resource in a pull request is a deletion and a creation: all services end with the old cluster.",
        repair="Set deletionProtection and the resource option protect",
        severity=Severity.HIGH,
        standards=(eks_guide("deletion protection"),),
        kinds=_EKS,
        check=_kept,
        before="deletionProtection: false",
        after="deletionProtection: true",
    ),
    Rule(
        id="log-group-expires",
        wish="Records are kept for a while, and not for ever",
        why="CloudWatch keeps and bills records without an end; and what is kept too short is gone when it is "
        "asked for.",
        repair="Set retentionInDays",
        severity=Severity.MEDIUM,
        standards=(checkov("CKV_AWS_66", "CKV_AWS_338"), finops("Usage Optimization")),
        kinds=_LOG_GROUP,
        check=_expires,
        settings={"days": integer(90, "Days that records must be kept at least")},
        before="retentionInDays: 0",
        after="retentionInDays: 365",
    ),
)
