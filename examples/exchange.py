"""Exchange messages with a server that somebody else wrote, and show each one with its time.

The server is an echo server on the ``websockets`` library (``pip install websockets``), started
here in a process of its own. The program ends with 0 only when every echo arrived as it was sent.

    python examples/exchange.py
"""

import sys
from collections import deque

from PySide6.QtCore import QByteArray, QCoreApplication, QElapsedTimer, QObject, QProcess, QTimer
from PySide6.QtNetwork import QAbstractSocket

from pyqwebsocket.QtWebSockets import QWebSocket, QWebSocketProtocol

ECHO_SERVER = """
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
    """Starts the server, sends all messages, and compares what comes back."""

    def __init__(self) -> None:
        super().__init__()
        self._expected: deque[str | bytes] = deque(MESSAGES)
        self._is_ponged = False
        self._is_ended = False
        self._clock = QElapsedTimer()
        self._clock.start()
        self._server = QProcess(self)
        self._server.readyReadStandardOutput.connect(self._on_server_ready)
        self._server.finished.connect(self._on_server_finished)
        self._socket = QWebSocket(parent=self)
        self._socket.connected.connect(self._on_connected)
        self._socket.textMessageReceived.connect(self._on_text)
        self._socket.binaryMessageReceived.connect(self._on_binary)
        self._socket.pong.connect(self._on_pong)
        self._socket.disconnected.connect(self._on_disconnected)
        self._socket.errorOccurred.connect(self._on_error)
        QTimer.singleShot(TIMEOUT, self._on_timeout)

    def start(self) -> None:
        """Start the server; the rest follows from its port."""
        self._server.start(sys.executable, ["-c", ECHO_SERVER])

    def _say(self, line: str) -> None:
        print(f"{self._clock.elapsed() / 1000:7.3f} s  {line}", flush=True)

    def _end(self, problem: str = "") -> None:
        """Stop the server and the program; *problem* says why it failed."""
        if self._is_ended:
            return
        self._is_ended = True
        self._server.kill()
        self._server.waitForFinished()
        if problem:
            print(f"error: {problem}", file=sys.stderr)
        QCoreApplication.exit(1 if problem else 0)

    def _on_server_ready(self) -> None:
        if not self._server.canReadLine():
            return
        port = int(self._server.readLine().data())
        url = f"ws://127.0.0.1:{port}/"
        self._say(f"     connecting to {url}")
        self._socket.open(url)

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

    def _on_text(self, text: str) -> None:
        self._on_message(text)

    def _on_binary(self, data: QByteArray) -> None:
        self._on_message(data.data())

    def _on_message(self, message: str | bytes) -> None:
        self._say(f"<--  {shown(message)}")
        if not self._expected or message != self._expected.popleft():
            self._end("this is not what was sent")
            return
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
        missing = len(self._expected)
        self._end(f"{missing} echoes are missing" if missing or not self._is_ponged else "")

    def _on_error(self, error: QAbstractSocket.SocketError) -> None:
        self._say(f"     {error.name}: {self._socket.errorString()}")

    def _on_server_finished(self) -> None:
        """Report that the server ended by itself; after the end this does nothing."""
        printed = self._server.readAllStandardError().data().decode(errors="replace").strip()
        self._end(f"the server ended: {printed or 'without a word'}")

    def _on_timeout(self) -> None:
        missing = len(self._expected)
        self._end(f"not done within {TIMEOUT / 1000:.0f} s, {missing} echoes are missing")


def main() -> int:
    """Run the exchange; return 0 if every echo arrived."""
    application = QCoreApplication(sys.argv)
    exchange = Exchange()
    exchange.start()
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
