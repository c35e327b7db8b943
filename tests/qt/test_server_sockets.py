"""Accepted sockets: what they know, what they hear and say, how they end, who keeps them."""

import contextlib
import gc
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import PySide6
import pytest
from PySide6.QtCore import QEventLoop, QObject, QTimer, QUrl, Slot
from PySide6.QtNetwork import (
    QAbstractSocket,
    QHostAddress,
    QNetworkProxy,
    QNetworkRequest,
    QSslConfiguration,
)
from shiboken6.Shiboken import delete, isValid

from support.client import ABORTED, CLOSED, ENDED, LOST, Client
from support.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from support.process import open_descriptors, resident_mib
from support.qtmodule import QMaskGenerator, QWebSocket, QWebSocketProtocol
from support.server import KEY, Caller, Serving, Session, masked, masked_close, request
from support.trace import Trace

pytest_plugins = ["support.server"]

CloseCode = QWebSocketProtocol.CloseCode
State = QAbstractSocket.SocketState
MAXIMUM = 2**31 - 2
GOING_AWAY = b"\x03\xe9Connection closed"
EARLY = "it loses what came before the slots were connected"
DEAD = "it hands out a dead socket that never says disconnected"


# What an accepted socket knows

KNOWN = [
    ("closeCode", CloseCode.CloseCodeNormal),
    ("closeReason", ""),
    ("error", QAbstractSocket.SocketError.UnknownSocketError),
    ("errorString", "Unknown error"),
    ("isValid", True),
    ("localAddress", QHostAddress("127.0.0.1")),
    ("maxAllowedIncomingFrameSize", MAXIMUM),
    ("maxAllowedIncomingMessageSize", MAXIMUM),
    ("origin", "http://o"),
    ("outgoingFrameSize", 524288),
    ("parent", None),
    ("pauseMode", QAbstractSocket.PauseMode.PauseNever),
    ("peerAddress", QHostAddress("127.0.0.1")),
    ("peerName", ""),
    ("readBufferSize", 0),
    ("requestUrl", QUrl("ws://127.0.0.1/p%20q?x=1")),
    ("state", State.ConnectedState),
    ("subprotocol", ""),
    ("version", QWebSocketProtocol.Version.Version13),
]


@pytest.mark.parametrize("fetched_in", ["newConnection", "later"])
def test_an_accepted_socket_says(serving: Serving, fetched_in: str) -> None:
    sent = request("Origin: http://o", line="GET /p%20q?x=1 HTTP/1.1")
    expected = dict(KNOWN)
    heard: list[dict[str, Any]] = []

    def look() -> None:
        accepted = serving.server.nextPendingConnection()
        serving.accepted.append(accepted)
        heard.append({getter: getattr(accepted, getter)() for getter in expected})

    if fetched_in == "newConnection":
        serving.server.newConnection.connect(look)
    caller = serving.call(sent)
    serving.until_line("newConnection")
    if fetched_in == "later":
        look()
    assert heard == [expected]
    accepted = serving.accepted[0]
    assert isinstance(accepted, QWebSocket)
    assert accepted.peerPort() == caller.port
    assert accepted.localPort() == serving.server.serverPort()
    assert accepted.proxy().type() == QNetworkProxy.ProxyType.DefaultProxy
    assert accepted.sslConfiguration() == QSslConfiguration.defaultConfiguration()
    assert isinstance(accepted.maskGenerator(), QMaskGenerator)
    assert accepted.thread() is serving.server.thread()


def raw(asked: QNetworkRequest, name: str) -> bytes:
    """The value of a field; PySide6 takes a str or bytes, and never both."""
    given: Any = name if PySide6.__version_info__ >= (6, 8) else name.encode()
    return asked.rawHeader(given).data()


def test_an_accepted_socket_knows_the_fields_of_its_request(session: Session) -> None:
    asked = session.socket.request()
    assert asked.url() == session.socket.requestUrl()
    assert raw(asked, "Host") == b"127.0.0.1"
    assert raw(asked, "upgrade") == b"websocket"
    assert raw(asked, "Sec-WebSocket-Key") == KEY.encode()


def test_fields_of_the_program_are_read_from_the_request(serving: Serving) -> None:
    session = serving.connect("Authorization: Bearer t", "X-Id: 7", "X-Empty:")
    asked = session.socket.request()
    assert raw(asked, "Authorization") == b"Bearer t"
    assert raw(asked, "x-id") == b"7"
    assert raw(asked, "X-Empty") == b""


def test_repeated_fields_are_joined(serving: Serving) -> None:
    session = serving.connect("X-Id: 1", "X-Id: 2")
    assert raw(session.socket.request(), "X-Id") == b"1, 2"


