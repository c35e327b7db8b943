"""The client's opening handshake: requests byte by byte, answers whole, split and truncated."""

from typing import Any

import pytest

from engine.transcript import (
    ACCEPT,
    HOST,
    NONCE,
    answered,
    check_answer,
    check_complete_at_end,
    handshake,
    in_pieces,
)
from pyqwebsocket._engine.auth import Challenge
from pyqwebsocket._engine.errors import HandshakeError, InvalidRequestError
from pyqwebsocket._engine.handshake import Accepted, ClientHandshake, Unauthorized, accept_value

STATUS = b"HTTP/1.1 101 Switching Protocols\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
ANSWER = STATUS + UPGRADE + b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
BASIC = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="r"\r\n'
CHALLENGES = [Challenge("basic", {"realm": "r"})]
REUSABLE, NOT_REUSABLE = Unauthorized(CHALLENGES, True), Unauthorized(CHALLENGES, False)

BAD_PARAMETERS = (
    "Invalid parameter encountered during protocol upgrade: Accept-key size: {}, version: {}, "
    "upgrade: {}, connection: {}"
)
BAD_STATUS = "QWebSocketPrivate::processHandshake: Unhandled http status code: {} ({})."
NO_STATUS = "Read handshake request status failed"
NO_HEADER = "Parsing handshake request header failed"
TOO_LARGE = "Header is too large"


def request(*, authorization: bytes = b"", **kwargs: Any) -> bytes:
    made = ClientHandshake(**{"target": "/chat", "host": HOST} | kwargs)
    return made.request(NONCE, authorization)


# Requests


def test_the_accept_value_of_section_1_3():
    assert accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_smallest_request():
    assert request() == (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: server.example.com\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"\r\n"
    )


def test_the_order_of_all_fields():
    assert request(
        target="/a/../b?x=1%20",
        host="[::1]:8080",
        origin=b"http://example.com",
        subprotocols=["chat", "superchat"],
        fields=[(b"X-One", b"1"), (b"Cookie", b"a=b; c=d"), (b"X-One", b"2"), (b"X-Empty", b"")],
        authorization=b"Basic eDp5",
    ) == (
        b"GET /a/../b?x=1%20 HTTP/1.1\r\n"
        b"Host: [::1]:8080\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Origin: http://example.com\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: chat, superchat\r\n"
        b"X-One: 1\r\n"
        b"Cookie: a=b; c=d\r\n"
        b"X-One: 2\r\n"
        b"X-Empty: \r\n"
        b"Authorization: Basic eDp5\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"content-length",
        b"Sec-WebSocket-Extensions",
        b"SEC-WEBSOCKET-KEY",
        b"Sec-WebSocket-Version",
        b"Transfer-Encoding",
        b"Upgrade",
    ],
)
def test_fields_of_the_handshake_itself_are_not_the_caller_s(name: bytes):
    assert request(fields=[(name, b"7")]) == request()


def test_the_caller_s_host_and_origin_replace_our_own():
    fields = [(b"hoSt", b"other"), (b"origin", b"theirs"), (b"host", b"third")]
    assert request(origin=b"ours", fields=fields) == (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: other\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"origin: theirs\r\n"
        b"\r\n"
    )


def test_the_caller_s_authorization_gives_way_to_an_answer():
    fields = [(b"authorization", b"Bearer x")]
    assert b"authorization: Bearer x\r\n\r\n" in request(fields=fields)
    data = request(fields=fields, authorization=b"Basic eDp5")
    assert data.endswith(b"13\r\nAuthorization: Basic eDp5\r\n\r\n")
    assert b"Bearer" not in data


def test_white_space_around_values_is_not_sent():
    data = request(origin=b" \tnull ", fields=[(b"X", b"\t a b\t")])
    assert b"\r\nOrigin: null\r\n" in data
    assert data.endswith(b"\r\nX: a b\r\n\r\n")


def test_an_origin_of_white_space_is_none():
    assert request(origin=b" ") == request()


def test_names_that_are_not_ascii_go_as_utf8():
    assert b"\r\nHost: b\xc3\xbccher\r\n" in request(host="bücher")
    assert request(fields=[(b"X", b"\xff\x80")]).endswith(b"X: \xff\x80\r\n\r\n")


