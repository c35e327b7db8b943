"""Send one message over TLS to a server with a certificate of a private authority.

python examples/sslechoclient.py wss://localhost:8443/echo ca.pem
"""

import sys

from PySide6.QtCore import QCoreApplication, QObject, QTimer, QUrl
from PySide6.QtNetwork import QSslCertificate, QSslError

from pyqwebsocket.QtWebSockets import QWebSocket

TIMEOUT = 10_000  # ms


class SslEchoClient(QObject):
    """Says one thing to a server whose certificate it has checked."""

    def __init__(self, url: QUrl, authorities: list[QSslCertificate]) -> None:
        super().__init__()
        self._url = url
        self._socket = QWebSocket(parent=self)
        configuration = self._socket.sslConfiguration()
        configuration.setCaCertificates(authorities)
        self._socket.setSslConfiguration(configuration)
        self._socket.connected.connect(self._on_connected)
        self._socket.sslErrors.connect(self._on_ssl_errors)
        self._socket.errorOccurred.connect(self._on_error)
        self._socket.textMessageReceived.connect(self._on_answer)

    def start(self) -> None:
        """Connect to the server; its answer or an error ends the program."""
        QTimer.singleShot(TIMEOUT, self._on_error)
        self._socket.open(self._url)

    def _on_connected(self) -> None:
        print(f"connected with {self._socket.sslConfiguration().sessionCipher().name()}")
        self._socket.sendTextMessage("Hello, secure world!")

    def _on_answer(self, answer: str) -> None:
        print(f"received: {answer}")
        self._socket.disconnected.connect(QCoreApplication.quit)
        self._socket.close()

    def _on_ssl_errors(self, errors: list[QSslError]) -> None:
        print("not trusted:", *(error.errorString() for error in errors), file=sys.stderr)

    def _on_error(self) -> None:
        print(f"error: {self._socket.errorString() or 'no answer'}", file=sys.stderr)
        QCoreApplication.exit(1)


if __name__ == "__main__":
    if not sys.argv[2:]:
        sys.exit(f"usage: {sys.argv[0]} URL CA_FILE")
    application = QCoreApplication(sys.argv)
    client = SslEchoClient(QUrl(sys.argv[1]), QSslCertificate.fromPath(sys.argv[2]))
    QTimer.singleShot(0, client.start)
    sys.exit(application.exec())