def test_an_accepted_socket_is_no_child_of_the_server(session: Session) -> None:
    server = session.serving.server
    assert session.socket.parent() is None
    assert session.socket not in server.children()
    assert server.findChildren(QWebSocket) == []


def test_after_the_end_the_addresses_are_empty_and_the_rest_stays(serving: Serving) -> None:
    session = serving.connect("Origin: http://o", line="GET /x HTTP/1.1")
    session.caller.send(masked_close(4000, b"why"))
    session.until_last("readChannelFinished")
    socket = session.socket
    assert (socket.localAddress(), socket.peerAddress()) == (QHostAddress(), QHostAddress())
    assert (socket.localPort(), socket.peerPort()) == (0, 0)
    assert socket.requestUrl() == QUrl("ws://127.0.0.1/x")
    assert socket.origin() == "http://o"
    assert (socket.closeCode().value, socket.closeReason()) == (4000, "why")
    assert (socket.isValid(), socket.state()) == (False, State.UnconnectedState)
    assert socket.sendTextMessage("x") == 0


# Messages


def test_messages_go_both_ways(session: Session) -> None:
    session.caller.send(masked(TEXT, "héllo".encode()), masked(BINARY, b"\x00\xff"))
    session.until_last("binary:b'\\x00\\xff'")
    assert session.lines == [
        "textFrame:héllo:last",
        "text:héllo",
        "binaryFrame:b'\\x00\\xff':last",
        "binary:b'\\x00\\xff'",
    ]
    assert session.socket.sendTextMessage("wörld") == 6
    assert session.socket.sendBinaryMessage(b"\x01" * 70_000) == 70_000
    session.until_arrived()
    assert session.caller.payloads() == ["wörld".encode(), b"\x01" * 70_000]


def test_fragments_become_one_message(session: Session) -> None:
    session.caller.send(
        masked(TEXT, b"a", fin=False),
        masked(PING, b"p"),
        masked(CONTINUATION, b"b", fin=False),
        masked(CONTINUATION, b"c"),
    )
    session.until_last("text:abc")
    session.until(lambda: session.caller.payloads(PONG) == [b"p"])


def test_long_messages_are_split(session: Session) -> None:
    session.socket.setOutgoingFrameSize(4)
    assert session.socket.sendTextMessage("abcdefghij") == 10
    session.until(lambda: len(session.caller.frames) == 3)
    assert [(item.opcode, item.payload, item.fin) for item in session.caller.frames] == [
        (TEXT, b"abcd", False),
        (CONTINUATION, b"efgh", False),
        (CONTINUATION, b"ij", True),
    ]


def test_no_frame_of_the_server_is_masked(session: Session) -> None:
    session.socket.sendTextMessage("x")
    session.socket.ping(b"p")
    session.caller.send(masked(PING, b"q"))
    session.until(lambda: len(session.caller.frames) == 3)
    session.socket.close()
    session.until(lambda: len(session.caller.frames) == 4)
    assert [item.mask for item in session.caller.frames] == [None] * 4


def test_the_mask_generator_is_not_asked(session: Session) -> None:
    asked: list[bool] = []

    class Generator(QMaskGenerator):  # type: ignore[misc]
        def seed(self) -> bool:
            return True

        def nextMask(self) -> int:
            asked.append(True)
            return 1

    generator = Generator()
    session.socket.setMaskGenerator(generator)
    session.socket.sendTextMessage("x")
    session.until_arrived()
    assert session.caller.frames[0].mask is None
    assert asked == []


def test_ping_is_answered_with_a_pong(session: Session) -> None:
    session.socket.ping(b"hello")
    session.until(lambda: session.caller.frames)
    assert session.caller.frames[0].opcode == PING
    session.caller.send(masked(PONG, b"hello"))
    session.until_last("pong:b'hello'")


def test_a_message_of_some_megabytes_comes_and_goes(session: Session) -> None:
    data = bytes(range(256)) * 16_384
    heard: list[bytes] = []
    session.socket.binaryMessageReceived.connect(lambda item: heard.append(item.data()))
    session.caller.send(masked(BINARY, data))
    session.until(lambda: session.caller.look() or heard)
    assert heard == [data]
    session.socket.sendBinaryMessage(data)
    session.until(lambda: sum(len(item.payload) for item in session.caller.frames) == len(data))
    assert b"".join(session.caller.payloads()) == data


