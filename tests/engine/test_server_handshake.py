"""The server's opening handshake: requests whole, split and truncated, answers byte by byte."""

import http.client
import io
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import State as WebsocketsState
from websockets.uri import parse_uri
from wsproto import ConnectionType, WSConnection
from wsproto import events as w
from wsproto.extensions import PerMessageDeflate

from engine.transcript import ACCEPT, NONCE, bytewise, in_pieces, prefixes, segmentations
from pyqwebsocket._engine.errors import HandshakeError
from pyqwebsocket._engine.handshake import Accepted, ClientHandshake
from pyqwebsocket._engine.server_handshake import (
    RefusalError,
    ServerHandshake,
    UpgradeRequest,
    wrong_version,
)

LINE = b"GET /chat HTTP/1.1\r\n"
HOST = b"Host: server.example.com\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
HEAD = LINE + HOST + UPGRADE + KEY + VERSION
REQUEST = HEAD + b"\r\n"
HEAD_FIELDS = HEAD.count(b"\r\n") - 1

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
)

MAX_LINE = 8192  # bytes, CR LF included
MAX_FIELDS = 100
MAX_HEAD = 128 * 1024


class Refused(NamedTuple):
    """What a RefusalError tells."""

    status: int
    text: str
    fields: tuple[tuple[bytes, bytes], ...] = ()


SWITCH = (
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Version", b"13"),
)
NOT_HTTP = Refused(400, "This is not a valid HTTP request.")
NOT_OUR_LINE = Refused(400, "A WebSocket request is GET /path HTTP/1.1.")
BAD_HOST = Refused(400, "Host does not name a host.")
BAD_KEY = Refused(400, "Sec-WebSocket-Key is not the base64 of sixteen bytes.")
WITH_BODY = Refused(400, "A WebSocket request has no body.")
LOOSE = Refused(400, "The head of the request is not well formed.")
NO_WEBSOCKET = Refused(400, "Upgrade and Connection do not ask for a WebSocket.")
NOT_GET = Refused(405, "Only GET can lead to a WebSocket.", ((b"Allow", b"GET"),))
NO_UPGRADE = Refused(426, "Only WebSocket clients are served here.", SWITCH)
NO_VERSION = Refused(426, "Only version 13 is spoken here.", SWITCH)
TOO_LARGE = Refused(431, "The head of the request is too large.")

Outcome = UpgradeRequest | Refused | None


def changed(old: bytes, new: bytes) -> bytes:
    """The sample request with a part of it replaced."""
    assert REQUEST.count(old) == 1
    return REQUEST.replace(old, new)


def with_fields(*lines: bytes) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def asked(shake: ServerHandshake, pieces: Iterable[bytes]) -> tuple[Outcome, bytes]:
    """What the handshake makes of the pieces of a request, and what it leaves of them."""
    rest = iter(pieces)
    for piece in rest:
        try:
            request = shake.receive_data(piece)
        except RefusalError as error:
            return Refused(error.status, error.text, error.fields), b"".join(rest)
        if request is not None:
            return request, b"".join(rest)
    return None, b""


def check_request(data: bytes, *, leftover: bytes = b"") -> UpgradeRequest:
    """Play a request that is accepted whole, split and truncated."""
    first, _ = asked(ServerHandshake(), [data])
    assert isinstance(first, UpgradeRequest), first
    for pieces in segmentations(data):
        shake = ServerHandshake()
        request, rest = asked(shake, pieces)
        assert request == first, pieces
        answer, kept = shake.accept([])
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert kept + rest == leftover, pieces
    size = len(data) - len(leftover)
    for prefix in prefixes(data):
        request, _ = asked(ServerHandshake(), [prefix])
        assert request == (first if len(prefix) >= size else None), prefix
    return first


def check_refusal(data: bytes, expected: Refused, method: str = "GET") -> None:
    """Play a request that is refused whole, split and truncated; nothing is taken afterwards."""
    for pieces in segmentations(data):
        shake = ServerHandshake()
        outcome, _ = asked(shake, pieces)
        assert outcome == expected, pieces
        for piece in (REQUEST, b"\x81\x05Hello", b"\r\n\r\n", b"", b"\x00"):
            assert shake.receive_data(piece) is None
        check_answer(shake, expected, method)
    for prefix in prefixes(data):
        assert asked(ServerHandshake(), [prefix])[0] in (None, expected), prefix


def check_answer(shake: ServerHandshake, refused: Refused, method: str = "GET") -> None:
    """Clients that others wrote read the refusal, its text, and that the connection ends."""
    data = shake.refuse(RefusalError(*refused))
    body = f"{refused.status} {REASONS[refused.status]}\n\n{refused.text}\n".encode()
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in data
    if method == "HEAD":
        body = b""
    assert data.endswith(b"\r\n\r\n" + body)

    status, fields, read = read_by_h11(data, method)
    assert (status, read) == (refused.status, body)
    names = [name for name, _ in fields]
    assert len(names) == len(set(names))
    for name, value in refused.fields:
        if name != b"Connection":
            assert (name.lower(), value) in fields

    told = read_by_http_client(data, method)
    assert (told.status, told.reason) == (refused.status, REASONS[refused.status])
    assert told.headers.get_content_type() == "text/plain"
    assert told.will_close
    assert told.read() == body


