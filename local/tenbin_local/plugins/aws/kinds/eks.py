"""EKS clusters, node groups, add-ons and who may do what in them."""

from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins.aws import control_planes, facts
from tenbin_local.plugins.aws.kind import Call, Kind, Making, Name, Reference
from tenbin_local.plugins.aws.kinds import references, tokens
from tenbin_local.plugins.aws.kinds.iam import CREATED


def _template_reference(by: str) -> Reference:
    return Reference(
        path=f"launchTemplate.{by}",
        to=tokens.LAUNCH_TEMPLATE,
        by=by,
        code="InvalidRequestException",
        message="Launch template {value} not found.",
        holds=False,
    )


def _cluster(making: Making) -> dict[str, Any]:
    given, name = making.inputs, making.identifier
    network = given["vpcConfig"]
    subnets = [making.find(tokens.SUBNET, subnet) or {} for subnet in network.get("subnetIds") or []]
    identity = making.digits("cluster", 32).upper()
    endpoint, authority = control_planes.access(
        str(making.settings.get("kubeconfig") or ""),
        otherwise=f"https://{identity}.gr7.{making.region}.eks.amazonaws.com",
    )
    public = network.get("endpointPublicAccess")
    return {
        "accessConfig": {
            "authenticationMode": "CONFIG_MAP",
            "bootstrapClusterCreatorAdminPermissions": True,
            **(given.get("accessConfig") or {}),
        },
        "arn": making.arn("eks", f"cluster/{name}"),
        "certificateAuthority": {"data": authority},
        "clusterId": "",
        "controlPlaneScalingConfig": given.get("controlPlaneScalingConfig") or {"tier": "standard"},
        "createdAt": CREATED,
        "deletionProtection": bool(given.get("deletionProtection")),
        "endpoint": endpoint,
        "identities": [{"oidcs": [{"issuer": f"https://oidc.eks.{making.region}.amazonaws.com/id/{identity}"}]}],
        "kubernetesNetworkConfig": {
            "ipFamily": "ipv4",
            "serviceIpv4Cidr": "172.20.0.0/16",
            "serviceIpv6Cidr": "",
            "elasticLoadBalancing": {"enabled": False},
            **(given.get("kubernetesNetworkConfig") or {}),
        },
        "platformVersion": "eks.1",
        "status": "ACTIVE",
        "upgradePolicy": given.get("upgradePolicy") or {"supportType": "EXTENDED"},
        "version": given.get("version") or facts.KUBERNETES_DEFAULT,
        "vpcConfig": {
            "publicAccessCidrs": ["0.0.0.0/0"] if public else [],
            **network,
            "clusterSecurityGroupId": making.ec2_id("sg"),
            "vpcId": next((str(one["vpcId"]) for one in subnets if "vpcId" in one), ""),
        },
    }


def _launch_template(making: Making) -> dict[str, Any] | None:
    """The launch template that a node group names, by its id or its name."""
    named = making.inputs.get("launchTemplate")
    if not named:
        return None
    by, value = ("id", named["id"]) if named.get("id") else ("name", named.get("name"))
    return dict(making.find(tokens.LAUNCH_TEMPLATE, str(value), by) or {})


def _node_group(making: Making) -> dict[str, Any]:
    given = making.inputs
    template = _launch_template(making)
    cluster = making.find(tokens.CLUSTER, str(given["clusterName"])) or {}
    version = given.get("version") or cluster.get("version") or facts.KUBERNETES_DEFAULT
    types = given.get("instanceTypes") or ([] if template and template.get("instanceType") else ["t3.medium"])
    custom = bool(template and template.get("imageId"))
    named = {"id": template.get("id"), "name": template.get("name"), **given["launchTemplate"]} if template else None
    return {
        "amiType": "CUSTOM" if custom else given.get("amiType") or "AL2023_x86_64_STANDARD",
        "arn": making.arn("eks", f"nodegroup/{given['clusterName']}/{given['nodeGroupName']}/{making.uuid('group')}"),
        "capacityType": given.get("capacityType") or "ON_DEMAND",
        "diskSize": given.get("diskSize") or (0 if template else 20),
        "instanceTypes": types,
        "launchTemplate": named,
        "nodeRepairConfig": given.get("nodeRepairConfig") or {"enabled": False},
        "releaseVersion": given.get("releaseVersion") or ("" if custom else f"{version}.0-20260101"),
        "resources": [
            {
                "autoscalingGroups": [{"name": f"eks-{given['nodeGroupName']}-{making.uuid('group')}"}],
                "remoteAccessSecurityGroupId": making.ec2_id("sg") if given.get("remoteAccess") else "",
            }
        ],
        "status": "ACTIVE",
        "updateConfig": given.get("updateConfig") or {"maxUnavailable": 1},
        "version": version,
    }


