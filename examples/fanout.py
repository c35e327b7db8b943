"""A chat server that runs in several processes, even on several machines, joined by Redis.

    python examples/fanout.py 8081 localhost:6379

What a client says is published on a Redis channel; every process subscribes to that channel and
passes on to its own clients what it hears there. So it does not matter to which process a load
balancer sends a client. The Redis protocol is spoken by ``hiredis`` (``pip install hiredis``)
over a QTcpSocket: one thread, one event loop, and nothing that blocks. Needs Redis 6 or newer.
"""

import sys

import hiredis
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal
from PySide6.QtNetwork import QAbstractSocket, QHostAddress, QTcpSocket

from pyqwebsocket.QtWebSockets import QWebSocketServer

CHANNEL = "chat"
MAX_LENGTH = 64 * 1024  # bytes of one message; a client that sends more is disconnected
PAUSE = 1000  # ms between the attempts to reach Redis


class RedisChannel(QObject):
    """Publishes to one channel of Redis and subscribes to it, over one connection (RESP3)."""

    subscribed = Signal()
    received = Signal(str)

    def __init__(self, host: str, port: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._host, self._port = host, port
        self._reader = hiredis.Reader()
        self._socket = QTcpSocket(self)
        self._socket.connected.connect(self._on_connected)
        self._socket.readyRead.connect(self._on_ready_read)
        self._socket.stateChanged.connect(self._on_state_changed)
        self._retry = QTimer(self, interval=PAUSE, singleShot=True)
        self._retry.timeout.connect(self.connectToRedis)

    def connectToRedis(self) -> None:
        """Connect, and again and again whenever the connection is lost."""
        self._socket.connectToHost(self._host, self._port)

    def publish(self, message: str) -> None:
        """Publish a message; while Redis is away it is lost, for all alike."""
        if self._socket.state() is QAbstractSocket.SocketState.ConnectedState:
            self._send("PUBLISH", CHANNEL, message)

    def _send(self, *words: str) -> None:
        self._socket.write(hiredis.pack_command(words))

    def _on_connected(self) -> None:
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=...)
        self._send("HELLO", "3")
        self._send("SUBSCRIBE", CHANNEL)

    def _on_ready_read(self) -> None:
        self._reader.feed(self._socket.readAll().data())
        while (reply := self._reader.gets()) is not ...:
            match reply:
                case ["message", str(), str(message)]:
                    self.received.emit(message)
                case ["subscribe", *_]:
                    self.subscribed.emit()
                case hiredis.ReplyError():
                    print(f"Redis: {reply}", file=sys.stderr, flush=True)

    def _on_state_changed(self, state: QAbstractSocket.SocketState) -> None:
        if state is QAbstractSocket.SocketState.UnconnectedState:
            print(f"Redis: {self._socket.errorString()}", file=sys.stderr, flush=True)
            self._retry.start()


class FanOutServer(QObject):
    """Hands what its clients say to Redis, and what Redis says to its clients."""

    def __init__(self, channel: RedisChannel) -> None:
        super().__init__()
        self._channel = channel
        self._channel.received.connect(self._on_published)
        mode = QWebSocketServer.SslMode.NonSecureMode
        self._server = QWebSocketServer("Fan-out Server", mode, self)
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
        client.textMessageReceived.connect(self._channel.publish)
        client.disconnected.connect(client.deleteLater)

    def _on_published(self, message: str) -> None:
        count = self._server.broadcastTextMessage(message)
        print(f"passed on to {count}", flush=True)


if __name__ == "__main__":
    if not sys.argv[2:]:
        sys.exit(f"usage: {sys.argv[0]} PORT REDIS_HOST:PORT")
    application = QCoreApplication(sys.argv)
    redis_host, _, redis_port = sys.argv[2].rpartition(":")
    redis = RedisChannel(redis_host, int(redis_port))
    server = FanOutServer(redis)
    redis.subscribed.connect(lambda: print("subscribed", flush=True))
    redis.connectToRedis()
    sys.exit(application.exec() if server.listen(int(sys.argv[1])) else 1)