REASONS = {
    400: "Bad Request",
    403: "Access Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def read_by_h11(data: bytes, method: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response, body = client.next_event(), b""
    assert isinstance(response, h11.Response)
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.their_state is h11.MUST_CLOSE
    assert client.trailing_data == (b"", False)
    return response.status_code, list(response.headers), body


class Wire:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def read_by_http_client(data: bytes, method: str) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(Wire(data), method=method)  # type: ignore[arg-type]
    response.begin()
    return response


# Requests that are accepted


def test_the_request_of_section_1_2():
    data = (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: server.example.com\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Origin: http://example.com\r\n"
        b"Sec-WebSocket-Protocol: chat, superchat\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"\r\n"
    )
    assert check_request(data) == UpgradeRequest(
        target="/chat",
        host="server.example.com",
        origin="http://example.com",
        version_matches=True,
        subprotocols=["chat", "superchat"],
        fields=[
            (b"host", b"server.example.com"),
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            (b"origin", b"http://example.com"),
            (b"sec-websocket-protocol", b"chat, superchat"),
            (b"sec-websocket-version", b"13"),
        ],
    )


def test_the_smallest_request():
    request = check_request(REQUEST)
    assert (request.origin, request.subprotocols) == ("", [])


def test_the_last_byte_decides():
    shake = ServerHandshake()
    assert asked(shake, [REQUEST[:-1]]) == (None, b"")
    assert shake.receive_data(b"") is None
    assert isinstance(shake.receive_data(REQUEST[-1:]), UpgradeRequest)


@pytest.mark.parametrize(
    "fields",
    [
        b"upgrade: websocket\r\nconnection: upgrade\r\n",
        b"UPGRADE: WEBSOCKET\r\nCONNECTION: UPGRADE\r\n",
        b"Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n",
        b"Upgrade: WebSocket\r\nConnection: keep-alive,Upgrade\r\n",
        b"Upgrade: h2c, websocket\r\nConnection: ,upgrade\r\n",
        b"Upgrade: websocket, h2c\r\nConnection: upgrade, close\r\n",
        b"Upgrade:websocket\r\nConnection:Upgrade\r\n",
        b"Upgrade: \t websocket \t \r\nConnection:\tUpgrade\t\r\n",
        b"Upgrade: ,, websocket ,\r\nConnection: Upgrade ,\r\n",
        b"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nConnection: keep-alive\r\n",
        b"Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n",
    ],
)
def test_lists_of_tokens_in_any_case(fields: bytes):
    check_request(changed(UPGRADE, fields))


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/chat",
        "/a/../b",
        "//host/path",
        "/a%20b?c=%20d",
        "/p?",
        "/p?a?b/c",
        "/p;x=1",
        '/"<>|\\^`{}',
        "/%",
        "/%zz",
        "/%00%0D%0A",
        "/http://other/p",
        "/p?http://other/p",
    ],
)
def test_targets(target: str):
    request = check_request(changed(b"/chat", target.encode()))
    assert request.target == target


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("?q=1", "/?q=1"),
        ("?", "/?"),
        ("http://server.example.com", "/"),
        ("http://server.example.com/", "/"),
        ("http://server.example.com?q", "/?q"),
        ("HTTPS://other:99/p?q", "/p?q"),
        ("ws://user@other:99/p", "/p"),
        ("wss://[::1]:99//p??", "//p??"),
    ],
)
def test_targets_that_are_more_or_less_than_a_path(target: str, told: str):
    """A URL stands for its path and query; the name of the host is that of ``Host``."""
    request = check_request(changed(b"/chat", target.encode()))
    assert (request.target, request.host) == (told, "server.example.com")


@pytest.mark.parametrize("version", [b"1.1", b"1.2"])
def test_versions_of_http(version: bytes):
    check_request(changed(b"HTTP/1.1", b"HTTP/" + version))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "EXAMPLE.org",
        "127.0.0.1:8080",
        "x:",
        "a:99999",
        "[::1]",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
        "xn--9ca",
        "exa%41mple",
        "under_score",
        "a!$&'()*+;=~-b",
    ],
)
def test_hosts(host: str):
    data = changed(b"server.example.com", b"  " + host.encode() + b"\t ")
    assert check_request(data).host == host


@pytest.mark.parametrize("host", ["bücher.example", "é:80", "€", "例え"])
def test_a_host_that_is_not_ascii_is_handed_on_byte_for_byte(host: str):
    request = check_request(changed(b"server.example.com", host.encode()))
    assert request.host.encode("latin-1").decode() == host


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (b"http://example.com", "http://example.com"),
        (b"null", "null"),
        (b"", ""),
        (b"\t a \t", "a"),
        (b"one\r\nOrigin: two", "one"),
        (b"\xe9", "é"),
    ],
)
def test_origins(origin: bytes, told: str):
    assert check_request(with_fields(b"Origin: " + origin)).origin == told