def _protected(outputs: Mapping[str, Any]) -> str:
    return "Cannot delete cluster because deletion protection is enabled" if outputs.get("deletionProtection") else ""


def _addon(making: Making) -> dict[str, Any]:
    given = making.inputs
    return {
        "addonVersion": given.get("addonVersion") or "v1.0.0-eksbuild.1",
        "arn": making.arn("eks", f"addon/{given['clusterName']}/{given['addonName']}/{making.uuid('addon')}"),
        "configurationValues": given.get("configurationValues") or "",
        "createdAt": CREATED,
        "modifiedAt": CREATED,
    }


def _access_entry(making: Making) -> dict[str, Any]:
    given = making.inputs
    principal = str(given["principalArn"])
    role, name = principal.rpartition(":")[2].split("/", 1)[0], principal.rpartition("/")[2]
    entry = f"access-entry/{given['clusterName']}/{role}/{making.account}/{name}/{making.uuid('entry')}"
    return {
        "accessEntryArn": making.arn("eks", entry),
        "createdAt": CREATED,
        "kubernetesGroups": given.get("kubernetesGroups") or [],
        "modifiedAt": CREATED,
        "userName": given.get("userName") or f"{principal.replace(':iam:', ':sts:')}/{{{{SessionName}}}}",
    }


