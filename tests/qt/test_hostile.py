"""Servers that mean harm, or are broken in ways that look like it."""

import socket as sockets
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QAbstractSocket, QNetworkRequest

from support.client import CLOSED, ENDED, OPENED, REFUSED, Client, failed
from support.peer import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Link,
    Peer,
    accept,
    close_frame,
    frame,
    response,
)
from support.process import resident_mib
from support.qtmodule import QWebSocketHandshakeOptions

TIMED_OUT = ["state:Connecting", *failed("SocketTimeout"), *ENDED]


def impatient(url: str, milliseconds: int = 400) -> QNetworkRequest:
    request = QNetworkRequest(QUrl(url))
    request.setTransferTimeout(milliseconds)
    return request


# Servers that do not answer

NO_TIMEOUT = "it ignores the transfer timeout and waits for ever"


@pytest.mark.beyond(NO_TIMEOUT)
def test_a_silent_server_is_left_in_time(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(None)
    client.socket.open(impatient(peer.url()))
    client.until_last("readChannelFinished", timeout=5000)
    assert client.lines == TIMED_OUT
    assert client.socket.errorString() != ""
    client.until(lambda: peer.link.eof)


@pytest.mark.beyond(NO_TIMEOUT)
def test_a_dripping_server_is_left_in_time(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(b"HTTP/1.1 101 ")
    client.socket.open(impatient(peer.url()))
    client.until(lambda: peer.requests)
    for _ in range(60):
        if "readChannelFinished" in client.lines:
            break
        peer.link.send(b"x")
        client.qtbot.wait(50)
    assert client.lines == TIMED_OUT


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port that takes no more connections: its queue is full and nobody accepts."""
    with sockets.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        clients = []
        for _ in range(4):
            client = sockets.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            clients.append(client)
        yield port
        for client in clients:
            client.close()


@pytest.mark.beyond(NO_TIMEOUT)
def test_a_server_that_never_accepts_is_left_in_time(client: Client, full_port: int) -> None:
    client.socket.open(impatient(f"ws://127.0.0.1:{full_port}/"))
    client.until_line("disconnected", timeout=5000)
    client.settle()
    assert [line for line in client.lines if line != "readChannelFinished"] in (
        [line for line in TIMED_OUT if line != "readChannelFinished"],
        ["state:Connecting", *ENDED[:2], *failed("SocketTimeout")],
    )
    assert client.socket.state() == QAbstractSocket.SocketState.UnconnectedState


def test_a_timeout_does_not_touch_an_open_connection(client: Client, peer: Peer) -> None:
    client.socket.open(impatient(peer.url(), 500))
    client.until_last("connected")
    client.qtbot.wait(800)
    assert client.lines == OPENED


@pytest.mark.beyond(NO_TIMEOUT)
def test_it_can_be_opened_again_after_a_timeout(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(None, accept())
    client.socket.open(impatient(peer.url()))
    client.until_last("readChannelFinished", timeout=5000)
    client.socket.open(peer.url())
    client.until_last("connected")
    client.qtbot.wait(600)
    assert client.lines == [*TIMED_OUT, *OPENED]


# Servers that answer without end

ENDLESS = [
    pytest.param(b"HTTP/1.1 101 OK\r\n", b"X-Header: " + b"x" * 1000 + b"\r\n", id="headers"),
    pytest.param(b"HTTP/1.1 101 OK\r\n", b"x" * 1000, id="header"),
    pytest.param(b"", b"x" * 1000, id="garbage"),
    pytest.param(b"HTTP/1.1 101 ", b"x" * 1000, id="phrase"),
    pytest.param(b"HTTP/1.1 101 OK\r\n", b"\r\x00" * 500, id="carriage returns"),
]


@pytest.mark.beyond("it reads for ever")
@pytest.mark.parametrize(("start", "more"), ENDLESS)
def test_an_endless_answer_is_refused(
    client: Client, make_peer: Callable[..., Peer], start: bytes, more: bytes
) -> None:
    client.socket.open(make_peer(start + more * 4000).url())
    client.until_last("readChannelFinished", timeout=3000)
    assert client.lines == REFUSED


@pytest.mark.beyond("bytes behind a refusal come out as messages")
@pytest.mark.parametrize("status", ["200 OK", "301 Moved Permanently", "403 Forbidden"])
def test_no_message_comes_from_a_refused_handshake(
    client: Client, make_peer: Callable[..., Peer], status: str
) -> None:
    head = f"HTTP/1.1 {status}\r\n\r\n".encode()
    client.socket.open(make_peer(head + frame(TEXT, b"evil") + close_frame()).url())
    client.until_line("readChannelFinished")
    client.settle()
    assert client.lines == REFUSED
    assert client.socket.closeCode().value == 1000


@pytest.mark.parametrize("body", [b"", b"<html>" + b"x" * 100_000])
def test_a_body_is_read_over(client: Client, make_peer: Callable[..., Peer], body: bytes) -> None:
    client.socket.open(make_peer(response("404 Not Found", body=body)).url())
    client.until_line("readChannelFinished")
    assert client.lines[: len(REFUSED)] == REFUSED


# Nothing of the program's input becomes a header line

INJECTIONS = ["a\r\nInjected: 1", "a\nInjected: 1", "a\rInjected: 1", "a\0b"]


def check_nothing_injected(peer: Peer) -> None:
    for request in peer.requests:
        head = request.raw.removesuffix(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert not [line for line in lines if b"\r" in line or b"\n" in line or b"\0" in line]
        assert "injected" not in [name.lower() for name in request.names]


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize("place", ["name", "value"])
def test_a_header_cannot_inject(
    client: Client, peer: Peer, qt_warnings: Any, value: str, place: str
) -> None:
    request = QNetworkRequest(QUrl(peer.url()))
    name, content = (value, "x") if place == "name" else ("X-Header", value)
    request.setRawHeader(name.encode(), content.encode())
    client.socket.open(request)
    client.until(lambda: {"connected", "error:ConnectionRefusedError"} & set(client.lines))
    qt_warnings.take("")
    check_nothing_injected(peer)


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_subprotocol_cannot_inject(
    client: Client, peer: Peer, qt_warnings: Any, value: str
) -> None:
    options = QWebSocketHandshakeOptions()
    options.setSubprotocols([value, "good"])
    client.socket.open(peer.url(), options)
    client.until_last("connected")
    assert len(qt_warnings.take("Ignoring invalid WebSocket subprotocol name")) == 1
    check_nothing_injected(peer)


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize("place", ["/p?q={}", "/p#{}", "/{}"])
def test_an_url_cannot_inject(client: Client, peer: Peer, value: str, place: str) -> None:
    client.socket.open(QUrl(peer.url(place.format(value))))
    client.until(lambda: {"connected", "error:ConnectionRefusedError"} & set(client.lines))
    check_nothing_injected(peer)


def test_an_origin_with_a_line_break_is_refused(
    make_client: Callable[..., Client], peer: Peer
) -> None:
    client = make_client("http://a\r\nInjected: 1")
    client.socket.open(peer.url())
    client.until_line("error:ConnectionRefusedError")
    assert client.lines == [
        "state:Connecting",
        "aboutToClose",
        *ENDED,
        *failed("ConnectionRefused"),
    ]
    assert client.socket.errorString() == "The origin contains newlines. Possible attack detected."
    client.settle()
    assert peer.requests == []


@pytest.mark.beyond("it looks for CR LF only")
@pytest.mark.parametrize("value", INJECTIONS[1:])
def test_an_origin_cannot_inject(
    make_client: Callable[..., Client], peer: Peer, value: str
) -> None:
    client = make_client(value)
    client.socket.open(peer.url())
    client.until(lambda: {"connected", "error:ConnectionRefusedError"} & set(client.lines))
    check_nothing_injected(peer)


# Frames that mean harm


def test_a_head_that_announces_two_to_the_62_reserves_nothing(client: Client, link: Link) -> None:
    before = resident_mib()
    link.send(struct.pack("!BBQ", 0x82, 127, 2**62) + b"x" * 100)
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert client.socket.closeCode().value == 1009
    assert resident_mib() - before < 16


def test_many_empty_fragments_are_taken(client: Client, link: Link) -> None:
    link.send(frame(BINARY, b"", fin=False))
    link.send(frame(CONTINUATION, b"", fin=False) * 50_000)
    link.send(frame(CONTINUATION, b"end"))
    client.until_last("binary:b'end'", timeout=30_000)


def test_many_fragments_of_one_byte_are_taken(client: Client, link: Link) -> None:
    sizes: list[int] = []
    client.socket.binaryMessageReceived.connect(lambda data: sizes.append(data.size()))
    link.send(frame(BINARY, b"x", fin=False))
    link.send(frame(CONTINUATION, b"x", fin=False) * 50_000)
    link.send(frame(CONTINUATION, b"x"))
    client.until(lambda: sizes, timeout=30_000)
    assert sizes == [50_002]


def test_a_message_in_small_segments_costs_linear_time(client: Client, link: Link) -> None:
    sizes: list[int] = []
    client.socket.binaryMessageReceived.connect(lambda data: sizes.append(data.size()))
    data = frame(BINARY, bytes(8_000_000))
    began = time.monotonic()
    link.send(*[data[start : start + 4000] for start in range(0, len(data), 4000)])
    client.until(lambda: sizes, timeout=30_000)
    assert sizes == [8_000_000]
    assert time.monotonic() - began < 15


@pytest.mark.beyond("it queues a pong for each ping, without bound (RFC 6455 5.5.3)")
def test_pongs_do_not_pile_up_for_a_peer_that_does_not_read(client: Client, link: Link) -> None:
    link.stop_reading()
    for _ in range(100):
        link.send(frame(PING, b"x" * 125) * 2000)
    link.send(frame(PONG, b"all sent"))
    client.until_line("pong:b'all sent'", timeout=30_000)
    assert client.socket.bytesToWrite() < 1_000_000


def test_a_flood_of_pings_does_not_hold_up_messages(client: Client, link: Link) -> None:
    link.send(frame(PING, b"x" * 125) * 20_000 + frame(TEXT, b"after"))
    client.until_line("text:after", timeout=30_000)
    assert client.socket.isValid()


def test_garbage_after_the_handshake_is_a_protocol_error(client: Client, link: Link) -> None:
    link.send(b"\xff" * 1_000_000)
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert client.socket.closeCode().value == 1002


def test_data_that_goes_on_after_an_error_is_not_delivered(client: Client, link: Link) -> None:
    link.send(frame(3) + frame(TEXT, b"evil") * 1000)
    client.until_line("readChannelFinished")
    client.settle()
    assert client.lines == CLOSED


def test_a_read_buffer_smaller_than_the_messages_still_delivers_small_ones(
    client: Client, peer: Peer
) -> None:
    client.socket.setReadBufferSize(1000)
    link = client.connect(peer)
    link.send(frame(TEXT, b"x" * 100) * 100)
    client.until(lambda: len(client.trace.only("text:")) == 100)


def test_a_closed_socket_queues_nothing(client: Client, link: Link) -> None:
    link.send(close_frame())
    client.until_last("readChannelFinished")
    assert client.socket.sendTextMessage("x" * 1000) == 0
    assert client.socket.sendBinaryMessage(b"x" * 1000) == 0
    assert client.socket.bytesToWrite() == 0


@pytest.mark.beyond("it warns that the device is not open")
def test_a_ping_of_a_closed_socket_is_nothing(client: Client, link: Link, qt_warnings: Any) -> None:
    link.send(close_frame())
    client.until_last("readChannelFinished")
    client.socket.ping()
    assert qt_warnings.take("") == []
