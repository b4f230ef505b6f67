"""How a resource type is described: which requests its inputs turn into, what it needs, what it gives.

Paths of inputs are written as Pulumi does, `vpcConfig.subnetIds`, without the indexes of lists: a description holds for
every element. Paths of requests are written as botocore does, with `[0]` or `[]` for lists.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

THIS = "this"
"""Stands in a request for what the resource's own creation gives, for example its id."""

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One API request that a resource's inputs turn into."""

    operation: str
    """Service and operation as botocore names them: `ec2.CreateVpc`."""
    fields: str = ""
    """Inputs that it carries, with their place where the API does not call them the same: `vpcId tenancy=Tenancy`."""
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Places of inputs below those, relative to what they lie in; "" where the API has no such member.

    `Names[].Name` makes an object of each element of a list, `Names[Kind=A].Name` one that says its kind as well.
    """
    given: Values = dataclasses.field(default_factory=dict)
    """What every such request says, by its path."""
    tags: str = ""
    """How tags are carried: `map:tags`, `list:Tags`, `kms:Tags`, or `spec:<resource type>` for EC2."""
    when: str = ""
    """Input without which the request is not sent."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """Something else that must exist: an input that names it."""

    path: str
    to: str
    """Type token of what is named."""
    by: str = "id"
    """Property by which it is named."""
    code: str = "ResourceNotFoundException"
    message: str = "{value} does not exist"
    """What AWS answers where it does not exist."""
    holds: bool = True
    """Whether what is named cannot be deleted before this resource."""
    foreign: str = ""
    """Pattern of names that lie outside the account, and are taken as right."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Name:
    """The property that holds a resource's name, made up where the program gives none."""

    property: str = "name"
    prefix: str = ""
    """Property by which a program may give the beginning of the name only; "" where there is none."""
    suffix: str = ""
    """What every made-up name ends in."""


class Finder(Protocol):
    """Looks up what the account has."""

    def __call__(self, token: str, value: str, by: str = "id") -> Values | None:
        """The outputs of the resource of a type whose property has a value, None where there is none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Making:
    """What identity and outputs of a resource follow from."""

    inputs: Values
    """With the defaults."""
    seed: str
    """Text that is another one for every resource ever made."""
    region: str
    account: str
    partition: str
    find: Finder
    identifier: str = ""
    """The resource's id, once it has one."""
    previous: Values = dataclasses.field(default_factory=dict)
    """Outputs before an update, empty at creation."""
    settings: Values = dataclasses.field(default_factory=dict)
    """What the environment says: see `settings`."""

    def digits(self, salt: str, count: int) -> str:
        """Hexadecimal digits that are the resource's own."""
        return hashlib.sha256(f"{self.seed}/{salt}".encode()).hexdigest()[:count]

    def ec2_id(self, prefix: str) -> str:
        """An id as EC2 makes them: `vpc-0a1b…`."""
        return f"{prefix}-0{self.digits(prefix, 16)}"

    def uuid(self, salt: str) -> str:
        """A UUID."""
        text = self.digits(salt, 32)
        return "-".join((text[:8], text[8:12], f"4{text[13:16]}", f"a{text[17:20]}", text[20:]))

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """The ARN of a resource in this account."""
        return f"arn:{self.partition}:{service}:{self.region if regional else ''}:{self.account}:{resource}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A resource type."""

    token: str
    label: str
    """What the official provider calls it in its messages: `EKS Cluster`."""
    calls: tuple[Call, ...]
    identity: Callable[[Making], str]
    outputs: Callable[[Making], dict[str, Any]]
    """What AWS adds to the inputs; may replace them."""
    name: Name | None = None
    local: str = ""
    """Inputs that only the provider acts upon, space-separated."""
    replaces: str = ""
    """Paths whose change makes AWS need a new resource, space-separated."""
    removal_replaces: str = ""
    """Paths whose removal, but no other change, does."""
    delete_before_replace: bool = False
    unordered: str = ""
    """Paths of lists whose order means nothing, space-separated."""
    documents: str = ""
    """Paths of JSON documents, compared by what they say."""
    defaults: Values = dataclasses.field(default_factory=dict)
    kept: str = ""
    """Inputs that AWS gives a value of its own where the program has none, and that keep it; space-separated."""
    computed: str = ""
    """Paths within inputs that AWS fills in, unknown in the preview of a creation; space-separated."""
    changing: str = ""
    """Outputs that any update changes."""
    references: tuple[Reference, ...] = ()
    taken: tuple[str, str] = ("ResourceAlreadyExistsException", "{value} already exists")
    """Code and message where the id is taken."""
    in_use: tuple[str, str] = ("DependencyViolation", "{value} has dependencies and cannot be deleted.")
    """Code and message of a deletion while something holds it."""
    delete: str = ""
    """Operation that deletes it."""
    guard: Callable[[Values], str] | None = None
    """Why AWS refuses to delete a resource with these outputs; "" where it does not."""
    provides: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Outputs that name what AWS makes along with it, by type token."""
    regional: bool = True

    @property
    def taggable(self) -> bool:
        """Whether it carries tags."""
        return any(call.tags for call in self.calls)

    def paths(self, what: str) -> frozenset[str]:
        """A space-separated field as a set."""
        return frozenset(getattr(self, what).split())


def canonical(value: Any) -> str:
    """A text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, default=str)