def test_the_limits_hold_for_accepted_sockets(session: Session) -> None:
    session.socket.setMaxAllowedIncomingMessageSize(3)
    session.caller.send(masked(TEXT, b"abcd"))
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.caller.payloads() == [b"\x03\xf1Received message is too big."]
    assert session.lines == CLOSED


def test_bytes_written_counts_the_answer_too(serving: Serving) -> None:
    serving.keep_all()
    caller = serving.call(request())
    serving.until(lambda: caller.answer and serving.traces and serving.traces[0].written)
    assert serving.traces[0].written == len(caller.answer.raw)
    serving.accepted[0].sendBinaryMessage(b"x" * 1000)
    assert serving.accepted[0].bytesToWrite() == 1004
    assert serving.accepted[0].flush() is True
    serving.until(lambda: serving.traces[0].written == len(caller.answer.raw) + 1004)


def test_what_is_sent_in_new_connection_comes_behind_the_answer(serving: Serving) -> None:
    def greet() -> None:
        serving.accepted.append(serving.server.nextPendingConnection())
        assert serving.accepted[-1].sendTextMessage("welcome") == 7
        serving.accepted[-1].ping(b"p")

    serving.server.newConnection.connect(greet)
    caller = serving.call(request())
    serving.until(lambda: len(caller.frames) == 2)
    assert caller.payloads() == [b"welcome", b"p"]


def test_signals_are_connected_to_methods_of_sockets(serving: Serving, qt_warnings: Any) -> None:
    one, two = serving.connect(), serving.connect()
    one.socket.textMessageReceived.connect(two.socket.sendTextMessage)
    one.socket.binaryMessageReceived.connect(two.socket.sendBinaryMessage)
    one.socket.disconnected.connect(two.socket.close)
    one.caller.send(masked(TEXT, b"text"), masked(BINARY, b"data"), masked_close())
    two.until(lambda: len(two.caller.frames) == 3)
    assert two.caller.payloads() == [b"text", b"data", b"\x03\xe8"]
    qt_warnings.take("No Wrapper found")  # Qt's, and all the same it works


def test_a_socket_of_the_same_package_is_a_client(
    make_client: Callable[..., Client], serving: Serving
) -> None:
    serving.server.setSupportedSubprotocols(["chat"])
    serving.keep_all()
    client = make_client("http://origin.example")
    client.socket.textMessageReceived.connect(lambda text: client.socket.close())
    url = f"ws://localhost:{serving.server.serverPort()}/path?q=1"
    client.socket.open(url)
    client.until_line("connected")
    serving.until(lambda: serving.accepted)
    accepted = serving.accepted[0]
    assert accepted.requestUrl() == QUrl(url)
    assert accepted.origin() == "http://origin.example"
    accepted.sendTextMessage("done")
    client.until_line("readChannelFinished")
    serving.until(lambda: serving.traces[0].lines == CLOSED)


# How they end


def test_a_local_close_is_answered(session: Session) -> None:
    session.socket.close(CloseCode.CloseCodeGoingAway, "bye")
    assert session.lines == ["aboutToClose"]
    session.until(lambda: session.caller.frames)
    assert session.caller.payloads() == [b"\x03\xe9bye"]
    session.caller.send(masked_close(1001, b"bye"))
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.lines == CLOSED


def test_a_client_that_does_not_answer_is_given_three_seconds(session: Session) -> None:
    began = time.monotonic()
    session.socket.close()
    session.until_last("readChannelFinished")
    assert session.lines == CLOSED
    assert 2.5 < time.monotonic() - began < 8
    session.until_ended()


@pytest.mark.parametrize("code", [1000, 1001, 1007, 3000, 4999])
def test_a_close_of_the_client_is_echoed(session: Session, code: int) -> None:
    session.caller.send(masked_close(code, "dé".encode()))
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.lines == CLOSED
    assert session.caller.frames[0].close_code == code
    assert session.caller.frames[0].payload[2:].decode() == "dé"
    assert session.socket.closeCode().value == code


def test_an_empty_close_is_answered_with_1000(session: Session) -> None:
    session.caller.send(masked(CLOSE))
    session.until_ended()
    session.until_last("readChannelFinished")
    assert session.caller.payloads() == [b"\x03\xe8"]


@pytest.mark.parametrize("how", ["half_close", "kill"])
def test_a_client_that_hangs_up_is_an_error(session: Session, how: str) -> None:
    errors: list[Any] = []
    session.socket.disconnected.connect(lambda: errors.append(session.socket.error()))
    getattr(session.caller, how)()
    session.until_last("readChannelFinished")
    assert session.lines == LOST
    assert errors == [QAbstractSocket.SocketError.RemoteHostClosedError]
    assert session.socket.error() == QAbstractSocket.SocketError.UnknownSocketError
    session.until_ended()


