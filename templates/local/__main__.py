"""Model services from the agreement in stacks/Pulumi.<stack>.yaml, in the environment of `tenbin local up`."""

import pulumi
import tenbin

platform = tenbin.Platform("platform", tenbin.stack_configuration())

pulumi.export("gateway_url", platform.gateway_url)
pulumi.export("hourly_usd", platform.hourly_usd)
pulumi.export("slo", platform.slo)
pulumi.export("findings", platform.findings)
