"""The server's half of the opening handshake (RFC 6455 section 4.2); HTTP itself is h11's."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import h11

from pyqwebsocket._engine.errors import HandshakeError
from pyqwebsocket._engine.handshake import Field, accept_value, tokens_of, values_of

_MAX_LINE: Final = 8 * 1024  # bytes of a line of the head, as Qt
_MAX_FIELDS: Final = 100  # as Qt
_MAX_HEAD: Final = 128 * 1024  # bytes

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_TOO_LARGE: Final = 431
_HTTP_VERSIONS: Final = frozenset({b"1.1", b"1.2"})  # as Qt

_TARGET: Final = re.compile(r"(?:(?:http|ws)s?://[^/?#]+)?(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE)
# RFC 3986 section 3.2.2, and letters beyond ASCII.
_HOST: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=\x80-\xff-]+)(?::[0-9]*)?"
)

# What h11 takes though RFC 9112 need not be read so (sections 2.2 and 5.2): lines that end with LF
# alone, lines that go on; and DEL, which RFC 9110 section 5.5 does not allow.
_LOOSE: Final = re.compile(rb"(?<!\r)\n|\n[ \t]|\x7f")

# The reason phrases of the answers given here (RFC 9110 section 15).
_PHRASES: Final = {
    400: b"Bad Request",
    403: b"Access Forbidden",  # Qt's words
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    426: b"Upgrade Required",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
_VERSION: Final[Field] = (b"Sec-WebSocket-Version", b"13")
_UPGRADE: Final[tuple[Field, ...]] = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))


class UpgradeRequest(NamedTuple):
    """A valid request to switch to the WebSocket protocol.

    Attributes:
        target: path and query of the request target, percent-encoded as they were sent.
        host: the value of ``Host``.
        origin: the value of ``Origin``, or "".
        version_matches: whether version 13 is among those the client speaks.
        subprotocols: what the client offers, its preferred one first.
        fields: all header fields.
    """

    target: str
    host: str
    origin: str
    version_matches: bool
    subprotocols: list[str]
    fields: list[Field]


class RefusalError(HandshakeError):
    """A request that gets an HTTP answer instead of an upgrade.

    Args:
        status: the status of the answer.
        text: what is wrong, for the person who reads the answer.
        fields: further header fields of the answer.
    """

    def __init__(self, status: int, text: str, fields: Sequence[Field] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.fields = tuple(fields)


class ServerHandshake:
    """The server's half of one opening handshake: feed it, then ``accept()`` or ``refuse()``.

    Attributes:
        complete: whether the client has sent its request whole, and need not send anything more.
    """

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._head = bytearray()
        self._line_count = 0
        self._line_size = 0  # of the line that is not complete
        self._key = b""
        self._over = False
        self.complete = False
        self._is_head_request = False

    def receive_data(self, data: bytes) -> UpgradeRequest | None:
        """Take bytes from the client; None until its request is complete.

        Raises:
            RefusalError: the request cannot lead to an upgrade; give it to ``refuse()``.
        """
        if self._over or not data:
            return None
        self._head += data
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
            self.complete = self._head.endswith(b"\r\n\r\n")
            if event is h11.NEED_DATA:
                self._check_size(data)
                return None
            self._over = True
            return self._check(event)
        except h11.RemoteProtocolError as error:
            self._over = True
            self.complete = self._head.endswith(b"\r\n\r\n")
            if error.error_status_hint == _TOO_LARGE:
                raise _too_large() from None
            raise RefusalError(400, "This is not a valid HTTP request.") from None

    def _check_size(self, data: bytes) -> None:
        """What holds for a head that is not complete yet, so that none grows for ever."""
        line_ends = data.count(b"\n")
        self._line_count += line_ends
        line_start = data.rfind(b"\n") + 1
        self._line_size = len(data) - line_start + (0 if line_ends else self._line_size)
        if self._line_size + 1 > _MAX_LINE or self._line_count > _MAX_FIELDS + 1:
            self._over = True
            raise _too_large()

    def _check(self, event: h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]) -> UpgradeRequest:
        """Check a request as section 4.2.1 asks; ``h11`` has checked that it is HTTP."""
        assert isinstance(event, h11.Request)  # noqa: S101 - with it h11 begins
        self._is_head_request = event.method == b"HEAD"
        fields = [(bytes(name), bytes(value)) for name, value in event.headers]
        has_body = bool(
            set(values_of(fields, b"content-length")) - {"0"}
            or values_of(fields, b"transfer-encoding")
        )
        self.complete = not has_body
        if len(fields) > _MAX_FIELDS:
            raise _too_large()
        if event.method != b"GET":
            raise RefusalError(405, "Only GET can lead to a WebSocket.", [(b"Allow", b"GET")])
        if has_body:
            raise RefusalError(400, "A WebSocket request has no body.")
        self._check_head()
        target = _TARGET.fullmatch(event.target.decode("latin-1"))
        if event.http_version not in _HTTP_VERSIONS or not target:
            raise RefusalError(400, "A WebSocket request is GET /path HTTP/1.1.")
        host, versions = _checked_upgrade(fields)
        self._key = _checked_key(values_of(fields, b"sec-websocket-key"))
        offered = ",".join(values_of(fields, b"sec-websocket-protocol")).split(",")
        return UpgradeRequest(
            target=(target[1] or "/") + (target[2] or ""),
            host=host,
            origin=next(iter(values_of(fields, b"origin")), ""),
            version_matches="13" in versions,
            subprotocols=[name.strip() for name in offered if name.strip()],
            fields=fields,
        )

    def _check_head(self) -> None:
        """Check the bytes of the head, for what h11 lets pass."""
        while self._http.next_event() not in (h11.NEED_DATA, h11.PAUSED):
            pass
        head = self._head[: len(self._head) - len(self._http.trailing_data[0])]
        if len(head) > _MAX_HEAD or max(map(len, head.split(b"\r\n"))) + 2 > _MAX_LINE:
            raise _too_large()
        if _LOOSE.search(head):
            raise RefusalError(400, "The head of the request is not well formed.")

    def accept(self, fields: Sequence[Field]) -> tuple[bytes, bytes]:
        """The bytes of the answer that accepts, and the client's bytes behind its request: frames.

        Args:
            fields: header fields behind those that section 4.2.2 names.
        """
        answer = h11.InformationalResponse(
            status_code=101,
            reason=b"Switching Protocols",
            headers=[*_UPGRADE, (b"Sec-WebSocket-Accept", accept_value(self._key)), *fields],
        )
        head = self._http.send(answer) or b""
        leftover, _ = self._http.trailing_data
        self._head.clear()
        return head, bytes(leftover)

    def refuse(self, refusal: RefusalError) -> bytes:
        """The bytes of an answer that a person can read, and that closes the connection."""
        body = f"{refusal.status} {_PHRASES[refusal.status].decode()}\n\n{refusal.text}\n".encode()
        fields = [
            (b"Connection", b"close"),
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Length", str(len(body)).encode()),
            *(field for field in refusal.fields if field[0] != b"Connection"),
        ]
        if any(name == b"Upgrade" for name, _ in refusal.fields):
            fields[0] = (b"Connection", b"Upgrade, close")
        response = h11.Response(
            status_code=refusal.status, reason=_PHRASES[refusal.status], headers=fields
        )
        # Not through this connection's h11: it may have given up in the middle of the request.
        answer = h11.Connection(h11.SERVER)
        head = answer.send(response) or b""
        return head if self._is_head_request else head + body


def wrong_version() -> RefusalError:
    """The refusal of a client that does not speak version 13 (section 4.2.2, item 4)."""
    return RefusalError(426, "Only version 13 is spoken here.", [*_UPGRADE, _VERSION])


def _too_large() -> RefusalError:
    return RefusalError(_TOO_LARGE, "The head of the request is too large.")


def _checked_upgrade(fields: list[Field]) -> tuple[str, set[str]]:
    """The host, and the versions that the client speaks (section 4.2.1, items 2 to 6)."""
    if not values_of(fields, b"upgrade"):
        raise RefusalError(426, "Only WebSocket clients are served here.", [*_UPGRADE, _VERSION])
    if "websocket" not in tokens_of(fields, b"upgrade") or "upgrade" not in tokens_of(
        fields, b"connection"
    ):
        raise RefusalError(400, "Upgrade and Connection do not ask for a WebSocket.")
    host = ",".join(values_of(fields, b"host"))
    if not _HOST.fullmatch(host):
        raise RefusalError(400, "Host does not name a host.")
    versions = tokens_of(fields, b"sec-websocket-version")
    if not any(_NUMBER.fullmatch(version) for version in versions):
        raise wrong_version()
    return host, versions


def _checked_key(keys: list[str]) -> bytes:
    """The one ``Sec-WebSocket-Key``: base64 of sixteen bytes (section 4.2.1, item 5)."""
    try:
        (key,) = keys
        if len(base64.b64decode(key, validate=True)) == 16:  # noqa: PLR2004
            return key.encode("latin-1")
    except (ValueError, binascii.Error):
        pass
    raise RefusalError(400, "Sec-WebSocket-Key is not the base64 of sixteen bytes.")