@pytest.mark.parametrize("how", ["close", "half_close", "abort"])
def test_the_address_of_the_peer_is_known_in_disconnected(session: Session, how: str) -> None:
    heard: list[tuple[str, int]] = []
    socket = session.socket
    socket.disconnected.connect(
        lambda: heard.append((socket.peerAddress().toString(), socket.peerPort()))
    )
    if how == "close":
        session.caller.send(masked_close())
    elif how == "half_close":
        session.caller.half_close()
    else:
        socket.abort()
    session.until_last("readChannelFinished")
    assert heard == [("127.0.0.1", session.caller.port)]


def test_what_came_before_the_end_is_delivered(session: Session) -> None:
    session.caller.send(masked(TEXT, b"whole") + masked(TEXT, b"half")[:-1])
    session.caller.half_close()
    session.until_last("readChannelFinished")
    assert session.lines == ["textFrame:whole:last", "text:whole", *LOST]


def test_abort_ends_it_inside_the_call(session: Session) -> None:
    session.socket.abort()
    assert session.lines == ABORTED
    session.until_ended()
    assert session.caller.frames == []


ERRORS = [
    (masked(TEXT, b"x", rsv=4), 1002, "Rsv field is non-zero"),
    (masked(3, b"x"), 1002, "Used reserved opcode"),
    (masked(PING, b"x" * 126), 1002, "Control frame is larger than 125 bytes"),
    (masked(PING, b"x", fin=False), 1002, "Control frames cannot be fragmented"),
    (
        masked(CONTINUATION, b"x"),
        1002,
        "Received Continuation frame, while there is nothing to continue.",
    ),
    (masked(TEXT, b"\xff"), 1007, "Invalid UTF-8 code encountered."),
    (masked(CLOSE, b"x"), 1002, "Payload of close frame is too small."),
    (b"\x81\xff" + b"\xff" * 8 + b"mask", 1002, "Highest bit of payload length is not 0."),
]


@pytest.mark.parametrize(("sent", "code", "reason"), ERRORS)
def test_a_protocol_error_is_closed_with(
    session: Session, sent: bytes, code: int, reason: str
) -> None:
    session.caller.send(sent)
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.lines == CLOSED
    assert session.caller.payloads() == [code.to_bytes(2, "big") + reason.encode()]
    assert (session.socket.closeCode().value, session.socket.closeReason()) == (code, reason)


@pytest.mark.beyond("it does not ask for masks (RFC 6455 5.1)")
@pytest.mark.parametrize(
    "sent", [frame(TEXT, b"x"), frame(PING, b"x"), frame(CLOSE, b"\x03\xe8"), frame(BINARY)]
)
def test_a_frame_without_a_mask_is_a_protocol_error(session: Session, sent: bytes) -> None:
    session.caller.send(sent)
    session.until_last("readChannelFinished")
    session.until_ended()
    assert session.lines == CLOSED
    assert [item.close_code for item in session.caller.frames] == [1002]
    assert session.socket.closeCode() is CloseCode.CloseCodeProtocolError


# deleteLater() and delete


@pytest.mark.parametrize("how", ["deleteLater", "delete"])
def test_deleting_it_says_1001(session: Session, how: str) -> None:
    if how == "delete":
        delete(session.socket)
    else:
        session.socket.deleteLater()
    session.until(lambda: not isValid(session.socket))
    session.until(lambda: session.caller.frames)
    assert session.caller.payloads() == [GOING_AWAY]


@pytest.mark.beyond("it leaves the TCP connection open")
@pytest.mark.parametrize("how", ["deleteLater", "delete"])
def test_deleting_it_ends_the_connection(session: Session, how: str) -> None:
    if how == "delete":
        delete(session.socket)
    else:
        session.socket.deleteLater()
    session.until_ended()
    assert session.caller.payloads() == [GOING_AWAY]
    assert not session.caller.reset


@pytest.mark.beyond("it leaves the TCP connection open")
def test_deleting_it_after_close_ends_the_connection(session: Session) -> None:
    session.socket.close()
    session.socket.deleteLater()
    session.until_ended()
    assert session.caller.payloads() == [b"\x03\xe8"]


@pytest.mark.parametrize("how", ["close", "half_close", "kill"])
def test_delete_later_in_disconnected_is_clean(session: Session, how: str) -> None:
    session.socket.disconnected.connect(session.socket.deleteLater)
    if how == "close":
        session.caller.send(masked_close())
    else:
        getattr(session.caller, how)()
    session.until(lambda: not isValid(session.socket))
    assert session.lines == (CLOSED if how == "close" else LOST)


