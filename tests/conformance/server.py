"""A program written for Qt's QWebSocketServer that echoes what a fuzzing client sends.

``python -m conformance.server AGENT`` (in ``tests/``), on the module that
PYQWEBSOCKET_TEST_MODULE names. It prints ``PORT <number>`` when it serves, and serves until it is
ended; it ends by itself with 1 where it cannot listen, and with 2 at an exception in a slot.
"""

import sys
from functools import partial
from types import TracebackType

from PySide6.QtCore import QByteArray, QCoreApplication, QObject, Slot
from PySide6.QtNetwork import QHostAddress

from support.qtmodule import QWebSocketServer


class ConformanceServer(QObject):
    """Echoes each message to the socket that it came from."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._server = QWebSocketServer(name, QWebSocketServer.SslMode.NonSecureMode, self)
        self._server.newConnection.connect(self._on_new_connection)

    def listen(self) -> int:
        """Listen on a free port of this machine and return it; 0 where that fails."""
        self._server.listen(QHostAddress(QHostAddress.SpecialAddress.LocalHost))
        return self._server.serverPort()

    def error(self) -> str:
        """Return why the server does not listen."""
        return self._server.errorString()

    @Slot()
    def _on_new_connection(self) -> None:
        while self._server.hasPendingConnections():
            socket = self._server.nextPendingConnection()
            socket.textMessageReceived.connect(self._on_text)
            socket.binaryMessageReceived.connect(self._on_binary)
            socket.disconnected.connect(socket.deleteLater)

    @Slot(str)
    def _on_text(self, message: str) -> None:
        self.sender().sendTextMessage(message)

    @Slot(QByteArray)
    def _on_binary(self, message: QByteArray) -> None:
        self.sender().sendBinaryMessage(message)


def main(agent: str) -> int:
    """Serve until this process is ended."""
    app = QCoreApplication(sys.argv)
    sys.excepthook = partial(_give_up, app)
    server = ConformanceServer(agent)
    port = server.listen()
    if not port:
        print(server.error(), file=sys.stderr)
        return 1
    print(f"PORT {port}", flush=True)
    return app.exec()


def _give_up(
    app: QCoreApplication,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    """An exception in a slot, ours or the package's: say so, and serve no further case."""
    sys.__excepthook__(kind, error, traceback)
    app.exit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
