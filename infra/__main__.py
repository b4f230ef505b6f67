"""The reference program: a stack's configuration becomes a platform."""

from typing import cast

import pulumi
import tenbin

# The components parse the configuration and name every problem in it.
platform = tenbin.Platform("platform", cast("tenbin.PlatformArgs", tenbin.stack_configuration()))

pulumi.export("gateway_url", platform.gateway_url)
pulumi.export("planner_url", platform.planner_url)
pulumi.export("namespace", platform.namespace)
pulumi.export("hourly_usd", platform.hourly_usd)
pulumi.export("cost", platform.cost)
pulumi.export("slo", platform.slo)
pulumi.export("findings", platform.findings)
