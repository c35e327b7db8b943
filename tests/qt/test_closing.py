"""How connections end: close(), abort(), the peer's Close, and lost connections."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtNetwork import QAbstractSocket

from support.client import ABORTED, CLOSED, ENDED, LOST, Client, failed
from support.peer import CLOSE, PING, PONG, TEXT, Link, Peer, accept, close_frame, frame
from support.qtmodule import QWebSocketProtocol

CloseCode = QWebSocketProtocol.CloseCode
State = QAbstractSocket.SocketState


# close()


def test_close_is_answered_by_the_peer(client: Client, link: Link) -> None:
    client.socket.close()
    assert client.lines == ["aboutToClose"]
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert link.payloads(CLOSE) == [b"\x03\xe8"]
    client.until(lambda: link.eof)


def test_close_keeps_the_state_until_the_peer_answers(client: Client, link: Link) -> None:
    client.socket.close()
    assert client.socket.state() == State.ConnectedState
    assert client.socket.isValid()


def test_close_writes_its_frame_at_once(client: Client, link: Link) -> None:
    client.socket.sendTextMessage("before")
    client.socket.close()
    assert client.socket.bytesToWrite() == 0
    client.until(lambda: len(link.frames) == 2)


def test_close_sends_code_and_reason(client: Client, link: Link) -> None:
    client.socket.close(CloseCode.CloseCodeGoingAway, "à bientôt")
    assert client.socket.closeCode() is CloseCode.CloseCodeGoingAway
    assert client.socket.closeReason() == "à bientôt"
    client.until(lambda: link.frames)
    assert link.frames[0].payload == b"\x03\xe9" + "à bientôt".encode()


@pytest.mark.parametrize("number", [1000, 1001, 1003, 1011, 3000, 4001, 4999])
def test_close_sends_this_code(client: Client, link: Link, number: int) -> None:
    client.socket.close(CloseCode(number), "why")
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert (link.frames[0].close_code, link.frames[0].payload[2:]) == (number, b"why")
    assert client.socket.closeCode() is CloseCode(number)


def test_the_code_of_close_is_kept(client: Client, make_peer: Callable[..., Peer]) -> None:
    link = client.connect(make_peer(echo_close=False))
    client.socket.close(CloseCode.CloseCodeGoingAway, "mine")
    link.send(close_frame(4000, b"theirs"))
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert client.socket.closeCode() is CloseCode.CloseCodeGoingAway
    assert client.socket.closeReason() == "mine"
    client.until(lambda: link.eof)
    assert len(link.frames) == 1


def test_a_second_close_changes_nothing(client: Client, link: Link) -> None:
    client.socket.close(CloseCode.CloseCodeGoingAway, "first")
    client.socket.close(CloseCode.CloseCodeNormal, "second")
    client.until_last("readChannelFinished")
    client.socket.close()
    client.socket.abort()
    assert client.lines == CLOSED
    assert client.socket.closeReason() == "first"
    assert link.payloads() == [b"\x03\xe9first"]


def test_a_reason_is_clipped_to_123_bytes(client: Client, link: Link) -> None:
    client.socket.close(CloseCode.CloseCodeNormal, "x" * 200)
    client.until(lambda: link.frames)
    assert link.payloads() == [b"\x03\xe8" + b"x" * 123]
    assert client.socket.closeReason() == "x" * 123


@pytest.mark.beyond("it cuts the reason inside a character")
@pytest.mark.parametrize(("reason", "size"), [("é" * 80, 122), ("x" + "€" * 60, 121)])
def test_a_reason_is_not_cut_inside_a_character(
    client: Client, link: Link, reason: str, size: int
) -> None:
    client.socket.close(CloseCode.CloseCodeNormal, reason)
    client.until(lambda: link.frames)
    sent = link.frames[0].payload[2:]
    assert len(sent) == size
    assert reason.startswith(sent.decode())
    assert client.socket.closeReason() == sent.decode()


def test_messages_still_arrive_after_close(client: Client, make_peer: Callable[..., Peer]) -> None:
    link = client.connect(make_peer(echo_close=False))
    client.socket.close()
    link.send(frame(TEXT, b"late"))
    client.until_line("text:late")
    link.send(close_frame() + frame(TEXT, b"too late"))
    client.until_last("readChannelFinished")
    assert client.lines == ["aboutToClose", "textFrame:late:last", "text:late", *CLOSED[1:]]


@pytest.mark.beyond("it sends messages and pings behind its Close frame (RFC 6455 5.5.1)")
def test_nothing_is_sent_after_close(client: Client, make_peer: Callable[..., Peer]) -> None:
    link = client.connect(make_peer(echo_close=False))
    client.socket.close()
    assert client.socket.sendTextMessage("x") == 0
    assert client.socket.sendBinaryMessage(b"x") == 0
    client.socket.ping(b"x")
    link.send(close_frame())
    client.until(lambda: link.eof)
    assert [item.opcode for item in link.frames] == [CLOSE]


@pytest.mark.beyond("it sends messages behind its Close frame (RFC 6455 5.5.1)")
def test_nothing_is_sent_in_about_to_close(client: Client, link: Link) -> None:
    sent: list[int] = []
    client.socket.aboutToClose.connect(lambda: sent.append(client.socket.sendTextMessage("bye")))
    client.socket.close()
    client.until_last("readChannelFinished")
    client.until(lambda: link.eof)
    assert set(sent) == {0}
    assert [item.opcode for item in link.frames] == [CLOSE]


def test_a_peer_that_does_not_answer_is_given_three_seconds(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    link = client.connect(make_peer(echo_close=False))
    began = time.monotonic()
    client.socket.close()
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert 2.5 < time.monotonic() - began < 8
    client.until(lambda: link.eof)


def test_a_peer_that_hangs_up_instead_of_answering_is_an_error(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    link = client.connect(make_peer(echo_close=False))
    client.socket.close()
    client.until(lambda: link.frames)
    link.close()
    client.until_last("readChannelFinished")
    assert client.lines == ["aboutToClose", *LOST]


def test_both_sides_may_close_at_once(client: Client, make_peer: Callable[..., Peer]) -> None:
    link = client.connect(make_peer(echo_close=False))
    link.send(frame(TEXT, b"last") + close_frame(4000, b"theirs"))
    client.socket.close()
    client.until_last("readChannelFinished")
    assert client.lines == ["aboutToClose", "textFrame:last:last", "text:last", *CLOSED[1:]]
    client.until(lambda: link.eof)
    assert link.payloads() == [b"\x03\xe8"]


@pytest.mark.beyond("it waits for ever")
def test_close_ends_though_the_peer_stopped_reading(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    link = client.connect(make_peer(echo_close=False))
    link.stop_reading()
    client.socket.sendBinaryMessage(b"x" * 40_000_000)
    client.settle()
    assert client.socket.bytesToWrite() > 10_000_000
    client.socket.close()
    client.until_last("readChannelFinished", timeout=12_000)
    assert client.lines == CLOSED


# close() before the connection is open


def test_close_while_connecting_ends_it(client: Client, peer: Peer, qt_warnings: Any) -> None:
    client.socket.open(peer.url())
    client.socket.close()
    client.until_line("readChannelFinished")
    qt_warnings.take("QNativeSocketEngine::write()")
    client.settle()
    assert "connected" not in client.lines
    assert client.socket.state() == State.UnconnectedState
    assert client.lines.count("disconnected") == 1


def test_close_while_connecting_is_an_unfinished_operation(
    client: Client, peer: Peer, qt_warnings: Any
) -> None:
    client.socket.open(peer.url())
    client.socket.close()
    client.until_line("readChannelFinished")
    client.settle()
    assert client.lines == [
        "state:Connecting",
        "errorOccurred:UnfinishedSocketOperationError",
        "error:UnfinishedSocketOperationError",
        "aboutToClose",
        "state:Unconnected",
        "disconnected",
        "readChannelFinished",
        "aboutToClose",
    ]
    assert client.socket.errorString() == "Invalid socket descriptor"
    qt_warnings.take("QNativeSocketEngine")
    assert [link.raw for link in peer.links if link.raw] == []


def test_close_during_the_handshake_ends_it_after_three_seconds(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(None)
    client.socket.open(peer.url())
    client.until(lambda: peer.requests)
    client.trace.take()
    client.socket.close()
    client.until_last("readChannelFinished")
    assert client.lines in (["aboutToClose", "aboutToClose", *ENDED], ["aboutToClose", *ENDED])
    client.until(lambda: peer.link.eof)


@pytest.mark.beyond("it writes a Close frame before the server accepted")
def test_close_during_the_handshake_writes_nothing(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(None)
    client.socket.open(peer.url())
    client.until(lambda: peer.requests)
    client.socket.close()
    client.until_last("readChannelFinished")
    client.until(lambda: peer.link.eof)
    assert bytes(peer.link.raw) == b""


@pytest.mark.beyond("it writes a Ping frame before the server accepted")
def test_ping_during_the_handshake_writes_nothing(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(None)
    client.socket.open(peer.url())
    client.socket.ping(b"x")
    client.until(lambda: peer.requests)
    client.socket.ping(b"x")
    client.settle()
    assert bytes(peer.link.raw) == b""


def test_nothing_is_sent_before_it_is_open(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(None)
    client.socket.open(peer.url())
    assert client.socket.sendTextMessage("x") == 0
    client.until(lambda: peer.requests)
    assert client.socket.sendBinaryMessage(b"x") == 0
    client.settle()
    assert bytes(peer.link.raw) == b""


# abort()


def test_abort_ends_it_inside_the_call(client: Client, link: Link) -> None:
    client.socket.abort()
    assert client.lines == ABORTED
    assert client.socket.state() == State.UnconnectedState
    client.until(lambda: link.eof)
    assert link.frames == []
    assert client.lines == ABORTED


def test_abort_while_connecting_ends_it(client: Client, peer: Peer) -> None:
    client.socket.open(peer.url())
    client.socket.abort()
    assert client.lines == ["state:Connecting", *ABORTED]


def test_abort_during_the_handshake_ends_it(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(None)
    client.socket.open(peer.url())
    client.until(lambda: peer.requests)
    client.socket.abort()
    assert client.lines == ["state:Connecting", *ABORTED]
    client.until(lambda: peer.link.eof)


def test_abort_after_close_ends_it(client: Client, make_peer: Callable[..., Peer]) -> None:
    link = client.connect(make_peer(echo_close=False))
    client.socket.close()
    client.socket.abort()
    assert client.lines == ["aboutToClose", *ABORTED]
    client.until(lambda: link.eof)


def test_abort_drops_what_was_not_written(client: Client, link: Link) -> None:
    link.stop_reading()
    client.socket.sendBinaryMessage(b"x" * 40_000_000)
    client.socket.abort()
    assert client.socket.bytesToWrite() == 0


# The peer closes


@pytest.mark.parametrize(
    "number", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999]
)
def test_the_peers_close_is_echoed(
    client: Client, make_peer: Callable[..., Peer], number: int
) -> None:
    link = client.connect(make_peer(echo_close=False))
    link.send(close_frame(number, "dé".encode()))
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    client.until(lambda: link.eof)
    assert [(item.close_code, item.payload[2:]) for item in link.frames] == [(number, b"d\xc3\xa9")]
    assert client.socket.closeCode() is CloseCode(number)
    assert client.socket.closeReason() == "dé"


def test_an_empty_close_is_answered_with_1000(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    link = client.connect(make_peer(echo_close=False))
    link.send(frame(CLOSE, b""))
    client.until_last("readChannelFinished")
    client.until(lambda: link.eof)
    assert link.payloads() == [b"\x03\xe8"]
    assert client.socket.closeCode() is CloseCode.CloseCodeNormal
    assert client.socket.closeReason() == ""


def test_the_code_is_known_in_the_first_about_to_close(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    link = client.connect(make_peer(echo_close=False))
    socket = client.socket
    heard: list[Any] = []
    socket.aboutToClose.connect(
        lambda: heard.append((socket.closeCode().value, socket.closeReason(), socket.state()))
    )
    link.send(close_frame(4321, b"why"))
    client.until_last("readChannelFinished")
    assert heard == [(4321, "why", State.ConnectedState)] * 2


@pytest.mark.beyond("closeCode() and closeReason() keep saying how an earlier connection ended")
def test_the_code_of_the_last_connection_is_forgotten(client: Client, peer: Peer) -> None:
    link = client.connect(peer)
    link.send(close_frame(4321, b"why"))
    client.until_last("readChannelFinished")
    client.connect(peer)
    assert client.socket.closeCode().value == 1000
    assert client.socket.closeReason() == ""


def test_nothing_is_delivered_after_the_peers_close(client: Client, link: Link) -> None:
    link.send(frame(TEXT, b"before") + close_frame() + frame(TEXT, b"after") + frame(PING))
    client.until_last("readChannelFinished")
    client.until(lambda: link.eof)
    assert client.lines == ["textFrame:before:last", "text:before", *CLOSED]
    assert [item.opcode for item in link.frames] == [CLOSE]


def test_close_and_fin_together_are_no_error(client: Client, link: Link) -> None:
    link.send(close_frame())
    link.close()
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED


# The connection is lost


@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_lost_connection_is_an_error(client: Client, link: Link, how: str) -> None:
    getattr(link, how)()
    client.until_last("readChannelFinished")
    assert client.lines == LOST
    assert client.socket.error() == QAbstractSocket.SocketError.RemoteHostClosedError
    assert client.socket.errorString() == "The remote host closed the connection"
    assert client.socket.closeCode() is CloseCode.CloseCodeNormal


def test_what_came_before_the_fin_is_delivered(client: Client, link: Link) -> None:
    link.send(frame(TEXT, b"whole") + b"\x81\x05ha")
    link.close()
    client.until_last("readChannelFinished")
    assert client.lines == ["textFrame:whole:last", "text:whole", *LOST]


def test_a_pong_after_close_is_still_heard(client: Client, make_peer: Callable[..., Peer]) -> None:
    link = client.connect(make_peer(echo_close=False))
    client.socket.close()
    link.send(frame(PONG, b"late") + close_frame())
    client.until_last("readChannelFinished")
    assert client.lines == ["aboutToClose", "pong:b'late'", *CLOSED[1:]]


def test_the_state_is_closing_before_it_is_unconnected(client: Client, link: Link) -> None:
    states: list[Any] = []
    client.socket.stateChanged.connect(lambda state: states.append((state, client.socket.state())))
    link.send(close_frame())
    client.until_last("readChannelFinished")
    assert states == [(state, state) for state in (State.ClosingState, State.UnconnectedState)]


def test_the_socket_is_unconnected_in_disconnected(client: Client, link: Link) -> None:
    states: list[Any] = []
    client.socket.disconnected.connect(lambda: states.append(client.socket.state()))
    link.send(close_frame())
    client.until_last("readChannelFinished")
    assert states == [State.UnconnectedState]


@pytest.mark.beyond("bytes behind a refusal come out as frames")
def test_a_refused_socket_says_nothing_more(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(
        lambda request: accept()(request)[:-8] + b"xx==\r\n\r\n" + frame(TEXT, b"evil")
    )
    client.socket.open(peer.url())
    client.until_line("readChannelFinished")
    client.settle()
    assert client.lines == ["state:Connecting", *failed("ConnectionRefused"), *ENDED]