@pytest.mark.parametrize(
    ("lines", "offered"),
    [
        ([b"chat"], ["chat"]),
        ([b"a, b"], ["a", "b"]),
        ([b" b ,\ta\t,c "], ["b", "a", "c"]),
        ([b"a,,b, ,"], ["a", "b"]),
        ([b"a, b", b"", b"c"], ["a", "b", "c"]),
        ([b"c", b"A, a", b"c"], ["c", "A", "a", "c"]),
        ([b""], []),
    ],
)
def test_subprotocols_keep_the_client_s_order(lines: list[bytes], offered: list[str]):
    """Over several fields, in their case, and with those that stand there twice, as Qt."""
    data = with_fields(*(b"Sec-WebSocket-Protocol: " + line for line in lines))
    assert check_request(data).subprotocols == offered


@pytest.mark.parametrize(
    ("versions", "matches"),
    [
        (b"13", True),
        (b"\t13 ", True),
        (b"13, 8", True),
        (b"8, 13", True),
        (b"8 ,13,7", True),
        (b"13,13", True),
        (b"13, x", True),
        (b"8\r\nSec-WebSocket-Version: 13", True),
        (b"13\r\nSec-WebSocket-Version: 13", True),
        (b"8", False),
        (b"8, 7", False),
        (b"0", False),
        (b"14", False),
        (b"255", False),
        (b"013", False),
        (b"130", False),
        (b"999999999", False),
        (b"4294967309, 8", False),
        (b"4294967309, 13", True),
    ],
)
def test_versions(versions: bytes, matches: bool):
    """Another version is a valid request still: whoever decides about it refuses it."""
    data = changed(b"Version: 13", b"Version: " + versions)
    assert check_request(data).version_matches is matches


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 0"],
        [b"Content-Length: 0, 0"],
        [b"content-length:0", b"CONTENT-LENGTH: 0"],
        [b"X-Empty:", b"X-Blank: \t "],
        [b"X-Latin: \xe9\xff", b"X-Control: \x01"],
        [b"Cookie: a=b", b"Cookie: c=d"],
        [b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x"],
        [b"Expect: 100-continue"],
    ],
)
def test_other_fields_do_no_harm(lines: list[bytes]):
    names = [line.split(b":")[0].lower() for line in lines]
    request = check_request(with_fields(*lines))
    assert {name for name, _ in request.fields[HEAD_FIELDS:]} == set(names)


@pytest.mark.parametrize(
    "frames",
    [
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\n",
        b"\r\n\r\n",
        b" folded\r\n",
        b"\x81\x80\n\n \n\x88\x80\x00\x00\x00\x00",
        REQUEST,
        b"\x00" * 500,
    ],
)
def test_what_comes_behind_the_request_is_handed_on(frames: bytes):
    check_request(REQUEST + frames, leftover=frames)
    check_request(with_fields(b"Content-Length: 0") + frames, leftover=frames)
    check_request(changed(b"Upgrade\r\n", b"Upgrade, close\r\n") + frames, leftover=frames)


def test_a_whole_megabyte_behind_the_request_is_handed_on():
    frames = bytes(1 << 20)
    shake = ServerHandshake()
    assert isinstance(shake.receive_data(REQUEST + frames), UpgradeRequest)
    assert shake.accept([]) == (ANSWER + b"\r\n", frames)


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (b"", False),
        (REQUEST[:-1], False),
        (HEAD, False),
        (REQUEST, True),
        (REQUEST + b"\x81\x80\x00\x00\x00\x00", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (with_fields(b"Content-Length: 3"), False),
        (with_fields(b"no colon"), True),
        (with_fields(b"X: a\nb"), True),
        (changed(KEY, b""), True),
        (b"\x16\x03\x01", False),
        (b"x" * 9000, False),
        (LINE + b"X: y\r\n" * 200, False),
    ],
)
def test_whether_the_request_is_complete(data: bytes, complete: bool):
    """Who waits for the rest of a request that is refused has to know whether there is any."""
    shake = ServerHandshake()
    assert not shake.complete
    asked(shake, [data])
    assert shake.complete is complete


# The answer that accepts


def accepted(*fields: tuple[bytes, bytes], data: bytes = REQUEST) -> bytes:
    shake = ServerHandshake()
    assert isinstance(shake.receive_data(data), UpgradeRequest)
    answer, _ = shake.accept(fields)
    return answer


def test_the_smallest_answer():
    assert accepted() == ANSWER + b"\r\n"


def test_the_order_of_all_fields_of_the_answer():
    assert accepted(
        (b"Sec-WebSocket-Protocol", b"chat"),
        (b"Server", b"name"),
        (b"Access-Control-Allow-Credentials", b"false"),
        (b"Access-Control-Allow-Methods", b"GET"),
        (b"Access-Control-Allow-Headers", b"content-type"),
        (b"Access-Control-Allow-Origin", b"http://example.com"),
        (b"Date", b"Mon, 23 Nov 2026 05:59:27 GMT"),
    ) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"Server: name\r\n"
        b"Access-Control-Allow-Credentials: false\r\n"
        b"Access-Control-Allow-Methods: GET\r\n"
        b"Access-Control-Allow-Headers: content-type\r\n"
        b"Access-Control-Allow-Origin: http://example.com\r\n"
        b"Date: Mon, 23 Nov 2026 05:59:27 GMT\r\n"
        b"\r\n"
    )


