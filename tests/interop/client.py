"""A QWebSocket that records what happens to it, and a way to wait for that."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QByteArray, QDeadlineTimer, QEventLoop, QObject, QTimer, QUrl, Signal
from PySide6.QtNetwork import (
    QAbstractSocket,
    QAuthenticator,
    QNetworkProxy,
    QNetworkRequest,
    QSsl,
    QSslCertificate,
    QSslConfiguration,
    QSslError,
    QSslKey,
)

from interop.certificates import Certificate, Certificates
from support.qtmodule import ON_QT, QWebSocket, QWebSocketHandshakeOptions, QWebSocketProtocol

TIMEOUT = 20_000
"""Milliseconds to wait for anything; far more than is needed."""

NORMAL = QWebSocketProtocol.CloseCode.CloseCodeNormal
UNCONNECTED = QAbstractSocket.SocketState.UnconnectedState

BYTES = bytes(range(256)) * 4096
"""One MiB of everything."""

TEXTS = [
    "hello",
    "",
    "a\0b",
    "Grüße, 世界, здравствуй",
    "\U0001f600 \U0001f469‍\U0001f469‍\U0001f467 \U0010ffff",
    "not first: \ufeff \ufffe",
    "x" * 125 + "y" * 126,
    "€" * 350_000,
]

BINARIES = [
    b"",
    b"\0",
    bytes(range(256)),
    b"\xff\xfe\xef\xbb\xbf",
    b"z" * 65535,
    b"z" * 65536,
    BYTES,
]


class Client(QObject):
    """One QWebSocket, everything that it said, and answers to what it asks."""

    changed = Signal()

    def __init__(self, socket: QWebSocket | None = None) -> None:
        super().__init__()
        self.socket = socket or QWebSocket()
        self.log: list[str] = []
        self.texts: list[str] = []
        self.binaries: list[bytes] = []
        self.pongs: list[bytes] = []
        self.errors: list[QAbstractSocket.SocketError] = []
        self.ssl_errors: list[QSslError.SslError] = []
        self.connections = 0
        self.disconnections = 0
        self.user_and_password: tuple[str, str] | None = None
        self.realms: list[str] = []
        self.proxy_user_and_password: tuple[str, str] | None = None
        self.proxy_realms: list[str] = []
        self._connect_signals()

    def _connect_signals(self) -> None:
        socket = self.socket
        socket.stateChanged.connect(self._on_state_changed)
        socket.connected.connect(self._on_connected)
        socket.disconnected.connect(self._on_disconnected)
        socket.errorOccurred.connect(self._on_error)
        socket.sslErrors.connect(self._on_ssl_errors)
        socket.textMessageReceived.connect(self._on_text)
        socket.binaryMessageReceived.connect(self._on_binary)
        socket.pong.connect(self._on_pong)
        socket.authenticationRequired.connect(self._on_authentication_required)
        socket.proxyAuthenticationRequired.connect(self._on_proxy_authentication_required)

    def _note(self, line: str) -> None:
        self.log.append(line)
        self.changed.emit()

    def _on_state_changed(self, state: QAbstractSocket.SocketState) -> None:
        self._note(state.name)

    def _on_connected(self) -> None:
        self.connections += 1
        self._note("connected")

    def _on_disconnected(self) -> None:
        self.disconnections += 1
        self._note("disconnected")

    def _on_error(self, error: QAbstractSocket.SocketError) -> None:
        self.errors.append(error)
        self._note(f"{error.name}: {self.socket.errorString()}")

    def _on_ssl_errors(self, errors: list[QSslError]) -> None:
        self.ssl_errors += [error.error() for error in errors]
        self._note(f"sslErrors: {[error.errorString() for error in errors]}")

    def _on_text(self, text: str) -> None:
        self.texts.append(text)
        self._note(f"text of {len(text)}")

    def _on_binary(self, data: QByteArray) -> None:
        self.binaries.append(data.data())
        self._note(f"binary of {data.size()}")

    def _on_pong(self, elapsed: int, payload: QByteArray) -> None:
        assert elapsed >= 0
        self.pongs.append(payload.data())
        self._note("pong")

    def _on_authentication_required(self, authenticator: QAuthenticator) -> None:
        self.realms.append(authenticator.realm())
        if self.user_and_password is not None:
            authenticator.setUser(self.user_and_password[0])
            authenticator.setPassword(self.user_and_password[1])
        self._note("authenticationRequired")

    def _on_proxy_authentication_required(
        self, proxy: QNetworkProxy, authenticator: QAuthenticator
    ) -> None:
        self.proxy_realms.append(authenticator.realm())
        if self.proxy_user_and_password is not None:
            authenticator.setUser(self.proxy_user_and_password[0])
            authenticator.setPassword(self.proxy_user_and_password[1])
        self._note(f"proxyAuthenticationRequired by {proxy.hostName()}")

    def is_closed(self) -> bool:
        """Tell whether the connection is over."""
        return self.socket.state() is UNCONNECTED

    def wait(
        self, condition: Callable[[], Any], what: str = "that", timeout: int = TIMEOUT
    ) -> None:
        """Run the event loop until *condition* holds; it is looked at after each signal."""
        wait_for([self], condition, what, timeout)

    def open(
        self,
        target: str | QUrl | QNetworkRequest,
        *,
        subprotocols: list[str] | None = None,
    ) -> None:
        """Open *target* and return at once."""
        if subprotocols is None:
            self.socket.open(target if isinstance(target, QNetworkRequest) else QUrl(target))
            return
        options = QWebSocketHandshakeOptions()
        options.setSubprotocols(subprotocols)
        self.socket.open(target if isinstance(target, QNetworkRequest) else QUrl(target), options)

    def connect_to(
        self,
        target: str | QUrl | QNetworkRequest,
        *,
        subprotocols: list[str] | None = None,
    ) -> None:
        """Open *target* and wait until it is connected."""
        before = self.connections
        self.open(target, subprotocols=subprotocols)
        self.wait(lambda: self.connections > before or self.errors, "connected")
        assert self.connections == before + 1, self.log[-12:]
        assert self.socket.isValid()

    def fail_to_connect(self, target: str | QUrl | QNetworkRequest) -> QAbstractSocket.SocketError:
        """Open *target*, wait until that has failed in full, and return its only error."""
        self.open(target)
        self.wait(
            lambda: self.errors and self.is_closed() and self.disconnections,
            "a failure",
        )
        assert self.connections == 0, self.log
        assert len(self.errors) == 1, self.log
        return self.errors[0]

    def echo_text(self, text: str) -> None:
        """Send *text* and see that exactly it comes back."""
        before = len(self.texts)
        assert self.socket.sendTextMessage(text) == len(text.encode())
        self.wait(lambda: len(self.texts) > before or self.is_closed(), "the text's echo")
        assert self.texts[before:] == [text]

    def echo_binary(self, data: bytes) -> None:
        """Send *data* and see that exactly it comes back."""
        before = len(self.binaries)
        assert self.socket.sendBinaryMessage(QByteArray(data)) == len(data)
        self.wait(lambda: len(self.binaries) > before or self.is_closed(), "the data's echo")
        assert self.binaries[before:] == [data]

    def ping(self, payload: bytes) -> None:
        """Send a ping and see its pong."""
        before = len(self.pongs)
        self.socket.ping(QByteArray(payload))
        self.wait(lambda: len(self.pongs) > before or self.is_closed(), "a pong")
        assert self.pongs[before:] == [payload]

    def close(self, code: QWebSocketProtocol.CloseCode = NORMAL, reason: str = "") -> None:
        """Close in good order and wait for the end."""
        before = self.disconnections
        self.socket.close(code, reason)
        self.wait(lambda: self.disconnections > before, "the end")
        assert self.is_closed()
        if ON_QT and "ClosingState" in self.log:
            # QSslSocket may call the peer's hanging up an error though both have said Close.
            self.errors.clear()
        assert self.errors == [], self.log[-8:]

    def exchange(self) -> None:
        """Talk over an open connection to an echo server in short, and close it."""
        for text in TEXTS[:-1]:
            self.echo_text(text)
        for data in BINARIES:
            self.echo_binary(data)
        self.ping(b"ping")
        self.close()


def wait_for(
    clients: list[Client], condition: Callable[[], Any], what: str, timeout: int = TIMEOUT
) -> None:
    """Run the event loop until *condition* holds; it is looked at after each client's signal."""
    loop, alarm, deadline = QEventLoop(), QTimer(), QDeadlineTimer(timeout)
    alarm.setSingleShot(True)
    alarm.timeout.connect(loop.quit)
    alarm.start(timeout)
    for client in clients:
        client.changed.connect(loop.quit)
    while not condition():
        if deadline.hasExpired():
            logs = "\n".join(repr(client.log[-20:]) for client in clients)
            pytest.fail(f"waited {timeout / 1000} s for {what}; so far:\n{logs}")
        loop.exec()
    for client in clients:
        client.changed.disconnect(loop.quit)


def headers_seen(client: Client) -> dict[str, Any]:
    """Return what the ``/headers`` page of a test server tells: the target and the headers."""
    client.wait(lambda: client.texts, "the headers")
    seen: dict[str, Any] = json.loads(client.texts[0])
    return seen


def trust(client: Client, certificates: Certificates, own: Certificate | None = None) -> None:
    """Make *client* trust the tests' authority, and show the certificate *own*."""
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setCaCertificates(QSslCertificate.fromPath(str(certificates.ca)))
    if own is not None:
        configuration.setLocalCertificate(QSslCertificate.fromPath(str(own.certificate))[0])
        key = QSslKey(own.key.read_bytes(), QSsl.KeyAlgorithm.Rsa)
        if key.isNull():
            key = QSslKey(own.key.read_bytes(), QSsl.KeyAlgorithm.Ec)
        configuration.setPrivateKey(key)
    client.socket.setSslConfiguration(configuration)
