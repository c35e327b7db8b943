"""What the server answers to which request, byte for byte, and what it says about it."""

import email.utils
import time
from typing import Any

import pytest
from PySide6.QtCore import QUrl

from support.peer import CLOSE
from support.qtmodule import QWebSocketProtocol, QWebSocketServer
from support.server import (
    KEY,
    SWITCHING,
    Answer,
    Caller,
    Serving,
    accept_value,
    masked_close,
    request,
)

pytest_plugins = ["support.server"]

CloseCode = QWebSocketProtocol.CloseCode
ACCEPTED = ["originAuthenticationRequired", "newConnection"]
INVALID = ("ProtocolError", "Invalid handshake request.")
SILENT = "it closes without a word"
LOOSE = "it parses loosely"


def accepts(serving: Serving, *chunks: bytes) -> Any:
    """The request is accepted; gives back the accepted socket."""
    answer = serving.exchange(*chunks)
    assert answer.line == SWITCHING
    assert serving.lines == ACCEPTED
    serving.accepted.append(serving.server.nextPendingConnection())
    return serving.accepted[-1]


def refuses(serving: Serving, *chunks: bytes, error: tuple[str, str] = INVALID) -> Caller:
    """The request is refused, in whatever words, and the server says so."""
    caller = serving.call(*chunks)
    serving.until_ended(caller)
    serving.until(lambda: serving.trace.errors)
    assert serving.trace.errors == [error]
    assert "newConnection" not in serving.lines
    assert serving.server.nextPendingConnection() is None
    return caller


def says(caller: Caller, *statuses: int) -> Answer:
    """The refusal is an answer with one of these statuses that a person can read."""
    answer = caller.answer
    assert answer is not None, "closed without an answer"
    assert not caller.reset
    assert answer.status in statuses
    assert answer.line.startswith("HTTP/1.1 ")
    assert answer.get("Content-Length") == str(len(answer.body))
    assert (answer.get("Content-Type") or "").startswith("text/plain")
    assert (answer.get("Connection") or "").lower().find("close") >= 0
    assert len(answer.body.decode().split()) >= 2
    return answer


# The answer that accepts


def test_the_answer_has_these_lines_in_this_order(serving: Serving) -> None:
    answer = serving.exchange(request())
    *lines, date = answer.lines
    assert lines == [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_value(KEY)}",
        "Server: a server",
        "Access-Control-Allow-Credentials: false",
        "Access-Control-Allow-Methods: GET",
        "Access-Control-Allow-Headers: content-type",
        "Access-Control-Allow-Origin: *",
    ]
    assert date.startswith("Date: ")
    assert answer.body == b""
    assert serving.lines == ACCEPTED
    assert serving.trace.origins == [""]


def test_the_answer_to_an_origin_and_subprotocols_has_these_lines(serving: Serving) -> None:
    serving.server.setSupportedSubprotocols(["a", "b"])
    answer = serving.exchange(request("Origin: http://o", "Sec-WebSocket-Protocol: b, a"))
    assert answer.lines[3:-1] == [
        f"Sec-WebSocket-Accept: {accept_value(KEY)}",
        "Sec-WebSocket-Protocol: b",
        "Server: a server",
        "Access-Control-Allow-Credentials: false",
        "Access-Control-Allow-Methods: GET",
        "Access-Control-Allow-Headers: content-type",
        "Access-Control-Allow-Origin: http://o",
    ]


def test_the_date_is_that_of_now(serving: Serving) -> None:
    date = serving.exchange(request()).get("Date") or ""
    parsed = email.utils.parsedate_to_datetime(date)
    assert abs(parsed.timestamp() - time.time()) < 60
    assert email.utils.format_datetime(parsed, usegmt=True) == date