def test_the_accept_value_is_that_of_the_key():
    data = changed(KEY, b"Sec-WebSocket-Key:\t x3JJHMbDL1EzLkh9GBhXDw== \r\n")
    assert b"\r\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n" in accepted(data=data)


@pytest.mark.parametrize("field", [(b"Server", b"a\r\nX: y"), (b"a b", b"x"), (b"X", b"\x00")])
def test_no_field_breaks_the_answer(field: tuple[bytes, bytes]):
    with pytest.raises(h11.LocalProtocolError):
        accepted(field)


@pytest.mark.parametrize("piece", [b"\x81\x00", REQUEST, b"GET", b"\x00", b""])
def test_nothing_is_taken_after_the_answer(piece: bytes):
    shake = ServerHandshake()
    shake.receive_data(REQUEST)
    shake.accept([])
    assert shake.receive_data(piece) is None


# The answer that refuses


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (
            RefusalError(400, "No."),
            (
                b"HTTP/1.1 400 Bad Request\r\n"
                b"Connection: close\r\n"
                b"Content-Type: text/plain; charset=utf-8\r\n"
                b"Content-Length: 21\r\n"
                b"\r\n"
                b"400 Bad Request\n\nNo.\n"
            ),
        ),
        (
            RefusalError(403, "Ö."),
            (
                b"HTTP/1.1 403 Access Forbidden\r\n"
                b"Connection: close\r\n"
                b"Content-Type: text/plain; charset=utf-8\r\n"
                b"Content-Length: 26\r\n"
                b"\r\n"
                b"403 Access Forbidden\n\n\xc3\x96.\n"
            ),
        ),
        (
            RefusalError(405, "No.", [(b"Allow", b"GET")]),
            (
                b"HTTP/1.1 405 Method Not Allowed\r\n"
                b"Connection: close\r\n"
                b"Content-Type: text/plain; charset=utf-8\r\n"
                b"Content-Length: 28\r\n"
                b"Allow: GET\r\n"
                b"\r\n"
                b"405 Method Not Allowed\n\nNo.\n"
            ),
        ),
        (
            wrong_version(),
            (
                b"HTTP/1.1 426 Upgrade Required\r\n"
                b"Connection: Upgrade, close\r\n"
                b"Content-Type: text/plain; charset=utf-8\r\n"
                b"Content-Length: 54\r\n"
                b"Upgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\n"
                b"\r\n"
                b"426 Upgrade Required\n\nOnly version 13 is spoken here.\n"
            ),
        ),
    ],
)
def test_refusals_byte_by_byte(refusal: RefusalError, answer: bytes):
    for data in (b"", b"GET", b"\x16", REQUEST):
        shake = ServerHandshake()
        asked(shake, [data])
        assert shake.refuse(refusal) == answer


@pytest.mark.parametrize("status", REASONS)
@pytest.mark.parametrize(
    "data", [b"", REQUEST[:20], REQUEST, b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n"]
)
def test_a_refusal_is_read_whatever_came_before(data: bytes, status: int):
    shake = ServerHandshake()
    asked(shake, [data])
    check_answer(shake, Refused(status, "Words for a person: ä€."))


def test_a_refusal_is_an_error_of_the_handshake():
    assert isinstance(wrong_version(), HandshakeError)
    told = wrong_version()
    assert str(told) == told.text
    assert (told.status, told.text, told.fields) == NO_VERSION


# Requests that are refused: the request line


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"GET",
        b"GET /",
        b"GET / HTTP/1",
        b"GET / HTTP/11",
        b"GET / HTTP/1.10",
        b"GET / HTTP/nan",
        b"GET / http/1.1",
        b"GET / WS/1.1",
        b"GET / HTTP/1.1 x",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /a\tb HTTP/1.1",
        b"GET /a\x00b HTTP/1.1",
        b"GET /a\x0bb HTTP/1.1",
        b"GET /a\rb HTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"GET /a\x7fb HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"G\x00T / HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"\r\nGET / HTTP/1.1",
        b"HTTP/1.1 200 OK",
        b"\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_no_request_line(line: bytes):
    check_refusal(changed(LINE, line + b"\r\n"), NOT_HTTP)


@pytest.mark.parametrize("version", [b"1.0", b"0.9", b"2.0", b"9.9"])
def test_another_version_of_http(version: bytes):
    check_refusal(changed(b"HTTP/1.1", b"HTTP/" + version), NOT_OUR_LINE)


def test_http_1_0_without_host():
    check_refusal(b"GET / HTTP/1.0\r\n\r\n", NOT_OUR_LINE)
    check_refusal(REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0").replace(HOST, b""), NOT_OUR_LINE)


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"a",
        b"a/b",
        b"/p#frag",
        b"/p?q#frag",
        b"#",
        b"server.example.com:80",
        b"ftp://server.example.com/",
        b"http:///p",
        b"http:/p",
        b"ws://",
    ],
)
def test_no_target(target: bytes):
    check_refusal(changed(b"/chat", target), NOT_OUR_LINE)


