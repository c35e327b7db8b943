"""Send one message to a WebSocket server, print the answer, and quit.

python examples/echoclient.py ws://localhost:8080/echo "Hello, world!"
"""

import sys

from PySide6.QtCore import QCoreApplication, QObject, QTimer, QUrl

from pyqwebsocket.QtWebSockets import QWebSocket

TIMEOUT = 10_000  # ms


class EchoClient(QObject):
    """Says one thing and waits for the answer."""

    def __init__(self, url: QUrl, message: str) -> None:
        super().__init__()
        self._url = url
        self._message = message
        self._socket = QWebSocket(parent=self)
        self._socket.connected.connect(self._on_connected)
        self._socket.textMessageReceived.connect(self._on_answer)
        self._socket.errorOccurred.connect(self._on_error)
        self._socket.disconnected.connect(self._on_disconnected)
        self._is_answered = False

    def start(self) -> None:
        """Connect to the server; what happens then ends the program."""
        QTimer.singleShot(TIMEOUT, self._on_error)
        self._socket.open(self._url)

    def _on_connected(self) -> None:
        print(f"connected to {self._socket.requestUrl().toDisplayString()}")
        self._socket.sendTextMessage(self._message)

    def _on_answer(self, answer: str) -> None:
        print(f"received: {answer}")
        self._is_answered = True
        self._socket.close()

    def _on_error(self) -> None:
        print(f"error: {self._socket.errorString() or 'no answer'}", file=sys.stderr)
        QCoreApplication.exit(1)

    def _on_disconnected(self) -> None:
        if self._is_answered:
            print(f"closed with code {self._socket.closeCode().value}")
        QCoreApplication.exit(0 if self._is_answered else 1)


if __name__ == "__main__":
    if not sys.argv[2:]:
        sys.exit(f"usage: {sys.argv[0]} URL MESSAGE")
    application = QCoreApplication(sys.argv)
    client = EchoClient(QUrl(sys.argv[1]), sys.argv[2])
    QTimer.singleShot(0, client.start)
    sys.exit(application.exec())
