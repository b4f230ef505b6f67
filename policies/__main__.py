"""The policy pack, as `pulumi preview --policy-pack policies` starts it."""

from pulumi_policy import EnforcementLevel, PolicyPack
from tenbin_policies import pack

# The constructor serves until the engine ends it.
PolicyPack(pack.NAME, pack.policies(), EnforcementLevel.MANDATORY, description=pack.DESCRIPTION)