def test_the_key_of_the_rfc_is_answered_as_in_the_rfc(serving: Serving) -> None:
    answer = serving.exchange(request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="))
    assert answer.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_server_without_a_name_does_not_tell_it(serving: Serving) -> None:
    serving.server.setServerName("")
    answer = serving.exchange(request())
    assert "Server" not in answer.names
    assert len(answer.fields) == 8


def test_a_new_name_is_told_to_the_next_client(serving: Serving) -> None:
    serving.server.setServerName("another")
    assert serving.exchange(request()).get("Server") == "another"


def test_a_name_with_a_line_break_puts_no_field_into_the_answer(serving: Serving) -> None:
    serving.server.setServerName("a\r\nX-Evil: 1")
    caller = serving.call(request())
    serving.until(lambda: caller.eof or caller.answer)
    assert caller.answer is None or caller.answer.get("X-Evil") is None


# What is accepted

GOOD = [
    pytest.param((), {"Upgrade": "WebSocket"}, id="Upgrade in any case"),
    pytest.param((), {"Upgrade": "WEBSOCKET"}, id="Upgrade in capitals"),
    pytest.param((), {"Connection": "upgrade"}, id="connection in any case"),
    pytest.param((), {"Connection": "keep-alive, Upgrade"}, id="keep-alive, Upgrade"),
    pytest.param((), {"Connection": "keep-alive,Upgrade"}, id="keep-alive,Upgrade"),
    pytest.param((), {"Connection": ",upgrade"}, id="an empty token"),
    pytest.param((), {"Connection": "upgrade, close"}, id="upgrade, close"),
    pytest.param((), {"Sec_WebSocket_Key": f"  {KEY} "}, id="blanks around the key"),
    pytest.param((), {"Host": "127.0.0.1:80"}, id="host and port"),
    pytest.param((), {"Host": "[::1]:80"}, id="an IPv6 host"),
    pytest.param((), {"Host": "EXAMPLE.org"}, id="host in capitals"),
    pytest.param(("Origin: null",), {}, id="Origin: null"),
    pytest.param(("Origin:",), {}, id="an empty Origin"),
    pytest.param(("X-Empty:",), {}, id="an empty value"),
    pytest.param(("X-Latin: \xe9",), {}, id="a Latin-1 value"),
    pytest.param(("X: 1", "X: 2", "x: 3"), {}, id="a repeated field"),
    pytest.param(("X:1",), {}, id="no blank behind the colon"),
    pytest.param(("Sec-WebSocket-Extensions: permessage-deflate",), {}, id="an extension"),
    pytest.param(("Content-Length: 0",), {}, id="an empty body"),
    pytest.param(("Cookie: a=b", "Authorization: Basic dTo="), {}, id="cookies and credentials"),
    pytest.param(("X: " + "y" * 8000,), {}, id="a long line"),
    pytest.param(tuple(f"X{n}: 1" for n in range(90)), {}, id="95 fields"),
    pytest.param(tuple(f"X{n}: {'y' * 1100}" for n in range(90)), {}, id="100 KB of fields"),
]


@pytest.mark.parametrize(("extra", "changed"), GOOD)
def test_this_is_accepted(serving: Serving, extra: Any, changed: Any) -> None:
    assert accepts(serving, request(*extra, **changed)).isValid()


def test_names_of_fields_are_found_in_any_case(serving: Serving) -> None:
    lower = b"\r\n".join(
        line if b"HTTP/1.1" in line else line.split(b":")[0].lower() + b":" + line.split(b":", 1)[1]
        for line in request().split(b"\r\n")[:-2]
    )
    accepts(serving, lower + b"\r\n\r\n")


def test_a_later_minor_version_of_http_is_accepted(serving: Serving) -> None:
    accepts(serving, request(line="GET / HTTP/1.2"))


def test_a_request_in_single_bytes_is_accepted(serving: Serving) -> None:
    caller = serving.call()
    for byte in request():
        caller.send(bytes([byte]))
        serving.qtbot.wait(0)
    assert serving.until_answered(caller).status == 101


@pytest.mark.parametrize("cut", [1, 10, 40, 100, -4, -3, -2, -1])
def test_a_request_in_two_pieces_is_accepted(serving: Serving, cut: int) -> None:
    whole = request()
    caller = serving.call(whole[:cut])
    serving.settle()
    caller.send(whole[cut:])
    assert serving.until_answered(caller).status == 101


def test_the_extension_is_not_taken(serving: Serving) -> None:
    answer = serving.exchange(request("Sec-WebSocket-Extensions: permessage-deflate"))
    assert "Sec-WebSocket-Extensions" not in answer.names


# Targets

TARGETS = [
    ("/", "/"),
    ("/p?x=1", "/p?x=1"),
    ("/a%20b?c=%20d", "/a%20b?c=%20d"),
    ("/a/../b", "/a/../b"),
    ("/%C3%A9?%C3%A9=1", "/%C3%A9?%C3%A9=1"),
    ("/p;x=1", "/p;x=1"),
    ("/%2F%3f", "/%2F%3F"),
    ("/?token=a%20b&x=%26", "/?token=a%20b&x=%26"),
    ("/" + "x" * 5000, "/" + "x" * 5000),
]


@pytest.mark.parametrize(("target", "path"), TARGETS)
def test_the_target_is_the_path_of_the_url(serving: Serving, target: str, path: str) -> None:
    accepted = accepts(serving, request(line=f"GET {target} HTTP/1.1", Host="example.org:99"))
    assert accepted.requestUrl() == QUrl("ws://example.org:99" + path)
    assert QUrl(accepted.resourceName()) == QUrl("ws://example.org:99" + path)
    assert accepted.request().url() == accepted.requestUrl()


def test_the_path_and_the_query_are_read_from_the_url(serving: Serving) -> None:
    accepted = accepts(serving, request(line="GET /a%20b?token=x%20y HTTP/1.1"))
    assert accepted.requestUrl().path() == "/a b"
    assert accepted.requestUrl().query() == "token=x y"


def test_the_target_may_be_a_whole_url(serving: Serving) -> None:
    accepted = accepts(serving, request(line="GET http://127.0.0.1/p?q=1 HTTP/1.1"))
    assert (accepted.requestUrl().path(), accepted.requestUrl().query()) == ("/p", "q=1")


# Versions


@pytest.mark.parametrize("version", ["12", "8", "0", "14", "255"])
def test_another_version_is_refused(serving: Serving, version: str) -> None:
    caller = refuses(
        serving,
        request(Sec_WebSocket_Version=version),
        error=("ProtocolError", "Unsupported version requested."),
    )
    assert serving.lines == ["originAuthenticationRequired", "serverError:ProtocolError"]
    answer = caller.answer
    assert answer is not None
    assert answer.get("Sec-WebSocket-Version") == "13"
    assert not caller.reset


@pytest.mark.beyond("it answers 400")
@pytest.mark.parametrize("version", ["12", "8", "0", "14"])
def test_another_version_is_answered_with_426(serving: Serving, version: str) -> None:
    caller = serving.call(request(Sec_WebSocket_Version=version))
    serving.until_ended(caller)
    answer = says(caller, 426)
    assert answer.get("Sec-WebSocket-Version") == "13"
    assert (answer.get("Upgrade") or "").lower() == "websocket"
    assert "upgrade" in (answer.get("Connection") or "").lower()


# Origins


def test_every_valid_request_asks_about_its_origin(serving: Serving) -> None:
    serving.exchange(request())
    serving.exchange(request("Origin: http://example.org"))
    assert serving.trace.origins == ["", "http://example.org"]


def test_a_refused_origin_is_answered_with_403(serving: Serving) -> None:
    serving.server.originAuthenticationRequired.connect(lambda item: item.setAllowed(False))
    caller = refuses(
        serving,
        request("Origin: http://evil.example"),
        error=("PolicyViolated", "Access forbidden."),
    )
    assert serving.lines == ["originAuthenticationRequired", "serverError:PolicyViolated"]
    assert caller.answer is not None
    assert caller.answer.status == 403
    assert not caller.reset
    assert serving.server.error() is CloseCode.CloseCodeNormal


@pytest.mark.beyond("it has no body and no length")
def test_a_refused_origin_is_told_in_words(serving: Serving) -> None:
    serving.server.originAuthenticationRequired.connect(lambda item: item.setAllowed(False))
    caller = serving.call(request("Origin: http://evil.example"))
    serving.until_ended(caller)
    answer = says(caller, 403)
    assert "Sec-WebSocket-Accept" not in answer.names


def test_only_some_origins_are_refused(serving: Serving) -> None:
    def judge(authenticator: Any) -> None:
        authenticator.setAllowed(authenticator.origin() == "http://good.example")

    serving.server.originAuthenticationRequired.connect(judge)
    assert serving.exchange(request("Origin: http://good.example")).status == 101
    assert serving.exchange(request("Origin: http://evil.example")).status == 403
    assert serving.exchange(request()).status == 403


def test_the_last_word_about_an_origin_counts(serving: Serving) -> None:
    signal = serving.server.originAuthenticationRequired
    signal.connect(lambda item: item.setAllowed(False))
    signal.connect(lambda item: item.setAllowed(True))
    assert serving.exchange(request()).status == 101


@pytest.mark.beyond("touching it kills the program", crashes=True)
def test_an_authenticator_may_be_kept(serving: Serving) -> None:
    kept: list[Any] = []
    serving.server.originAuthenticationRequired.connect(kept.append)
    serving.exchange(request("Origin: http://example.org"))
    serving.settle()
    assert (kept[0].origin(), kept[0].allowed()) == ("http://example.org", True)
    kept[0].setAllowed(False)


def test_the_first_of_two_origins_counts_or_none_does(serving: Serving) -> None:
    caller = serving.call(request("Origin: http://a", "Origin: http://b"))
    serving.until(lambda: caller.eof or caller.answer)
    assert serving.trace.origins in (["http://a"], [])


# Subprotocols

CHOICES = [
    (["a", "b"], ["b, a"], "b", ["b", "a"]),
    (["a", "b"], ["a,b"], "a", ["a", "b"]),
    (["a", "b"], ["c, d"], "", ["c", "d"]),
    (["a"], ["A"], "", ["A"]),
    ([], ["a"], "", ["a"]),
    (["a"], ["x", "a"], "a", ["x", "a"]),
    (["a"], [""], "", []),
    (["a", "b"], [",,b,,a"], "b", ["b", "a"]),
    (["x"], ["a/b, x"], "x", ["a/b", "x"]),
    (["a"], [], "", []),
]


@pytest.mark.parametrize(("supported", "lines", "chosen", "offered"), CHOICES)
def test_the_order_of_the_client_decides_the_subprotocol(
    serving: Serving, supported: Any, lines: Any, chosen: str, offered: Any
) -> None:
    serving.server.setSupportedSubprotocols(supported)
    answer = serving.exchange(request(*[f"Sec-WebSocket-Protocol: {line}" for line in lines]))
    assert answer.get("Sec-WebSocket-Protocol") == (chosen or None)
    accepted = serving.server.nextPendingConnection()
    assert accepted.subprotocol() == chosen
    assert accepted.handshakeOptions().subprotocols() == offered


# What is refused on both

BAD_LINES = [
    "GET /",
    "GET / HTTP/1",
    "GET / HTTP/1.0",
    "GET\t/\tHTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET  HTTP/1.1",
    "garbage",
    "",
]
BAD_HOSTS = [None, "", "a b", "[::1", "user@x", "a/b", "a\tb"]
BAD_KEYS = [None, ""]
BAD_CONNECTIONS = [None, "", "keep-alive", "notupgrade", '"upgrade"']
BAD_UPGRADES = ["", "h2c", "websocket/13", '"websocket"', "xwebsocket"]
BAD_FIELDS = ["X", "X : 1", ": 1", "X: a\nb", "X y: 1", "X\x80: 1"]
BAD_VERSIONS = ["", "abc", "-1", "13.0"]

BAD = [
    *[pytest.param(request(line=line), id=f"line {line!r}") for line in BAD_LINES],
    *[pytest.param(request(Host=value), id=f"Host {value!r}") for value in BAD_HOSTS],
    *[pytest.param(request(Sec_WebSocket_Key=value), id=f"key {value!r}") for value in BAD_KEYS],
    *[pytest.param(request(field), id=f"field {field!r}") for field in BAD_FIELDS],
]
BAD_TO_UPGRADE = [
    *[pytest.param(request(Connection=item), id=f"Connection {item}") for item in BAD_CONNECTIONS],
    *[pytest.param(request(Upgrade=item), id=f"Upgrade {item}") for item in BAD_UPGRADES],
    *[pytest.param(request(Sec_WebSocket_Version=v), id=f"version {v!r}") for v in BAD_VERSIONS],
    pytest.param(request(Sec_WebSocket_Version=None), id="no version"),
]
NO_UPGRADES = [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="a plain GET"),
    pytest.param(request(Upgrade=None), id="no Upgrade"),
    pytest.param(request(Upgrade=None, Connection="keep-alive"), id="keep-alive"),
    pytest.param(
        b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n", id="curl"
    ),
]
METHODS = ["POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]
OTHER_METHODS = [pytest.param(request(line=f"{name} / HTTP/1.1"), id=name) for name in METHODS]
OTHER_METHODS.append(
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", id="a POST with a body"
    )
)
TOO_MUCH = [
    pytest.param(request("X: " + "y" * 9000), id="a line of 9000"),
    pytest.param(request(*[f"X{n}: 1" for n in range(100)]), id="105 fields"),
    pytest.param(request(*[f"X{n}: 1" for n in range(2000)]), id="2005 fields"),
    pytest.param(request(*[f"X{n}: {'y' * 8000}" for n in range(95)]), id="760 KB"),
    pytest.param(request(line="GET /" + "x" * 9000 + " HTTP/1.1"), id="a target of 9000"),
]

