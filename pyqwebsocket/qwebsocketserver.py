"""``QWebSocketServer``: accepts WebSocket connections (RFC 6455), as Qt's class does."""

import enum
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Final

from PySide6.QtCore import QDateTime, QLocale, QMetaObject, QObject, Qt, QUrl, SignalInstance
from PySide6.QtNetwork import (
    QHostAddress,
    QNetworkProxy,
    QNetworkRequest,
    QSslConfiguration,
    QSslSocket,
    QTcpSocket,
)
from shiboken6 import isValid

from pyqwebsocket import _arguments
from pyqwebsocket._engine import codes
from pyqwebsocket._engine import connection as engine
from pyqwebsocket._engine.connection import encode_message
from pyqwebsocket._engine.handshake import Field
from pyqwebsocket._engine.masking import Payload
from pyqwebsocket._engine.server_handshake import RefusalError, UpgradeRequest, wrong_version
from pyqwebsocket._incoming import Incoming, Listener
from pyqwebsocket._qsignals import enum_signal, settle, signal
from pyqwebsocket.qwebsocket import QWebSocket
from pyqwebsocket.qwebsocketcorsauthenticator import QWebSocketCorsAuthenticator
from pyqwebsocket.qwebsocketprotocol import QWebSocketProtocol

CloseCode = QWebSocketProtocol.CloseCode

_DEFAULT_HANDSHAKE_TIMEOUT: Final = 10_000  # ms, Qt's
_DEFAULT_MAX_PENDING: Final = 30  # Qt's
_NOT_IN_A_FIELD: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]+")


class _SslMode(enum.Enum):
    """Whether a server speaks ``wss`` or ``ws``."""

    SecureMode = 0
    NonSecureMode = 1


