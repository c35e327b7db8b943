"""Clients that mean harm, or are broken in ways that look like it."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QEventLoop, QTimer
from shiboken6.Shiboken import isValid

from support.client import CLOSED, ENDED
from support.peer import BINARY, CONTINUATION, PING, PONG, TEXT
from support.process import resident_mib
from support.qtmodule import QWebSocketProtocol
from support.server import MASK, Caller, Serving, Session, masked, masked_close, request

pytest_plugins = ["support.server"]

CloseCode = QWebSocketProtocol.CloseCode
TOO_LARGE = ("TooMuchData", "Header is too large.")
INVALID = ("ProtocolError", "Invalid handshake request.")


def gets_in(serving: Serving, within: float = 5.0) -> None:
    """A good client gets in, within so many seconds."""
    began = time.monotonic()
    caller = serving.call(request())
    serving.until(lambda: caller.answer or caller.eof)
    assert time.monotonic() - began < within
    assert caller.answer is not None
    assert caller.answer.status == 101


# Requests without end

ENDLESS = [
    pytest.param(b"GET / HTTP/1.1\r\n", b"X-Field: " + b"x" * 1000 + b"\r\n", id="fields"),
    pytest.param(b"GET / HTTP/1.1\r\nX: ", b"x" * 1000, id="one field"),
    pytest.param(b"GET /", b"x" * 1000, id="the target"),
    pytest.param(b"", b"X" * 1000, id="the method"),
    pytest.param(b"GET / HTTP/1.1\r\n", b"x\r\n" * 300, id="short lines"),
    pytest.param(b"GET / HTTP/1.1\r\n", b"\r\x00" * 500, id="carriage returns"),
    pytest.param(b"", b"\n" * 1000, id="line feeds"),
    pytest.param(b"", b"\x00" * 1000, id="zeros"),
]


@pytest.mark.parametrize(("start", "more"), ENDLESS)
def test_an_endless_request_is_refused(serving: Serving, start: bytes, more: bytes) -> None:
    caller = serving.call(start + more * 2500)
    serving.until_ended(caller)
    assert len(serving.trace.errors) == 1
    assert serving.trace.errors[0] in (TOO_LARGE, INVALID)
    assert "newConnection" not in serving.lines
    gets_in(serving)


@pytest.mark.beyond("it closes without a word")
@pytest.mark.parametrize(("start", "more"), ENDLESS)
def test_an_endless_request_is_answered(serving: Serving, start: bytes, more: bytes) -> None:
    caller = serving.call(start + more * 2500)
    serving.until_ended(caller)
    assert caller.answer is not None
    assert caller.answer.status in (400, 405, 414, 431)
    assert caller.answer.get("Content-Length") == str(len(caller.answer.body))


def test_an_endless_request_costs_no_memory(serving: Serving) -> None:
    callers = [serving.call(b"GET / HTTP/1.1\r\nX: ") for _ in range(20)]
    before = resident_mib()
    for _ in range(100):
        for caller in callers:
            if not caller.eof and caller.unsent == 0:
                caller.send(b"x" * 50_000)
        serving.qtbot.wait(1)
    assert resident_mib() - before < 40
    serving.until_all(callers, lambda item: item.eof)
    gets_in(serving)


# Many at once


def test_five_hundred_dripping_handshakes_keep_nobody_out(
    serving: Serving, qt_warnings: Any
) -> None:
    serving.server.setHandshakeTimeout(4000)
    sent = b"GET / HTTP/1.1\r\nX: "
    dripping: list[Caller] = []
    while len(dripping) < 500:
        dripping += [serving.call(sent) for _ in range(25)]
        serving.qtbot.wait(2)
    for _ in range(3):
        for caller in dripping:
            caller.send(b"x")
        gets_in(serving, within=1.0)
    assert not any(caller.eof for caller in dripping)

    def drip() -> bool:
        for caller in dripping:
            if not caller.eof:
                caller.send(b"x")
        return all(caller.eof for caller in dripping)

    serving.until(drip, 30_000)
    assert "serverError:AbnormalDisconnection" not in serving.lines
    gets_in(serving)
    qt_warnings.take("QIODevice::peek")  # Qt's own


def test_silent_connections_are_ended_in_time(serving: Serving) -> None:
    serving.server.setHandshakeTimeout(1000)
    silent: list[Caller] = []
    while len(silent) < 200:
        silent += [serving.call() for _ in range(25)]
        serving.qtbot.wait(2)
    gets_in(serving, within=1.0)
    serving.until_all(silent, lambda item: item.eof, 30_000)


def test_clients_that_come_and_go_leave_nothing(serving: Serving) -> None:
    for number in range(200):
        caller = serving.call(request()[: number % 150])
        caller.kill()
        if number % 20 == 0:
            serving.qtbot.wait(1)
    serving.settle()
    gets_in(serving)


# Garbage


def test_random_bytes_harm_nobody(serving: Serving) -> None:
    serving.server.setHandshakeTimeout(300)
    source = random.Random(4)
    for size in (1, 10, 100, 1000, 5000):
        callers = [serving.call(source.randbytes(size)) for _ in range(20)]
        serving.until_all(callers, lambda item: item.eof)
    assert "newConnection" not in serving.lines
    gets_in(serving)


def test_requests_with_one_wrong_byte_harm_nobody(serving: Serving, qt_warnings: Any) -> None:
    serving.server.setHandshakeTimeout(500)
    serving.server.setMaxPendingConnections(1000)
    good = request()
    for wrong in (b"\x00", b"\r", b"\n", b"\xff", b":"):
        callers = []
        for index in range(0, len(good), 3):
            callers.append(serving.call(good[:index] + wrong + good[index + 1 :]))
            if index % 30 == 0:
                serving.qtbot.wait(1)
        serving.until_all(
            callers, lambda item: item.eof or (item.answer and item.answer.status == 101)
        )
    gets_in(serving)
    qt_warnings.take("illegal character")  # of Qt's request, for what Qt's server lets through


def test_random_bytes_behind_the_handshake_end_the_connection(serving: Serving) -> None:
    source = random.Random(5)
    serving.keep_all()
    callers = [serving.call(request()) for _ in range(20)]
    serving.until_all(callers)
    for caller in callers:
        caller.send(source.randbytes(2000))
        caller.half_close()
    serving.until_all(callers, lambda item: item.eof)
    serving.until(lambda: all("disconnected" in trace.lines for trace in serving.traces))
    for trace in serving.traces:
        assert trace.lines[-3:] == ENDED
    gets_in(serving)


def test_the_hello_of_tls_is_no_request(serving: Serving) -> None:
    serving.server.setHandshakeTimeout(500)
    hello = bytes.fromhex("16030100c8010000c40303") + os.urandom(200)
    caller = serving.call(hello)
    serving.until_ended(caller)
    assert "newConnection" not in serving.lines


# Open connections


def test_a_head_that_announces_too_much_is_refused_at_once(session: Session) -> None:
    before = resident_mib()
    session.caller.send(b"\x82\xff" + (2**62).to_bytes(8, "big") + MASK)
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.lines == CLOSED
    assert session.caller.payloads() == [b"\x03\xf1Maximum framesize exceeded."]
    assert resident_mib() - before < 8


@pytest.mark.beyond("it takes in the whole frame first")
def test_a_frame_over_the_limit_of_messages_is_refused_on_its_head(session: Session) -> None:
    session.socket.setMaxAllowedIncomingMessageSize(1 << 20)
    session.caller.send(b"\x82\xff" + (1 << 26).to_bytes(8, "big") + MASK)
    session.until_last("readChannelFinished")
    session.until_ended()
    assert [item.close_code for item in session.caller.frames] == [1009]


def test_many_empty_fragments_are_cheap(session: Session) -> None:
    session.caller.send(masked(TEXT, b"a", fin=False))
    session.caller.send(masked(CONTINUATION, b"", fin=False) * 50_000)
    session.caller.send(masked(CONTINUATION, b"b"))
    session.until(lambda: session.caller.look() or "text:ab" in session.lines, 30_000)


@pytest.mark.beyond("pongs pile up for a client that does not read")
def test_pongs_do_not_pile_up(session: Session) -> None:
    session.caller.stop_reading()
    batch = masked(PING, b"p" * 125) * 2000
    heard: list[int] = []

    def ping(count: int) -> None:
        for _ in range(count):
            session.caller.send(batch)
            session.until(lambda: session.caller.look() or session.caller.unsent == 0)

    session.socket.textMessageReceived.connect(lambda text: heard.append(1))
    ping(50)
    before = resident_mib()
    ping(150)
    session.caller.send(masked(TEXT, b"done"))
    session.until(lambda: session.caller.look() or heard, 60_000)
    assert resident_mib() - before < 8
    assert session.socket.bytesToWrite() < 5_000_000


@pytest.mark.beyond("it waits for ever")
def test_close_ends_though_the_client_stopped_reading(session: Session) -> None:
    session.caller.stop_reading()
    session.socket.sendBinaryMessage(b"x" * 40_000_000)
    session.serving.settle()
    session.socket.close()
    session.until_last("readChannelFinished")
    assert session.lines == CLOSED


def test_abort_ends_though_the_client_stopped_reading(session: Session) -> None:
    session.caller.stop_reading()
    session.socket.sendBinaryMessage(b"x" * 40_000_000)
    session.serving.settle()
    session.socket.abort()
    assert session.lines[-1] == "readChannelFinished"
    assert session.socket.bytesToWrite() == 0


def test_one_slow_client_does_not_hold_up_another(serving: Serving) -> None:
    slow, quick = serving.connect(), serving.connect()
    slow.caller.stop_reading()
    slow.socket.sendBinaryMessage(b"x" * 30_000_000)
    slow.caller.send(masked(BINARY, b"y" * 1_000_000)[:-10])
    for number in range(20):
        quick.caller.send(masked(TEXT, b"%d" % number))
        quick.until(lambda number=number: f"text:{number}" in quick.lines, 2000)


def test_a_frame_that_stalls_is_given_up(session: Session) -> None:
    session.caller.send(masked(TEXT, b"half of a frame")[:8])
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.lines == CLOSED
    assert session.caller.payloads() == [b"\x03\xe9Timeout when reading data from socket."]


# Programs that do odd things in slots


@pytest.mark.parametrize("signal", ["textMessageReceived", "textFrameReceived", "aboutToClose"])
def test_an_exception_in_a_slot_does_no_harm(session: Session, signal: str) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("of the program")

    getattr(session.socket, signal).connect(fail)
    with session.serving.qtbot.captureExceptions() as exceptions:
        session.caller.send(masked(TEXT, b"1") + masked(TEXT, b"2") + masked_close())
        session.until_last("readChannelFinished")
        session.until_ended()
    assert len(exceptions) == 2
    assert session.trace.only("text:") == ["text:1", "text:2"]


def test_delete_later_in_a_message_slot(session: Session) -> None:
    session.socket.textMessageReceived.connect(lambda text: session.socket.deleteLater())
    session.caller.send(masked(TEXT, b"1") + masked(TEXT, b"2"))
    session.until(lambda: not isValid(session.socket))
    session.until(lambda: session.caller.frames)
    assert session.trace.only("text:") == ["text:1", "text:2"]
    assert session.caller.payloads() == [b"\x03\xe9Connection closed"]


def test_the_server_is_deleted_in_a_message_slot(session: Session) -> None:
    server = session.serving.server
    session.socket.textMessageReceived.connect(lambda text: server.deleteLater())
    session.caller.send(masked(TEXT, b"1") + masked(TEXT, b"2"))
    session.until(lambda: not isValid(server))
    session.until_ended()
    assert not isValid(session.socket)


@pytest.mark.parametrize(
    "last",
    ["close", pytest.param("half_close", marks=pytest.mark.beyond("it dies", crashes=True))],
)
def test_an_event_loop_in_about_to_close(session: Session, last: str) -> None:
    def nested() -> None:
        loop = QEventLoop()
        QTimer.singleShot(80, loop.quit)
        loop.exec()

    session.socket.aboutToClose.connect(nested)
    session.socket.disconnected.connect(nested)
    session.caller.send(masked(TEXT, b"x") + masked_close())
    if last == "half_close":
        session.caller.half_close()
    session.until(lambda: "readChannelFinished" in session.lines)
    session.until_ended()
    session.serving.qtbot.wait(200)
    assert session.lines[:3] == ["textFrame:x:last", "text:x", "aboutToClose"]
    assert session.trace.only("disconnected", "state:Unc") == ["state:Unconnected", "disconnected"]


@pytest.mark.parametrize("signal", ["textMessageReceived", "aboutToClose", "disconnected"])
def test_the_server_is_deleted_later_in_a_slot(
    make_serving: Callable[..., Serving], signal: str
) -> None:
    serving = make_serving().listen()
    session = serving.connect()
    getattr(session.socket, signal).connect(lambda *_: serving.server.deleteLater())
    session.caller.send(masked(TEXT, b"x") + masked_close())
    session.until(lambda: not isValid(serving.server))
    session.until_ended()


def test_a_pong_flood_is_heard_in_order(session: Session) -> None:
    session.caller.send(*[masked(PONG, b"%d" % number) for number in range(200)])
    session.until_last("pong:b'199'")
    assert session.trace.only("pong:") == [f"pong:b'{number}'" for number in range(200)]