@pytest.mark.parametrize(
    "method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"get", b"X"]
)
def test_another_method(method: bytes):
    check_refusal(changed(b"GET", method), NOT_GET)
    check_refusal(method + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", NOT_GET)


def test_the_answer_to_head_has_no_body():
    check_refusal(changed(b"GET", b"HEAD"), NOT_GET, "HEAD")
    check_refusal(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", NOT_GET, "HEAD")
    check_refusal(b"HEAD / HTTP/1.0\r\n\r\n", NOT_GET, "HEAD")


def test_connect():
    check_refusal(b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", NOT_GET)
    check_refusal(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", NOT_GET)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 3\r\n\r\na=b",
        b"Content-Length: 3000000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
    ],
)
def test_another_method_with_a_body(body: bytes):
    """What a form or ``curl --data`` sends."""
    check_refusal(b"POST / HTTP/1.1\r\nHost: x\r\n" + body, NOT_GET)


def test_the_preface_of_http_2():
    check_refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00", NOT_GET)


@pytest.mark.parametrize(
    "hello",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) + b"\r\n\r\n",
        b"\x16",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x00",
        b"\r",
        b"\n",
        b" ",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\r\n\r\n",
    ],
)
def test_bytes_that_are_no_http(hello: bytes):
    check_refusal(hello, NOT_HTTP)


def test_a_tls_client_on_a_plain_port_is_refused_with_its_first_byte():
    assert asked(ServerHandshake(), bytewise(b"\x16\x03\x01"))[1] == b"\x03\x01"


# Requests that are refused: lines and fields


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": no name",
        b"Space : before the colon",
        b"Tab\t: before the colon",
        b"A b: c",
        b"A(b: c",
        b"N\xe9: x",
        b"N\x00: x",
        b"Name: a\x00b",
        b"Name: \x00",
        b"Name: a\x0bb",
        b"Name: a\x0cb",
        b"Name: a\rb",
        b"Name: a\r",
        b"Name: \r",
        b"\rName: a",
        b"\x0bName: a",
        b"Content-Length: 5, 6",
        b"Content-Length: abc",
        b"Content-Length: -1",
        b"Content-Length: +0",
        b"Content-Length: 0x0",
        b"Content-Length:",
        b"Content-Length: 0\r\nContent-Length: 1",
        b"Content-Length: " + b"9" * 30,
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Host: server.example.com",
        b"host: other",
    ],
)
def test_no_field(line: bytes):
    check_refusal(with_fields(line), NOT_HTTP)


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: 00000000000000000001",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: CHUNKED",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_body_is_announced(line: bytes):
    check_refusal(with_fields(line), WITH_BODY)
    check_refusal(with_fields(line) + b"1\r\nx\r\n0\r\n\r\n\x81\x00", WITH_BODY)


@pytest.mark.parametrize(
    "data",
    [
        REQUEST.replace(b"\r\n", b"\n"),
        changed(LINE, LINE.replace(b"\r\n", b"\n")),
        changed(VERSION, VERSION.replace(b"\r\n", b"\n")),
        HEAD + b"\n",
        with_fields(b"X: a\nY: b"),
        with_fields(b"X: a\n b"),
        with_fields(b"X: a\r\n b"),
        with_fields(b"X: a\r\n\tb\r\n\t\tc"),
        with_fields(b"X: a\r\n "),
        with_fields(b"X:\r\n a"),
        changed(b" 13\r\n", b"\r\n 13\r\n"),
        with_fields(b"X: a\x7fb"),
        changed(b"server.example.com", b"a\x7fb"),
    ],
)
def test_bare_line_feeds_folding_and_del(data: bytes):
    check_refusal(data, LOOSE)
    check_refusal(data + b"\x81\x00", LOOSE)


@pytest.mark.parametrize(
    "data",
    [
        LINE + b" folded\r\n" + REQUEST.removeprefix(LINE),
        with_fields(b"X: a\nb"),
        REQUEST.replace(b"\r\n", b"\r") + b"\r\n\r\n",
        with_fields(b"X: a\r\r\n b"),
    ],
)
def test_lines_that_h11_does_not_take_either(data: bytes):
    check_refusal(data, NOT_HTTP)


# Requests that are refused: what section 4.2.1 asks for


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Connection: keep-alive\r\n",
        b"Connection: Upgrade\r\n",
        b"X-Upgrade: websocket\r\nX-Connection: Upgrade\r\n",
    ],
)
def test_no_upgrade(fields: bytes):
    check_refusal(changed(UPGRADE, fields), NO_UPGRADE)


@pytest.mark.parametrize(
    "fields",
    [
        b"Upgrade: websocket\r\n",
        b"Upgrade:\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection:\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Upgrade: websockets\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket/13\r\nConnection: Upgrade\r\n",
        b"Upgrade: web socket\r\nConnection: Upgrade\r\n",
        b'Upgrade: "websocket"\r\nConnection: Upgrade\r\n',
        b"Upgrade: websocket\r\nConnection: keep-alive\r\n",
        b"Upgrade: websocket\r\nConnection: notupgrade\r\n",
        b'Upgrade: websocket\r\nConnection: "upgrade"\r\n',
        b"Upgrade: websocket\r\nConnection: keep-alive Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: close\r\n",
    ],
)
def test_a_bad_upgrade(fields: bytes):
    check_refusal(changed(UPGRADE, fields), NO_WEBSOCKET)


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"User-Agent: curl/8.5.0\r\nAccept: */*\r\n",
        b"Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nAccept-Language: de\r\n",
        b"Connection: close\r\n",
    ],
)
def test_a_browser_or_curl_is_told_what_this_is(fields: bytes):
    data = b"GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n" + fields + b"\r\n"
    check_refusal(data, NO_UPGRADE)
    if fields != b"Connection: close\r\n":
        check_refusal(data + data, NO_UPGRADE)  # it need not wait for the answer