KINDS = (
    Kind(
        token=tokens.CLUSTER,
        label="EKS Cluster",
        calls=(
            Call(
                operation="eks.CreateCluster",
                fields="name accessConfig bootstrapSelfManagedAddons computeConfig controlPlaneScalingConfig "
                "deletionProtection enabledClusterLogTypes=logging.clusterLogging[0].types encryptionConfig "
                "kubeApiServerConfig kubeControllerManagerConfig kubeSchedulerConfig kubernetesNetworkConfig "
                "outpostConfig remoteNetworkConfig roleArn storageConfig upgradePolicy version "
                "vpcConfig=resourcesVpcConfig zonalShiftConfig",
                given={"logging.clusterLogging[0].enabled": True},
                tags="map:tags",
            ),
        ),
        local="defaultAddonsToRemoves forceUpdateVersion",
        name=Name(),
        kept="accessConfig computeConfig controlPlaneScalingConfig deletionProtection "
        "kubeApiServerConfig kubeControllerManagerConfig kubeSchedulerConfig "
        "kubernetesNetworkConfig storageConfig upgradePolicy version",
        identity=lambda making: str(making.inputs["name"]),
        outputs=_cluster,
        defaults={
            "bootstrapSelfManagedAddons": True,
            "vpcConfig": {"endpointPrivateAccess": False, "endpointPublicAccess": True},
            "accessConfig": {"bootstrapClusterCreatorAdminPermissions": True},
        },
        replaces="name roleArn bootstrapSelfManagedAddons accessConfig.bootstrapClusterCreatorAdminPermissions "
        "kubernetesNetworkConfig.ipFamily kubernetesNetworkConfig.serviceIpv4Cidr outpostConfig",
        removal_replaces="encryptionConfig computeConfig.nodeRoleArn",
        unordered="enabledClusterLogTypes vpcConfig.subnetIds vpcConfig.securityGroupIds "
        "vpcConfig.publicAccessCidrs computeConfig.nodePools encryptionConfig.resources",
        computed="vpcConfig.vpcId vpcConfig.clusterSecurityGroupId vpcConfig.publicAccessCidrs",
        references=(
            references.subnet("vpcConfig.subnetIds", eks=True),
            references.security_group("vpcConfig.securityGroupIds", eks=True),
            references.role("roleArn"),
            references.key("encryptionConfig.provider.keyArn"),
        ),
        taken=("ResourceInUseException", "Cluster already exists with name: {value}"),
        in_use=("ResourceInUseException", "Cluster has nodegroups attached"),
        delete="eks.DeleteCluster",
        guard=_protected,
        provides={tokens.SECURITY_GROUP: "vpcConfig.clusterSecurityGroupId"},
    ),
    Kind(
        token=tokens.NODE_GROUP,
        label="EKS Node Group",
        calls=(
            Call(
                operation="eks.CreateNodegroup",
                fields="amiType capacityType clusterName diskSize instanceTypes labels launchTemplate "
                "nodeGroupName=nodegroupName nodeRepairConfig nodeRoleArn=nodeRole releaseVersion remoteAccess "
                "scalingConfig subnetIds=subnets taints updateConfig version warmPoolConfig",
                renamed={"remoteAccess.sourceSecurityGroupIds": "sourceSecurityGroups"},
                tags="map:tags",
            ),
        ),
        local="forceUpdateVersion nodeGroupNamePrefix",
        name=Name(property="nodeGroupName", prefix="nodeGroupNamePrefix"),
        kept="amiType capacityType diskSize instanceTypes nodeRepairConfig releaseVersion updateConfig version",
        identity=lambda making: f"{making.inputs['clusterName']}:{making.inputs['nodeGroupName']}",
        outputs=_node_group,
        replaces="amiType capacityType clusterName diskSize instanceTypes launchTemplate.id launchTemplate.name "
        "nodeGroupName nodeGroupNamePrefix nodeRoleArn remoteAccess subnetIds",
        unordered="subnetIds taints remoteAccess.sourceSecurityGroupIds",
        references=(
            references.cluster(),
            references.subnet("subnetIds", eks=True),
            references.role("nodeRoleArn"),
            references.security_group("remoteAccess.sourceSecurityGroupIds", eks=True),
            _template_reference("id"),
            _template_reference("name"),
        ),
        taken=(
            "ResourceInUseException",
            "NodeGroup already exists with name {nodeGroupName} and cluster name {clusterName}",
        ),
        delete="eks.DeleteNodegroup",
    ),
    Kind(
        token="aws:eks/addon:Addon",
        label="EKS Add-On",
        calls=(
            Call(
                operation="eks.CreateAddon",
                fields="addonName addonVersion clusterName configurationValues namespaceConfig "
                "podIdentityAssociations resolveConflictsOnCreate=resolveConflicts serviceAccountRoleArn",
                tags="map:tags",
            ),
        ),
        local="preserve resolveConflictsOnUpdate",
        kept="addonVersion configurationValues namespaceConfig",
        identity=lambda making: f"{making.inputs['clusterName']}:{making.inputs['addonName']}",
        outputs=_addon,
        replaces="addonName clusterName namespaceConfig",
        unordered="podIdentityAssociations",
        documents="configurationValues",
        references=(
            references.cluster(),
            references.role("serviceAccountRoleArn"),
            references.role("podIdentityAssociations.roleArn"),
        ),
        taken=("ResourceInUseException", "Addon already exists."),
        delete="eks.DeleteAddon",
    ),
    Kind(
        token=tokens.ACCESS_ENTRY,
        label="EKS Access Entry",
        calls=(
            Call(
                operation="eks.CreateAccessEntry",
                fields="clusterName kubernetesGroups principalArn type userName=username",
                tags="map:tags",
            ),
        ),
        kept="kubernetesGroups userName",
        identity=lambda making: f"{making.inputs['clusterName']}:{making.inputs['principalArn']}",
        outputs=_access_entry,
        defaults={"type": "STANDARD"},
        replaces="clusterName principalArn type",
        unordered="kubernetesGroups",
        references=(references.cluster(),),
        taken=("ResourceInUseException", "The specified access entry resource is already in use on this cluster."),
        delete="eks.DeleteAccessEntry",
    ),
    Kind(
        token="aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        label="EKS Access Policy Association",
        calls=(Call(operation="eks.AssociateAccessPolicy", fields="accessScope clusterName policyArn principalArn"),),
        identity=lambda making: "#".join(
            str(making.inputs[key]) for key in ("clusterName", "principalArn", "policyArn")
        ),
        outputs=lambda _: {"associatedAt": CREATED, "modifiedAt": CREATED},
        replaces="accessScope clusterName policyArn principalArn",
        references=(
            references.cluster(),
            Reference(
                path="principalArn",
                to=tokens.ACCESS_ENTRY,
                by="principalArn",
                holds=False,
                message="The specified principalArn could not be found. You can view your available access entries "
                "with 'list-access-entries'.",
            ),
        ),
        delete="eks.DisassociateAccessPolicy",
    ),
    Kind(
        token="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        label="EKS Pod Identity Association",
        calls=(
            Call(
                operation="eks.CreatePodIdentityAssociation",
                fields="clusterName disableSessionTags namespace policy roleArn serviceAccount targetRoleArn",
                tags="map:tags",
            ),
        ),
        kept="disableSessionTags",
        identity=lambda making: f"a-{making.digits('association', 17)}",
        outputs=lambda making: {
            "associationArn": making.arn(
                "eks", f"podidentityassociation/{making.inputs['clusterName']}/{making.identifier}"
            ),
            "associationId": making.identifier,
            "disableSessionTags": bool(making.inputs.get("disableSessionTags")),
            "externalId": f"{making.region}/{making.account}/{making.inputs['clusterName']}/{making.identifier}",
        },
        replaces="clusterName namespace serviceAccount",
        references=(references.cluster(), references.role("roleArn")),
        delete="eks.DeletePodIdentityAssociation",
    ),
)
