"""A chat: whatever one client says, all of them hear.

    python examples/chatserver.py 8080

``python examples/chatwindow.py ws://localhost:8080`` is a client for it; start two.
"""

import sys

from PySide6.QtCore import QCoreApplication, QObject
from PySide6.QtNetwork import QHostAddress

from pyqwebsocket.QtWebSockets import QWebSocket, QWebSocketServer

MAX_LENGTH = 4096  # bytes of one message; a client that says more is disconnected


class ChatServer(QObject):
    """Passes each message on, with the number of the client that said it in front."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[QWebSocket, int] = {}
        self._count = 0
        self._server = QWebSocketServer("Chat Server", QWebSocketServer.SslMode.NonSecureMode, self)
        self._server.newConnection.connect(self._on_new_connection)

    def listen(self, port: int) -> bool:
        """Begin to listen, and say so."""
        if not self._server.listen(QHostAddress.SpecialAddress.LocalHost, port):
            print(f"error: {self._server.errorString()}", file=sys.stderr)
            return False
        print(f"listening on {self._server.serverUrl().toString()}", flush=True)
        return True

    def _on_new_connection(self) -> None:
        client = self._server.nextPendingConnection()
        client.setMaxAllowedIncomingMessageSize(MAX_LENGTH)
        client.textMessageReceived.connect(self._on_message)
        client.disconnected.connect(self._on_disconnected)
        self._count += 1
        self._clients[client] = self._count
        self._tell_all(f"* guest {self._count} has come")

    def _on_message(self, message: str) -> None:
        self._tell_all(f"guest {self._clients[self.sender()]}: {message}")

    def _on_disconnected(self) -> None:
        client = self.sender()
        number = self._clients.pop(client)
        client.deleteLater()
        self._tell_all(f"* guest {number} has gone")

    def _tell_all(self, message: str) -> None:
        # self._server.broadcastTextMessage(message) does the same and encodes the message once;
        # Qt's own module does not have it.
        for client in list(self._clients):
            client.sendTextMessage(message)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(f"usage: {sys.argv[0]} PORT")
    application = QCoreApplication(sys.argv)
    server = ChatServer()
    sys.exit(application.exec() if server.listen(int(sys.argv[1])) else 1)