# Calls in newConnection


def in_new_connection(serving: Serving, action: Callable[[Any], Any]) -> Caller:
    def keep() -> None:
        accepted = serving.server.nextPendingConnection()
        serving.accepted.append(accepted)
        serving.traces.append(Trace(accepted))
        action(accepted)

    serving.server.newConnection.connect(keep)
    caller = serving.call(request())
    serving.until(lambda: serving.accepted)
    return caller


def test_close_in_new_connection(serving: Serving) -> None:
    caller = in_new_connection(serving, lambda item: item.close())
    assert serving.traces[0].lines == ["aboutToClose"]
    serving.until(lambda: caller.frames)
    assert caller.payloads() == [b"\x03\xe8"]


def test_abort_in_new_connection(serving: Serving) -> None:
    caller = in_new_connection(serving, lambda item: item.abort())
    serving.until_ended(caller)
    serving.settle()
    assert serving.traces[0].lines == ABORTED
    assert caller.frames == []


def test_delete_later_in_new_connection(serving: Serving) -> None:
    caller = in_new_connection(serving, lambda item: item.deleteLater())
    serving.until(lambda: caller.frames)
    assert caller.payloads() == [GOING_AWAY]


def test_server_close_in_new_connection(serving: Serving) -> None:
    caller = in_new_connection(serving, lambda item: serving.server.close())
    assert serving.until_answered(caller).status == 101
    serving.accepted[0].sendTextMessage("still here")
    serving.until(lambda: caller.frames)
    assert caller.payloads() == [b"still here"]


def test_an_exception_in_new_connection_does_no_harm(serving: Serving) -> None:
    def fail() -> None:
        raise ValueError("of the program")

    serving.server.newConnection.connect(fail)
    serving.keep_all()
    with serving.qtbot.captureExceptions() as exceptions:
        callers = [serving.call(request()) for _ in range(2)]
        serving.until_all(callers)
        serving.until(lambda: len(serving.accepted) == 2)
    assert len(exceptions) == 2
    callers[0].send(masked(TEXT, b"hello"))
    serving.until(lambda: "text:hello" in serving.traces[0].lines)


def test_an_event_loop_in_new_connection_keeps_the_order(serving: Serving) -> None:
    def nested() -> None:
        loop = QEventLoop()
        QTimer.singleShot(50, loop.quit)
        loop.exec()

    serving.server.newConnection.connect(nested)
    serving.keep_all()
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    caller.send(*[masked(TEXT, b"%d" % number) for number in range(10)])
    serving.until(lambda: serving.traces and serving.traces[0].lines[-1:] == ["text:9"])
    texts = [line for line in serving.traces[0].lines if line.startswith("text:")]
    assert texts == [f"text:{number}" for number in range(10)]


# Frames that come with the request

TOGETHER = [
    (masked(TEXT, b"early"), ["textFrame:early:last", "text:early"]),
    (
        masked(TEXT, b"early") + masked_close(4000, b"x"),
        ["textFrame:early:last", "text:early", *CLOSED],
    ),
    (masked_close(4000, b"x"), CLOSED),
    (b"\xff\xff", CLOSED),
    (frame(TEXT, b"not masked"), CLOSED),
]


@pytest.mark.beyond(EARLY)
@pytest.mark.parametrize(("sent", "lines"), TOGETHER)
def test_what_comes_with_the_request_is_heard_after_new_connection(
    serving: Serving, sent: bytes, lines: list[str]
) -> None:
    seen: list[list[str]] = []
    serving.keep_all()
    serving.server.newConnection.connect(lambda: seen.append(list(serving.traces[0].lines)))
    serving.call(request() + sent)
    serving.until(lambda: serving.traces and serving.traces[0].lines[-1:] == lines[-1:])
    assert seen == [[]]
    assert serving.traces[0].lines == lines
    assert serving.lines == ["originAuthenticationRequired", "newConnection"]


@pytest.mark.beyond("it answers with a masked frame, as a client")
@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (masked(PING, b"p"), (PONG, b"p")),
        (masked_close(4000, b"x"), (CLOSE, b"\x0f\xa0x")),
        (masked(TEXT, b"x", rsv=4), (CLOSE, b"\x03\xeaRsv field is non-zero")),
    ],
)
def test_what_comes_with_the_request_is_answered_unmasked(
    serving: Serving, sent: bytes, answered: tuple[int, bytes]
) -> None:
    serving.keep_all()
    caller = serving.call(request() + sent)
    serving.until(lambda: caller.frames)
    assert caller.frames[0][:2] == answered
    assert caller.frames[0].mask is None