EVERYTHING = [*BAD, *BAD_TO_UPGRADE, *NO_UPGRADES, *OTHER_METHODS, *TOO_MUCH]


@pytest.mark.parametrize("sent", EVERYTHING)
def test_this_is_refused(serving: Serving, sent: bytes) -> None:
    refuses(serving, sent)
    assert serving.lines == ["serverError:ProtocolError"]
    assert (serving.server.error(), serving.server.errorString()) == (
        CloseCode.CloseCodeNormal,
        "",
    )


@pytest.mark.beyond(SILENT)
@pytest.mark.parametrize("sent", BAD)
def test_this_is_answered_with_400(serving: Serving, sent: bytes) -> None:
    caller = serving.call(sent)
    serving.until_ended(caller)
    answer = says(caller, *([400, 426, 505] if b"HTTP/1.0" in sent else [400]))
    assert "Sec-WebSocket-Accept" not in answer.names


@pytest.mark.beyond(SILENT)
@pytest.mark.parametrize("sent", BAD_TO_UPGRADE)
def test_this_is_answered_with_400_or_426(serving: Serving, sent: bytes) -> None:
    caller = serving.call(sent)
    serving.until_ended(caller)
    says(caller, 400, 426)


@pytest.mark.beyond(SILENT)
@pytest.mark.parametrize("sent", NO_UPGRADES)
def test_this_is_answered_with_426(serving: Serving, sent: bytes) -> None:
    caller = serving.call(sent)
    serving.until_ended(caller)
    answer = says(caller, 426)
    assert (answer.get("Upgrade") or "").lower() == "websocket"
    assert "upgrade" in (answer.get("Connection") or "").lower()
    assert answer.get("Sec-WebSocket-Version") == "13"


