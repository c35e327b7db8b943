"""Send each client back whatever it says.

    python examples/echoserver.py 8080

``python examples/echoclient.py ws://localhost:8080 hello`` is a client for it.
"""

import sys

from PySide6.QtCore import QByteArray, QCoreApplication, QObject
from PySide6.QtNetwork import QHostAddress

from pyqwebsocket.QtWebSockets import QWebSocket, QWebSocketServer


class EchoServer(QObject):
    """Listens on this machine only, and echoes text and binary messages."""

    def __init__(self) -> None:
        super().__init__()
        self._server = QWebSocketServer("Echo Server", QWebSocketServer.SslMode.NonSecureMode, self)
        self._server.newConnection.connect(self._on_new_connection)

    def listen(self, port: int) -> bool:
        """Begin to listen, and say so."""
        if not self._server.listen(QHostAddress.SpecialAddress.LocalHost, port):
            print(f"error: {self._server.errorString()}", file=sys.stderr)
            return False
        print(f"listening on {self._server.serverUrl().toString()}", flush=True)
        return True

    def _on_new_connection(self) -> None:
        # The server keeps the socket as long as it is connected.
        client = self._server.nextPendingConnection()
        client.textMessageReceived.connect(self._on_text)
        client.binaryMessageReceived.connect(self._on_binary)
        client.disconnected.connect(self._on_disconnected)
        print(f"connected: port {client.peerPort()}", flush=True)

    def _client(self) -> QWebSocket:
        """The client whose signal is being handled."""
        return self.sender()

    def _on_text(self, text: str) -> None:
        self._client().sendTextMessage(text)

    def _on_binary(self, data: QByteArray) -> None:
        self._client().sendBinaryMessage(data)

    def _on_disconnected(self) -> None:
        client = self._client()
        print(f"disconnected with code {client.closeCode().value}", flush=True)
        client.deleteLater()


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(f"usage: {sys.argv[0]} PORT")
    application = QCoreApplication(sys.argv)
    server = EchoServer()
    sys.exit(application.exec() if server.listen(int(sys.argv[1])) else 1)
