"""Connections that a server has accepted, until they are web sockets: TLS and opening handshake."""

import weakref
from functools import partial
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtNetwork import QAbstractSocket, QSslError, QSslSocket, QTcpServer, QTcpSocket
from shiboken6 import delete, isValid

from pyqwebsocket._engine.server_handshake import RefusalError, ServerHandshake

if TYPE_CHECKING:
    from pyqwebsocket.qwebsocket import QWebSocket
    from pyqwebsocket.qwebsocketserver import QWebSocketServer

_READ_SIZE: Final = 16 * 1024  # bytes; a request has some hundred
_LINGER: Final = 2000  # ms that a refused client gets to read the answer and hang up


class Listener(QTcpServer):
    """Accepts TCP connections, and holds the web sockets that came of them; the server's child.

    Attributes:
        sockets: the web sockets that are connected, whoever else holds them.
    """

    def __init__(self, server: "QWebSocketServer") -> None:
        super().__init__(server)
        self.sockets: dict[int, QWebSocket] = {}
        self._server = weakref.ref(server)
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
        sockets = [socket for socket in self.sockets.values() if isValid(socket)]
        self.sockets.clear()
        for socket in sockets:
            if socket.parent() is None:  # else somebody else owns it now
                delete(socket)


class Incoming(QObject):
    """One accepted connection that is not a web socket yet; a child of the listener.

    Args:
        server: the server that decides on the request.
        parent: the listener.
        socket: the socket, which becomes a child of this object.
    """

    def __init__(self, server: "QWebSocketServer", parent: QObject, socket: QTcpSocket) -> None:
        super().__init__(parent)
        self.socket = socket
        self.handshake = ServerHandshake()
        self._server = weakref.ref(server)
        self._timer: QTimer | None = None
        self._refused = False
        socket.setParent(self)
        socket.readyRead.connect(self._on_ready_read)
        socket.disconnected.connect(self._on_disconnected)

    def begin(self, timeout: int) -> None:
        """Start the clock, and read what is there already.

        Args:
            timeout: how long the handshake may take, in milliseconds; negative for no bound.
        """
        if timeout >= 0:
            self._timer = QTimer(self)
            self._timer.setSingleShot(True)
            self._timer.timeout.connect(self._on_timeout)
            self._timer.start(timeout)
        if self.socket.bytesAvailable():
            self._on_ready_read()

    def release(self) -> QTcpSocket:
        """Give the socket away; this object is done."""
        if self._timer is not None:
            self._timer.stop()
        self.socket.readyRead.disconnect(self._on_ready_read)
        self.socket.disconnected.disconnect(self._on_disconnected)
        self.socket.setParent(None)
        self.deleteLater()
        return self.socket

    @Slot()
    def _on_ready_read(self) -> None:
        server = self._server()
        while server is not None and (data := self._read()):
            if self._refused:
                continue  # read, so that closing does not reset the connection
            try:
                request = self.handshake.receive_data(data)
            except RefusalError as refusal:
                self.refuse(refusal)
                server._on_bad_request()
                return
            if request is not None:
                server._on_request(self, request)
                return

    def _read(self) -> bytes:
        return bytes(self.socket.read(_READ_SIZE).data()) if self.socket.isOpen() else b""

    @Slot("QList<QSslError>")
    def on_ssl_errors(self, errors: list[QSslError]) -> None:
        """Let the program look at the errors of this client, and ignore them on its socket."""
        server = self._server()
        if server is not None and isinstance(self.socket, QSslSocket):
            server.sslErrorsOccurred.emit(self.socket, errors)

    def refuse(self, refusal: RefusalError) -> None:
        """Answer, and close once the answer is out and what the client still sends is read."""
        self._refused = True
        if isinstance(self.socket, QSslSocket) and not self.socket.isEncrypted():
            self.socket.abort()  # nothing can be said yet that the client could read
            return
        self.socket.write(self.handshake.refuse(refusal))
        self.socket.flush()
        while self._read():
            pass
        self.socket.disconnectFromHost()
        if self.socket.state() != QAbstractSocket.SocketState.UnconnectedState:
            if self._timer is None:
                self._timer = QTimer(self)
                self._timer.timeout.connect(self._on_timeout)
            self._timer.start(_LINGER)

    @Slot()
    def _on_timeout(self) -> None:
        if self._refused:
            self.socket.abort()
        else:
            self.refuse(RefusalError(408, "The opening handshake took too long."))

    @Slot()
    def _on_disconnected(self) -> None:
        """The client has left before it was a web socket, or was refused."""
        if self._timer is not None:
            self._timer.stop()
        self.deleteLater()
