"""Model services from the agreement in stacks/Pulumi.<stack>.yaml, on a cluster that exists."""

import pulumi
import tenbin

agreement = tenbin.stack_configuration()
# The answer to `pulumi new` stands for the context in the stack file, for as long as it is configured.
if context := pulumi.Config().get("context"):
    agreement.setdefault("cluster", {})["context"] = context

platform = tenbin.Platform("platform", agreement)

pulumi.export("gateway_url", platform.gateway_url)
pulumi.export("hourly_usd", platform.hourly_usd)
pulumi.export("slo", platform.slo)
pulumi.export("findings", platform.findings)