def test_no_host():
    check_refusal(changed(HOST, b""), NOT_HTTP)


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" \t ",
        b"a b",
        b"a\tb",
        b"a,b",
        b"a/b",
        b"a\\b",
        b"a?b",
        b"a#b",
        b"user@x",
        b"http://x",
        b":80",
        b"a:b",
        b"a:8 0",
        b"a:-1",
        b"a:80:80",
        b"::1",
        b"[::1",
        b"[]",
        b"[x]",
        b"[::1]x",
        b"[::1]:x",
        b"[::1]]",
        b"a[::1]",
        b"a\x01b",
        b"a\x1fb",
        b"a<b",
        b"a>b",
        b'a"b',
        b"a^b",
        b"a`b",
        b"a{b}",
        b"a|b",
    ],
)
def test_no_name_of_a_host(host: bytes):
    check_refusal(changed(b"server.example.com", host), BAD_HOST)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b" ",
        b"x",
        b"x3JJHMbDL1EzLkh9GBhXDw",
        b"x3JJHMbDL1EzLkh9GBhXDw=",
        b"x3JJHMbDL1EzLkh9GBhXDw===",
        b"x3JJHMbDL1EzLkh9GBhXDw====",
        b"=x3JJHMbDL1EzLkh9GBhXDw==",
        b"x3JJHMbDL1Ez==Lkh9GBhXDw",
        b"x3JJHMbDL1EzLkh9GBhX",  # 15 bytes
        b"x3JJHMbDL1EzLkh9GBhXDw8=",  # 17
        b"x3JJHMbDL1EzLkh9GBhXD w==",
        b"x3JJHMbDL1EzLkh9GBhXD\tw==",
        b"x3JJ-MbDL1EzLkh9G_hXDw==",
        b"x3JJHMbDL1EzLkh9GBhXDw==, x3JJHMbDL1EzLkh9GBhXDw==",
        b'"x3JJHMbDL1EzLkh9GBhXDw=="',
        b"x3JJHMbDL1EzLkh9GBh\xe9Dw==",
        b"\xe9" * 24,
        b"\xb2" * 24,
        b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
        b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key:",
        b"A" * 4000,
    ],
)
def test_no_key(key: bytes):
    check_refusal(changed(KEY, b"Sec-WebSocket-Key: " + key + b"\r\n"), BAD_KEY)


def test_no_key_at_all():
    check_refusal(changed(KEY, b""), BAD_KEY)


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"Sec-WebSocket-Version:\r\n",
        b"Sec-WebSocket-Version: abc\r\n",
        b"Sec-WebSocket-Version: -1\r\n",
        b"Sec-WebSocket-Version: +13\r\n",
        b"Sec-WebSocket-Version: 13.0\r\n",
        b"Sec-WebSocket-Version: 0x0d\r\n",
        b"Sec-WebSocket-Version: 1 3\r\n",
        b"Sec-WebSocket-Version: \xb9\xb3\r\n",
        b"Sec-WebSocket-Version: ,\r\n",
        b"Sec-WebSocket-Version: 2147483648\r\n",
        b"Sec-WebSocket-Version: 4294967309\r\n",
        b"Sec-WebSocket-Version: " + b"9" * 5000 + b"\r\n",  # too many for int()
    ],
)
def test_no_version(field: bytes):
    check_refusal(changed(VERSION, field), NO_VERSION)


# Requests that are refused: limits. They hold for the bytes, however TCP cuts them.


def padded(start: bytes, fill: bytes, end: bytes, size: int) -> bytes:
    """A line of this size, CR LF included."""
    line = start + fill * (size - len(start) - len(end) - 2) + end + b"\r\n"
    assert len(line) == size
    return line


LONG_LINES = {
    "request line": lambda size: changed(LINE, padded(b"GET /", b"a", b" HTTP/1.1", size)),
    "value": lambda size: HEAD + padded(b"X: ", b"y", b"", size) + b"\r\n",
    "name": lambda size: HEAD + padded(b"X", b"y", b": z", size) + b"\r\n",
    "blanks before": lambda size: HEAD + padded(b"X:", b" ", b"y", size) + b"\r\n",
    "blanks behind": lambda size: HEAD + padded(b"X: y", b"\t", b"", size) + b"\r\n",
    "host": lambda size: changed(HOST, padded(b"Host: ", b"h", b"", size)),
    "subprotocols": lambda size: (
        HEAD + padded(b"Sec-WebSocket-Protocol: ", b",", b"", size) + b"\r\n"
    ),
}


def sizes_of_pieces(data: bytes) -> list[int]:
    return [1, 2, 1000, 1460, 16384, len(data)]


