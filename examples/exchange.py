"""Exchange messages between a client and two servers, and show each one with its time.

The first server is this package's own QWebSocketServer, in this process; the second is one that
somebody else wrote, on the ``websockets`` library (``pip install websockets``), in a process of its
own. The program ends with 0 only when every echo of both arrived as it was sent.

    python examples/exchange.py
"""

import sys
from collections import deque

from PySide6.QtCore import (
    QByteArray,
    QCoreApplication,
    QElapsedTimer,
    QObject,
    QProcess,
    QTimer,
    QUrl,
    Signal,
)
from PySide6.QtNetwork import QAbstractSocket, QHostAddress

from pyqwebsocket.QtWebSockets import QWebSocket, QWebSocketProtocol, QWebSocketServer

FOREIGN_SERVER = """
from websockets.sync.server import serve

def echo(connection):
    for message in connection:
        connection.send(message)

with serve(echo, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""

MESSAGES: list[str | bytes] = [
    "Hello, server!",
    "Umlauts, signs and pictures: äöü € \N{SNOWMAN} \N{GRINNING FACE}",
    "",
    bytes(range(16)),
    b"\0" * 65_536,
    "The end is near.",
]
TIMEOUT = 20_000  # ms for everything
SHOWN_BYTES = 16


def shown(message: str | bytes) -> str:
    """Return *message* in a form that fits into a line."""
    if isinstance(message, str):
        return f"text    {message!r}"
    dots = "..." if len(message) > SHOWN_BYTES else ""
    return f"binary  {message[:SHOWN_BYTES].hex(' ')}{dots} ({len(message)} bytes)"


class Exchange(QObject):
    """Sends all messages to an echo server, and compares what comes back."""

    finished = Signal(str)
    """The exchange is over; the text says what went wrong, or nothing."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._expected: deque[str | bytes] = deque(MESSAGES)
        self._is_ponged = False
        self._problem = ""
        self._clock = QElapsedTimer()
        self._socket = QWebSocket(parent=self)
        self._socket.connected.connect(self._on_connected)
        self._socket.textMessageReceived.connect(self._on_message)
        self._socket.binaryMessageReceived.connect(self._on_binary)
        self._socket.pong.connect(self._on_pong)
        self._socket.disconnected.connect(self._on_disconnected)
        self._socket.errorOccurred.connect(self._on_error)

    def start(self, url: QUrl) -> None:
        """Connect; the rest follows from the signals."""
        self._clock.start()
        self._say(f"     connecting to {url.toString()}")
        self._socket.open(url)

    def missing(self) -> int:
        """How many echoes have not come yet."""
        return len(self._expected)

    def _say(self, line: str) -> None:
        print(f"{self._clock.elapsed() / 1000:7.3f} s  {line}", flush=True)

    def _on_connected(self) -> None:
        self._say("     connected")
        for message in MESSAGES:
            self._say(f"-->  {shown(message)}")
            if isinstance(message, str):
                self._socket.sendTextMessage(message)
            else:
                self._socket.sendBinaryMessage(message)
        self._say("-->  ping    b'are you there?'")
        self._socket.ping(b"are you there?")

    def _on_binary(self, data: QByteArray) -> None:
        self._on_message(data.data())

    def _on_message(self, message: str | bytes) -> None:
        self._say(f"<--  {shown(message)}")
        if not self._expected or message != self._expected.popleft():
            self._problem = "an echo is not what was sent"
        self._close_when_complete()

    def _on_pong(self, elapsed: int, payload: QByteArray) -> None:
        self._say(f"<--  pong    {payload.data()!r} after {elapsed} ms")
        self._is_ponged = True
        self._close_when_complete()

    def _close_when_complete(self) -> None:
        if self._is_ponged and not self._expected:
            self._say("-->  close   1000")
            self._socket.close(QWebSocketProtocol.CloseCode.CloseCodeNormal, "that was all")

    def _on_disconnected(self) -> None:
        code, reason = self._socket.closeCode().value, self._socket.closeReason()
        self._say(f"     disconnected, close code {code}, reason {reason!r}")
        if self._expected or not self._is_ponged:
            self._problem = f"{len(self._expected)} echoes are missing"
        self.finished.emit(self._problem)

    def _on_error(self, error: QAbstractSocket.SocketError) -> None:
        self._say(f"     {error.name}: {self._socket.errorString()}")


class Demonstration(QObject):
    """Runs an exchange with our own server, then one with somebody else's."""

    def __init__(self) -> None:
        super().__init__()
        self._server = QWebSocketServer("exchange", QWebSocketServer.SslMode.NonSecureMode, self)
        self._server.newConnection.connect(self._on_new_connection)
        self._foreign_server = QProcess(self)
        self._foreign_server.readyReadStandardOutput.connect(self._on_foreign_server_ready)
        self._foreign_server.finished.connect(self._on_foreign_server_finished)
        self._exchange = Exchange(self)
        QTimer.singleShot(TIMEOUT, self._on_timeout)

    def start(self) -> None:
        """Begin with our own server."""
        if not self._server.listen(QHostAddress.SpecialAddress.LocalHost):
            self._end(f"cannot listen: {self._server.errorString()}")
            return
        print("With QWebSocketServer:")
        self._exchange.finished.connect(self._on_own_finished)
        self._exchange.start(self._server.serverUrl())

    def _on_new_connection(self) -> None:
        socket = self._server.nextPendingConnection()
        if socket is not None:  # the server keeps it until it is disconnected
            socket.textMessageReceived.connect(socket.sendTextMessage)
            socket.binaryMessageReceived.connect(socket.sendBinaryMessage)

    def _on_own_finished(self, problem: str) -> None:
        if problem:
            self._end(problem)
            return
        print("With a server on the websockets library:")
        self._foreign_server.start(sys.executable, ["-c", FOREIGN_SERVER])

    def _on_foreign_server_ready(self) -> None:
        if self._foreign_server.canReadLine():
            port = int(self._foreign_server.readLine().data())
            self._exchange = Exchange(self)
            self._exchange.finished.connect(self._end)
            self._exchange.start(QUrl(f"ws://127.0.0.1:{port}/"))

    def _on_foreign_server_finished(self) -> None:
        printed = self._foreign_server.readAllStandardError().data().decode(errors="replace")
        self._end(f"the server ended: {printed.strip() or 'without a word'}")

    def _on_timeout(self) -> None:
        missing = self._exchange.missing()
        self._end(f"not done within {TIMEOUT // 1000} s, {missing} echoes are missing")

    def _end(self, problem: str = "") -> None:
        """Stop the server and the program; *problem* says why it failed."""
        self._foreign_server.finished.disconnect()
        self._foreign_server.kill()
        self._foreign_server.waitForFinished()
        if problem:
            print(f"error: {problem}", file=sys.stderr)
        QCoreApplication.exit(1 if problem else 0)


def main() -> int:
    """Run the demonstration; return 0 if every echo arrived."""
    application = QCoreApplication(sys.argv)
    demonstration = Demonstration()
    QTimer.singleShot(0, demonstration.start)
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
