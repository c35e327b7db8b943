"""A private certificate authority, and certificates that it signed, as files for real programs."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, each in a PEM file."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """What one TLS test needs: the authority, a server, a client, and a client nobody trusts."""

    ca: Path
    server: Certificate
    client: Certificate
    stranger: Certificate


def make_certificates(directory: Path) -> Certificates:
    """Write a new authority and its certificates into *directory*.

    The server's certificate is for ``localhost``, ``127.0.0.1``, ``::1`` and names under
    ``interop.test``, a domain that never exists (RFC 6761).
    """
    authority = trustme.CA(organization_name="pyqwebsocket tests")
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    server = authority.issue_cert("localhost", "127.0.0.1", "::1", "*.interop.test")
    client = authority.issue_cert("client@interop.test")
    stranger = trustme.CA(organization_name="somebody else").issue_cert("stranger@interop.test")
    return Certificates(
        ca=ca_file,
        server=_write(server, directory, "server"),
        client=_write(client, directory, "client"),
        stranger=_write(stranger, directory, "stranger"),
    )


def _write(leaf: trustme.LeafCert, directory: Path, name: str) -> Certificate:
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.unlink(missing_ok=True)
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    leaf.private_key_pem.write_to_path(key)
    return Certificate(certificate, key)
