"""The opening handshake (RFC 6455 section 4); HTTP itself is h11's.

A handshake ends with an ``Accepted`` that hands on the bytes behind the answer's head: a connection
begins with them.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

import h11

from pyqwebsocket._engine import auth
from pyqwebsocket._engine.errors import HandshakeError, InvalidRequestError

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_SWITCHING_PROTOCOLS: Final = 101
_UNAUTHORIZED: Final = 401
_HEAD_TOO_LARGE: Final = 431
_HTTP_VERSIONS: Final = frozenset({"1.1", "1.2"})  # as Qt
_MAX_HEAD: Final = 100 * 1024  # of an answer, in bytes; servers send some hundred
_MAX_BODY: Final = 64 * 1024  # of a 401, to read for the sake of the connection; in bytes

# Fields that the handshake itself answers for; the caller's own would break it.
OWN_FIELDS: Final = frozenset({
    b"connection",
    b"content-length",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"transfer-encoding",
    b"upgrade",
})  # fmt: skip

# How h11 says that an answer does not begin with a status line.
_NO_STATUS_LINE: Final = ("status line", "response line", "request line")

Field: TypeAlias = tuple[bytes, bytes]


def accept_value(key: bytes) -> bytes:
    """``Sec-WebSocket-Accept`` for a ``Sec-WebSocket-Key`` (section 4.2.2, item 5.4)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class Accepted(NamedTuple):
    """The server switched to the WebSocket protocol.

    Attributes:
        subprotocol: the one it chose, or "".
        leftover: the bytes that came behind the head of its answer: frames.
    """

    subprotocol: str
    leftover: bytes


class Unauthorized(NamedTuple):
    """The server wants credentials.

    Attributes:
        challenges: what it would accept.
        reusable: whether the next request can go over the same connection.
    """

    challenges: list[auth.Challenge]
    reusable: bool