def test_a_client_that_sends_fin_with_its_request_is_lost(serving: Serving) -> None:
    serving.keep_all()
    caller = serving.call(request())
    caller.half_close()
    serving.until(lambda: serving.traces and serving.traces[0].lines[-1:] == ENDED[-1:])
    assert serving.traces[0].lines == LOST
    serving.until_ended(caller)


@pytest.mark.beyond(EARLY)
def test_a_message_and_a_fin_with_the_request_are_heard(serving: Serving) -> None:
    serving.keep_all()
    caller = serving.call(request() + masked(TEXT, b"early"))
    caller.half_close()
    serving.until(lambda: serving.traces and serving.traces[0].lines[-1:] == ENDED[-1:])
    assert serving.traces[0].lines == ["textFrame:early:last", "text:early", *LOST]


# Sockets that wait in the queue


@pytest.mark.beyond(EARLY)
def test_what_came_while_it_was_queued_is_heard_after_it_was_fetched(serving: Serving) -> None:
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    caller.send(masked(TEXT, b"1"), masked(TEXT, b"2"))
    serving.settle()
    accepted = serving.server.nextPendingConnection()
    trace = Trace(accepted)
    assert trace.lines == []
    caller.send(masked(TEXT, b"3"))
    serving.until(lambda: trace.lines[-1:] == ["text:3"])
    assert trace.only("text:") == ["text:1", "text:2", "text:3"]


@pytest.mark.beyond(DEAD)
@pytest.mark.parametrize("how", ["half_close", "kill"])
def test_a_socket_whose_peer_left_the_queue_says_disconnected(serving: Serving, how: str) -> None:
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    getattr(caller, how)()
    serving.settle()
    assert serving.server.hasPendingConnections() is True
    accepted = serving.server.nextPendingConnection()
    trace = Trace(accepted)
    serving.until(lambda: "disconnected" in trace.lines)
    assert accepted.state() == State.UnconnectedState
    assert trace.lines[-1] == "readChannelFinished"
    assert trace.lines.count("disconnected") == 1


@pytest.mark.beyond(DEAD)
@pytest.mark.parametrize("last", [masked_close(4000, b"x"), b""])
def test_the_messages_of_a_peer_that_left_the_queue_are_heard(
    serving: Serving, last: bytes
) -> None:
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    caller.send(masked(TEXT, b"last words") + last)
    caller.half_close()
    serving.settle()
    trace = Trace(serving.server.nextPendingConnection())
    serving.until(lambda: trace.lines[-1:] == ["readChannelFinished"])
    heard = ["textFrame:last words:last", "text:last words"]
    assert trace.lines == [*heard, *(CLOSED if last else LOST)]
    serving.until_ended(caller)


@pytest.mark.beyond(DEAD)
def test_many_peers_that_left_the_queue_all_say_disconnected(serving: Serving) -> None:
    serving.server.setMaxPendingConnections(1000)
    callers = serving.call_many(100, request() + masked(TEXT, b"x"))
    for number, caller in enumerate(callers):
        caller.send(*([masked_close()] if number % 2 else []))
        caller.half_close()
    serving.settle()
    traces = [Trace(item) for item in iter(serving.server.nextPendingConnection, None)]
    assert len(traces) == 100
    serving.until(lambda: all("disconnected" in trace.lines for trace in traces))
    assert all(trace.only("text:") == ["text:x"] for trace in traces)


@pytest.mark.beyond("it hands out a dead socket")
def test_a_queued_socket_is_connected_when_it_is_fetched(serving: Serving) -> None:
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    caller.send(masked_close(4000, b"x"))
    serving.settle()
    accepted = serving.server.nextPendingConnection()
    trace = Trace(accepted)
    assert accepted.state() == State.ConnectedState
    serving.until(lambda: trace.lines[-1:] == ["readChannelFinished"])
    assert trace.lines == CLOSED
    assert (accepted.closeCode().value, accepted.closeReason()) == (4000, "x")


@pytest.mark.beyond("it reads without bound")
def test_nothing_is_read_from_a_queued_socket(serving: Serving) -> None:
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    before = resident_mib()
    caller.send(masked(BINARY, b"x" * 60_000_000))
    for _ in range(30):
        caller.look()
        serving.qtbot.wait(10)
    assert caller.unsent > 20_000_000
    assert resident_mib() - before < 90  # the caller holds its own 60
    trace = Trace(accepted := serving.server.nextPendingConnection())
    heard: list[int] = []
    accepted.binaryMessageReceived.connect(lambda data: heard.append(data.size()))
    serving.until(lambda: caller.look() or heard)
    assert heard == [60_000_000]
    del trace