@pytest.mark.beyond(SILENT)
@pytest.mark.parametrize("sent", OTHER_METHODS)
def test_this_is_answered_with_405(serving: Serving, sent: bytes) -> None:
    caller = serving.call(sent)
    serving.until_ended(caller)
    if sent.startswith(b"HEAD"):  # no body may follow, or one may: clients ignore it
        assert caller.answer is not None
        assert caller.answer.status == 405
    else:
        says(caller, 405)
    assert caller.answer is not None
    assert caller.answer.get("Allow") == "GET"


@pytest.mark.beyond(SILENT)
@pytest.mark.parametrize("sent", TOO_MUCH)
def test_this_is_answered_with_431(serving: Serving, sent: bytes) -> None:
    caller = serving.call(sent)
    serving.until_ended(caller)
    says(caller, *([414, 431] if sent.startswith(b"GET /xxx") else [431]))


@pytest.mark.beyond(SILENT)
def test_methods_are_written_in_capitals(serving: Serving) -> None:
    caller = serving.call(request(line="get / HTTP/1.1"))
    serving.until_ended(caller)
    says(caller, 400, 405)


def test_a_refusal_is_told_each_time(serving: Serving) -> None:
    for _ in range(3):
        serving.until_ended(serving.call(request(Sec_WebSocket_Key=None)))
    serving.until(lambda: len(serving.trace.errors) == 3)
    assert serving.trace.errors == [INVALID] * 3