@pytest.mark.parametrize("kind", LONG_LINES)
def test_the_longest_line(kind: str):
    data = LONG_LINES[kind](MAX_LINE)
    for size in sizes_of_pieces(data):
        outcome, _ = asked(ServerHandshake(), in_pieces(data, size))
        assert isinstance(outcome, UpgradeRequest), size


@pytest.mark.parametrize("more", [1, 2, 3, 100, 9000, 100_000])
@pytest.mark.parametrize("kind", LONG_LINES)
def test_a_line_that_is_too_long(kind: str, more: int):
    data = LONG_LINES[kind](MAX_LINE + more)
    for size in sizes_of_pieces(data):
        outcome, _ = asked(ServerHandshake(), in_pieces(data, size))
        assert outcome == TOO_LARGE, size


def test_the_most_fields():
    data = with_fields(*[b"X: y"] * (MAX_FIELDS - HEAD_FIELDS))
    assert len(check_request(data + b"\x81\x00", leftover=b"\x81\x00").fields) == MAX_FIELDS


@pytest.mark.parametrize("more", [1, 2, 100])
def test_too_many_fields(more: int):
    check_refusal(with_fields(*[b"X: y"] * (MAX_FIELDS - HEAD_FIELDS + more)), TOO_LARGE)


def long_head(size: int) -> bytes:
    """A request of this size that lacks neither a field nor has one that is too long."""
    line = padded(b"X: ", b"y", b"", 4000)
    data = HEAD + line * ((size - len(REQUEST)) // len(line) - 1)
    return data + padded(b"X: ", b"y", b"", size - len(data) - 2) + b"\r\n"


def test_the_largest_head():
    data = long_head(MAX_HEAD)
    assert len(data) == MAX_HEAD
    for size in sizes_of_pieces(data):
        outcome, _ = asked(ServerHandshake(), in_pieces(data + b"\x81\x00", size))
        assert isinstance(outcome, UpgradeRequest), size


@pytest.mark.parametrize("more", [1, 2, 1000, 100_000])
def test_a_head_that_is_too_large(more: int):
    data = long_head(MAX_HEAD + more)
    for size in sizes_of_pieces(data):
        assert asked(ServerHandshake(), in_pieces(data, size))[0] == TOO_LARGE, size


@pytest.mark.parametrize("size", [1, 100, 1460, 16384])
@pytest.mark.parametrize(
    ("start", "more", "most"),
    [
        (b"", b"x", MAX_LINE),
        (b"GET /", b"x", MAX_LINE),
        (b"GET / HTTP/1.1", b"\r", MAX_LINE),
        (LINE + b"X: ", b"x", len(LINE) + MAX_LINE),
        (LINE + b"X:", b" ", len(LINE) + MAX_LINE),
        (LINE, b"X: y\r\n", 800),
        (LINE, b"X: y\n", 800),
        (LINE + b"X: y\r\n", b" z\r\n", 800),
    ],
)
def test_an_endless_head_ends(start: bytes, more: bytes, most: int, size: int):
    data = start + more * (100_000 // len(more))
    outcome, rest = asked(ServerHandshake(), in_pieces(data, size))
    assert outcome == TOO_LARGE
    assert len(data) - len(rest) <= most + size


@pytest.mark.parametrize("size", [1, 1000, 1460, 16384])
def test_an_endless_head_of_long_lines_ends(size: int):
    data = LINE + padded(b"X: ", b"y", b"", 8000) * 100
    outcome, rest = asked(ServerHandshake(), in_pieces(data, size))
    assert outcome == TOO_LARGE
    assert len(data) - len(rest) <= MAX_HEAD + size


@pytest.mark.timeout(60)  # seconds; it takes minutes where the target is looked at once per "?"
@pytest.mark.parametrize("more", [b"#", b"", b"/#"])
def test_a_target_of_question_marks_does_not_take_the_square_of_its_length(more: bytes):
    data = changed(b"/chat", b"/" + b"?" * 8000 + more)
    for _ in range(300):
        outcome, _ = asked(ServerHandshake(), [data])
        assert outcome == NOT_OUR_LINE if more else isinstance(outcome, UpgradeRequest)


# Other ends of the connection, and damage

names = st.text(st.sampled_from("abcXYZ09._-~"), min_size=1, max_size=12)
paths = st.builds("/{}".format, st.text(st.sampled_from("aZ09/._~%=&?;:@!$'()*+,-"), max_size=30))
ports = st.integers(1, 65535)
hosts = st.sampled_from(["localhost", "server.example.com", "127.0.0.1", "[::1]"])
origins = st.one_of(st.none(), st.just("null"), names.map("https://{}".format))
subprotocol_lists = st.lists(names, max_size=4, unique=True)


@st.composite
def in_some_pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    if draw(st.booleans()):
        return bytewise(data)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The data with a few bytes changed, or a few words that matter put into it."""
    made = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(made) - 1)))
        change = draw(st.sampled_from(["byte", "insert", "delete", "double", "cut", "word"]))
        if change == "byte" and made:
            made[at] = draw(st.integers(0, 255))
        elif change == "insert":
            made[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif change == "delete":
            del made[at : at + draw(st.integers(1, 20))]
        elif change == "double":
            made[at:at] = made[at : at + draw(st.integers(1, 40))]
        elif change == "cut":
            del made[at:]
        else:
            made[at:at] = draw(st.sampled_from(WORDS))
    return bytes(made)


WORDS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b":",
    b",",
    b"\x00",
    b"#",
    b"?",
    b"HTTP/1.0",
    b"CONNECT ",
    b"\r\nContent-Length: 2",
    b"\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nConnection: close\r\n",
    b"\r\nConnection: Upgrade\r\n",
    b"\r\nExpect: 100-continue\r\n",
    b"\r\nHost: \r\n",
]


def answered(
    request: bytes, pieces: list[bytes], subprotocol: str
) -> tuple[UpgradeRequest, bytes, bytes]:
    """The request as it was read, the answer, and what came behind the request."""
    shake = ServerHandshake()
    outcome, rest = asked(shake, pieces)
    assert isinstance(outcome, UpgradeRequest), (outcome, request)
    fields = [(b"Sec-WebSocket-Protocol", subprotocol.encode())] if subprotocol else []
    answer, leftover = shake.accept(fields)
    return outcome, answer, leftover + rest


@given(st.data(), hosts, ports, paths, origins, subprotocol_lists, st.booleans())
def test_the_websockets_library_is_served(
    data: st.DataObject,
    host: str,
    port: int,
    path: str,
    origin: Any,
    offered: list[Any],
    deflate: bool,
):
    client = ClientProtocol(
        parse_uri(f"ws://{host}:{port}{path}"),
        origin=origin,
        subprotocols=offered or None,
        extensions=[ClientPerMessageDeflateFactory()] if deflate else None,
    )
    client.send_request(client.connect())
    wire = b"".join(client.data_to_send())
    chosen = data.draw(st.sampled_from(["", *offered]))
    request, answer, rest = answered(wire, data.draw(in_some_pieces(wire)), chosen)

    assert request.target.encode() == wire.split(b" ")[1]  # less an empty query
    assert request.host == (f"{host}:{port}" if port != 80 else host)
    assert request.origin == (origin or "")
    assert request.version_matches
    assert request.subprotocols == offered
    assert rest == b""
    for piece in data.draw(in_some_pieces(answer)):
        client.receive_data(piece)
    client.events_received()
    assert client.handshake_exc is None
    assert client.state is WebsocketsState.OPEN
    assert client.subprotocol == (chosen or None)


@given(st.data(), hosts, paths, subprotocol_lists, st.booleans())
def test_wsproto_is_served(
    data: st.DataObject, host: str, path: str, offered: list[str], deflate: bool
):
    client = WSConnection(ConnectionType.CLIENT)
    extensions: list[Any] = [PerMessageDeflate()] if deflate else []
    wire = client.send(
        w.Request(host=host, target=path, subprotocols=offered, extensions=extensions)
    )
    chosen = data.draw(st.sampled_from(["", *offered]))
    request, answer, rest = answered(wire, data.draw(in_some_pieces(wire)), chosen)

    assert (request.target, request.host) == (path, host)
    assert request.version_matches
    assert request.subprotocols == offered
    assert rest == b""
    for piece in data.draw(in_some_pieces(answer)):
        if piece:
            client.receive_data(piece)
    (event,) = client.events()
    assert isinstance(event, w.AcceptConnection)
    assert event.subprotocol == (chosen or None)


@given(st.data(), hosts, paths, origins, subprotocol_lists, st.binary(max_size=20))
def test_our_own_client_is_served(
    data: st.DataObject, host: str, path: str, origin: Any, offered: list[str], frames: bytes
):
    client = ClientHandshake(
        target=path, host=host, origin=(origin or "").encode(), subprotocols=offered
    )
    wire = client.request(NONCE)
    chosen = data.draw(st.sampled_from(["", *offered]))
    pieces = data.draw(in_some_pieces(wire + frames))
    request, answer, rest = answered(wire, pieces, chosen)

    assert (request.target, request.host, request.origin) == (path, host, origin or "")
    assert request.subprotocols == offered
    assert rest == frames
    assert client.receive_data(answer + frames) == Accepted(chosen, frames)


SAMPLES = [
    REQUEST,
    REQUEST + b"\x81\x80\x00\x00\x00\x00\n",
    with_fields(b"Origin: null", b"Sec-WebSocket-Protocol: a, b", b"Content-Length: 0"),
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
]


@settings(max_examples=400)
@given(st.data(), st.one_of(st.binary(max_size=80), st.sampled_from(SAMPLES).flatmap(damaged)))
def test_a_damaged_request_is_accepted_or_refused(data: st.DataObject, wire: bytes):
    """Nothing but RefusalError is raised, and the cuts of TCP change nothing."""

    def outcome(pieces: list[bytes]) -> Any:
        shake = ServerHandshake()
        found, rest = asked(shake, pieces)
        if isinstance(found, Refused):
            assert asked(shake, [wire, REQUEST, b""]) == (None, b"")
            check_answer(shake, found)
            return "refused"  # for what is seen first
        if isinstance(found, UpgradeRequest):
            answer, leftover = shake.accept([])
            assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            return found, leftover + rest
        return found

    whole = outcome([wire])
    assert outcome(data.draw(in_some_pieces(wire))) == whole
    assert outcome(bytewise(wire)) == whole
