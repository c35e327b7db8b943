"""Certificates of a private authority, and the contexts of servers that show them."""

import ssl
from functools import cache
from typing import Any

import trustme
from PySide6.QtCore import QByteArray
from PySide6.QtNetwork import QSsl, QSslCertificate, QSslConfiguration, QSslKey


@cache
def authority() -> trustme.CA:
    """The authority that the tests trust when they want to."""
    return trustme.CA()


@cache
def server_certificate(*names: str) -> trustme.LeafCert:
    """A certificate for these names."""
    return authority().issue_cert(*names)


def server_context(*names: str, ask_client: bool = False, highest: Any = None) -> ssl.SSLContext:
    """The context of a server with a certificate for these names (127.0.0.1 if none)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_certificate(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    if ask_client:
        context.verify_mode = ssl.CERT_REQUIRED
        authority().configure_trust(context)
    if highest is not None:
        context.maximum_version = highest
    return context


def certificate(pem: trustme.Blob) -> QSslCertificate:
    """Qt's form of a certificate."""
    return QSslCertificate(QByteArray(pem.bytes()))


def trusting() -> QSslConfiguration:
    """A configuration that trusts the authority."""
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setCaCertificates([certificate(authority().cert_pem)])
    return configuration


def with_client_certificate() -> QSslConfiguration:
    """A trusting configuration that shows a certificate itself."""
    leaf = authority().issue_cert("client@example.org")
    configuration = trusting()
    configuration.setLocalCertificateChain([certificate(blob) for blob in leaf.cert_chain_pems])
    key = QSslKey(QByteArray(leaf.private_key_pem.bytes()), key_algorithm(leaf))
    configuration.setPrivateKey(key)
    return configuration


def key_algorithm(leaf: trustme.LeafCert) -> QSsl.KeyAlgorithm:
    """Which kind of key trustme made."""
    is_ec = b"BEGIN EC" in leaf.private_key_pem.bytes()
    return QSsl.KeyAlgorithm.Ec if is_ec else QSsl.KeyAlgorithm.Rsa
