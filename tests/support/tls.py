"""Certificates for tests, and folders of files that change as the kubelet changes those of a Secret."""

from __future__ import annotations

import dataclasses
import datetime
import ssl
import tempfile
import uuid
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

_DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM."""

    chain: str
    key: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Authority:
    """Signs certificates."""

    name: x509.Name
    own_key: ec.EllipticCurvePrivateKey
    certificate: str

    @classmethod
    def make(cls, name: str) -> Self:
        """Make an authority with a key of its own."""
        own_key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        own = _certificate(subject, subject, own_key, own_key, is_authority=True)
        return cls(name=subject, own_key=own_key, certificate=own)

    def issue(self, name: str) -> Pair:
        """Return a certificate for a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = _certificate(_name(name), self.name, key, self.own_key, is_authority=False)
        return Pair(chain=chain, key=text.decode())

    def trusting(self, client: Pair | None = None) -> ssl.SSLContext:
        """Return what a client needs that trusts this authority alone, with a certificate of its own where given."""
        context = ssl.create_default_context(cadata=self.certificate)
        context.check_hostname = False
        if client is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(client.chain + client.key)
                file.flush()
                context.load_cert_chain(file.name)
        return context


def project(folder: pathlib.Path, files: Mapping[str, str]) -> None:
    """Put files into a folder at once: behind a link that is exchanged, as the kubelet does."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"..{uuid.uuid4().hex}"
    fresh.mkdir()
    for name, text in files.items():
        (fresh / name).write_text(text, encoding="utf-8")
    link, data = folder / "..data_tmp", folder / "..data"
    link.symlink_to(fresh.name)
    link.replace(data)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> str:
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        # Newer clients refuse authorities that do not say what their key is for.
        .add_extension(_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()