@pytest.mark.parametrize("break_", ["\r\n", "\r", "\n", "\x00", "\r\nX-Injected: yes", "\n\n"])
@pytest.mark.parametrize("place", ["a{}b", "{}b", "a{}"])
@pytest.mark.parametrize(
    "part",
    ["target", "host", "origin", "subprotocol", "name", "value", "host field", "authorization"],
)
def test_no_part_can_break_a_line(part: str, place: str, break_: str):
    text = place.format(break_)
    data = text.encode()
    kwargs: dict[str, Any] = {
        "target": {"target": "/" + text},
        "host": {"host": text},
        "origin": {"origin": data},
        "subprotocol": {"subprotocols": ["chat", text]},
        "name": {"fields": [(data, b"value")]},
        "value": {"fields": [(b"Name", data)]},
        "host field": {"fields": [(b"Host", data)]},
        "authorization": {"authorization": data},
    }[part]
    with pytest.raises(InvalidRequestError):
        request(**kwargs)


@pytest.mark.parametrize("target", ["", "/a b", "/a\tb", "/a HTTP/1.1", "/ä", "/\ud800"])
def test_a_target_is_ascii_without_white_space(target: str):
    with pytest.raises(InvalidRequestError):
        request(target=target)


@pytest.mark.parametrize("name", [b"a b", b"a:", b"(a)", b"\xc3\xa9"])
def test_the_name_of_a_field_is_a_token(name: bytes):
    with pytest.raises(InvalidRequestError):
        request(fields=[(name, b"v")])


def test_lone_surrogates_are_replaced():
    data = request(host="a\ud800", subprotocols=["b\ud800"])
    assert b"\r\nHost: a?\r\n" in data
    assert b"\r\nSec-WebSocket-Protocol: b?\r\n" in data


# Answers that are accepted


def test_the_answer_of_section_1_3():
    check_answer(ANSWER + b"\r\n", Accepted("", b""))
    check_complete_at_end(ANSWER + b"\r\n")


def test_what_comes_behind_the_head_is_handed_on():
    check_answer(
        ANSWER + b"\r\n\x81\x05Hello\x88\x00\r\n\r\n",
        Accepted("", b"\x81\x05Hello\x88\x00\r\n\r\n"),
    )


def test_the_leftover_of_the_last_piece_alone_is_handed_on():
    outcome, rest = answered(handshake(), [ANSWER, b"\r\n\x81", b"\x00"])
    assert (outcome, rest) == (Accepted("", b"\x81"), b"\x00")


@pytest.mark.parametrize(
    "head",
    [
        UPGRADE.lower(),
        UPGRADE.upper(),
        b"Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n",
        b"Upgrade: h2c,websocket\r\nConnection:upgrade , keep-alive\r\n",
        b"Upgrade: foo\r\nUpgrade: websocket\r\nConnection: foo\r\nConnection: Upgrade\r\n",
        UPGRADE + b"Server:\r\nX-Empty: \r\n",
        UPGRADE + b"X-Folded: one\r\n two\r\n\tthree\r\n",
        b"Upgrade:\r\n websocket\r\nConnection:\tUpgrade\t\r\n",
        UPGRADE + b"Sec-WebSocket-Extensions:\r\n",
        UPGRADE + b"Sec-WebSocket-Protocol:\r\n",
        UPGRADE + b"Content-Length: 0\r\n",
        UPGRADE + b"Date: now\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n",
    ],
)
def test_lenient_forms_of_an_answer(head: bytes):
    data = STATUS + head + b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
    check_answer(data, Accepted("", b""))


@pytest.mark.parametrize(
    "status", [b"HTTP/1.1 101", b"HTTP/1.1 101 ", b"HTTP/1.1 101 Any Words \xe9", b"HTTP/1.2 101 x"]
)
def test_lenient_forms_of_the_status_line(status: bytes):
    check_answer(status + b"\r\n" + ANSWER.split(b"\r\n", 1)[1] + b"\r\n", Accepted("", b""))


def test_lines_may_end_with_a_line_feed_alone():
    check_answer(
        (ANSWER + b"\r\n").replace(b"\r\n", b"\n") + b"\x8a\x00", Accepted("", b"\x8a\x00")
    )