class QWebSocketServer(QObject):
    """Listens for WebSocket clients.

    Args:
        serverName: the value of the ``Server`` field of the answers; "" for none.
        secureMode: whether to speak ``wss`` or ``ws``.
        parent: the QObject that owns the server.

    Qt: https://doc.qt.io/qt-6/qwebsocketserver.html
    """

    SslMode = _SslMode
    SecureMode = _SslMode.SecureMode
    NonSecureMode = _SslMode.NonSecureMode

    acceptError = signal("QAbstractSocket::SocketError", arguments=["socketError"])
    serverError = enum_signal(CloseCode, arguments=["closeCode"])
    originAuthenticationRequired = enum_signal(
        QWebSocketCorsAuthenticator, arguments=["pAuthenticator"]
    )
    newConnection = signal()
    peerVerifyError = signal("QSslError", arguments=["error"])
    sslErrors = signal("QList<QSslError>", arguments=["errors"])
    sslErrorsOccurred = signal("QSslSocket*", "QList<QSslError>", arguments=["socket", "errors"])
    preSharedKeyAuthenticationRequired = signal(
        "QSslPreSharedKeyAuthenticator*", arguments=["authenticator"]
    )
    alertSent = signal(
        "QSsl::AlertLevel", "QSsl::AlertType", "QString", arguments=["level", "type", "description"]
    )
    alertReceived = signal(
        "QSsl::AlertLevel", "QSsl::AlertType", "QString", arguments=["level", "type", "description"]
    )
    handshakeInterruptedOnError = signal("QSslError", arguments=["error"])
    closed = signal()

    def __init__(
        self,
        serverName: str | None,
        secureMode: _SslMode,
        /,
        parent: QObject | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(parent, **properties)
        settle(self)
        _arguments.check("QWebSocketServer", serverName, str, type(None))
        _arguments.check("QWebSocketServer", secureMode, _SslMode)
        self._server_name = serverName or ""
        self._secure_mode = secureMode
        self._listener = Listener(self)
        self._listener.acceptError.connect(self.acceptError)
        self._max_pending = _DEFAULT_MAX_PENDING
        self._handshake_timeout = _DEFAULT_HANDSHAKE_TIMEOUT
        self._subprotocols: list[str] = []
        self._ssl_configuration: QSslConfiguration | None = None
        self._error = CloseCode.CloseCodeNormal
        self._error_string = ""

    # Listening

    def listen(
        self,
        address: QHostAddress | QHostAddress.SpecialAddress = QHostAddress.SpecialAddress.Any,
        port: int | None = 0,
    ) -> bool:
        """Listen for clients.

        Args:
            address: the address to listen on; Any for all, IPv4 and IPv6.
            port: the TCP port; 0 for a free one.

        Returns:
            Whether it listens now; if not, see ``error()`` and ``errorString()``.
        """
        _arguments.check("listen", address, QHostAddress, QHostAddress.SpecialAddress)
        number = _arguments.to_port("listen", port)
        listening = self._listener.listen(QHostAddress(address), number)
        if not listening:
            code, text = CloseCode.CloseCodeAbnormalDisconnection, self._listener.errorString()
            if (code, text) != (self._error, self._error_string):  # as Qt: news only
                self._fail(code, text)
        return listening

    def close(self) -> None:
        """Stop listening; the sockets that were handed out go on, those that wait are closed.

        Emits ``closed`` when control is back in the event loop.
        """
        self._listener.close()
        for incoming in self._listener.findChildren(Incoming):
            incoming.refuse(RefusalError(503, "The server is closing."))
        while self._listener.pending:
            socket = self._listener.pending.popleft()
            self._hand_out(socket)
            socket.close(CloseCode.CloseCodeGoingAway, "Server closed.")
        QMetaObject.invokeMethod(self, "closed", Qt.ConnectionType.QueuedConnection)

    def isListening(self) -> bool:
        """Whether the server listens."""
        return self._listener.isListening()

    def pauseAccepting(self) -> None:
        """Leave new connections to the operating system's queue."""
        if self.isListening():  # Qt's own QTcpServer crashes otherwise
            self._listener.pauseAccepting()

    def resumeAccepting(self) -> None:
        """Accept connections again."""
        if self.isListening():
            self._listener.resumeAccepting()

    def setSocketDescriptor(self, socketDescriptor: int, /) -> bool:
        """Listen on a socket of the operating system that is listening already.

        The descriptor is the server's from then on, which ``close()`` closes.
        """
        _arguments.check("setSocketDescriptor", socketDescriptor, int)
        listening = self._listener.setSocketDescriptor(socketDescriptor)
        if not listening:
            self._error_string = self._listener.errorString()
        return listening

    def setNativeDescriptor(self, descriptor: int, /) -> bool:
        """The deprecated name of ``setSocketDescriptor()``."""
        _deprecated("setNativeDescriptor")
        return self.setSocketDescriptor(descriptor)

    def socketDescriptor(self) -> int:
        """The descriptor of the listening socket; -1 when not listening."""
        return int(self._listener.socketDescriptor())

    def nativeDescriptor(self) -> int:
        """The deprecated name of ``socketDescriptor()``."""
        _deprecated("nativeDescriptor")
        return self.socketDescriptor()

    def serverAddress(self) -> QHostAddress:
        """The address on which the server listens; null when it does not."""
        return self._listener.serverAddress()

    def serverPort(self) -> int:
        """The port on which the server listens; 0 when it does not."""
        return self._listener.serverPort()

    def serverUrl(self) -> QUrl:
        """The URL with which clients on this machine reach the server; empty when not listening."""
        url = QUrl()
        if self.isListening():
            address = self.serverAddress()
            if address == QHostAddress(QHostAddress.SpecialAddress.Any):
                address = QHostAddress(QHostAddress.SpecialAddress.LocalHost)
            url.setScheme(self._scheme())
            url.setHost(address.toString())
            url.setPort(self.serverPort())
        return url

    def _scheme(self) -> str:
        return "wss" if self._secure_mode is _SslMode.SecureMode else "ws"

    # Connections

    def hasPendingConnections(self) -> bool:
        """Whether ``nextPendingConnection()`` has a socket to give."""
        return bool(self._listener.pending)

    def nextPendingConnection(self) -> QWebSocket | None:
        """The next connected socket, or None.

        The server keeps it until it is disconnected or deleted; no reference is needed. What the
        client has sent is delivered when control is back in the event loop.
        """
        if not self._listener.pending:
            return None
        socket = self._listener.pending.popleft()
        self._hand_out(socket)
        return socket

    def _hand_out(self, socket: QWebSocket) -> None:
        self._listener.hold(socket)
        socket._release()

    def setMaxPendingConnections(self, numConnections: int, /) -> None:
        """Refuse clients while so many sockets wait for ``nextPendingConnection()``."""
        self._max_pending = _arguments.to_int32("setMaxPendingConnections", numConnections)

    def maxPendingConnections(self) -> int:
        """The number of sockets that may wait."""
        return self._max_pending

    def handleConnection(self, socket: QTcpSocket | None, /) -> None:
        """Take a connected socket from elsewhere; bytes may wait in it. It is the server's now."""
        _arguments.check("handleConnection", socket, QTcpSocket, type(None))
        if socket is not None and socket.state() == QTcpSocket.SocketState.ConnectedState:
            self._begin(socket)

    def broadcastTextMessage(
        self, message: str, /, sockets: Iterable[QWebSocket] | None = None
    ) -> int:
        """Send a text message to many clients; it is encoded once.

        Args:
            message: the text.
            sockets: the clients; by default all that were handed out and are connected.

        Returns:
            The number of sockets that took it.
        """
        _arguments.check("broadcastTextMessage", message, str)
        return self._broadcast(codes.TEXT, _arguments.to_utf8(message), sockets)

    def broadcastBinaryMessage(
        self, data: "_arguments.Bytes", /, sockets: Iterable[QWebSocket] | None = None
    ) -> int:
        """Send a binary message to many clients, see ``broadcastTextMessage()``."""
        payload = _arguments.to_bytes("broadcastBinaryMessage", data)
        return self._broadcast(codes.BINARY, payload, sockets)

    def _broadcast(
        self, opcode: int, payload: Payload, sockets: Iterable[QWebSocket] | None
    ) -> int:
        frames = list(
            encode_message(opcode, payload, frame_size=engine.DEFAULT_OUTGOING_FRAME_SIZE)
        )
        receivers = list(self._listener.sockets.values()) if sockets is None else sockets
        return sum(socket._send_encoded(frames) for socket in receivers)

    # Settings

    def setHandshakeTimeout(self, msec: int, /) -> None:
        """Give clients so many milliseconds for TLS and the opening handshake; below 0 no bound."""
        self._handshake_timeout = _arguments.to_int32("setHandshakeTimeout", msec)

    def handshakeTimeout(self) -> int:
        """The time that clients get for the opening handshake, in milliseconds."""
        return self._handshake_timeout

    def handshakeTimeoutMS(self) -> int:
        """The time that clients get for the opening handshake, in milliseconds."""
        return self._handshake_timeout

    def setSupportedSubprotocols(self, protocols: Sequence[str], /) -> None:
        """Set the subprotocols that may be chosen; of those the client's order decides."""
        self._subprotocols = _arguments.to_names("setSupportedSubprotocols", protocols)

    def supportedSubprotocols(self) -> list[str]:
        """The subprotocols that may be chosen."""
        return list(self._subprotocols)

    def supportedVersions(self) -> list[QWebSocketProtocol.Version]:
        """The versions of the protocol that are spoken: 13."""
        return [QWebSocketProtocol.Version.Version13]

    def setServerName(self, serverName: str | None, /) -> None:
        """Set the value of the ``Server`` field of the answers; "" for none."""
        _arguments.check("setServerName", serverName, str, type(None))
        self._server_name = serverName or ""

    def serverName(self) -> str:
        """The value of the ``Server`` field of the answers."""
        return self._server_name

    def secureMode(self) -> _SslMode:
        """Whether the server speaks ``wss`` or ``ws``."""
        return self._secure_mode

    def setSslConfiguration(self, sslConfiguration: QSslConfiguration, /) -> None:
        """Set certificate, key, CAs and protocols for connections to come, if it is secure."""
        _arguments.check("setSslConfiguration", sslConfiguration, QSslConfiguration)
        if self._secure_mode is _SslMode.SecureMode:
            self._ssl_configuration = QSslConfiguration(sslConfiguration)

    def sslConfiguration(self) -> QSslConfiguration:
        """The TLS configuration."""
        if self._ssl_configuration is None:
            self._ssl_configuration = QSslConfiguration.defaultConfiguration()
        return QSslConfiguration(self._ssl_configuration)

    def setProxy(self, networkProxy: QNetworkProxy | QNetworkProxy.ProxyType, /) -> None:
        """Listen through this proxy (SOCKS5)."""
        _arguments.check("setProxy", networkProxy, QNetworkProxy, QNetworkProxy.ProxyType)
        self._listener.setProxy(QNetworkProxy(networkProxy))

    def proxy(self) -> QNetworkProxy:
        """The proxy through which the server listens."""
        return self._listener.proxy()

    # Errors

    def error(self) -> QWebSocketProtocol.CloseCode:
        """The last error; one of an opening handshake only inside ``serverError``."""
        return self._error

    def errorString(self) -> str:
        """A description of the last error, for people."""
        return self._error_string

    def _fail(self, code: QWebSocketProtocol.CloseCode, text: str) -> None:
        self._error, self._error_string = code, text
        self.serverError.emit(code)

    def _fail_handshake(self, code: QWebSocketProtocol.CloseCode, text: str) -> None:
        """Emit an error of one client, which says nothing of the server itself."""
        self._fail(code, text)
        self._error, self._error_string = CloseCode.CloseCodeNormal, ""

    # From the listener and from incoming connections

    def _accept_descriptor(self, handle: int) -> None:
        """A client has connected: wrap the operating system's socket."""
        secure = self._secure_mode is _SslMode.SecureMode
        socket = QSslSocket() if secure else QTcpSocket()
        if socket.setSocketDescriptor(handle):
            self._begin(socket)

    def _begin(self, socket: QTcpSocket) -> None:
        incoming = Incoming(self, self._listener, socket)
        if len(self._listener.pending) >= self._max_pending:
            incoming.refuse(RefusalError(503, "Too many connections are waiting."))
            code = CloseCode.CloseCodeAbnormalDisconnection
            self._fail(code, "Too many pending connections.")
            return
        secure = self._secure_mode is _SslMode.SecureMode
        if secure and isinstance(socket, QSslSocket) and not socket.isEncrypted():
            incoming.forward(self._tls_signals(socket))
            socket.sslErrors.connect(incoming.on_ssl_errors)
            socket.setSslConfiguration(self.sslConfiguration())
            socket.startServerEncryption()
        incoming.begin(self._handshake_timeout)

    def _tls_signals(self, socket: QSslSocket) -> list[tuple[SignalInstance, SignalInstance]]:
        """The socket's signals that are the server's too, until the socket is handed out."""
        return [
            (socket.peerVerifyError, self.peerVerifyError),
            (socket.sslErrors, self.sslErrors),
            (socket.preSharedKeyAuthenticationRequired, self.preSharedKeyAuthenticationRequired),
            (socket.alertSent, self.alertSent),
            (socket.alertReceived, self.alertReceived),
            (socket.handshakeInterruptedOnError, self.handshakeInterruptedOnError),
        ]

    def _on_bad_request(self) -> None:
        self._fail_handshake(CloseCode.CloseCodeProtocolError, "Invalid handshake request.")

    def _on_request(self, incoming: Incoming, request: UpgradeRequest) -> None:
        """Decide on a valid request (RFC 6455 section 4.2.2)."""
        authenticator = QWebSocketCorsAuthenticator(request.origin)
        self.originAuthenticationRequired.emit(authenticator)
        if not isValid(self) or incoming.refused:
            return  # the slot has closed or destroyed the server
        if not authenticator.allowed():
            incoming.refuse(RefusalError(403, "This origin is not allowed here."))
            self._fail_handshake(CloseCode.CloseCodePolicyViolated, "Access forbidden.")
        elif not request.version_matches:
            incoming.refuse(wrong_version())
            code = CloseCode.CloseCodeProtocolError
            self._fail_handshake(code, "Unsupported version requested.")
        else:
            self._accept(incoming, request)

    def _accept(self, incoming: Incoming, request: UpgradeRequest) -> None:
        offered = [name for name in request.subprotocols if name in self._subprotocols]
        subprotocol = offered[0] if offered else ""
        answer, leftover = incoming.handshake.accept(self._answer_fields(request, subprotocol))
        tcp_socket = incoming.release()
        tcp_socket.write(answer)
        host = request.host.encode("latin-1").decode(errors="replace")
        url = QUrl(f"{self._scheme()}://{host}{request.target}")
        socket = QWebSocket._accepted(
            tcp_socket,
            _as_network_request(url, request),
            url.toString(),
            origin=request.origin,
            offered=request.subprotocols,
            subprotocol=subprotocol,
            leftover=leftover,
        )
        self._listener.pending.append(socket)
        self.newConnection.emit()

    def _answer_fields(self, request: UpgradeRequest, subprotocol: str) -> list[Field]:
        """What stands behind the fields that section 4.2.2 names, in Qt's order."""
        name = _NOT_IN_A_FIELD.sub(" ", self._server_name).strip()
        date = QLocale.c().toString(QDateTime.currentDateTimeUtc(), "ddd, dd MMM yyyy hh:mm:ss")
        fields = [
            ("Sec-WebSocket-Protocol", subprotocol),
            ("Server", name),
            ("Access-Control-Allow-Credentials", "false"),
            ("Access-Control-Allow-Methods", "GET"),
            ("Access-Control-Allow-Headers", "content-type"),
            ("Access-Control-Allow-Origin", request.origin or "*"),
            ("Date", f"{date} GMT"),
        ]
        return [(field.encode(), value.encode("latin-1")) for field, value in fields if value]


def _as_network_request(url: QUrl, request: UpgradeRequest) -> QNetworkRequest:
    """The client's request as ``QWebSocket.request()`` gives it."""
    network_request = QNetworkRequest(url)
    values: dict[bytes, bytes] = {}
    for name, value in request.fields:  # fields of one name are one list (RFC 9110 section 5.3)
        values[name] = values[name] + b", " + value if name in values else value
    for name, value in values.items():
        network_request.setRawHeader(name, value)
    return network_request


def _deprecated(function: str) -> None:
    newer = function.replace("native", "socket").replace("Native", "Socket")
    warnings.warn(f"{function}() is deprecated: use {newer}()", DeprecationWarning, stacklevel=3)