# Who keeps them


class Receiver(QObject):
    """A program's object that asks who sent the signal."""

    def __init__(self) -> None:
        super().__init__()
        self.senders: list[Any] = []
        self.texts: list[str] = []

    @Slot(str)
    def hear(self, text: str) -> None:
        self.senders.append(self.sender())
        self.texts.append(text)


def fetched(serving: Serving) -> tuple[Caller, Any]:
    """An accepted socket that nobody but the caller of this function holds."""
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    return caller, serving.server.nextPendingConnection()


def test_dropping_the_reference_does_not_end_it(serving: Serving) -> None:
    caller, socket = fetched(serving)
    receiver = Receiver()
    socket.textMessageReceived.connect(receiver.hear)
    reference = weakref.ref(socket)
    del socket
    gc.collect()
    caller.send(masked(TEXT, b"hello"))
    serving.until(lambda: receiver.texts == ["hello"])
    assert reference() is not None
    assert receiver.senders == [reference()]
    assert not caller.eof


def test_a_socket_that_nobody_listens_to_lives_on(serving: Serving) -> None:
    caller, socket = fetched(serving)
    del socket
    gc.collect()
    caller.send(masked(PING, b"p"))
    serving.until(lambda: caller.frames)
    assert caller.payloads() == [b"p"]


@pytest.mark.beyond("it leaks a wrapper for the life of the server")
@pytest.mark.parametrize("how", ["close", "half_close", "local", "abort"])
def test_a_disconnected_socket_that_nobody_holds_is_freed(serving: Serving, how: str) -> None:
    caller, socket = fetched(serving)
    reference = weakref.ref(socket)
    if how in ("local", "abort"):
        socket.close() if how == "local" else socket.abort()
        if how == "local":
            serving.until(lambda: caller.frames)
            caller.send(masked_close())
    elif how == "close":
        caller.send(masked_close())
    else:
        caller.half_close()
    del socket
    serving.until_ended(caller)
    with contextlib.suppress(serving.qtbot.TimeoutError):
        serving.until(lambda: gc.collect() is None or reference() is None)
    assert reference() is None


@pytest.mark.beyond("it leaks a wrapper for the life of the server")
def test_a_socket_that_is_deleted_in_disconnected_is_freed(serving: Serving) -> None:
    caller, socket = fetched(serving)
    socket.disconnected.connect(socket.deleteLater)
    reference = weakref.ref(socket)
    del socket
    caller.send(masked_close())
    serving.until_ended(caller)
    with contextlib.suppress(serving.qtbot.TimeoutError):
        serving.until(lambda: gc.collect() is None or reference() is None)
    assert reference() is None


def test_a_disconnected_socket_that_is_held_lives_on(serving: Serving) -> None:
    caller, socket = fetched(serving)
    trace = Trace(socket)
    caller.send(masked_close(4000, b"x"))
    serving.until(lambda: trace.lines[-1:] == ["readChannelFinished"])
    serving.settle()
    gc.collect()
    assert isValid(socket)
    assert socket.closeReason() == "x"


def test_sockets_are_keys_and_members(serving: Serving) -> None:
    sessions = [serving.connect() for _ in range(3)]
    names = {session.socket: number for number, session in enumerate(sessions)}
    clients = {session.socket for session in sessions}
    receiver = Receiver()
    for session in sessions:
        session.socket.textMessageReceived.connect(receiver.hear)
    sessions[1].caller.send(masked(TEXT, b"x"))
    serving.until(lambda: receiver.senders)
    assert names[receiver.senders[0]] == 1
    clients.remove(receiver.senders[0])
    assert clients == {sessions[0].socket, sessions[2].socket}


def test_a_socket_in_a_set_leaves_it_in_disconnected(serving: Serving) -> None:
    clients: set[Any] = set()

    class Program(QObject):
        @Slot()
        def arrive(self) -> None:
            socket = serving.server.nextPendingConnection()
            socket.disconnected.connect(self.leave)
            clients.add(socket)

        @Slot()
        def leave(self) -> None:
            clients.remove(self.sender())
            self.sender().deleteLater()

    program = Program()
    serving.server.newConnection.connect(program.arrive)
    callers = [serving.call(request()) for _ in range(5)]
    serving.until(lambda: len(clients) == 5)
    for caller in callers:
        caller.send(masked_close())
    serving.until(lambda: clients == set())