def test_informational_answers_may_come_first():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    check_answer(early + ANSWER + b"\r\n\x89\x00", Accepted("", b"\x89\x00"))


@pytest.mark.parametrize("chosen", ["chat", "v2.chat"])
def test_a_subprotocol_that_was_offered(chosen: str):
    data = ANSWER + b"Sec-WebSocket-Protocol: " + chosen.encode() + b"\r\n\r\n"
    check_answer(data, Accepted(chosen, b""), subprotocols=["chat", "v2.chat"])


def test_the_server_need_not_choose_a_subprotocol():
    check_answer(ANSWER + b"\r\n", Accepted("", b""), subprotocols=["chat"])


# Answers that are refused


@pytest.mark.parametrize(
    ("protocol", "offered"),
    [
        (b"chat", []),
        (b"other", ["chat"]),
        (b"Chat", ["chat"]),
        (b"chat, v2.chat", ["chat", "v2.chat"]),
        (b"chat\r\nSec-WebSocket-Protocol: v2.chat", ["chat", "v2.chat"]),
    ],
)
def test_a_subprotocol_that_was_not_offered(protocol: bytes, offered: list[str]):
    name = protocol.decode().replace("\r\nSec-WebSocket-Protocol:", ",")
    check_answer(
        ANSWER + b"Sec-WebSocket-Protocol: " + protocol + b"\r\n\r\n",
        f"WebSocket server has chosen protocol {name} which has not been requested",
        subprotocols=offered,
    )


@pytest.mark.parametrize("name", [b"permessage-deflate", b"x; y=1, z"])
def test_an_extension_that_was_not_requested(name: bytes):
    check_answer(
        ANSWER + b"Sec-WebSocket-Extensions: " + name + b"\r\n\r\n",
        "WebSocket server has chosen an extension that was not requested",
    )


@pytest.mark.parametrize(
    "accept",
    [b"wrong", ACCEPT.lower(), ACCEPT[:-1], ACCEPT + b"\r\nSec-WebSocket-Accept: " + ACCEPT],
)
def test_a_wrong_accept_value(accept: bytes):
    told = accept.decode().replace("\r\nSec-WebSocket-Accept:", ",")
    check_answer(
        STATUS + UPGRADE + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x81\x05Hello",
        f"Accept-Key received from server {told} does not match the client key {ACCEPT.decode()}.",
    )


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (STATUS + UPGRADE, (0, "1.1", "websocket", "Upgrade")),
        (STATUS + UPGRADE + b"Sec-WebSocket-Accept:\r\n", (0, "1.1", "websocket", "Upgrade")),
        (ANSWER.replace(b"Upgrade: websocket\r\n", b""), (28, "1.1", "", "Upgrade")),
        (ANSWER.replace(b"websocket", b"websockets"), (28, "1.1", "websockets", "Upgrade")),
        (ANSWER.replace(b"Connection: Upgrade\r\n", b""), (28, "1.1", "websocket", "")),
        (
            ANSWER.replace(b"Connection: Upgrade", b"Connection: close"),
            (28, "1.1", "websocket", "close"),
        ),
        (ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"), (28, "1.0", "websocket", "Upgrade")),
        (ANSWER.replace(b"HTTP/1.1", b"HTTP/2.0"), (28, "2.0", "websocket", "Upgrade")),
    ],
)
def test_a_101_that_does_not_switch(head: bytes, told: tuple[Any, ...]):
    check_answer(head + b"\r\n", BAD_PARAMETERS.format(*told))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (b"200 OK", 200, "OK"),
        (b"204 No Content", 204, "No Content"),
        (b"301 Moved Permanently", 301, "Moved Permanently"),
        (b"400 Bad Request", 400, "Bad Request"),
        (b"403", 403, ""),
        (b"404 Nicht gefunden \xe4", 404, "Nicht gefunden ä"),
        (b"407 Proxy Authentication Required", 407, "Proxy Authentication Required"),
        (b"426 Upgrade Required", 426, "Upgrade Required"),
        (b"503 Service Unavailable", 503, "Service Unavailable"),
        (b"999 ", 999, ""),
    ],
)
def test_another_status(status: bytes, code: int, words: str):
    """Its head decides, whatever its fields and whatever follows."""
    told = BAD_STATUS.format(code, words)
    head = b"HTTP/1.1 " + status + b"\r\n" + UPGRADE
    check_answer(head + b"Content-Length: 5\r\n\r\n", told)
    check_answer(head + b"\r\n\x81\x05Hello", told)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"HTTP/1.1 abc",
        b"HTTP/nan 101 x",
        b"http/1.1 101 x",
        b"HTTP/1.1 1010",
        b"SSH-2.0-x",
        b"",
        b"\x16\x03\x01\x02\x00",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x00",
    ],
)
def test_no_status_line(line: bytes):
    check_answer(line + b"\r\n\r\n", NO_STATUS)


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": no name",
        b"Space : before the colon",
        b"Name: \x00",
        b"Content-Length: many",
        b"Content-Length: -1",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Transfer-Encoding: gzip",
        b"N\xe9: x",
    ],
)
@pytest.mark.parametrize("status", [STATUS, b"HTTP/1.1 401 Unauthorized\r\n"])
def test_no_header(status: bytes, line: bytes):
    check_answer(status + UPGRADE + line + b"\r\n\r\n", NO_HEADER)


