"""What ``open()`` was given, checked and taken apart for the opening handshake."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from PySide6.QtCore import QUrl, qWarning
from PySide6.QtNetwork import QAbstractSocket, QAuthenticator, QNetworkRequest

from pyqwebsocket._engine import auth
from pyqwebsocket._engine.errors import HandshakeError, InvalidRequestError
from pyqwebsocket._engine.handshake import (
    OWN_FIELDS,
    Accepted,
    ClientHandshake,
    Unauthorized,
)

SocketError = QAbstractSocket.SocketError
_ENCODED: Final = QUrl.ComponentFormattingOption.FullyEncoded

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}  # RFC 6455 section 3
_SUBPROTOCOL: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2, token
_LINE_BREAK: Final = re.compile(r"[\r\n]")

# How often a server may call only the nonce stale (RFC 7616 section 3.3) before it is a loop.
_MAX_STALE_NONCES: Final = 5


class OpenError(Exception):
    """An ``open()`` that cannot be tried: the error to emit and its text."""

    def __init__(self, error: QAbstractSocket.SocketError, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class Target(NamedTuple):
    """Where an upgrade request goes.

    Attributes:
        secure: whether over TLS.
        host: the name or address to connect to.
        port: the TCP port.
        host_field: the value of ``Host``.
        resource_name: the request target: path and query, percent-encoded (RFC 6455 section 3).
    """

    secure: bool
    host: str
    port: int
    host_field: str
    resource_name: str


def target_of(url: QUrl) -> Target:
    """Take a WebSocket URL apart.

    Raises:
        OpenError: the URL is invalid or its scheme is neither ``ws`` nor ``wss``.
    """
    if not url.isValid() or _LINE_BREAK.search(url.toString()):
        raise OpenError(SocketError.ConnectionRefusedError, "Invalid URL.")
    path = url.path(_ENCODED)
    if "%0D%0A" in path.upper():
        raise OpenError(SocketError.ConnectionRefusedError, "Invalid resource name.")
    query = url.query(_ENCODED)
    host, field = _host_of(url)
    port = url.port()
    scheme = url.scheme()
    return Target(
        secure=scheme == "wss",
        host=host,
        port=port if port >= 0 else _DEFAULT_PORTS.get(scheme, 0),
        host_field=field if port < 0 else f"{field}:{port}",
        resource_name=(path or "/") + (f"?{query}" if query else ""),
    )


def check_scheme(url: QUrl) -> None:
    """Raise the OpenError of a URL that is valid but not a WebSocket's."""
    if url.scheme() not in _DEFAULT_PORTS:
        raise OpenError(
            SocketError.UnsupportedSocketOperationError,
            f"Unsupported WebSocket scheme: {url.scheme()}",
        )


def _host_of(url: QUrl) -> tuple[str, str]:
    """The host to connect to, and how the ``Host`` field says it."""
    host = url.host(_ENCODED)  # a name as its A-label
    if ":" not in host:
        return host, host
    # The zone of a link-local address means nothing to the peer (RFC 6874 section 3).
    return url.host().strip("[]"), f"[{host.strip('[]').partition('%')[0]}]"


def _takes_bytes() -> bool:
    try:
        QNetworkRequest().rawHeader(b"x")  # type: ignore[arg-type] # what the stub says since 6.7
    except TypeError:
        return False
    return True


# WORKAROUND: the name is a str since PySide6 6.7, and was bytes before.
_NAME_IS_BYTES: Final = _takes_bytes()


def _raw_header(request: QNetworkRequest, name: bytes) -> bytes:
    """The value of a header field as the program gave it."""
    key: Any = name if _NAME_IS_BYTES else name.decode("latin-1")
    return bytes(request.rawHeader(key).data())


def subprotocols_of(names: list[str], request: QNetworkRequest) -> list[str]:
    """What is offered: the options' names, then those of a raw ``Sec-WebSocket-Protocol`` field.

    Each is offered once (RFC 6455 section 4.1, item 10); what is no token is left out, with a
    warning.
    """
    field = _raw_header(request, b"Sec-WebSocket-Protocol").decode("latin-1")
    offered: list[str] = []
    for name in [*names, *(word.strip() for word in field.split(",") if word.strip())]:
        if not _SUBPROTOCOL.fullmatch(name):
            qWarning(f"Ignoring invalid WebSocket subprotocol name {_printable(name)}")
        elif name not in offered:
            offered.append(name)
    return offered


