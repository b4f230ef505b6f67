"""Rights inside the cluster: who may do what, and how narrowly."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_policies.rules import Resource, Rule, Settings, Severity, Violation, checkov, cis, strings
from tenbin_policies.view import View

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_CLUSTER_ROLE = f"{_RBAC}ClusterRole"
_ROLES = frozenset({f"{_RBAC}Role", _CLUSTER_ROLE})
_BINDINGS = frozenset({f"{_RBAC}RoleBinding", f"{_RBAC}ClusterRoleBinding"})
_EVERYBODY = frozenset({"system:anonymous", "system:unauthenticated", "system:authenticated", "system:masters"})
_READS = frozenset({"get", "list", "watch", "*"})
_ESCALATING_VERBS = frozenset({"bind", "escalate", "impersonate"})
_ESCALATING_RESOURCES = frozenset({"nodes/proxy", "pods/exec", "pods/attach", "serviceaccounts/token"})


def _rules(resource: Resource) -> Iterator[tuple[Resource, View]]:
    return ((resource, rule) for rule in resource.properties.items("rules"))


def _wild(part: tuple[Resource, View], _settings: Settings) -> Iterator[Violation]:
    _, rule = part
    for kind in ("apiGroups", "resources", "verbs"):
        if "*" in rule.texts(kind):
            yield Violation(message=f"{rule.path} allows every one of its {kind}")


def _reads_secrets(part: tuple[Resource, View], _settings: Settings) -> Iterator[Violation]:
    resource, rule = part
    if not {"", "*"} & set(rule.texts("apiGroups")) or not {"secrets", "*"} & set(rule.texts("resources")):
        return
    if not _READS & set(rule.texts("verbs")):
        return
    if resource.type == _CLUSTER_ROLE:
        yield Violation(message=f"{rule.path} reads the secrets of every namespace")
    elif not rule.texts("resourceNames"):
        yield Violation(message=f"{rule.path} reads every secret of its namespace")


def _escalates(part: tuple[Resource, View], _settings: Settings) -> Iterator[Violation]:
    _, rule = part
    found = sorted(_ESCALATING_VERBS & set(rule.texts("verbs")))
    found += sorted(_ESCALATING_RESOURCES & set(rule.texts("resources")))
    if found:
        yield Violation(message=f"{rule.path} lets its holder take more rights than it names ({', '.join(found)})")


def _bound(resource: Resource, settings: Settings) -> Iterator[Violation]:
    role = resource.properties.text("roleRef", "name")
    if role in settings["roles"]:
        yield Violation(message=f"it binds {role}")
    everybody = sorted({item.text("name") for item in resource.properties.items("subjects")} & _EVERYBODY)
    if everybody:
        yield Violation(message=f"it binds {role} to {', '.join(everybody)}")


RULES = (
    Rule(
        id="role-without-wildcards",
        wish="Roles name the groups, resources and verbs that they allow",
        why="A wildcard allows what will be installed tomorrow, and hides what a program needs today.",
        repair="Name each of them",
        severity=Severity.HIGH,
        standards=(cis("4.1.3"), checkov("CKV_K8S_49")),
        kinds=_ROLES,
        parts=_rules,
        check=_wild,
        before='rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]',
        after="rules: [{apiGroups: [apps], resources: [deployments/scale], verbs: [get, update]}]",
    ),
    Rule(
        id="role-reads-no-secrets",
        wish="Roles read no secrets but those that they name",
        why="Who may list secrets has the credentials of every program of the namespace, or of the cluster.",
        repair="Mount secrets as files instead, or name them in resourceNames of a Role",
        severity=Severity.HIGH,
        standards=(cis("4.1.2"),),
        kinds=_ROLES,
        parts=_rules,
        check=_reads_secrets,
        before='rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]',
        after='rules: [{apiGroups: [""], resources: [secrets], resourceNames: [hugging-face], verbs: [get]}]',
    ),
    Rule(
        id="role-cannot-escalate",
        wish="Roles give no way to further rights",
        why="Who may bind, impersonate or enter other pods has, in effect, the rights of whoever has most.",
        repair="Remove these verbs and subresources",
        severity=Severity.HIGH,
        standards=(cis("4.1.8"), checkov("CKV_K8S_157", "CKV_K8S_158")),
        kinds=_ROLES,
        parts=_rules,
        check=_escalates,
        before='rules: [{apiGroups: [""], resources: [pods/exec], verbs: [create]}]',
        after='rules: [{apiGroups: [""], resources: [pods], verbs: [get, list, watch]}]',
    ),
    Rule(
        id="administrator-unbound",
        wish="Nothing in the cluster is its administrator, and nobody unnamed has rights",
        why="A token of an administrator that leaks from a pod is the whole cluster.",
        repair="Bind a role that names what is needed to a ServiceAccount of its own",
        severity=Severity.CRITICAL,
        standards=(cis("4.1.1", "4.1.7"),),
        kinds=_BINDINGS,
        check=_bound,
        settings={"roles": strings(["cluster-admin"], "Roles that nothing may be bound to")},
        before="roleRef: {kind: ClusterRole, name: cluster-admin}",
        after="roleRef: {kind: Role, name: tenbin-planner}",
    ),
)
