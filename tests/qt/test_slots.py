"""Calls of the program from inside the socket's own signals."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QEventLoop, QTimer

from support.client import ABORTED, CLOSED, ENDED, LOST, OPENED, REFUSED, Client, failed
from support.peer import (
    CLOSE,
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

THREE = frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3")
FIRST = ["textFrame:1:last", "text:1"]
OTHERS = ["textFrame:2:last", "text:2", "textFrame:3:last", "text:3"]


def once(client: Client, signal: str, action: Callable[[], Any]) -> None:
    """Do this in the first emission of the signal, with brackets around it in the trace."""
    done: list[bool] = []

    def slot(*_: Any) -> None:
        if not done:
            done.append(True)
            client.lines.append("<")
            action()
            client.lines.append(">")

    getattr(client.socket, signal).connect(slot)


def opening(client: Client, peer: Peer) -> Callable[[], None]:
    return lambda: client.socket.open(peer.url("/again"))


# close()


def test_close_in_connected(client: Client, peer: Peer) -> None:
    once(client, "connected", client.socket.close)
    client.socket.open(peer.url())
    client.until_last("readChannelFinished")
    assert client.lines == [*OPENED, "<", "aboutToClose", ">", *CLOSED[1:]]


@pytest.mark.parametrize(
    ("signal", "data", "expected"),
    [
        ("textMessageReceived", THREE, [*FIRST, "<", "aboutToClose", ">", *OTHERS]),
        (
            "textFrameReceived",
            THREE,
            [FIRST[0], "<", "aboutToClose", ">", FIRST[1], *OTHERS],
        ),
        (
            "pong",
            frame(PONG, b"p") + frame(TEXT, b"1"),
            ["pong:b'p'", "<", "aboutToClose", ">", *FIRST],
        ),
    ],
)
def test_close_in_a_slot_lets_the_rest_arrive(
    client: Client, link: Link, signal: str, data: bytes, expected: list[str]
) -> None:
    once(client, signal, client.socket.close)
    link.send(data)
    client.until_last("readChannelFinished")
    assert client.lines == [*expected, *CLOSED[1:]]
    assert [item.opcode for item in link.frames] == [CLOSE]


@pytest.mark.parametrize("signal", ["disconnected", "readChannelFinished"])
@pytest.mark.parametrize("call", ["close", "abort"])
def test_close_and_abort_after_the_end_do_nothing(
    client: Client, link: Link, signal: str, call: str
) -> None:
    once(client, signal, getattr(client.socket, call))
    link.send(close_frame())
    client.until_line("readChannelFinished")
    client.settle()
    assert [line for line in client.lines if line not in "<>"] == CLOSED
    assert client.lines[client.lines.index("<") + 1] == ">"


def test_close_in_about_to_close_of_the_peers_close_ends_it_at_once(
    client: Client, link: Link
) -> None:
    once(client, "aboutToClose", client.socket.close)
    link.send(close_frame(1000, b"x"))
    client.until_line(">")
    client.settle()
    assert client.lines == ["aboutToClose", "<", *CLOSED[1:], ">"]
    assert link.payloads() == [b"\x03\xe8x"]


def test_close_in_about_to_close_of_close_does_nothing(client: Client, link: Link) -> None:
    once(client, "aboutToClose", client.socket.close)
    client.socket.close()
    client.until_last("readChannelFinished")
    assert client.lines == ["aboutToClose", "<", ">", *CLOSED[1:]]
    assert link.payloads() == [b"\x03\xe8"]


@pytest.mark.parametrize(("signal", "place"), [("errorOccurred", 1), ("error", 2)])
def test_close_in_the_error_of_a_lost_connection(
    client: Client, link: Link, signal: str, place: int, qt_warnings: Any
) -> None:
    once(client, signal, client.socket.close)
    link.close()
    client.until_last("readChannelFinished")
    assert client.lines == [*LOST[:place], "<", "aboutToClose", ">", *LOST[place:]]
    qt_warnings.take("QSocketNotifier")


# abort()


@pytest.mark.parametrize(
    ("signal", "data", "before"),
    [
        ("textMessageReceived", THREE, FIRST),
        ("pong", frame(PONG, b"p") + frame(TEXT, b"1"), ["pong:b'p'"]),
        ("aboutToClose", close_frame(), ["aboutToClose"]),
    ],
)
def test_abort_in_a_slot_ends_it_there(
    client: Client, link: Link, signal: str, data: bytes, before: list[str]
) -> None:
    once(client, signal, client.socket.abort)
    link.send(data)
    client.until_line(">")
    client.settle()
    assert client.lines == [*before, "<", *ABORTED, ">"]


def test_abort_in_connected_ends_it_there(client: Client, peer: Peer) -> None:
    once(client, "connected", client.socket.abort)
    client.socket.open(peer.url())
    client.until_line(">")
    client.settle()
    assert client.lines == [*OPENED, "<", *ABORTED, ">"]


def test_abort_in_error_occurred_ends_it_there(client: Client, link: Link) -> None:
    once(client, "errorOccurred", client.socket.abort)
    link.close()
    client.until_line(">")
    client.settle()
    assert client.lines == [LOST[0], "<", *ABORTED, ">", LOST[1]]


def test_abort_in_the_error_of_a_refusal_ends_it_there(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    once(client, "errorOccurred", client.socket.abort)
    client.socket.open(make_peer(response("404 Not Found")).url())
    client.until_line(">")
    client.settle()
    assert client.lines == [*REFUSED[:2], "<", *ABORTED, ">", REFUSED[2]]


# open()


@pytest.mark.parametrize(
    ("signal", "data", "before"),
    [
        ("textMessageReceived", THREE, FIRST),
        ("pong", frame(PONG, b"p") + frame(TEXT, b"1"), ["pong:b'p'"]),
        ("aboutToClose", close_frame(), ["aboutToClose"]),
        ("disconnected", close_frame(), CLOSED[:-1]),
        ("readChannelFinished", close_frame(), CLOSED),
    ],
)
def test_open_in_a_slot_begins_anew(
    client: Client, link: Link, peer: Peer, signal: str, data: bytes, before: list[str]
) -> None:
    once(client, signal, opening(client, peer))
    link.send(data)
    client.until_last("connected")
    client.until(lambda: link.eof)
    client.settle()
    assert client.lines == [*before, "<", "state:Connecting", ">", "state:Connected", "connected"]
    assert client.socket.isValid()


def test_open_in_connected_begins_anew(client: Client, peer: Peer) -> None:
    once(client, "connected", opening(client, peer))
    client.socket.open(peer.url())
    client.until_line("connected", 2)
    client.settle()
    assert client.lines == [*OPENED, "<", "state:Connecting", ">", "state:Connected", "connected"]
    assert [request.target for request in peer.requests] == ["/", "/again"]


@pytest.mark.parametrize(("signal", "place"), [("errorOccurred", 1), ("error", 2)])
def test_open_in_the_error_of_a_lost_connection_begins_anew(
    client: Client, link: Link, peer: Peer, signal: str, place: int
) -> None:
    once(client, signal, opening(client, peer))
    link.close()
    client.until_last("connected")
    assert client.lines == [
        *LOST[:place],
        "<",
        "state:Connecting",
        ">",
        *LOST[place:2],
        "state:Connected",
        "connected",
    ]


def test_open_in_disconnected_of_a_refusal_begins_anew(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(response("404 Not Found"), accept())
    once(client, "disconnected", opening(client, peer))
    client.socket.open(peer.url())
    client.until_last("connected")
    assert client.lines == [
        *REFUSED[:-1],
        "<",
        "state:Connecting",
        ">",
        "state:Connected",
        "connected",
    ]


@pytest.mark.beyond("the new connection is lost with the refused one")
@pytest.mark.parametrize("signal", ["errorOccurred", "error"])
def test_open_in_the_error_of_a_refusal_begins_anew(
    client: Client, make_peer: Callable[..., Peer], signal: str
) -> None:
    peer = make_peer(response("404 Not Found"), accept())
    once(client, signal, opening(client, peer))
    client.socket.open(peer.url())
    client.until_line(">")
    client.until_last("connected", timeout=3000)
    assert client.socket.isValid()


@pytest.mark.beyond("the errors of the first two refusals are lost")
def test_each_failure_is_reported_though_it_is_opened_again_in_disconnected(
    client: Client,
) -> None:
    url = "ws://127.0.0.1:1/"
    ends: list[int] = []

    def again() -> None:
        ends.append(len(ends))
        if len(ends) < 3:
            client.socket.open(url)

    client.socket.disconnected.connect(again)
    client.socket.open(url)
    client.until(lambda: len(ends) == 3)
    client.settle()
    assert client.lines.count("errorOccurred:ConnectionRefusedError") == 3
    assert client.lines.count("error:ConnectionRefusedError") == 3


def test_a_socket_reopens_itself_from_disconnected(client: Client, peer: Peer) -> None:
    client.socket.disconnected.connect(lambda: client.socket.open(peer.url()))
    for count in range(1, 6):
        if count == 1:
            client.socket.open(peer.url())
        client.until(lambda: client.lines.count("connected") == count)  # noqa: B023
        peer.link.send(close_frame())
    client.until(lambda: client.lines.count("connected") == 6)
    assert len(peer.links) == 6


# deleteLater()


def test_delete_later_in_a_slot_ends_with_1001(client: Client, link: Link) -> None:
    client.socket.textMessageReceived.connect(client.socket.deleteLater)
    link.send(THREE)
    client.until(lambda: link.eof)
    assert link.payloads() == [b"\x03\xe9Connection closed"]


@pytest.mark.parametrize("signal", ["disconnected", "readChannelFinished", "aboutToClose"])
def test_delete_later_at_the_end_does_no_harm(client: Client, link: Link, signal: str) -> None:
    gone: list[bool] = []
    client.socket.destroyed.connect(lambda: gone.append(True))
    getattr(client.socket, signal).connect(client.socket.deleteLater)
    link.send(close_frame())
    client.until(lambda: gone)
    client.until(lambda: link.eof)


def test_delete_later_in_error_occurred_does_no_harm(client: Client) -> None:
    gone: list[bool] = []
    client.socket.destroyed.connect(lambda: gone.append(True))
    client.socket.errorOccurred.connect(client.socket.deleteLater)
    client.socket.open("ws://127.0.0.1:1/")
    client.until(lambda: gone)


# Sending from slots


def test_a_slot_may_answer_each_message(client: Client, link: Link) -> None:
    client.socket.textMessageReceived.connect(client.socket.sendTextMessage)
    link.send(THREE)
    client.until(lambda: len(link.frames) == 3)
    assert link.payloads() == [b"1", b"2", b"3"]


def test_answers_and_pongs_keep_their_order(client: Client, link: Link) -> None:
    client.socket.textMessageReceived.connect(client.socket.sendTextMessage)
    link.send(frame(TEXT, b"1") + frame(PING, b"2") + frame(TEXT, b"3"))
    client.until(lambda: len(link.frames) == 3)
    assert link.payloads() == [b"1", b"2", b"3"]


def test_bytes_written_may_send_more(client: Client, link: Link) -> None:
    left = list(range(100))
    client.socket.bytesWritten.connect(
        lambda count: client.socket.sendTextMessage(str(left.pop(0))) if left else None
    )
    client.socket.sendTextMessage("start")
    client.until(lambda: len(link.frames) == 101)
    assert link.payloads()[1:] == [b"%d" % number for number in range(100)]


# Exceptions in slots


@pytest.mark.parametrize(
    ("signal", "data"),
    [
        ("textFrameReceived", frame(TEXT, b"x")),
        ("textMessageReceived", frame(TEXT, b"x")),
        ("pong", frame(PONG, b"x")),
    ],
)
def test_an_exception_in_a_slot_does_no_harm(
    client: Client, link: Link, signal: str, data: bytes
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("in a slot")

    getattr(client.socket, signal).connect(fail)
    with client.qtbot.captureExceptions() as exceptions:
        link.send(data)
        client.until(lambda: exceptions)
        link.send(frame(TEXT, b"next"))
        client.until_line("text:next")
    assert {str(item[1]) for item in exceptions} == {"in a slot"}
    assert client.socket.isValid()


@pytest.mark.parametrize(
    "signal", ["stateChanged", "connected", "aboutToClose", "disconnected", "readChannelFinished"]
)
def test_an_exception_changes_no_trace(client: Client, peer: Peer, signal: str) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("in a slot")

    getattr(client.socket, signal).connect(fail)
    with client.qtbot.captureExceptions() as exceptions:
        client.socket.open(peer.url())
        client.until_last("connected")
        client.socket.close()
        client.until_last("readChannelFinished")
    assert client.lines == [*OPENED, *CLOSED]
    assert exceptions


# Nested event loops


def nested(milliseconds: int = 150) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def test_a_nested_loop_in_a_message_keeps_the_order(client: Client, link: Link) -> None:
    once(client, "textMessageReceived", nested)
    link.send(THREE)
    client.until_line("<")
    link.send(frame(TEXT, b"4"))
    client.until_line("text:4")
    assert client.trace.only("text:") == ["text:1", "text:2", "text:3", "text:4"]
    assert client.trace.only("text", "<", ">")[:4] == [*FIRST, "<", ">"]


def test_a_nested_loop_in_connected_keeps_the_order(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    once(client, "connected", nested)
    client.socket.open(make_peer(lambda request: accept()(request) + THREE).url())
    client.until_line("text:3")
    assert client.lines == [*OPENED, "<", ">", *FIRST, *OTHERS]


def test_a_nested_loop_in_disconnected_keeps_the_order(client: Client, link: Link) -> None:
    once(client, "disconnected", nested)
    link.send(close_frame())
    client.until_last("readChannelFinished")
    assert client.lines == [*CLOSED[:-1], "<", ">", CLOSED[-1]]


def test_a_nested_loop_in_error_occurred_keeps_the_order(client: Client, link: Link) -> None:
    once(client, "errorOccurred", nested)
    link.close()
    client.until_last("readChannelFinished")
    assert client.lines == [LOST[0], "<", ">", *LOST[1:]]


def test_a_nested_loop_in_a_refusal_keeps_the_order(client: Client) -> None:
    once(client, "errorOccurred", nested)
    client.socket.open("ws://127.0.0.1:1/")
    client.until_line("error:ConnectionRefusedError")
    assert client.lines == [
        "state:Connecting",
        *ENDED[:2],
        failed("ConnectionRefused")[0],
        "<",
        ">",
        failed("ConnectionRefused")[1],
    ]


def test_a_nested_loop_can_wait_for_the_end(client: Client, link: Link) -> None:
    def wait_for_the_end() -> None:
        loop = QEventLoop()
        client.socket.disconnected.connect(loop.quit)
        client.socket.close()
        loop.exec()

    QTimer.singleShot(0, wait_for_the_end)
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
