"""Keys and certificates of the control plane: one authority per environment, made once.

Names follow what Kubernetes' RBAC expects (https://kubernetes.io/docs/setup/best-practices/certificates/): the common
name is the user, the organisation the group.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenbin_local.environment.files import write_atomically
from tenbin_local.environment.identity import Identity

_LIFETIME = timedelta(days=3650)
_KEY_MODE = 0o600

AGENT_USER = "tenbin-node-agent"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Pki:
    """All certificates of an environment."""

    folder: Path

    @property
    def authority(self) -> Pair:
        """What signed all others."""
        return self.pair("ca")

    @property
    def service_accounts(self) -> Pair:
        """Key pair that signs and verifies service account tokens; `certificate` is the bare public key."""
        return Pair(certificate=self.folder / "service-accounts.pub", key=self.folder / "service-accounts.key")

    @property
    def front_proxy(self) -> Pair:
        """Authority of API extensions' proxies: there are none, but other parts wait until one is named."""
        return self.pair("front-proxy-ca")

    def pair(self, name: str) -> Pair:
        """Return the files of a certificate by name."""
        return Pair(certificate=self.folder / f"{name}.crt", key=self.folder / f"{name}.key")


CLIENTS = {
    "admin": ("tenbin-admin", "system:masters"),
    "kube-apiserver-etcd": ("kube-apiserver-etcd-client", None),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "agent": (AGENT_USER, None),
}
"""Client certificates: name of the file to user and group."""

SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager-serving", "kube-scheduler-serving")


def ensure(folder: Path, identity: Identity) -> Pki:
    """Make the keys and certificates that are not there yet."""
    pki = Pki(folder=folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    wanted = [pki.pair(name) for name in (*CLIENTS, *SERVERS)] + [pki.authority, pki.front_proxy, pki.service_accounts]
    if all(pair.key.exists() and pair.certificate.exists() for pair in wanted):
        return pki
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(key, identity.name)
    _write(pki.authority, key, authority)
    front_proxy_key = ec.generate_private_key(ec.SECP256R1())
    _write(pki.front_proxy, front_proxy_key, _authority(front_proxy_key, f"{identity.name} front proxy"))
    addresses = (identity.address, identity.first_service_address)
    for name, (user, group) in CLIENTS.items():
        _issue(pki.pair(name), _subject(user, group), (), authority, key)
    for name in SERVERS:
        _issue(pki.pair(name), _subject(name, None), addresses, authority, key)
    signing = ec.generate_private_key(ec.SECP256R1())
    public = signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_atomically(pki.service_accounts.key, _pem(signing), _KEY_MODE)
    write_atomically(pki.service_accounts.certificate, public)
    return pki


def _subject(user: str, group: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _authority(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    subject = _subject(f"tenbin local environment {name}", None)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _issue(
    pair: Pair,
    subject: x509.Name,
    addresses: Sequence[str],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(subject, authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if addresses:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        names += [x509.DNSName(name) for name in ("localhost", "kubernetes", "kubernetes.default.svc")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    _write(pair, key, builder.sign(authority_key, hashes.SHA256()))


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(pair: Pair, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    write_atomically(pair.key, _pem(key), _KEY_MODE)
    write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
