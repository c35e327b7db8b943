"""Several server processes on one port: the operating system gives each a share of the clients.

    python examples/sharedport.py 8080

Start it as often as the machine has cores. Each client is told which process it has met. Python
makes the listening socket, with SO_REUSEPORT (Linux, BSD, macOS; only Linux shares evenly), and
hands its descriptor to the server.
"""

import os
import socket
import sys

from PySide6.QtCore import QCoreApplication, QObject

from pyqwebsocket.QtWebSockets import QWebSocketServer

BACKLOG = 128  # clients that may wait to be accepted


def listening_descriptor(port: int) -> int:
    """Return the descriptor of a listening socket whose port others may share."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener.detach()  # from here on it belongs to whoever has the number


class SharingServer(QObject):
    """Tells each client the number of this process, and echoes what it says."""

    def __init__(self) -> None:
        super().__init__()
        mode = QWebSocketServer.SslMode.NonSecureMode
        self._server = QWebSocketServer("Sharing Server", mode, self)
        self._server.newConnection.connect(self._on_new_connection)

    def listen(self, port: int) -> bool:
        """Begin to listen, and say so."""
        try:
            descriptor = listening_descriptor(port)
        except OSError as error:
            print(f"error: {error}", file=sys.stderr)
            return False
        if not self._server.setSocketDescriptor(descriptor):
            print(f"error: {self._server.errorString()}", file=sys.stderr)
            return False
        url = self._server.serverUrl().toString()
        print(f"process {os.getpid()} listening on {url}", flush=True)
        return True

    def _on_new_connection(self) -> None:
        client = self._server.nextPendingConnection()
        client.textMessageReceived.connect(self._on_text)
        client.disconnected.connect(client.deleteLater)
        client.sendTextMessage(f"process {os.getpid()}")

    def _on_text(self, text: str) -> None:
        self.sender().sendTextMessage(text)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(f"usage: {sys.argv[0]} PORT")
    application = QCoreApplication(sys.argv)
    server = SharingServer()
    sys.exit(application.exec() if server.listen(int(sys.argv[1])) else 1)