def test_a_refusal_leaves_the_server_as_it_was(serving: Serving) -> None:
    refuses(serving, request(Upgrade=None))
    serving.trace.take()
    accepts(serving, request())


# What Qt accepts though it should not

INVALID_KEYS = [
    "abc",
    "dGhlIHNhbXBsZSBub25jZQ",  # no padding
    "dGhlIHNhbXBsZSBub25jZQ=",
    "A" * 24,  # 18 bytes
    "AAAAAAAAAAAAAAAAAAAA",  # 15 bytes
    "not base64 !!!!!!!!!!!!==",
    "dGhlIHNhbXBsZSBub25jZQ==x",
    "-_hlIHNhbXBsZSBub25jZQ==",  # the other alphabet
    "x" * 300,
    KEY + ", " + KEY,
]
LOOSE_LINES = [
    "GET / HTTP/nan",
    "GET / http/1.1",
    "GET / HTTP/11",
    "GET / HTTP/1.1 x",
    "GET /\x00 HTTP/1.1",
    "GET /\x01 HTTP/1.1",
    "GET a HTTP/1.1",
    "GET a/b HTTP/1.1",
    "GET * HTTP/1.1",
    " GET / HTTP/1.1",
]
LOOSE_FIELDS = [
    ["Host: other"],
    ["Sec-WebSocket-Key: " + KEY],
    ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
    ["Content-Length: abc"],
    ["Content-Length: 1", "Content-Length: 2"],
    ["Content-Length: -1"],
    ["X: a\rb"],
    ["X: a\x00b"],
    ["X: a\x0bb"],
]
LOOSELY = [
    *[pytest.param(request(Sec_WebSocket_Key=key), id=f"key {key[:30]!r}") for key in INVALID_KEYS],
    *[pytest.param(request(line=line), id=f"line {line!r}") for line in LOOSE_LINES],
    *[pytest.param(request(*items), id=f"field {items}") for items in LOOSE_FIELDS],
]