@pytest.mark.parametrize("size", [100, 1460, 65536])
@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"x"),
        (b"HTTP/1.1 101 ", b"x"),
        (STATUS + b"X: ", b"x"),
        (STATUS, b"X: y\r\n"),
        (STATUS + b"X: y\r\n", b" z\r\n"),
        (b"HTTP/1.1 401 U\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
        (b"HTTP/1.1 401 U\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
)
def test_an_endless_head_ends(start: bytes, more: bytes, size: int):
    data = start + more * (300_000 // len(more))
    outcome, rest = answered(handshake(), in_pieces(data, size))
    assert outcome == TOO_LARGE
    assert len(data) - len(rest) <= 110_000 + size


def test_a_head_of_many_cookies_is_taken():
    data = ANSWER + b"Set-Cookie: " + b"x" * 4000 + b"\r\n"
    data += b"X: y\r\n" * 1000 + b"\r\n"
    for size in (1, 100, 5000, 50_000):
        assert answered(handshake(), in_pieces(data, size)) == (Accepted("", b""), b"")


@pytest.mark.parametrize("data", [b"HTT", STATUS, ANSWER, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_no_bytes_are_no_answer(data: bytes):
    made = handshake()
    assert made.receive_data(b"") is None
    assert made.receive_data(data) is None
    assert made.receive_data(b"") is None


@pytest.mark.parametrize("piece", [b"\x81\x05Hello", ANSWER + b"\r\n", b"garbage\r\n\r\n"])
def test_nothing_is_taken_after_the_answer(piece: bytes):
    made = handshake()
    assert made.receive_data(ANSWER + b"\r\n") == Accepted("", b"")
    assert made.receive_data(piece) is None


@pytest.mark.parametrize(
    "head", [BASIC + b"Connection: close\r\nContent-Length: 3\r\n\r\n", BASIC + b"\r\n"]
)
def test_nothing_is_taken_after_an_answer_that_ends_the_connection(head: bytes):
    made = handshake()
    assert made.receive_data(head) == NOT_REUSABLE
    for piece in (b"abc", b"", ANSWER + b"\r\n"):
        assert made.receive_data(piece) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 404 x\r\nContent-Length: 3\r\n\r\n",
        STATUS + b"\r\n",
        ANSWER.replace(ACCEPT, b"wrong") + b"\r\n",
    ],
)
def test_after_an_error_there_is_no_answer(answer: bytes):
    made = handshake()
    assert isinstance(answered(made, [answer])[0], str)
    for piece in (b"abc", ANSWER + b"\r\n"):
        outcome, _ = answered(made, [piece])
        assert outcome is None or isinstance(outcome, str)


# 401


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 6\r\n\r\nsecret",
        b"Content-Length: 6\r\nConnection: keep-alive\r\n\r\nsecret",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3;x=y\r\nret\r\n0\r\nTrailer: x\r\n\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_the_same_connection_is_used_again_when_the_body_has_an_end(body: bytes):
    check_answer(BASIC + body, REUSABLE)
    check_complete_at_end(BASIC + body)


@pytest.mark.parametrize(
    "head",
    [
        BASIC + b"Connection: close\r\nContent-Length: 6\r\n\r\n",
        BASIC + b"Connection: x, Close\r\nTransfer-Encoding: chunked\r\n\r\n",
        BASIC + b"\r\n",  # its body ends with the connection
        BASIC.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_a_new_connection_is_needed_as_soon_as_the_head_says_so(head: bytes):
    check_answer(head, NOT_REUSABLE)
    check_complete_at_end(head)
    assert answered(handshake(), [head + b"body"]) == (NOT_REUSABLE, b"")


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Content-Length: 1000000\r\n\r\n", b"x" * 1000),
        (b"Content-Length: 99999999999\r\n\r\n", b"x" * 1000),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1f4\r\n" + b"x" * 500 + b"\r\n"),
    ],
)
def test_a_huge_body_is_not_read_to_its_end(head: bytes, piece: bytes):
    outcome, rest = answered(handshake(), [BASIC + head, *[piece] * 1000])
    assert outcome == NOT_REUSABLE
    assert 1000 * len(piece) - len(rest) < 80_000


def test_the_largest_body_that_is_read():
    body = b"Content-Length: 65536\r\n\r\n" + b"x" * 65536
    for size in (1000, 70_000):
        assert answered(handshake(), in_pieces(BASIC + body, size)) == (REUSABLE, b"")


def test_a_401_without_challenge_has_none():
    check_answer(b"HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n", Unauthorized([], True))


def test_challenges_may_come_in_several_fields():
    check_answer(
        b'HTTP/1.1 401 \r\nwww-authenticate: Digest realm="d", nonce="n"\r\nX: y\r\n'
        b'WWW-AUTHENTICATE: Basic realm="b"\r\nContent-Length: 0\r\n\r\n',
        Unauthorized(
            [Challenge("digest", {"realm": "d", "nonce": "n"}), Challenge("basic", {"realm": "b"})],
            True,
        ),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    ],
)
def test_a_body_that_is_no_body(body: bytes):
    check_answer(BASIC + body, NO_HEADER)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_credentials_are_sent_over_the_same_connection(piece: int):
    made = handshake()
    refusal = BASIC + b"Content-Length: 2\r\n\r\nno"
    assert answered(made, in_pieces(refusal, piece)) == (REUSABLE, b"")
    again = made.request(NONCE, b"Basic eDp5")
    assert again == request(authorization=b"Basic eDp5")
    assert answered(made, in_pieces(refusal, piece)) == (REUSABLE, b"")
    made.request(NONCE, b"Basic eDp6")
    assert answered(made, in_pieces(ANSWER + b"\r\n", piece)) == (Accepted("", b""), b"")


def test_credentials_are_sent_over_a_new_connection():
    made = handshake()
    assert made.receive_data(BASIC + b"\r\nbody") == NOT_REUSABLE
    made.restart()
    assert made.request(NONCE, b"Basic eDp5") == request(authorization=b"Basic eDp5")
    assert made.receive_data(ANSWER + b"\r\n") == Accepted("", b"")


def test_bodies_of_several_refusals_are_not_added_up():
    made = handshake()
    body = BASIC + b"Content-Length: 40000\r\n\r\n" + b"x" * 40_000
    for _ in range(3):
        assert made.receive_data(body) == REUSABLE
        made.request(NONCE)


def test_the_key_of_the_newest_request_counts():
    made = handshake()
    made.receive_data(BASIC + b"Content-Length: 0\r\n\r\n")
    made.request(b"another nonce of")
    with pytest.raises(HandshakeError, match="does not match the client key"):
        made.receive_data(ANSWER + b"\r\n")


def test_a_refusal_after_credentials_is_a_refusal():
    made = handshake()
    made.receive_data(BASIC + b"Content-Length: 0\r\n\r\n")
    made.request(NONCE, b"Basic eDp5")
    with pytest.raises(HandshakeError, match=r"status code: 403 \(Forbidden\)\."):
        made.receive_data(b"HTTP/1.1 403 Forbidden\r\n\r\n")