def _printable(text: str) -> str:
    return '"' + text.encode("ascii", "backslashreplace").decode() + '"'


def _caller_fields(request: QNetworkRequest) -> list[tuple[bytes, bytes]]:
    """The caller's header fields in their order, without those that are the handshake's own."""
    fields = []
    for name in (bytes(raw.data()) for raw in request.rawHeaderList()):
        if name.lower() == b"sec-websocket-protocol":
            continue
        if name.lower() in OWN_FIELDS:
            text = _printable(name.decode("latin-1"))
            qWarning(f"Ignoring header field {text}: it belongs to the WebSocket handshake")
            continue
        fields.append((name, _raw_header(request, name)))
    return fields


class Opening:
    """One ``open()``: its target, its handshake and its credentials.

    Args:
        request: the URL and the caller's header fields.
        target: the URL, taken apart.
        origin: the value of ``Origin``, or "".
        subprotocols: what is offered.
        new_nonce: gives sixteen bytes for ``Sec-WebSocket-Key``.
    """

    def __init__(
        self,
        request: QNetworkRequest,
        target: Target,
        *,
        origin: str,
        subprotocols: list[str],
        new_nonce: Callable[[], bytes],
    ) -> None:
        self.target = target
        self.authentication = Authentication(request.url())
        self._origin = origin
        self._new_nonce = new_nonce
        self._handshake = ClientHandshake(
            target=target.resource_name,
            host=target.host_field,
            origin=_encode_origin(origin),
            subprotocols=subprotocols,
            fields=_caller_fields(request),
        )

    def request(self, authorization: bytes) -> bytes:
        """The bytes of the upgrade request.

        Raises:
            InvalidRequestError: for what may not be sent.
        """
        if _LINE_BREAK.search(self._origin):
            raise InvalidRequestError("The origin contains newlines. Possible attack detected.")
        return self._handshake.request(self._new_nonce(), authorization)

    def receive_data(self, data: bytes) -> Accepted | Unauthorized | None:
        """Take bytes of the server's answer.

        Raises:
            HandshakeError: the answer cannot be accepted.
        """
        return self._handshake.receive_data(data)

    def restart(self) -> None:
        """The next request goes over a new connection."""
        self._handshake.restart()


def _encode_origin(origin: str) -> bytes:
    """Latin-1 as Qt, UTF-8 where that will not do."""
    try:
        return origin.encode("latin-1")
    except UnicodeEncodeError:
        return origin.encode(errors="replace")


class Authentication:
    """The credentials of one ``open()``: which were tried, and what to try next.

    Args:
        url: its user name and password are tried first.

    Attributes:
        authenticator: what ``authenticationRequired`` hands to the program.
    """

    def __init__(self, url: QUrl) -> None:
        self.authenticator = QAuthenticator()
        self._from_url = bool(url.userName() or url.password())
        if self._from_url:
            decoded = QUrl.ComponentFormattingOption.FullyDecoded
            self.authenticator.setUser(url.userName(decoded))
            self.authenticator.setPassword(url.password(decoded))
        self._tried: tuple[str, str] | None = None
        self._stale_nonces = 0
        self._challenge: auth.Challenge | None = None

    def take(self, challenges: list[auth.Challenge]) -> bool:
        """Take a 401; whether the credentials at hand may answer it without asking the program.

        Raises:
            HandshakeError: no challenge that can be answered.
        """
        self._challenge = auth.strongest(challenges)
        if self._challenge is None:
            some = "challenge" if challenges else "challenges"
            raise HandshakeError(
                f"QWebSocketPrivate::processHandshake: Unsupported WWW-Authenticate {some} "
                "encountered."
            )
        self.authenticator.setRealm(self._challenge.realm)
        if self._tried is None:
            return self._from_url
        if self._challenge.stale and self._stale_nonces < _MAX_STALE_NONCES:
            self._stale_nonces += 1
            return True
        return False

    @property
    def changed(self) -> bool:
        """Whether the authenticator holds credentials that were not tried last."""
        present = self._present()
        return present not in (self._tried, ("", ""))

    def answer(self, resource_name: str) -> bytes:
        """The value of ``Authorization`` for the 401 that was taken last."""
        self._tried = self._present()
        assert self._challenge is not None  # noqa: S101 - take() came first
        user, password = self._tried
        return auth.answer(
            self._challenge, user=user, password=password, method="GET", target=resource_name
        )

    def _present(self) -> tuple[str, str]:
        return self.authenticator.user(), self.authenticator.password()
