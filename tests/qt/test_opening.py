"""open(): what it says, and how a handshake fails."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QAbstractSocket, QNetworkRequest

from support.client import CLOSED, ENDED, LOST, OPENED, REFUSED, Client, failed
from support.peer import (
    CLOSE,
    TEXT,
    Link,
    Peer,
    Request,
    accept,
    accept_key,
    close_frame,
    frame,
    response,
)
from support.qtmodule import QWebSocketHandshakeOptions

State = QAbstractSocket.SocketState
Error = QAbstractSocket.SocketError

NOTHING_LISTENS = "ws://127.0.0.1:1/"


def options(*names: str) -> QWebSocketHandshakeOptions:
    made = QWebSocketHandshakeOptions()
    made.setSubprotocols(list(names))
    return made


def test_opening_goes_through_these_signals(client: Client, peer: Peer) -> None:
    client.socket.open(peer.url())
    client.until_line("connected")
    assert client.lines == OPENED


def test_only_the_first_state_comes_inside_open(client: Client, peer: Peer) -> None:
    client.socket.open(peer.url("/x"))
    assert client.lines == ["state:Connecting"]
    assert client.socket.state() == State.ConnectingState
    assert not client.socket.isValid()


def test_some_things_are_known_at_once(client: Client, peer: Peer) -> None:
    client.socket.open(peer.url("/x?y#z"))
    assert client.socket.peerName() == "127.0.0.1"
    assert client.socket.requestUrl() == QUrl(peer.url("/x?y#z"))
    assert client.socket.resourceName() == "/x?y"
    assert (client.socket.peerPort(), client.socket.localPort()) == (0, 0)


def test_an_open_socket_knows_both_ends(client: Client, peer: Peer) -> None:
    client.connect(peer)
    assert client.socket.state() == State.ConnectedState
    assert client.socket.isValid()
    assert client.socket.peerPort() == peer.port
    assert client.socket.peerAddress().toString() == "127.0.0.1"
    assert client.socket.localAddress().toString() == "127.0.0.1"
    assert client.socket.localPort() > 0
    assert client.socket.error() == Error.UnknownSocketError


def test_both_ends_are_forgotten_after_the_end(client: Client, link: Link) -> None:
    client.socket.close()
    client.until_last("readChannelFinished")
    assert (client.socket.peerPort(), client.socket.localPort()) == (0, 0)
    assert client.socket.peerAddress().isNull()
    assert client.socket.localAddress().isNull()
    assert client.socket.peerName() == "127.0.0.1"
    assert not client.socket.isValid()


# URLs that cannot be opened

INVALID = [
    pytest.param("", "Invalid URL.", id="empty"),
    pytest.param("ws://127.0.0.1:99999/", "Invalid URL.", id="port"),
    pytest.param("ws://a b/", "Invalid URL.", id="space in host"),
    pytest.param("ws://[::1/", "Invalid URL.", id="bracket"),
    pytest.param("ws://a%0d%0ab/", "Invalid URL.", id="CRLF in host"),
    pytest.param("ws://127.0.0.1:1/a\r\nb", "Invalid resource name.", id="CRLF"),
    pytest.param("ws://127.0.0.1:1/a%0D%0Ab", "Invalid resource name.", id="encoded CRLF"),
]


@pytest.mark.parametrize(("url", "text"), INVALID)
def test_an_invalid_url_is_refused_inside_open(client: Client, url: str, text: str) -> None:
    client.socket.open(QUrl(url))
    assert client.lines == failed("ConnectionRefused")
    assert client.socket.errorString() == text
    assert client.socket.error() == Error.UnknownSocketError
    assert client.socket.requestUrl() == QUrl()
    assert client.socket.resourceName() == ""
    assert client.socket.peerName() == ""


def test_an_empty_request_is_refused(client: Client) -> None:
    client.socket.open(QNetworkRequest())
    assert client.lines == failed("ConnectionRefused")
    assert client.socket.errorString() == "Invalid URL."


@pytest.mark.parametrize(
    ("url", "scheme"),
    [("http://127.0.0.1/", "http"), ("ftp://x/", "ftp"), ("/path", ""), ("//127.0.0.1/", "")],
)
def test_another_scheme_is_refused_inside_open(client: Client, url: str, scheme: str) -> None:
    client.socket.open(QUrl(url))
    assert client.lines == failed("UnsupportedSocketOperation")
    assert client.socket.errorString() == f"Unsupported WebSocket scheme: {scheme}"
    assert client.socket.error() == Error.UnknownSocketError
    assert client.socket.requestUrl() == QUrl(url)


def test_the_error_can_be_read_in_the_slot(client: Client) -> None:
    heard: list[str] = []
    client.socket.errorOccurred.connect(lambda error: heard.append(client.socket.errorString()))
    client.socket.open("http://x/")
    assert heard == ["Unsupported WebSocket scheme: http"]


def test_an_invalid_url_leaves_an_open_connection_alone(client: Client, link: Link) -> None:
    client.socket.open("ws://a b/")
    assert client.trace.take() == failed("ConnectionRefused")
    assert client.socket.isValid()
    check_it_is_open(client, link)


@pytest.mark.beyond("a wrong scheme or path leaves a socket that is Connected but dead")
@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://127.0.0.1/%0D%0A"])
def test_nothing_invalid_ends_an_open_connection(client: Client, link: Link, url: str) -> None:
    client.socket.open(QUrl(url))
    client.trace.take()
    assert client.socket.isValid()
    check_it_is_open(client, link)


def check_it_is_open(client: Client, link: Link) -> None:
    assert client.socket.sendTextMessage("x") == 1
    link.send(frame(TEXT, b"y"))
    client.until_line("text:y")
    client.until(lambda: link.payloads() == [b"x"])


# TCP fails


def test_a_refused_connection_says_so_at_the_end(client: Client) -> None:
    client.socket.open(NOTHING_LISTENS)
    client.until_line("error:ConnectionRefusedError")
    assert client.lines == [
        "state:Connecting",
        "state:Unconnected",
        "disconnected",
        *failed("ConnectionRefused"),
    ]
    assert client.socket.error() == Error.ConnectionRefusedError
    assert client.socket.errorString() == "Connection refused"
    assert client.socket.requestUrl() == QUrl(NOTHING_LISTENS)


@pytest.mark.parametrize("url", ["ws://does-not-exist.invalid/", "ws:", "ws://", "ws:///x"])
def test_an_unknown_host_says_so_at_the_end(client: Client, url: str) -> None:
    client.socket.open(QUrl(url))
    client.until_line("error:HostNotFoundError")
    assert client.lines == [
        "state:Connecting",
        "state:Unconnected",
        "disconnected",
        *failed("HostNotFound"),
    ]
    assert client.socket.error() == Error.HostNotFoundError
    assert client.socket.errorString() == "Host not found"


# The server refuses

HTTP_ERROR = "QWebSocketPrivate::processHandshake: Unhandled http status code: "
UPGRADE_ERROR = "Invalid parameter encountered during protocol upgrade: "


def changed(old: bytes, new: bytes) -> Callable[[Request], bytes]:
    return lambda request: accept()(request).replace(old, new)


def without(name: bytes) -> Callable[[Request], bytes]:
    def answer(request: Request) -> bytes:
        lines = accept()(request).split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.startswith(name))

    return answer


def upgrade_error(
    size: int = 28, version: str = "1.1", upgrade: str = "websocket", connection: str = "Upgrade"
) -> str:
    return (
        f"{UPGRADE_ERROR}Accept-key size: {size}, version: {version}, "
        f"upgrade: {upgrade}, connection: {connection}"
    )


REFUSALS = [
    pytest.param(response("200 OK"), HTTP_ERROR + "200 (OK).", id="200"),
    pytest.param(response("404 Not Found"), HTTP_ERROR + "404 (Not Found).", id="404"),
    pytest.param(b"HTTP/1.1 404 \r\n\r\n", HTTP_ERROR + "404 ().", id="no phrase"),
    pytest.param(
        response("301 Moved Permanently", "Location: ws://127.0.0.1:1/"),
        HTTP_ERROR + "301 (Moved Permanently).",
        id="301",
    ),
    pytest.param(response("403 Forbidden"), HTTP_ERROR + "403 (Forbidden).", id="403"),
    pytest.param(
        response("426 Upgrade Required", "Sec-WebSocket-Version: 12"),
        HTTP_ERROR + "426 (Upgrade Required).",
        id="426",
    ),
    pytest.param(
        response("503 Service Unavailable"),
        HTTP_ERROR + "503 (Service Unavailable).",
        id="503",
    ),
    pytest.param(without(b"Sec-"), upgrade_error(size=0), id="no key"),
    pytest.param(without(b"Upgrade"), upgrade_error(upgrade=""), id="no Upgrade"),
    pytest.param(accept(upgrade="h2c"), upgrade_error(upgrade="h2c"), id="Upgrade"),
    pytest.param(without(b"Connection"), upgrade_error(connection=""), id="no Connection"),
    pytest.param(accept(connection="close"), upgrade_error(connection="close"), id="Connection"),
    pytest.param(changed(b"HTTP/1.1", b"HTTP/1.0"), upgrade_error(version="1.0"), id="1.0"),
]


@pytest.mark.parametrize(("answer", "text"), REFUSALS)
def test_a_refused_handshake_says_why(
    client: Client, make_peer: Callable[..., Peer], answer: Any, text: str
) -> None:
    peer = make_peer(answer)
    client.socket.open(peer.url())
    client.until_last("readChannelFinished")
    assert client.lines == REFUSED
    assert client.socket.errorString() == text
    assert client.socket.error() == Error.UnknownSocketError
    client.until(lambda: peer.link.eof)


def test_a_wrong_key_says_both_keys(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(changed(b"Accept: ", b"Accept: x"))
    client.socket.open(peer.url())
    client.until_last("readChannelFinished")
    assert client.lines == REFUSED
    key = accept_key(peer.link.request)
    assert client.socket.errorString() == (
        f"Accept-Key received from server x{key} does not match the client key {key}."
    )


def test_a_refusal_can_be_read_in_the_slot(client: Client, make_peer: Callable[..., Peer]) -> None:
    heard: list[Any] = []
    socket = client.socket
    socket.errorOccurred.connect(lambda _: heard.append((socket.errorString(), socket.state())))
    socket.open(make_peer(response("404 Not Found")).url())
    client.until_last("readChannelFinished")
    assert heard == [(HTTP_ERROR + "404 (Not Found).", State.ConnectingState)]


@pytest.mark.parametrize("opening", [b"", b"HTTP/1.1 101 Swit"])
def test_a_server_that_hangs_up_closes(
    client: Client, make_peer: Callable[..., Peer], opening: bytes
) -> None:
    client.socket.open(make_peer(opening, close_after_answer=True).url())
    client.until_last("readChannelFinished")
    assert client.lines == ["state:Connecting", *failed("RemoteHostClosed"), *ENDED]
    assert client.socket.error() == Error.RemoteHostClosedError
    assert client.socket.errorString() == "The remote host closed the connection"


UNEXPECTED = [
    pytest.param(b"garbage\r\n\r\n", "Read handshake request status failed", id="garbage"),
    pytest.param(b"\r\n\r\n", "Read handshake request status failed", id="empty line"),
    pytest.param(b"HTTP/1.1 abc\r\n\r\n", "Read handshake request status failed", id="status"),
    pytest.param(accept("colon"), "Parsing handshake request header failed", id="no colon"),
    pytest.param(accept("a b: c"), "Parsing handshake request header failed", id="name"),
    pytest.param(
        accept("Sec-WebSocket-Protocol: foo"),
        "WebSocket server has chosen protocol foo which has not been requested",
        id="subprotocol",
    ),
]


@pytest.mark.parametrize(("answer", "text"), UNEXPECTED)
def test_an_unexpected_answer_is_an_error(
    client: Client, make_peer: Callable[..., Peer], answer: Any, text: str
) -> None:
    client.socket.open(make_peer(answer).url())
    client.until_line("error:ConnectionRefusedError")
    assert client.lines[:3] == REFUSED[:3]
    assert client.socket.errorString() == text


@pytest.mark.beyond("it stays Connecting for ever")
@pytest.mark.parametrize(("answer", "text"), UNEXPECTED)
def test_an_unexpected_answer_ends_the_connection(
    client: Client, make_peer: Callable[..., Peer], answer: Any, text: str
) -> None:
    client.socket.open(make_peer(answer).url())
    client.until_last("readChannelFinished", timeout=3000)
    assert client.lines == REFUSED


@pytest.mark.parametrize("chosen", ["B", "a, b", "c"])
def test_only_a_requested_subprotocol_is_taken(
    client: Client, make_peer: Callable[..., Peer], chosen: str
) -> None:
    client.socket.open(
        QUrl(make_peer(accept(f"Sec-WebSocket-Protocol: {chosen}")).url()), options("a", "b")
    )
    client.until_line("error:ConnectionRefusedError")
    assert "connected" not in client.lines
    assert client.socket.subprotocol() == ""


# The server accepts

ACCEPTED = [
    pytest.param(accept(connection="upgrade"), id="connection: upgrade"),
    pytest.param(accept(upgrade="WebSocket"), id="upgrade: WebSocket"),
    pytest.param(accept("X-Empty:"), id="empty value"),
    pytest.param(accept("X-Long: " + "x" * 8000), id="long line"),
    pytest.param(accept(*[f"X-{number}: y" for number in range(90)]), id="90 headers"),
    pytest.param(changed(b" Switching Protocols", b" "), id="no phrase"),
    pytest.param(changed(b"Upgrade: ", b"upgrade:"), id="no space"),
    pytest.param(
        accept(connection="keep-alive, Upgrade"),
        id="token list",
        marks=pytest.mark.beyond("it does not read Connection as a list of tokens"),
    ),
]


@pytest.mark.parametrize("answer", ACCEPTED)
def test_this_answer_is_accepted(
    client: Client, make_peer: Callable[..., Peer], answer: Any
) -> None:
    client.socket.open(make_peer(answer).url())
    client.until_last("connected", timeout=5000)
    assert client.lines == OPENED


def test_an_answer_may_come_byte_by_byte(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(b"")
    client.socket.open(peer.url())
    client.until(lambda: peer.requests)
    for byte in accept()(peer.link.request) + frame(TEXT, b"first"):
        peer.link.send(bytes([byte]))
    client.until_line("text:first")
    assert client.lines == [*OPENED, "textFrame:first:last", "text:first"]


def test_frames_behind_the_answer_come_after_connected(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    frames = frame(TEXT, b"first") + close_frame(1001, b"go")
    client.socket.open(make_peer(lambda request: accept()(request) + frames).url())
    client.until_last("readChannelFinished")
    assert client.lines == [*OPENED, "textFrame:first:last", "text:first", *CLOSED]
    assert client.socket.closeReason() == "go"


def test_a_server_may_hang_up_right_after_it_accepted(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    client.socket.open(make_peer(accept(), close_after_answer=True).url())
    client.until_last("readChannelFinished")
    assert client.lines == [*OPENED, *LOST]


def test_a_slot_of_connected_can_send(client: Client, peer: Peer) -> None:
    client.socket.connected.connect(lambda: client.socket.sendTextMessage("hello"))
    client.socket.open(peer.url())
    client.until(lambda: peer.links and peer.link.payloads() == [b"hello"])


# Opening again


def test_a_socket_is_opened_again_after_its_end(client: Client, peer: Peer) -> None:
    for count in range(1, 4):
        client.socket.open(peer.url(f"/{count}"))
        client.until_last("connected")
        client.socket.close()
        client.until_last("readChannelFinished")
    assert client.lines == [*OPENED, *CLOSED] * 3
    assert [request.target for request in peer.requests] == ["/1", "/2", "/3"]


def test_opening_while_open_drops_the_old_connection(
    client: Client, link: Link, peer: Peer
) -> None:
    client.socket.open(peer.url("/second"))
    assert client.socket.sendTextMessage("not yet") == 0
    client.until_line("connected")
    client.until(lambda: link.eof)
    assert client.lines == OPENED
    assert link.frames == []
    assert peer.link.request.target == "/second"


def test_opening_while_the_handshake_runs_begins_a_new_one(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(None, accept())
    client.socket.open(peer.url("/first"))
    client.until(lambda: peer.requests)
    client.socket.open(peer.url("/second"))
    client.until_line("connected")
    client.until(lambda: peer.links[0].eof)
    assert client.lines == OPENED
    assert [request.target for request in peer.requests] == ["/first", "/second"]


def test_opening_right_after_close_sends_the_close_frame_first(
    client: Client, link: Link, peer: Peer
) -> None:
    client.socket.close()
    client.socket.open(peer.url())
    client.until_line("connected")
    client.until(lambda: link.eof)
    assert client.lines == ["aboutToClose", *OPENED]
    assert [item.opcode for item in link.frames] == [CLOSE]


def test_opening_right_after_abort_connects(client: Client, link: Link, peer: Peer) -> None:
    client.socket.abort()
    client.socket.open(peer.url())
    client.until_line("connected")
    assert client.lines == ["aboutToClose", *ENDED, *OPENED]
    client.until(lambda: link.eof)


def test_a_failed_socket_can_be_opened_again(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(response("404 Not Found"), accept())
    client.socket.open(peer.url())
    client.until_last("readChannelFinished")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert client.lines == [*REFUSED, *OPENED]


@pytest.mark.beyond("the text of an old error stays for ever")
def test_opening_clears_the_old_error(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(response("404 Not Found"), accept())
    client.socket.open(peer.url())
    client.until_last("readChannelFinished")
    client.socket.open(peer.url())
    assert "404" not in client.socket.errorString()
    client.until_last("connected")
    assert "404" not in client.socket.errorString()


def test_opening_clears_an_old_tcp_error(client: Client, peer: Peer) -> None:
    client.socket.open(NOTHING_LISTENS)
    client.until_line("error:ConnectionRefusedError")
    client.socket.open(peer.url())
    assert client.socket.error() == Error.UnknownSocketError
    assert "refused" not in client.socket.errorString()
