"""Connections that a server has accepted, until they are web sockets: TLS and opening handshake."""

import time
import weakref
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, QTimer, SignalInstance, Slot
from PySide6.QtNetwork import QAbstractSocket, QSslError, QSslSocket, QTcpServer, QTcpSocket
from shiboken6 import delete, isValid

from pyqwebsocket._engine.server_handshake import RefusalError, ServerHandshake
from pyqwebsocket._qsignals import settle

if TYPE_CHECKING:
    from pyqwebsocket.qwebsocket import QWebSocket
    from pyqwebsocket.qwebsocketserver import QWebSocketServer

_READ_SIZE: Final = 16 * 1024  # bytes; a request has some hundred
_QUIET: Final = 200  # ms without a byte, after which a refused client has probably sent all
_LINGER: Final = 2000  # ms that a refused client gets at most


class Listener(QTcpServer):
    """Accepts TCP connections, and holds the web sockets that came of them; the server's child.

    Attributes:
        pending: the web sockets that wait to be handed out.
        sockets: those that were, as long as they are connected, whoever else holds them.
    """

    def __init__(self, server: "QWebSocketServer") -> None:
        super().__init__(server)
        self.pending: deque[QWebSocket] = deque()
        self.sockets: dict[int, QWebSocket] = {}
        self._server = weakref.ref(server)
        settle(self)
        server.destroyed.connect(self._on_server_destroyed)

    def incomingConnection(self, handle: int) -> None:  # noqa: N802 - Qt's virtual method
        """Make a socket of what the operating system has accepted."""
        server = self._server()
        if server is not None:
            server._accept_descriptor(handle)

    def hold(self, socket: "QWebSocket") -> None:
        """Keep a web socket until it is disconnected or destroyed."""
        self.sockets[id(socket)] = socket
        socket._call_when_over(partial(self.sockets.pop, id(socket), None))

    @Slot()
    def _on_server_destroyed(self) -> None:
        """The server is gone, and with it its connections, as in Qt."""
        if not self.__dict__:
            return  # the garbage collector took a cycle apart, and came here first
        pending, sockets = [*self.pending], [*self.sockets.values()]
        self.pending.clear()
        self.sockets.clear()
        for socket in pending:
            socket._go_away("Server closed.")
        for socket in sockets:
            if isValid(socket) and socket.parent() is None:  # else somebody else owns it now
                socket._go_away("Connection closed")
        for socket in (*pending, *sockets):
            if isValid(socket) and socket.parent() is None:
                delete(socket)


class Incoming(QObject):
    """One accepted connection that is not a web socket yet; a child of the listener.

    Args:
        server: the server that decides on the request.
        parent: the listener.
        socket: the socket, which becomes a child of this object.

    Attributes:
        handshake: the engine's half of it.
        refused: whether the client has been told that it may not come in.
    """

    def __init__(self, server: "QWebSocketServer", parent: QObject, socket: QTcpSocket) -> None:
        super().__init__(parent)
        self.socket = socket
        self.handshake = ServerHandshake()
        self._server = weakref.ref(server)
        self._timer: QTimer | None = None
        self._forwarded: list[tuple[SignalInstance, SignalInstance]] = []
        self.refused = False
        self._accepted = False
        self._refused_at = 0.0
        settle(socket)
        socket.setParent(self)
        socket.readyRead.connect(self._on_ready_read)
        socket.disconnected.connect(self._on_disconnected)

    def forward(self, signals: list[tuple[SignalInstance, SignalInstance]]) -> None:
        """Let signals of the socket be signals of the server, until the socket is given away."""
        self._forwarded = signals
        for ours, theirs in signals:
            ours.connect(theirs)

    def begin(self, timeout: int) -> None:
        """Start the clock, and read what is there already.

        Args:
            timeout: how long the handshake may take, in milliseconds; negative for no bound.
        """
        if timeout >= 0:
            self._start_timer(timeout)
        if self.socket.bytesAvailable():
            QTimer.singleShot(0, self._on_ready_read)

    def release(self) -> QTcpSocket:
        """Give the socket away; this object is done."""
        self.refused = True  # whatever still happens here is not for this client
        if self._timer is not None:
            self._timer.stop()
        self.socket.readyRead.disconnect(self._on_ready_read)
        self.socket.disconnected.disconnect(self._on_disconnected)
        for ours, theirs in self._forwarded:
            ours.disconnect(theirs)
        self._forwarded.clear()
        self.socket.setParent(None)
        self.deleteLater()
        return self.socket

    @Slot()
    def _on_ready_read(self) -> None:
        if self._accepted:
            return  # what comes now is for the web socket
        if self.refused:
            if time.monotonic() - self._refused_at < _LINGER / 1000:
                self._linger()
            return
        server = self._server()
        while server is not None and (data := self._read()):
            try:
                request = self.handshake.receive_data(data)
            except RefusalError as refusal:
                self.refuse(refusal)
                server._on_bad_request()
                return
            if request is not None:
                self._accepted = True
                server._on_request(self, request)
                return

    def _read(self) -> bytes:
        if not self.socket.isOpen():
            return b""
        size = min(self.socket.bytesAvailable(), _READ_SIZE) or 1  # see Transport.read()
        return bytes(self.socket.read(size).data())

    @Slot("QList<QSslError>")
    def on_ssl_errors(self, errors: list[QSslError]) -> None:
        """Let the program look at the errors of this client, and ignore them on its socket."""
        server = self._server()
        if server is not None and isinstance(self.socket, QSslSocket):
            server.sslErrorsOccurred.emit(self.socket, errors)

    def refuse(self, refusal: RefusalError) -> None:
        """Answer, and close once the answer is out and what the client still sends is read."""
        if self.refused:
            return
        self.refused = True
        if isinstance(self.socket, QSslSocket) and not self.socket.isEncrypted():
            self.socket.abort()  # nothing can be said yet that the client could read
            return
        self.socket.write(self.handshake.refuse(refusal))
        self.socket.flush()
        self._refused_at = time.monotonic()
        self._linger()

    def _linger(self) -> None:
        """Close when the client has sent all: unread bytes would reset the connection."""
        while self._read():
            pass
        if self.handshake.complete:
            self._hang_up()
        else:
            self._start_timer(_QUIET)

    def _hang_up(self) -> None:
        self.socket.disconnectFromHost()
        if self.socket.state() != QAbstractSocket.SocketState.UnconnectedState:
            self._start_timer(_LINGER)

    def _start_timer(self, timeout: int) -> None:
        if self._timer is None:
            self._timer = QTimer(self)
            settle(self._timer)
            self._timer.setSingleShot(True)
            self._timer.timeout.connect(self._on_timeout)
        self._timer.start(timeout)

    @Slot()
    def _on_timeout(self) -> None:
        if not self.refused:
            self.refuse(RefusalError(408, "The opening handshake took too long."))
        elif self.socket.state() == QAbstractSocket.SocketState.ConnectedState:
            self._hang_up()
        else:
            self.socket.abort()

    @Slot()
    def _on_disconnected(self) -> None:
        """The client has left before it was a web socket, or was refused."""
        if self._timer is not None:
            self._timer.stop()
        self.deleteLater()