class ClientHandshake:
    """The client's half of one opening handshake.

    Args:
        target: the request target: path and query, percent-encoded.
        host: the ``Host`` field: name and, where it is not the default, port.
        origin: the ``Origin`` field, or b"" for none.
        subprotocols: what is offered, the preferred one first.
        fields: the caller's header fields, sent behind those of the handshake. Those for which the
            handshake answers itself are left out, ``Host`` and ``Origin`` replace its own.
    """

    def __init__(
        self,
        *,
        target: str,
        host: str,
        origin: bytes = b"",
        subprotocols: Sequence[str] = (),
        fields: Iterable[Field] = (),
    ) -> None:
        self.target = target
        self._subprotocols = list(subprotocols)
        self._origin = origin.strip(b" \t")
        self._caller = [
            (name, value.strip(b" \t")) for name, value in fields if name.lower() not in OWN_FIELDS
        ]
        hosts = [value for name, value in self._caller if name.lower() == b"host"]
        self._host = hosts[0] if hosts else host.encode(errors="replace")
        self.restart()

    def restart(self) -> None:
        """The next request goes over a new connection."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._key = b""
        self._unauthorized: list[auth.Challenge] | None = None
        self._body_size = 0
        self._over = False

    def request(self, nonce: bytes, authorization: bytes = b"") -> bytes:
        """The bytes of the request; again, with credentials, after ``Unauthorized``.

        Args:
            nonce: sixteen bytes that nobody can predict, for ``Sec-WebSocket-Key``.
            authorization: the value of ``Authorization``, in place of the caller's own.

        Raises:
            InvalidRequestError: a part of it that HTTP does not allow, a line break for one.
        """
        self._key = base64.b64encode(nonce)
        fields = self._fields(authorization)
        try:
            request = h11.Request(method="GET", target=self.target, headers=fields)
            head = self._http.send(request)
            self._http.send(h11.EndOfMessage())
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise InvalidRequestError(str(error)) from None
        return head or b""

    def _fields(self, authorization: bytes) -> list[Field]:
        left_out = {b"host", b"authorization" if authorization else b""}
        fields = [
            (b"Host", self._host),
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", self._key),
        ]
        if self._origin and b"origin" not in {name.lower() for name, _ in self._caller}:
            fields.append((b"Origin", self._origin))
        fields.append((b"Sec-WebSocket-Version", b"13"))
        if self._subprotocols:
            fields.append(
                (b"Sec-WebSocket-Protocol", ", ".join(self._subprotocols).encode(errors="replace"))
            )
        fields += [(name, value) for name, value in self._caller if name.lower() not in left_out]
        if authorization:
            fields.append((b"Authorization", authorization))
        return fields

    def receive_data(self, data: bytes) -> Accepted | Unauthorized | None:
        """Take bytes from the server; None until its answer is complete.

        What comes behind an answer that ends the connection is ignored.

        Raises:
            HandshakeError: the answer cannot be accepted.
        """
        if self._over or not data:
            return None
        self._over = True  # unless the answer is incomplete, or asks for another request
        try:
            self._http.receive_data(data)
            answer = self._next_answer()
        except h11.RemoteProtocolError as error:
            raise HandshakeError(_unreadable(error)) from None
        self._over = answer is not None and not (
            isinstance(answer, Unauthorized) and answer.reusable
        )
        return answer

    def _next_answer(self) -> Accepted | Unauthorized | None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.InformationalResponse):
                if event.status_code == _SWITCHING_PROTOCOLS:
                    return self._accept(event)
                continue  # 100 or 103: the answer is yet to come
            answer = self._refused(event)
            if answer is not None:
                return answer

    def _accept(self, response: h11.InformationalResponse) -> Accepted:
        """Check a 101 as section 4.1 asks, items 2 to 6 of its last list."""
        fields = response.headers
        accept = ", ".join(values_of(fields, b"sec-websocket-accept"))
        version = response.http_version.decode()
        if not (
            accept
            and version in _HTTP_VERSIONS
            and "websocket" in tokens_of(fields, b"upgrade")
            and "upgrade" in tokens_of(fields, b"connection")
        ):
            upgrade = ", ".join(values_of(fields, b"upgrade"))
            connection = ", ".join(values_of(fields, b"connection"))
            raise HandshakeError(
                "Invalid parameter encountered during protocol upgrade: Accept-key size: "
                f"{len(accept)}, version: {version}, upgrade: {upgrade}, connection: {connection}"
            )
        expected = accept_value(self._key).decode()
        if accept != expected:
            raise HandshakeError(
                f"Accept-Key received from server {accept} does not match the client key "
                f"{expected}."
            )
        if values_of(fields, b"sec-websocket-extensions") not in ([], [""]):
            raise HandshakeError("WebSocket server has chosen an extension that was not requested")
        leftover, _ = self._http.trailing_data
        return Accepted(self._subprotocol(fields), bytes(leftover))

    def _subprotocol(self, fields: Iterable[Field]) -> str:
        subprotocol = ", ".join(values_of(fields, b"sec-websocket-protocol"))
        if subprotocol and subprotocol not in self._subprotocols:
            raise HandshakeError(
                f"WebSocket server has chosen protocol {subprotocol} which has not been requested"
            )
        return subprotocol

    def _refused(
        self, event: h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]
    ) -> Unauthorized | None:
        """Any other answer: only a 401 leads on, once its body is read or not worth it."""
        if isinstance(event, h11.Response):
            if event.status_code != _UNAUTHORIZED:
                reason = bytes(event.reason).decode("latin-1")
                raise HandshakeError(
                    "QWebSocketPrivate::processHandshake: Unhandled http status code: "
                    f"{event.status_code} ({reason})."
                )
            self._unauthorized = auth.parse_challenges(
                values_of(event.headers, b"www-authenticate")
            )
            if not _keeps_alive(event):
                return Unauthorized(self._unauthorized, reusable=False)
        if isinstance(event, h11.Data):
            self._body_size += len(event.data)
        assert self._unauthorized is not None  # noqa: S101 - h11 begins with the response
        if isinstance(event, h11.EndOfMessage):
            challenges, self._unauthorized, self._body_size = self._unauthorized, None, 0
            self._http.start_next_cycle()
            return Unauthorized(challenges, reusable=True)
        if self._body_size > _MAX_BODY:
            return Unauthorized(self._unauthorized, reusable=False)
        return None


def _unreadable(error: h11.RemoteProtocolError) -> str:
    """Qt's words for an answer that is not HTTP."""
    if error.error_status_hint == _HEAD_TOO_LARGE:
        return "Header is too large"
    if any(words in str(error) for words in _NO_STATUS_LINE):
        return "Read handshake request status failed"
    return "Parsing handshake request header failed"


def _keeps_alive(response: h11.Response) -> bool:
    """Whether another request can follow on the connection (RFC 9112 section 9.3)."""
    names = {name for name, _ in response.headers}
    return (
        response.http_version == b"1.1"
        and "close" not in tokens_of(response.headers, b"connection")
        and bool(names & {b"content-length", b"transfer-encoding"})
    )


def values_of(fields: Iterable[Field], name: bytes) -> list[str]:
    """The values of all fields of this name, which is in lower case."""
    return [value.decode("latin-1") for field, value in fields if field == name]


def tokens_of(fields: Iterable[Field], name: bytes) -> set[str]:
    """The comma-separated tokens of all fields of this name, in lower case."""
    return {
        token.strip().lower() for value in values_of(fields, name) for token in value.split(",")
    }
