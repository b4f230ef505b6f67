"""Roles, policies and what joins them."""

from typing import Any

from tenbin_local.plugins.aws.kind import THIS, Call, Kind, Making, Name, Reference
from tenbin_local.plugins.aws.kinds import references, tokens

CREATED = "2026-01-01T00:00:00Z"
"""When everything was created; a clock would make every state another one."""

_DIGITS = "ABCDEFGHIJKLMNOP"


def _unique_id(making: Making, prefix: str) -> str:
    """An id as IAM makes them: `AROA` and capital letters."""
    return prefix + "".join(_DIGITS[int(digit, 16)] for digit in making.digits(prefix, 17))


def _iam_arn(making: Making, kind: str) -> str:
    path = making.inputs.get("path") or "/"
    return making.arn("iam", f"{kind}{path}{making.inputs['name']}", regional=False)


def _role(making: Making) -> dict[str, Any]:
    return {
        "arn": _iam_arn(making, "role"),
        "createDate": CREATED,
        "inlinePolicies": making.inputs.get("inlinePolicies") or [],
        "managedPolicyArns": making.inputs.get("managedPolicyArns") or [],
        "uniqueId": _unique_id(making, "AROA"),
    }


_POLICY = Reference(
    path="policyArn",
    to=tokens.POLICY,
    by="arn",
    code="NoSuchEntity",
    message="Policy {value} does not exist or is not attachable.",
    foreign=r"arn:aws[\w-]*:iam::aws:policy/.+",
)

_DELETE_CONFLICT = ("DeleteConflict", "Cannot delete entity, must detach all policies first.")

KINDS = (
    Kind(
        token=tokens.ROLE,
        label="IAM Role",
        calls=(
            Call(
                operation="iam.CreateRole",
                fields="name=RoleName path description assumeRolePolicy=AssumeRolePolicyDocument maxSessionDuration "
                "permissionsBoundary",
                tags="list:Tags",
            ),
        ),
        local="forceDetachPolicies inlinePolicies managedPolicyArns namePrefix",
        name=Name(prefix="namePrefix"),
        kept="inlinePolicies managedPolicyArns",
        identity=lambda making: str(making.inputs["name"]),
        outputs=_role,
        defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
        replaces="name namePrefix path",
        unordered="managedPolicyArns inlinePolicies",
        documents="assumeRolePolicy",
        taken=("EntityAlreadyExists", "Role with name {value} already exists."),
        in_use=_DELETE_CONFLICT,
        delete="iam.DeleteRole",
        regional=False,
    ),
    Kind(
        token="aws:iam/rolePolicy:RolePolicy",
        label="IAM Role Policy",
        calls=(Call(operation="iam.PutRolePolicy", fields="name=PolicyName role=RoleName policy=PolicyDocument"),),
        local="namePrefix",
        name=Name(prefix="namePrefix"),
        identity=lambda making: f"{making.inputs['role']}:{making.inputs['name']}",
        outputs=lambda _: {},
        replaces="name namePrefix role",
        documents="policy",
        references=(references.role_name(),),
        delete="iam.DeleteRolePolicy",
        regional=False,
    ),
    Kind(
        token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        label="IAM Role Policy Attachment",
        calls=(Call(operation="iam.AttachRolePolicy", fields="role=RoleName policyArn"),),
        identity=lambda making: f"{making.inputs['role']}/{making.inputs['policyArn']}",
        outputs=lambda _: {},
        replaces="role policyArn",
        delete_before_replace=True,
        references=(references.role_name(), _POLICY),
        delete="iam.DetachRolePolicy",
        regional=False,
    ),
    Kind(
        token=tokens.POLICY,
        label="IAM Policy",
        calls=(
            Call(
                operation="iam.CreatePolicy",
                fields="name=PolicyName path description policy=PolicyDocument",
                tags="list:Tags",
            ),
        ),
        local="delayAfterPolicyCreationInMs namePrefix",
        name=Name(prefix="namePrefix"),
        identity=lambda making: _iam_arn(making, "policy"),
        outputs=lambda making: {
            "arn": making.identifier,
            "attachmentCount": 0,
            "policyId": _unique_id(making, "ANPA"),
        },
        defaults={"path": "/"},
        replaces="description name namePrefix path",
        documents="policy",
        taken=("EntityAlreadyExists", "A policy called {name} already exists. Duplicate names are not allowed."),
        in_use=("DeleteConflict", "Cannot delete a policy attached to entities."),
        delete="iam.DeletePolicy",
        regional=False,
    ),
    Kind(
        token="aws:iam/instanceProfile:InstanceProfile",
        label="IAM Instance Profile",
        calls=(
            Call(operation="iam.CreateInstanceProfile", fields="name=InstanceProfileName path", tags="list:Tags"),
            Call(
                operation="iam.AddRoleToInstanceProfile",
                fields="role=RoleName",
                given={"InstanceProfileName": THIS},
                when="role",
            ),
        ),
        local="namePrefix",
        name=Name(prefix="namePrefix"),
        identity=lambda making: str(making.inputs["name"]),
        outputs=lambda making: {
            "arn": _iam_arn(making, "instance-profile"),
            "createDate": CREATED,
            "uniqueId": _unique_id(making, "AIPA"),
        },
        defaults={"path": "/"},
        replaces="name namePrefix path",
        references=(references.role_name(),),
        taken=("EntityAlreadyExists", "Instance Profile {value} already exists."),
        delete="iam.DeleteInstanceProfile",
        regional=False,
    ),
    Kind(
        token="aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        label="IAM OIDC Provider",
        calls=(
            Call(
                operation="iam.CreateOpenIDConnectProvider",
                fields="url clientIdLists=ClientIDList thumbprintLists=ThumbprintList",
                tags="list:Tags",
            ),
        ),
        kept="thumbprintLists",
        identity=lambda making: making.arn(
            "iam", f"oidc-provider/{str(making.inputs['url']).removeprefix('https://')}", regional=False
        ),
        outputs=lambda making: {
            "arn": making.identifier,
            "thumbprintLists": making.inputs.get("thumbprintLists") or [],
        },
        replaces="url",
        unordered="clientIdLists thumbprintLists",
        taken=("EntityAlreadyExists", "Provider with url {url} already exists."),
        delete="iam.DeleteOpenIDConnectProvider",
        regional=False,
    ),
)
