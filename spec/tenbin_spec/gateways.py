"""The way in: the proxy in front of the engines, who reaches it, and how clients say who they are."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from tenbin_spec.engines import Image
from tenbin_spec.networks import Cidr, is_not_everywhere
from tenbin_spec.quantities import Frozen, Text

SecretName = Annotated[str, Text("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "the name of a Secret", "gateway-tls")]
"""Name of an existing Kubernetes Secret in the stack's namespace; what is in it never enters the configuration."""

CertificateArn = Annotated[
    str,
    Text(
        r"arn:aws(-us-gov)?:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]{1,64}",
        "the ARN of a certificate",
        "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
"""A certificate of AWS Certificate Manager."""

ClientName = Annotated[
    str,
    Text("[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", "a client's name, which is a key of the Secret", "team-a"),
]
"""Name of a client: the key of a Secret under which its API key lies, and its tenant in the access log."""


class Certificate(Frozen):
    """What the gateway proves itself with, one of the two."""

    secret: SecretName | None = None
    """Secret of type `kubernetes.io/tls`: the gateway itself ends TLS, and takes a renewed one without a restart."""
    acm: CertificateArn | None = None
    """Certificate of AWS Certificate Manager: the load balancer ends TLS."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.secret is None) == (self.acm is None):
            given = "both" if self.secret else "neither"
            raise ValueError(f"names {given} of secret and acm. Allowed: one of them")
        return self


class ApiKeys(Frozen):
    """API keys, sent as `Authorization: Bearer <key>`."""

    secret: SecretName
    """Secret with one API key under each client's name; a changed one counts within seconds."""
    clients: Annotated[tuple[ClientName, ...], Field(min_length=1, max_length=1000)]
    """Clients that are let in; the name becomes the request's tenant."""

    @field_validator("clients")
    @classmethod
    def _are_named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({name for name in value if value.count(name) > 1})
        if repeated:
            raise ValueError(f"names a client more than once: {', '.join(repeated)}")
        return value


class Clients(Frozen):
    """How clients from outside the cluster say who they are: by certificate, by API key, or by both."""

    api_keys: ApiKeys | None = None
    authority_secret: SecretName | None = None
    """Secret whose key `ca.crt` holds the authorities that clients' certificates must come from (mutual TLS)."""

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        if self.api_keys is None and self.authority_secret is None:
            raise ValueError("says nothing. Allowed: api_keys, authority_secret or both")
        return self


class Gateway(Frozen):
    """The proxy in front of the engines, and the picker that tells it their addresses."""

    image: Image = "envoyproxy/envoy:v1.40.0"
    picker_image: Image = "tenbin/picker:0.1.0"
    replicas: Annotated[int, Field(strict=True, ge=1, le=100)] = 1
    exposure: Literal["cluster", "internal", "public"] = "cluster"
    """`cluster`: reachable inside the cluster only. `internal`: by a load balancer inside the network as well.
    `public`: by one that faces the internet."""
    certificate: Certificate | None = None
    """What the way in from outside the cluster proves itself with; there is no such way without TLS."""
    allowed_cidrs: tuple[Annotated[Cidr, AfterValidator(is_not_everywhere)], ...] = ()
    """Ranges that the load balancer takes connections from; an internal one from its own network when empty."""
    clients: Clients | None = None
    """How clients from outside the cluster say who they are."""
    load_balancer_class: (
        Annotated[str, Text(r"[a-z0-9.-]{1,120}/[A-Za-z0-9._-]{1,63}", "a class", "service.k8s.aws/nlb")] | None
    ) = None
    """Controller that makes the load balancer; Auto Mode's own there, else that of EKS itself, when absent."""

    @property
    def is_exposed(self) -> bool:
        """Whether it is reached from outside the cluster."""
        return self.exposure != "cluster"

    @model_validator(mode="after")
    def _is_exposed_with_care(self) -> Self:
        if not self.is_exposed:
            given = [name for name in _OF_THE_WAY_IN if getattr(self, name)]
            if given:
                raise ValueError(
                    f"{', '.join(given)}: not used by exposure 'cluster'. Allowed with 'internal' or 'public'"
                )
            return self
        needed = ("certificate", "allowed_cidrs", "clients") if self.exposure == "public" else ("certificate",)
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"exposure {self.exposure!r} needs {', '.join(missing)}, which nobody wrote")
        if self.clients and self.clients.authority_secret and self.certificate and self.certificate.secret is None:
            raise ValueError(
                "clients.authority_secret needs TLS up to the gateway, but with certificate.acm it ends at the load"
                " balancer. Allowed: certificate.secret, or clients.api_keys alone"
            )
        return self


_OF_THE_WAY_IN = ("certificate", "allowed_cidrs", "clients", "load_balancer_class")