@pytest.mark.beyond(LOOSE)
@pytest.mark.parametrize("sent", LOOSELY)
def test_this_is_malformed(serving: Serving, sent: bytes) -> None:
    caller = serving.call(sent)
    serving.until(lambda: caller.eof or caller.answer)
    serving.settle()
    assert caller.eof
    says(caller, 400)
    assert serving.lines == ["serverError:ProtocolError"]
    assert serving.trace.errors == [INVALID]


@pytest.mark.beyond("it takes only the one word")
@pytest.mark.parametrize("value", ["websocket, h2c", "h2c, websocket", "h2c, WebSocket"])
def test_upgrade_may_be_a_list(serving: Serving, value: str) -> None:
    accepts(serving, request(Upgrade=value))


# How a refusal goes over the wire


@pytest.mark.beyond(SILENT)
def test_all_of_a_refusal_arrives_though_the_client_goes_on(serving: Serving) -> None:
    caller = serving.call(request(line="POST / HTTP/1.1") + b"body" * 200_000)
    for _ in range(20):
        caller.send(b"more" * 1000)
        serving.qtbot.wait(1)
    serving.until_ended(caller)
    answer = caller.answer
    assert answer is not None
    assert answer.status == 405
    assert len(answer.body) == int(answer.get("Content-Length") or -1)


