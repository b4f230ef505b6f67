"""pulumi-resource-aws: a stand-in for the official AWS provider, for tests and first tries without an account.

Nothing is created in AWS and nothing is asked of it. The stand-in speaks the engine's provider protocol and keeps an
account of its own in files. What a program declares is translated to the API requests that AWS would get; each is
checked against botocore's model of the service, and then against rules of AWS that no model carries. Where it differs
from the official provider:

- It knows the resource types and functions in `kinds` and `functions`; any other is refused by name.
- Everything is ready at once; quotas, permissions and prices do not exist.
- A refusal comes in a preview already wherever the values are known, with the property's path.
- Ids, ARNs and times follow from the URN, so that the same program gives the same state.
- Only requests that create are checked; an update is checked as if the resource were created anew.
- Faults are asked for with TENBIN_AWS_FAULTS: see `faults`.

Reading order: `kind` (how a resource type is described), `requests`, `models`, `rules`, `resources` (what each
operation means), `provider` (the protocol).
"""