def test_a_parent_takes_it_along(session: Session) -> None:
    parent = QObject()
    session.socket.setParent(parent)
    assert session.socket.parent() is parent
    assert parent.children() == [session.socket]
    delete(parent)
    assert not isValid(session.socket)
    session.until(lambda: session.caller.frames)
    assert session.caller.payloads() == [GOING_AWAY]


def test_the_server_may_be_its_parent(session: Session) -> None:
    session.socket.setParent(session.serving.server)
    assert session.socket.parent() is session.serving.server
    assert session.socket in session.serving.server.children()
    session.caller.send(masked(TEXT, b"x"))
    session.until_last("text:x")


def test_an_accepted_socket_can_be_opened_again(serving: Serving, session: Session) -> None:
    session.caller.send(masked_close())
    session.until_last("readChannelFinished")
    session.trace.take()
    serving.keep_all()
    session.socket.open(f"ws://127.0.0.1:{serving.server.serverPort()}/again")
    session.until_last("connected")
    assert session.lines == ["state:Connecting", "state:Connected", "connected"]
    assert session.socket.resourceName() == "/again"
    serving.until(lambda: serving.accepted[1:])
    session.socket.sendTextMessage("x")
    serving.until(lambda: "text:x" in serving.traces[-1].lines)


# Nothing piles up


def cycle(serving: Serving) -> None:
    """Eight clients come, say something and leave, half of them without a Close."""
    callers = [serving.call(request()) for _ in range(8)]
    serving.until_all(callers)
    for caller in callers:
        caller.send(masked(TEXT, b"x" * 100))
    for number, caller in enumerate(callers):
        caller.send(*([masked_close()] if number % 2 else []))
        caller.half_close()
    serving.until_all(callers, lambda item: item.eof)
    for caller in callers:
        caller.end()
    serving.callers.clear()


@pytest.mark.parametrize("deleting", [False, True])
def test_memory_and_descriptors_stay_flat_over_connections(
    serving: Serving, deleting: bool
) -> None:
    def keep() -> None:
        while (socket := serving.server.nextPendingConnection()) is not None:
            socket.textMessageReceived.connect(len)
            if deleting:
                socket.disconnected.connect(socket.deleteLater)

    serving.server.newConnection.connect(keep)
    for _ in range(10):
        cycle(serving)
        serving.trace.take()
    memory, descriptors = resident_mib(), open_descriptors()
    for _ in range(60):
        cycle(serving)
        serving.trace.take()
    gc.collect()
    assert resident_mib() - memory < 8
    assert open_descriptors() - descriptors <= 8


@pytest.mark.beyond("it keeps a Python object for each connection there ever was")
def test_no_objects_are_left_of_connections(serving: Serving) -> None:
    references: list[Any] = []

    def keep() -> None:
        socket = serving.server.nextPendingConnection()
        socket.disconnected.connect(socket.deleteLater)
        references.append(weakref.ref(socket))

    serving.server.newConnection.connect(keep)
    for _ in range(5):
        cycle(serving)
    with contextlib.suppress(serving.qtbot.TimeoutError):
        serving.until(lambda: gc.collect() is None or not any(r() for r in references))
    assert len(references) == 40
    assert [item() for item in references if item() is not None] == []
    assert serving.server.findChildren(QWebSocket) == []


def test_three_hundred_clients_lose_nothing(serving: Serving) -> None:
    count, rounds = 300, 5
    serving.server.setMaxPendingConnections(count)
    open_sockets: list[Any] = []

    def echo(number: int, text: str) -> None:
        open_sockets[number].sendTextMessage(text)

    def keep() -> None:
        while (socket := serving.server.nextPendingConnection()) is not None:
            open_sockets.append(socket)
            socket.textMessageReceived.connect(partial(echo, len(open_sockets) - 1))

    serving.server.newConnection.connect(keep)
    callers = serving.call_many(count, request())
    assert len(open_sockets) == count
    for turn in range(rounds):
        for number, caller in enumerate(callers):
            caller.send(masked(TEXT, b"%d/%d" % (number, turn)))
    serving.until_all(callers, lambda item: len(item.frames) == rounds, 60_000)
    for number, caller in enumerate(callers):
        assert caller.payloads() == [b"%d/%d" % (number, turn) for turn in range(rounds)]
    for socket in open_sockets:
        socket.sendTextMessage("to all")
    serving.until_all(callers, lambda item: len(item.frames) == rounds + 1, 60_000)
    for caller in callers:
        caller.send(masked_close())
    serving.until_all(callers, lambda item: item.eof, 60_000)
    assert all(socket.state() == State.UnconnectedState for socket in open_sockets)
    serving.accepted.extend(open_sockets)