@pytest.mark.beyond(SILENT)
def test_a_refusal_is_also_told_to_a_client_that_has_finished(serving: Serving) -> None:
    caller = serving.call(request(Sec_WebSocket_Key="x"))
    caller.half_close()
    serving.until_ended(caller)
    says(caller, 400)


@pytest.mark.beyond(SILENT)
def test_a_refused_client_that_stays_is_ended(serving: Serving) -> None:
    caller = serving.call(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    caller.stop_reading()
    serving.until(lambda: serving.trace.errors)
    serving.settle()
    serving.server.close()
    serving.until_line("closed")
    caller.resume_reading()
    serving.until_ended(caller)
    says(caller, 426)


def test_nothing_behind_a_refused_request_is_read(serving: Serving) -> None:
    caller = serving.call(request(Sec_WebSocket_Key=None) + request())
    serving.until_ended(caller)
    serving.settle()
    assert caller.raw.count(b"HTTP/1.1 101") == 0
    assert serving.lines == ["serverError:ProtocolError"]


# Handshakes that do not end


@pytest.mark.parametrize("sent", [b"", b"GET", request()[:-2], b"GET / HTTP/1.1\r\nX: "])
def test_an_unfinished_handshake_is_ended_in_time(serving: Serving, sent: bytes) -> None:
    serving.server.setHandshakeTimeout(200)
    caller = serving.call(sent)
    serving.until_ended(caller)
    assert serving.lines == []
    assert serving.server.error() is CloseCode.CloseCodeNormal


@pytest.mark.beyond(SILENT)
@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", request()[:-2]])
def test_an_unfinished_handshake_is_answered_with_408(serving: Serving, sent: bytes) -> None:
    serving.server.setHandshakeTimeout(200)
    caller = serving.call(sent)
    serving.until_ended(caller)
    says(caller, 408)


def test_a_negative_timeout_is_none(serving: Serving) -> None:
    serving.server.setHandshakeTimeout(-1)
    caller = serving.call(request()[:-2])
    serving.qtbot.wait(300)
    assert not caller.eof
    caller.send(b"\r\n")
    assert serving.until_answered(caller).status == 101


def test_a_new_timeout_is_for_later_connections(serving: Serving) -> None:
    caller = serving.call(request()[:-2])
    serving.settle()
    serving.server.setHandshakeTimeout(100)
    serving.qtbot.wait(400)
    assert not caller.eof


def test_the_timeout_does_not_touch_open_connections(serving: Serving) -> None:
    serving.server.setHandshakeTimeout(300)
    session = serving.connect()
    queued = serving.call(request())
    serving.qtbot.wait(700)
    assert session.lines == []
    assert not session.caller.eof
    assert not queued.eof


@pytest.mark.parametrize("how", ["half_close", "kill"])
@pytest.mark.parametrize("sent", [b"", b"GET / HT", request()[:-2]])
def test_a_client_that_leaves_during_the_handshake_is_no_error(
    serving: Serving, how: str, sent: bytes
) -> None:
    caller = serving.call(sent)
    serving.settle()
    getattr(caller, how)()
    serving.until_ended(caller)
    serving.settle()
    assert serving.lines == []


# The end of the connection, seen from the one who refuses in newConnection


def test_a_program_refuses_by_closing_in_new_connection(serving: Serving) -> None:
    def refuse() -> None:
        accepted = serving.server.nextPendingConnection()
        accepted.close(CloseCode.CloseCodePolicyViolated, "no")
        accepted.disconnected.connect(accepted.deleteLater)

    serving.server.newConnection.connect(refuse)
    caller = serving.call(request())
    serving.until(lambda: caller.frames)
    assert caller.payloads(CLOSE) == [b"\x03\xf0no"]
    caller.send(masked_close(1008))
    serving.until_ended(caller)


def test_the_only_version_is_13() -> None:
    server = QWebSocketServer("x", QWebSocketServer.SslMode.NonSecureMode)
    assert server.supportedVersions() == [QWebSocketProtocol.Version.VersionLatest]
