"""Echo over TLS, with a certificate made for this run (``pip install cryptography``).

    python examples/sslechoserver.py 8443 certificate.pem

The certificate is written to that file, so that clients can trust it and nothing else:
``python examples/sslechoclient.py wss://localhost:8443 certificate.pem``
"""

import datetime as dt
import ipaddress
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PySide6.QtCore import QByteArray, QCoreApplication, QObject
from PySide6.QtNetwork import QHostAddress, QSsl, QSslCertificate, QSslConfiguration, QSslKey

from pyqwebsocket.QtWebSockets import QWebSocketServer


def make_certificate() -> tuple[bytes, bytes]:
    """Return a certificate for this machine that is good for a day, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem


class SslEchoServer(QObject):
    """Listens on this machine only, and echoes text and binary messages."""

    def __init__(self, certificate: QSslCertificate, key: QSslKey) -> None:
        super().__init__()
        mode = QWebSocketServer.SslMode.SecureMode
        self._server = QWebSocketServer("SSL Echo Server", mode, self)
        configuration = QSslConfiguration.defaultConfiguration()
        configuration.setLocalCertificate(certificate)
        configuration.setPrivateKey(key)
        self._server.setSslConfiguration(configuration)
        self._server.newConnection.connect(self._on_new_connection)
        self._server.handshakeInterruptedOnError.connect(self._on_handshake_error)

    def listen(self, port: int) -> bool:
        """Begin to listen, and say so."""
        if not self._server.listen(QHostAddress.SpecialAddress.LocalHost, port):
            print(f"error: {self._server.errorString()}", file=sys.stderr)
            return False
        print(f"listening on {self._server.serverUrl().toString()}", flush=True)
        return True

    def _on_new_connection(self) -> None:
        client = self._server.nextPendingConnection()
        client.textMessageReceived.connect(self._on_text)
        client.binaryMessageReceived.connect(self._on_binary)
        client.disconnected.connect(client.deleteLater)
        print(f"connected with {client.sslConfiguration().sessionCipher().name()}", flush=True)

    def _on_text(self, text: str) -> None:
        self.sender().sendTextMessage(text)

    def _on_binary(self, data: QByteArray) -> None:
        self.sender().sendBinaryMessage(data)

    def _on_handshake_error(self, error: object) -> None:
        print(f"no TLS: {error.errorString()}", file=sys.stderr)


if __name__ == "__main__":
    if not sys.argv[2:]:
        sys.exit(f"usage: {sys.argv[0]} PORT CERTIFICATE_FILE")
    certificate_pem, key_pem = make_certificate()
    Path(sys.argv[2]).write_bytes(certificate_pem)
    application = QCoreApplication(sys.argv)
    key = QSslKey(QByteArray(key_pem), QSsl.KeyAlgorithm.Ec)
    server = SslEchoServer(QSslCertificate(QByteArray(certificate_pem)), key)
    sys.exit(application.exec() if server.listen(int(sys.argv[1])) else 1)
