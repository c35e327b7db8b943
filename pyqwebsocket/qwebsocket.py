"""``QWebSocket``: a TCP socket that talks the WebSocket protocol (RFC 6455), as Qt's class does."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from PySide6.QtCore import QByteArray, QEvent, QObject, QUrl, Slot
from PySide6.QtNetwork import (
    QAbstractSocket,
    QHostAddress,
    QNetworkProxy,
    QNetworkRequest,
    QSslConfiguration,
    QSslError,
    QSslSocket,
    QTcpSocket,
)
from shiboken6 import isValid

from pyqwebsocket import _arguments, _qmasking
from pyqwebsocket._engine import codes
from pyqwebsocket._engine import connection as engine
from pyqwebsocket._engine.connection import Connection, Role
from pyqwebsocket._engine.masking import Payload
from pyqwebsocket._qsignals import (
    SignalAndMethodMember,
    meta_signal,
    register_types,
    settle,
    signal,
)
from pyqwebsocket._request import (
    OpenError,
    Opening,
    Target,
    check_scheme,
    subprotocols_of,
    target_of,
)
from pyqwebsocket._session import Session
from pyqwebsocket.qmaskgenerator import MaskKeys, QMaskGenerator, SystemMaskGenerator
from pyqwebsocket.qwebsockethandshakeoptions import QWebSocketHandshakeOptions
from pyqwebsocket.qwebsocketprotocol import QWebSocketProtocol

register_types()
_qmasking.install()

CloseCode = QWebSocketProtocol.CloseCode
SocketError = QAbstractSocket.SocketError
SocketState = QAbstractSocket.SocketState

# How long open() may take when the request sets no transfer timeout, in milliseconds. The number is
# Qt's own for network requests (QNetworkRequest::DefaultTransferTimeoutConstant).
_DEFAULT_OPEN_TIMEOUT: Final = 30_000


class QWebSocket(QObject):
    """A client's or a server's end of a WebSocket connection.

    Args:
        origin: the value of the ``Origin`` field (RFC 6454); may not hold line breaks.
        version: what ``version()`` gives back; version 13 is spoken whatever it says.
        parent: the QObject that owns the socket.
        properties: Qt properties and signals by name, as every PySide6 class takes them.

    Qt: https://doc.qt.io/qt-6/qwebsocket.html
    """

    aboutToClose = signal()
    connected = signal()
    disconnected = signal()
    stateChanged = signal("QAbstractSocket::SocketState", arguments=["state"])
    proxyAuthenticationRequired = signal(
        "QNetworkProxy", "QAuthenticator*", arguments=["proxy", "pAuthenticator"]
    )
    authenticationRequired = signal("QAuthenticator*", arguments=["authenticator"])
    readChannelFinished = signal()
    textFrameReceived = signal("QString", "bool", arguments=["frame", "isLastFrame"])
    binaryFrameReceived = signal("QByteArray", "bool", arguments=["frame", "isLastFrame"])
    textMessageReceived = signal("QString", arguments=["message"])
    binaryMessageReceived = signal("QByteArray", arguments=["message"])
    errorOccurred = signal("QAbstractSocket::SocketError", arguments=["error"])
    pong = signal("qulonglong", "QByteArray", arguments=["elapsedTime", "payload"])
    bytesWritten = signal("qlonglong", arguments=["bytes"])
    peerVerifyError = signal("QSslError", arguments=["error"])
    sslErrors = signal("QList<QSslError>", arguments=["errors"])
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

    # Qt has a signal and a method of this name: socket.error.connect(f), and socket.error().
    _error_signal = signal("QAbstractSocket::SocketError", name="error", arguments=["error"])
    error = SignalAndMethodMember("_error_signal", "_last_error")

    def __init__(
        self,
        origin: str | None = "",
        version: QWebSocketProtocol.Version = QWebSocketProtocol.VersionLatest,
        parent: QObject | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(parent, **properties)
        settle(self)
        _arguments.check("QWebSocket", origin, str, type(None))
        _arguments.check("QWebSocket", version, QWebSocketProtocol.Version)
        self._origin = origin or ""
        self._version = version

        self._state = SocketState.UnconnectedState
        self._session: Session | None = None
        self._resource_name = ""
        self._request = QNetworkRequest()
        self._options = QWebSocketHandshakeOptions()
        self._subprotocol = ""
        self._own_error: QAbstractSocket.SocketError | None = None
        self._own_error_string: str | None = None
        self._close_code = CloseCode.CloseCodeNormal
        self._close_reason = ""
        self._ping_time = time.monotonic()

        self._mask_keys = MaskKeys()
        self._default_mask_generator: QMaskGenerator | None = None
        self._proxy = QNetworkProxy()
        self._ssl_configuration: QSslConfiguration | None = None
        self._ignore_ssl_errors = False
        self._ignored_ssl_errors: list[QSslError] = []
        self._pause_mode = QAbstractSocket.PauseMode.PauseNever
        self._read_buffer_size = 0
        self._max_frame_size = engine.MAX_SIZE
        self._max_message_size = engine.MAX_SIZE
        self._outgoing_frame_size = engine.DEFAULT_OUTGOING_FRAME_SIZE

    # Opening and closing

    @Slot(QUrl)
    @Slot(QNetworkRequest)
    @Slot(QUrl, "QWebSocketHandshakeOptions")
    @Slot(QNetworkRequest, "QWebSocketHandshakeOptions")
    def open(
        self,
        target: QUrl | str | QNetworkRequest,
        options: QWebSocketHandshakeOptions | None = None,
        /,
    ) -> None:
        """Open a connection; an open one is dropped.

        Args:
            target: the URL (``ws`` or ``wss``), or a request with the URL and header fields to
                send. The request's transfer timeout, in milliseconds, bounds the time until
                ``connected``; without one that is 30 seconds.
            options: the subprotocols to offer.

        Emits ``stateChanged``, then ``connected``; or ``errorOccurred`` and ``error``, from within
        the call where the URL cannot be used. RFC 6455 section 4.1.
        """
        _arguments.check("open", target, QUrl, str, QNetworkRequest)
        _arguments.check("open", options, QWebSocketHandshakeOptions, type(None))
        request = target if isinstance(target, QNetworkRequest) else QNetworkRequest(QUrl(target))
        try:
            parts = target_of(request.url())
            if self._state is SocketState.UnconnectedState:
                self._set_request(request, options, parts)
            check_scheme(request.url())
        except OpenError as error:
            self._report(error.error, error.text)
            return
        self._set_request(request, options, parts)
        self._begin(parts)

    @Slot()
    @Slot("QWebSocketProtocol::CloseCode")
    @Slot("QWebSocketProtocol::CloseCode", "QString")
    def close(
        self,
        closeCode: QWebSocketProtocol.CloseCode = QWebSocketProtocol.CloseCodeNormal,
        reason: str = "",
    ) -> None:
        """Begin the closing handshake (RFC 6455 section 7.1.2); nothing can be sent after it.

        Args:
            closeCode: why; ``CloseCodeMissingStatusCode`` sends no code and no reason.
            reason: for the peer, cut to 123 bytes of UTF-8.

        Emits ``aboutToClose``; then, when the peer has answered or three seconds have passed,
        ``aboutToClose`` again, ``stateChanged``, ``disconnected`` and ``readChannelFinished``.

        Raises:
            ValueError: a close code that may not be sent (RFC 6455 section 7.4).
        """
        _arguments.check("close", closeCode, CloseCode)
        _arguments.check("close", reason, str)
        if closeCode.value not in codes.SENDABLE_CLOSE_CODES | {codes.NO_STATUS}:
            raise ValueError(f"close code {closeCode.value} may not be sent (RFC 6455 section 7.4)")
        if self._session is None or self._state is SocketState.UnconnectedState:
            return
        if self._state is SocketState.ConnectingState:
            self._session.cancel(self)
        else:
            self._session.close(self, closeCode, reason)

    def abort(self) -> None:
        """End the connection at once, without a Close frame; what was not sent is lost.

        Emits ``aboutToClose``, ``stateChanged``, ``disconnected`` and ``readChannelFinished``.
        """
        if self._session is not None and self._state is not SocketState.UnconnectedState:
            self._session.transport.abort()

    def state(self) -> QAbstractSocket.SocketState:
        """The state: Connected from the end of the opening handshake on."""
        return self._state

    def isValid(self) -> bool:
        """Whether the connection is open for reading and writing."""
        socket = self._socket()
        return self._state is SocketState.ConnectedState and socket is not None and socket.isValid()

    def closeCode(self) -> QWebSocketProtocol.CloseCode:
        """Why the connection was closed, by whichever side was first; Normal until then."""
        return self._close_code

    def closeReason(self) -> str:
        """The reason that went with ``closeCode()``."""
        return self._close_reason

    def errorString(self) -> str:
        """A description of the last error, for people."""
        if self._own_error_string is not None:
            return self._own_error_string
        socket = self._socket()
        return "" if socket is None else socket.errorString()

    def _last_error(self) -> QAbstractSocket.SocketError:
        """The last error of the TCP or TLS socket, as ``socket.error()`` gives it."""
        if self._own_error is not None:
            return self._own_error
        socket = self._socket()
        return SocketError.UnknownSocketError if socket is None else socket.error()

    # Sending

    def sendTextMessage(self, message: str | None, /) -> int:
        """Send a text message (RFC 6455 section 5.6).

        Args:
            message: the text; lone surrogates, which UTF-8 does not have, become U+FFFD.

        Returns:
            The size of its UTF-8 in bytes; 0 if the connection is not open, or is closing.
        """
        _arguments.check("sendTextMessage", message, str, type(None))
        return self._send(codes.TEXT, _arguments.to_utf8(message or ""))

    def _send(self, opcode: int, payload: Payload) -> int:
        if self._session is None:
            return 0
        return self._session.send(opcode, payload, self._outgoing_frame_size or engine.MAX_SIZE)

    def sendBinaryMessage(self, data: QByteArray | bytes | bytearray | memoryview | None, /) -> int:
        """Send a binary message (RFC 6455 section 5.6).

        Returns:
            The size of ``data`` in bytes; 0 if the connection is not open, or is closing.
        """
        return self._send(codes.BINARY, _arguments.to_bytes("sendBinaryMessage", data))

    @Slot()
    @Slot(QByteArray)
    def ping(self, payload: QByteArray | bytes | bytearray | memoryview | None = b"") -> None:
        """Send a ping (RFC 6455 section 5.5.2); the answer is emitted as ``pong``.

        Args:
            payload: at most 125 bytes; the rest is cut off.
        """
        data = _arguments.to_bytes("ping", payload)
        if self._session is not None and self._session.ping(bytes(data)):
            self._ping_time = time.monotonic()

    def flush(self) -> bool:
        """Write as much as the operating system takes, without blocking; whether it took any."""
        socket = self._socket()
        return socket is None or socket.flush()

    def bytesToWrite(self) -> int:
        """The number of bytes, frame heads included, that wait to be written."""
        socket = self._socket()
        return 0 if socket is None else socket.bytesToWrite()

    # Settings

    def setMaxAllowedIncomingFrameSize(self, maxAllowedIncomingFrameSize: int, /) -> None:
        """Close with 1009 on a frame over this size, in bytes; over the maximum it is ignored."""
        size = _arguments.to_uint64("setMaxAllowedIncomingFrameSize", maxAllowedIncomingFrameSize)
        if size <= engine.MAX_SIZE:
            self._max_frame_size = size
            self._set_limits()

    def maxAllowedIncomingFrameSize(self) -> int:
        """The largest frame that is taken, in bytes."""
        return self._max_frame_size

    def setMaxAllowedIncomingMessageSize(self, maxAllowedIncomingMessageSize: int, /) -> None:
        """Close with 1009 on a message over this size, in bytes; over the maximum it is ignored."""
        size = _arguments.to_uint64(
            "setMaxAllowedIncomingMessageSize", maxAllowedIncomingMessageSize
        )
        if size <= engine.MAX_SIZE:
            self._max_message_size = size
            self._set_limits()

    def maxAllowedIncomingMessageSize(self) -> int:
        """The largest message that is taken, in bytes."""
        return self._max_message_size

    def setOutgoingFrameSize(self, outgoingFrameSize: int, /) -> None:
        """Split longer messages into frames of this size, in bytes; 0 splits none."""
        size = _arguments.to_uint64("setOutgoingFrameSize", outgoingFrameSize)
        if size <= engine.MAX_SIZE:
            self._outgoing_frame_size = size

    def outgoingFrameSize(self) -> int:
        """The size from which messages are split into frames, in bytes."""
        return self._outgoing_frame_size

    @staticmethod
    def maxIncomingFrameSize() -> int:
        """The most that ``setMaxAllowedIncomingFrameSize()`` takes, in bytes."""
        return engine.MAX_SIZE

    @staticmethod
    def maxIncomingMessageSize() -> int:
        """The most that ``setMaxAllowedIncomingMessageSize()`` takes, in bytes."""
        return engine.MAX_SIZE

    @staticmethod
    def maxOutgoingFrameSize() -> int:
        """The most that ``setOutgoingFrameSize()`` takes, in bytes."""
        return engine.MAX_SIZE

    def setMaskGenerator(self, maskGenerator: QMaskGenerator | None, /) -> None:
        """Take masks from ``maskGenerator``, from the next frame on; None for the default."""
        _arguments.check("setMaskGenerator", maskGenerator, QMaskGenerator, type(None))
        self._mask_keys.generator = maskGenerator

    def maskGenerator(self) -> QMaskGenerator:
        """The generator of masks in use."""
        if self._mask_keys.generator is not None:
            return self._mask_keys.generator
        if self._default_mask_generator is None:
            self._default_mask_generator = SystemMaskGenerator()
        return self._default_mask_generator

    def setProxy(self, networkProxy: QNetworkProxy | QNetworkProxy.ProxyType, /) -> None:
        """Connect through this proxy from the next ``open()`` on (HTTP CONNECT or SOCKS5)."""
        _arguments.check("setProxy", networkProxy, QNetworkProxy, QNetworkProxy.ProxyType)
        self._proxy = QNetworkProxy(networkProxy)

    def proxy(self) -> QNetworkProxy:
        """The proxy; by default the application's."""
        return QNetworkProxy(self._proxy)

    def setReadBufferSize(self, size: int, /) -> None:
        """Bound the socket's buffer of received bytes; 0 for the default, which is 4 MiB."""
        _arguments.check("setReadBufferSize", size, int)
        self._read_buffer_size = size
        if self._session is not None:
            self._session.transport.set_read_buffer_size(size)

    def readBufferSize(self) -> int:
        """The bound of the socket's buffer of received bytes."""
        return self._read_buffer_size

    def setPauseMode(self, pauseMode: QAbstractSocket.PauseMode, /) -> None:
        """Say whether to wait for ``resume()`` after ``sslErrors``; for the next ``open()``."""
        _arguments.check("setPauseMode", pauseMode, QAbstractSocket.PauseMode)
        self._pause_mode = pauseMode
        if (socket := self._socket()) is not None:
            socket.setPauseMode(pauseMode)

    def pauseMode(self) -> QAbstractSocket.PauseMode:
        """Whether the socket waits for ``resume()`` after ``sslErrors``."""
        return self._pause_mode

    def resume(self) -> None:
        """Go on after a pause, see ``setPauseMode()``."""
        if self._session is not None:
            self._session.transport.resume_open_timer()
            self._session.transport.socket.resume()

    # TLS

    def setSslConfiguration(self, sslConfiguration: QSslConfiguration, /) -> None:
        """Set certificates, key, CAs, ciphers and protocols for the next ``open()``."""
        _arguments.check("setSslConfiguration", sslConfiguration, QSslConfiguration)
        self._ssl_configuration = QSslConfiguration(sslConfiguration)

    def sslConfiguration(self) -> QSslConfiguration:
        """The TLS configuration; once encrypted, with the session's cipher and certificates."""
        if self._ssl_configuration is None:
            self._ssl_configuration = QSslConfiguration.defaultConfiguration()
        return QSslConfiguration(self._ssl_configuration)

    @Slot()
    def ignoreSslErrors(self, errors: Sequence[QSslError] | None = None, /) -> None:
        """Go on in spite of TLS errors. Let the user look at the errors first: it is a risk.

        Args:
            errors: the errors to ignore, now and in every ``open()`` to come; they replace the
                former list, and an empty list ignores none. Without the argument all errors are
                ignored: those of this connection, or, called while unconnected, those of every
                ``open()`` to come.
        """
        if errors is not None:
            self._ignored_ssl_errors = _arguments.to_ssl_errors(errors)
            self._ignore_ssl_errors = False
        elif self._state is SocketState.UnconnectedState:
            self._ignore_ssl_errors = True
        socket = self._socket()
        if isinstance(socket, QSslSocket):
            if errors is None:
                socket.ignoreSslErrors()
            else:
                socket.ignoreSslErrors(self._ignored_ssl_errors)

    def continueInterruptedHandshake(self) -> None:
        """Go on with the TLS handshake, in a slot of ``handshakeInterruptedOnError``."""
        socket = self._socket()
        if isinstance(socket, QSslSocket):
            socket.continueInterruptedHandshake()

    # What is known of the connection

    def localAddress(self) -> QHostAddress:
        """This end's address; null when not connected."""
        socket = self._socket()
        return QHostAddress() if socket is None else socket.localAddress()

    def localPort(self) -> int:
        """This end's port; 0 when not connected."""
        socket = self._socket()
        return 0 if socket is None else socket.localPort()

    def peerAddress(self) -> QHostAddress:
        """The peer's address; null when not connected."""
        socket = self._socket()
        return QHostAddress() if socket is None else socket.peerAddress()

    def peerName(self) -> str:
        """The name of the host that ``open()`` was given."""
        socket = self._socket()
        return "" if socket is None else socket.peerName()

    def peerPort(self) -> int:
        """The peer's port; 0 when not connected."""
        socket = self._socket()
        return 0 if socket is None else socket.peerPort()

    def request(self) -> QNetworkRequest:
        """The request of the last ``open()``."""
        return QNetworkRequest(self._request)

    def requestUrl(self) -> QUrl:
        """The URL of the last ``open()``."""
        return self._request.url()

    def handshakeOptions(self) -> QWebSocketHandshakeOptions:
        """The options of the last ``open()``."""
        return QWebSocketHandshakeOptions(self._options)

    def resourceName(self) -> str:
        """The request target: path and query, percent-encoded (RFC 6455 section 3)."""
        return self._resource_name

    def subprotocol(self) -> str:
        """The subprotocol that the server chose, or ""."""
        return self._subprotocol

    def origin(self) -> str:
        """The origin that the socket was made with."""
        return self._origin

    def version(self) -> QWebSocketProtocol.Version:
        """The version that the socket was made with."""
        return self._version

    def event(self, event: QEvent) -> bool:
        """Emit ``aboutToClose`` before ``deleteLater()`` ends an open connection, as Qt does."""
        if event.type() == QEvent.Type.DeferredDelete and self.isValid():
            self.aboutToClose.emit()
        return super().event(event)

    # For open() and for the session

    def _socket(self) -> QTcpSocket | None:
        return None if self._session is None else self._session.transport.socket

    def _set_request(
        self, request: QNetworkRequest, options: QWebSocketHandshakeOptions | None, target: Target
    ) -> None:
        self._request = QNetworkRequest(request)
        self._options = QWebSocketHandshakeOptions(options)
        self._resource_name = target.resource_name

    def _begin(self, target: Target) -> None:
        """Connect to a target that was checked, in a new session."""
        opening = Opening(
            self._request,
            target,
            origin=self._origin,
            subprotocols=subprotocols_of(self._options.subprotocols(), self._request),
            new_nonce=self._mask_keys.new_nonce,
        )
        self._own_error = self._own_error_string = None
        self._close_code, self._close_reason = CloseCode.CloseCodeNormal, ""
        self._subprotocol = ""
        if target.secure and not QSslSocket.supportsSsl():
            self._report(
                SocketError.UnsupportedSocketOperationError,
                "SSL Sockets are not supported on this platform.",
            )
            return
        session = self._new_session(secure=target.secure)
        self._set_state(SocketState.ConnectingState)
        if session.active():
            timeout = self._request.transferTimeout()
            session.begin(opening, timeout if timeout > 0 else _DEFAULT_OPEN_TIMEOUT)
            self._ignore_chosen_ssl_errors(session)

    def _new_session(self, *, secure: bool) -> Session:
        """A session with a socket set up as the program wants it, in place of the present one."""
        if self._session is not None:
            self._session.discard()
        socket = QSslSocket() if secure else QTcpSocket()
        if isinstance(socket, QSslSocket) and self._ssl_configuration is not None:
            socket.setSslConfiguration(self._ssl_configuration)
        socket.setProxy(self._proxy)
        socket.setPauseMode(self._pause_mode)
        self._session = Session(self, socket)
        self._session.transport.set_read_buffer_size(self._read_buffer_size)
        return self._session

    def _ignore_chosen_ssl_errors(self, session: Session) -> None:
        """What ``ignoreSslErrors()`` was told before ``open()``: connecting resets the socket's."""
        socket = session.transport.socket
        if session.active() and isinstance(socket, QSslSocket):
            if self._ignore_ssl_errors:
                socket.ignoreSslErrors()
            elif self._ignored_ssl_errors:
                socket.ignoreSslErrors(self._ignored_ssl_errors)

    def _reconnect(self, former: Session) -> None:
        """Go on with an opening handshake over a new connection, as the server wants it."""
        session = self._new_session(secure=isinstance(former.transport.socket, QSslSocket))
        session.take_over(former)
        self._ignore_chosen_ssl_errors(session)

    # For the server

    @classmethod
    def _accepted(  # noqa: PLR0913 - what a request has, each by name
        cls,
        socket: QTcpSocket,
        request: QNetworkRequest,
        resource_name: str,
        *,
        origin: str,
        offered: list[str],
        subprotocol: str,
        leftover: bytes,
    ) -> "QWebSocket":
        """A server's end of a connection whose opening handshake is done; it is held back."""
        self = cls(origin)
        self._request, self._resource_name, self._subprotocol = request, resource_name, subprotocol
        self._options.setSubprotocols(offered)
        self._state = SocketState.ConnectedState
        if isinstance(socket, QSslSocket):
            self._ssl_configuration = socket.sslConfiguration()
        self._session = Session(self, socket)
        connection = Connection(Role.SERVER, new_key=self._mask_keys.new_key)
        connection.receive_data(leftover)
        self._session.hold(connection)
        return self

    def _release(self) -> None:
        """Deliver from the event loop on; ``state()`` is that of a peer that is gone already."""
        assert self._session is not None  # noqa: S101 - _accepted() made it
        if self._session.ended_unheard():
            self._state = SocketState.UnconnectedState
        self._session.release()

    def _go_away(self, reason: str) -> None:
        """End the connection at once, with a Close frame: its server is being destroyed."""
        if self._session is not None:
            self._session.go_away(reason)

    def _call_when_over(self, slot: Callable[[], object]) -> None:
        assert self._session is not None  # noqa: S101
        self._session.call_when_over(slot)

    def _send_encoded(self, frames: list[bytes]) -> bool:
        return self._session is not None and self._session.send_encoded(frames)

    # For open() and for the session

    def _set_state(self, state: QAbstractSocket.SocketState) -> None:
        if state is not self._state:
            self._state = state
            self.stateChanged.emit(state)

    def _frames_wanted(self) -> bool:
        """Whether somebody listens to the frame signals."""
        return any(self.isSignalConnected(frame_signal) for frame_signal in _FRAME_SIGNALS)

    def _set_limits(self) -> None:
        if self._session is not None and self._session.connection is not None:
            self._session.connection.set_limits(
                max_frame_size=self._max_frame_size, max_message_size=self._max_message_size
            )

    def _set_ssl_session(self, configuration: QSslConfiguration) -> None:
        self._ssl_configuration = configuration

    def _hide_user_info(self) -> None:
        """The URL's credentials were tried: as in Qt they are not shown any more."""
        url = self._request.url()
        unset: Any = None  # "" would leave the "@"
        url.setUserInfo(unset)
        self._request.setUrl(url)

    def _report(self, error: QAbstractSocket.SocketError, text: str | None = None) -> None:
        """Emit an error under both of its names.

        Args:
            error: the error.
            text: for ``errorString()``, where it is not the TCP or TLS socket's own.
        """
        if text is not None:
            self._own_error_string = text
        self.errorOccurred.emit(error)
        if isValid(self):
            self._error_signal.emit(error)

    def _report_former(self, error: QAbstractSocket.SocketError, text: str) -> None:
        """Emit the error of a session that is gone; meanwhile its text is ``errorString()``."""
        self._report(error, text)
        if isValid(self) and self._own_error_string == text:
            self._own_error_string = None


_FRAME_SIGNALS: Final = (
    meta_signal(QWebSocket, "textFrameReceived(QString,bool)"),
    meta_signal(QWebSocket, "binaryFrameReceived(QByteArray,bool)"),
)
