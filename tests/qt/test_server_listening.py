"""listen() and close(), addresses and URLs, waiting connections, descriptors, ready sockets."""

import contextlib
import os
import socket as sockets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QHostAddress, QTcpServer, QTcpSocket
from shiboken6.Shiboken import delete, isValid

from support.client import CLOSED
from support.peer import CLOSE, TEXT, Frame
from support.qtmodule import QWebSocketProtocol, QWebSocketServer
from support.server import Caller, Serving, all_of, masked, masked_close, request
from support.trace import Trace

pytest_plugins = ["support.server"]

CloseCode = QWebSocketProtocol.CloseCode
Address = QHostAddress.SpecialAddress
ACCEPTED = ["originAuthenticationRequired", "newConnection"]
SERVER_CLOSED = b"\x03\xe9Server closed."


# listen()


FORMS = [
    pytest.param((), {}, "0.0.0.0", "127.0.0.1", id="nothing"),
    pytest.param((QHostAddress(Address.Any),), {}, "0.0.0.0", "127.0.0.1", id="Any"),
    pytest.param((Address.Any, 0), {}, "0.0.0.0", "127.0.0.1", id="SpecialAddress.Any"),
    pytest.param((), {"port": 0}, "0.0.0.0", "127.0.0.1", id="port="),
    pytest.param((Address.LocalHost,), {}, "127.0.0.1", "127.0.0.1", id="LocalHost"),
    pytest.param((), {"address": Address.LocalHost, "port": 0}, "127.0.0.1", "127.0.0.1", id="kw"),
    pytest.param((QHostAddress("127.0.0.2"), 0), {}, "127.0.0.2", "127.0.0.2", id="127.0.0.2"),
    pytest.param((Address.AnyIPv4,), {}, "0.0.0.0", "0.0.0.0", id="AnyIPv4"),
    pytest.param((Address.LocalHostIPv6,), {}, "::1", "[::1]", id="LocalHostIPv6"),
    pytest.param((Address.AnyIPv6,), {}, "::", "[::]", id="AnyIPv6"),
    pytest.param((Address.LocalHost, 0.0), {}, "127.0.0.1", "127.0.0.1", id="a float"),
]


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(("args", "kwargs", "address", "host"), FORMS)
def test_it_listens_on(
    make_serving: Callable[..., Serving],
    args: Any,
    kwargs: Any,
    address: str,
    host: str,
    secure: bool,
) -> None:
    serving = make_serving(secure=secure)
    server = serving.server
    assert server.listen(*args, **kwargs) is True
    assert server.isListening() is True
    assert server.serverAddress().toString() == address
    assert server.serverPort() > 0
    scheme = "wss" if secure else "ws"
    assert server.serverUrl() == QUrl(f"{scheme}://{host}:{server.serverPort()}")
    assert server.serverUrl().toString() == f"{scheme}://{host}:{server.serverPort()}"
    assert server.socketDescriptor() > 0
    assert (server.error(), server.errorString()) == (CloseCode.CloseCodeNormal, "")
    assert serving.lines == []


@pytest.mark.parametrize(
    "args",
    [
        ("127.0.0.1",),
        ("127.0.0.1", 0),
        (None,),
        (2,),
        (Address.LocalHost, "5"),
        (Address.LocalHost, 0, 1),
    ],
)
def test_it_does_not_listen_with(make_serving: Callable[..., Serving], args: Any) -> None:
    serving = make_serving()
    with pytest.raises(TypeError):
        serving.server.listen(*args)
    assert serving.server.isListening() is False


@pytest.mark.parametrize("port", [-1, 65536, 70000])
def test_a_port_has_16_bits(make_serving: Callable[..., Serving], port: int) -> None:
    with pytest.raises(OverflowError):
        make_serving().server.listen(Address.LocalHost, port)


def test_listen_has_no_other_keyword(make_serving: Callable[..., Serving]) -> None:
    with pytest.raises((AttributeError, TypeError)):
        make_serving().server.listen(foo=1)


def test_the_port_of_another_server_is_in_use(
    make_serving: Callable[..., Serving], serving: Serving
) -> None:
    other = make_serving()
    assert other.server.listen(Address.LocalHost, serving.server.serverPort()) is False
    text = "The bound address is already in use"
    assert other.lines == ["serverError:AbnormalDisconnection"]
    assert other.trace.errors == [("AbnormalDisconnection", text)]
    assert other.server.error() is CloseCode.CloseCodeAbnormalDisconnection
    assert other.server.errorString() == text
    assert other.server.isListening() is False
    assert (other.server.serverPort(), other.server.serverUrl()) == (0, QUrl())


def test_an_address_that_is_not_ours_is_an_error(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    assert serving.server.listen(QHostAddress("192.0.2.1"), 0) is False
    text = "The address is not available"
    assert serving.trace.errors == [("AbnormalDisconnection", text)]


def test_it_listens_after_a_failure(make_serving: Callable[..., Serving], serving: Serving) -> None:
    other = make_serving()
    other.server.listen(Address.LocalHost, serving.server.serverPort())
    other.listen()
    other.call(request())
    other.until_line("newConnection")


def test_the_same_failure_is_told_once(
    make_serving: Callable[..., Serving], serving: Serving
) -> None:
    other = make_serving()
    for _ in range(2):
        assert not other.server.listen(Address.LocalHost, serving.server.serverPort())
    assert other.lines == ["serverError:AbnormalDisconnection"]


def test_a_server_that_listens_cannot_listen(serving: Serving, qt_warnings: Any) -> None:
    port = serving.server.serverPort()
    assert serving.server.listen(Address.LocalHost, 0) is False
    assert serving.lines == ["serverError:AbnormalDisconnection"]
    assert qt_warnings.take("QTcpServer::listen() called when already listening")
    assert serving.server.serverPort() == port
    assert serving.exchange(request()).status == 101


# close()


def test_closed_comes_from_the_event_loop(serving: Serving) -> None:
    serving.server.close()
    assert serving.lines == []
    assert serving.server.isListening() is False
    assert serving.server.serverPort() == 0
    assert serving.server.serverUrl() == QUrl()
    assert serving.server.serverAddress() == QHostAddress()
    assert serving.server.socketDescriptor() == -1
    serving.until_line("closed")
    serving.settle()
    assert serving.lines == ["closed"]


def test_closed_comes_also_if_it_never_listened(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    serving.server.close()
    assert serving.lines == []
    serving.until_line("closed")


def test_each_close_is_told(serving: Serving) -> None:
    for _ in range(3):
        serving.server.close()
    serving.until_line("closed", 3)


def test_it_listens_again_at_once(serving: Serving) -> None:
    port = serving.server.serverPort()
    serving.server.close()
    assert serving.server.listen(QHostAddress("127.0.0.1"), port) is True
    serving.until_line("closed")
    assert serving.server.isListening() is True
    assert serving.exchange(request()).status == 101


def test_a_closed_server_takes_no_connections(serving: Serving) -> None:
    port = serving.server.serverPort()
    serving.server.close()
    with pytest.raises(ConnectionRefusedError):
        Caller(port)


def test_a_connection_that_was_not_accepted_is_reset(serving: Serving) -> None:
    caller = serving.call()
    serving.server.close()
    serving.until_ended(caller)
    assert serving.server.hasPendingConnections() is False


def test_what_was_fetched_goes_on_after_close(serving: Serving) -> None:
    session = serving.connect()
    serving.server.close()
    serving.until_line("closed")
    session.socket.sendTextMessage("still")
    session.caller.send(masked(TEXT, b"there"))
    session.until_last("text:there")
    session.until(lambda: session.caller.frames)
    assert session.caller.payloads() == [b"still"]
    assert session.lines == ["textFrame:there:last", "text:there"]


def test_what_was_queued_is_told_that_the_server_closed(serving: Serving) -> None:
    callers = [serving.call(request()) for _ in range(3)]
    serving.until_all(callers)
    serving.until_line("newConnection", 3)
    serving.server.close()
    assert serving.server.hasPendingConnections() is False
    assert serving.server.nextPendingConnection() is None
    serving.until_all(callers, lambda item: item.frames)
    assert [item.payloads(CLOSE) for item in callers] == [[SERVER_CLOSED]] * 3


@pytest.mark.beyond("it leaves the TCP connections open")
def test_what_was_queued_is_closed_with_the_server(serving: Serving) -> None:
    caller = serving.call(request())
    serving.until_line("newConnection")
    serving.server.close()
    serving.until_ended(caller)
    assert caller.payloads() == [SERVER_CLOSED]
    assert not caller.reset


def test_close_in_new_connection_closes_what_was_not_fetched(serving: Serving) -> None:
    serving.server.newConnection.connect(serving.server.close)
    caller = serving.call(request())
    serving.until(lambda: caller.frames)
    assert caller.payloads() == [SERVER_CLOSED]
    serving.until_line("closed")


# The end of the server


def test_deleting_it_ends_what_was_fetched(serving: Serving) -> None:
    session = serving.connect()
    delete(serving.server)
    assert not isValid(session.socket)
    session.until_ended()


def test_deleting_it_later_ends_everything(serving: Serving) -> None:
    session = serving.connect()
    queued, half = serving.call(request()), serving.call(request()[:-2])
    serving.until(lambda: queued.answer)
    serving.server.deleteLater()
    serving.until_all([session.caller, queued, half], lambda item: item.eof)
    assert not isValid(session.socket)
    assert queued.payloads() == [SERVER_CLOSED]
    assert bytes(half.raw) == b""


def test_the_sockets_of_a_deleted_server_say_disconnected(serving: Serving) -> None:
    session = serving.connect()
    delete(serving.server)
    assert session.lines == [
        "aboutToClose",
        "state:Unconnected",
        "disconnected",
        "readChannelFinished",
    ]


def test_a_dropped_server_ends_at_once(qtbot: Any) -> None:
    server = QWebSocketServer("x", QWebSocketServer.SslMode.NonSecureMode)
    server.listen(Address.LocalHost)
    caller = Caller(server.serverPort())
    caller.send(request())
    qtbot.waitUntil(lambda: caller.answer is not None, timeout=15_000)
    accepted = server.nextPendingConnection()
    del server
    assert not isValid(accepted)
    qtbot.waitUntil(lambda: caller.eof, timeout=15_000)
    with pytest.raises(ConnectionRefusedError):
        Caller(caller.server_port)
    caller.end()


# Waiting connections


def test_connections_are_fetched_in_their_order(serving: Serving) -> None:
    callers = []
    for number in range(5):
        callers.append(serving.call(request(line=f"GET /{number} HTTP/1.1")))
        serving.until_line("newConnection", number + 1)
    assert serving.server.hasPendingConnections() is True
    fetched = [serving.server.nextPendingConnection() for _ in callers]
    assert [item.requestUrl().path() for item in fetched] == [f"/{n}" for n in range(5)]
    assert serving.server.hasPendingConnections() is False
    assert serving.server.nextPendingConnection() is None
    serving.accepted.extend(fetched)


def test_there_is_a_maximum_of_waiting_connections(serving: Serving) -> None:
    serving.server.setMaxPendingConnections(2)
    for count in (1, 2):
        serving.call(request())
        serving.until_line("newConnection", count)
    refused = []
    for count in (1, 2):
        refused.append(serving.call(request()))
        serving.until_line("serverError:AbnormalDisconnection", count)
    serving.until_all(refused, lambda item: item.eof)
    assert serving.lines == [*ACCEPTED * 2, *["serverError:AbnormalDisconnection"] * 2]
    text = "Too many pending connections."
    assert serving.trace.errors == [("AbnormalDisconnection", text)] * 2
    assert serving.server.error() is CloseCode.CloseCodeAbnormalDisconnection
    assert serving.server.errorString() == text


def test_fetching_makes_room(serving: Serving) -> None:
    serving.server.setMaxPendingConnections(1)
    serving.call(request())
    serving.until_line("newConnection")
    serving.until_ended(serving.call(request()))
    serving.accepted.append(serving.server.nextPendingConnection())
    assert serving.exchange(request()).status == 101


@pytest.mark.parametrize("maximum", [0, -1])
def test_a_maximum_of_none_refuses_everybody(serving: Serving, maximum: int) -> None:
    serving.server.setMaxPendingConnections(maximum)
    serving.until_ended(serving.call(request()))
    assert serving.lines == ["serverError:AbnormalDisconnection"]


def test_unfinished_handshakes_take_no_place(serving: Serving) -> None:
    serving.server.setMaxPendingConnections(1)
    halves = [serving.call(request()[:-2]) for _ in range(3)]
    assert serving.exchange(request()).status == 101
    assert serving.lines == ACCEPTED
    assert not any(item.eof for item in halves)


# Pausing


def test_a_paused_server_does_not_accept(serving: Serving) -> None:
    serving.server.pauseAccepting()
    caller = serving.call(request())
    serving.settle()
    assert serving.lines == []
    assert caller.answer is None
    assert not caller.eof
    assert serving.server.isListening() is True
    serving.server.resumeAccepting()
    serving.until(lambda: caller.answer)
    assert serving.lines == ACCEPTED


def test_a_handshake_under_way_goes_on_while_paused(serving: Serving) -> None:
    caller = serving.call(request()[:-2])
    serving.settle()
    serving.server.pauseAccepting()
    caller.send(b"\r\n")
    assert serving.until_answered(caller).status == 101


@pytest.mark.beyond("it dies", crashes=True)
def test_pausing_before_listening_does_no_harm(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    serving.server.pauseAccepting()
    serving.server.resumeAccepting()
    serving.listen()
    assert serving.exchange(request()).status == 101


# Descriptors


@pytest.fixture
def listener() -> Iterator[sockets.socket]:
    """A socket that listens, for servers to share."""
    with sockets.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_it_takes_the_descriptor_of_a_listening_socket(
    make_serving: Callable[..., Serving], listener: sockets.socket
) -> None:
    serving = make_serving()
    server = serving.server
    descriptor = os.dup(listener.fileno())
    assert server.setSocketDescriptor(descriptor) is True
    assert server.isListening() is True
    assert server.socketDescriptor() == descriptor
    assert server.serverPort() == listener.getsockname()[1]
    assert server.serverUrl().toString() == f"ws://127.0.0.1:{server.serverPort()}"
    assert serving.exchange(request()).status == 101
    server.close()
    serving.until_line("closed")
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("descriptor", [-1, 9999])
def test_a_bad_descriptor_is_refused(make_serving: Callable[..., Serving], descriptor: int) -> None:
    serving = make_serving()
    assert serving.server.setSocketDescriptor(descriptor) is False
    assert serving.server.isListening() is False
    assert serving.server.errorString() != ""
    assert serving.lines == []


def test_a_server_that_listens_takes_no_descriptor(
    serving: Serving, listener: sockets.socket, qt_warnings: Any
) -> None:
    port = serving.server.serverPort()
    assert serving.server.setSocketDescriptor(listener.fileno()) is False
    assert qt_warnings.take("setSocketDescriptor() called when already listening")
    assert serving.server.serverPort() == port
    assert serving.lines == []


def test_the_native_descriptor_is_deprecated(
    make_serving: Callable[..., Serving], listener: sockets.socket
) -> None:
    serving = make_serving()
    descriptor = os.dup(listener.fileno())
    with pytest.deprecated_call():
        assert serving.server.setNativeDescriptor(descriptor) is True
    with pytest.deprecated_call():
        assert serving.server.nativeDescriptor() == descriptor


def test_servers_share_a_port_through_descriptors(make_serving: Callable[..., Serving]) -> None:
    made = [make_serving(), make_serving()]
    port = 0
    for serving in made:
        own = sockets.create_server(("127.0.0.1", port), reuse_port=True)
        port = own.getsockname()[1]
        assert serving.server.setSocketDescriptor(own.detach()) is True
    callers = [made[0].call(request()) for _ in range(40)]
    made[0].until(lambda: all_of(callers, lambda item: item.answer or item.eof))
    served = [serving.lines.count("newConnection") for serving in made]
    assert all(served)
    assert sum(served) == 40 - sum(item.answer is None for item in callers)


# handleConnection()


@pytest.fixture
def ready(qtbot: Any) -> Iterator[Callable[..., tuple[Caller, QTcpSocket]]]:
    """Make connected pairs: a caller, and the QTcpSocket that a program accepted for it."""
    listener = QTcpServer()
    listener.listen(Address.LocalHost)
    callers: list[Caller] = []

    def make(*chunks: bytes) -> tuple[Caller, QTcpSocket]:
        caller = Caller(listener.serverPort())
        callers.append(caller)
        assert listener.waitForNewConnection(10_000)
        accepted = listener.nextPendingConnection()
        if chunks:
            caller.send(*chunks)
            size = sum(map(len, chunks))
            qtbot.waitUntil(lambda: accepted.bytesAvailable() == size, timeout=15_000)
        return caller, accepted

    yield make
    for caller in callers:
        caller.end()
    delete(listener)


def test_a_ready_socket_with_bytes_is_handled(
    make_serving: Callable[..., Serving], ready: Any
) -> None:
    serving = make_serving()
    caller, tcp = ready(request(line="GET /x HTTP/1.1"))
    serving.server.handleConnection(tcp)
    assert serving.lines == []
    serving.until(lambda: caller.answer)
    assert serving.lines == ACCEPTED
    accepted = serving.server.nextPendingConnection()
    assert accepted.requestUrl() == QUrl("ws://127.0.0.1/x")
    assert accepted.peerPort() == caller.port


def test_a_ready_socket_without_bytes_is_waited_for(
    make_serving: Callable[..., Serving], ready: Any
) -> None:
    serving = make_serving()
    caller, tcp = ready()
    serving.server.handleConnection(tcp)
    serving.settle()
    assert serving.lines == []
    caller.send(request())
    serving.until(lambda: caller.answer)
    assert serving.lines == ACCEPTED


def test_a_ready_socket_becomes_the_affair_of_the_server(
    make_serving: Callable[..., Serving], ready: Any
) -> None:
    serving = make_serving()
    serving.keep_all()
    caller, tcp = ready(request())
    serving.server.handleConnection(tcp)
    del tcp
    serving.until(lambda: caller.answer)
    caller.send(masked(TEXT, b"hello"))
    serving.until(lambda: "text:hello" in serving.traces[0].lines)
    serving.accepted[0].close()
    caller.send(masked_close())
    serving.until_ended(caller)
    assert serving.traces[0].lines[2:] == CLOSED


def test_a_bad_request_ends_a_ready_socket(
    make_serving: Callable[..., Serving], ready: Any
) -> None:
    serving = make_serving()
    caller, tcp = ready(request(Upgrade=None))
    serving.server.handleConnection(tcp)
    serving.until_ended(caller)
    assert serving.lines == ["serverError:ProtocolError"]


def test_a_silent_ready_socket_is_ended_in_time(
    make_serving: Callable[..., Serving], ready: Any
) -> None:
    serving = make_serving()
    serving.server.setHandshakeTimeout(150)
    caller, tcp = ready()
    serving.server.handleConnection(tcp)
    serving.until_ended(caller)


@pytest.mark.parametrize("what", [None, QTcpSocket])
def test_what_is_not_connected_is_left_alone(
    make_serving: Callable[..., Serving], what: Any
) -> None:
    serving = make_serving()
    serving.server.handleConnection(what and what())
    serving.settle()
    assert serving.lines == []


def test_a_secure_server_handles_a_plain_socket(
    make_serving: Callable[..., Serving], ready: Any
) -> None:
    serving = make_serving(secure=True)
    caller, tcp = ready(request())
    serving.server.handleConnection(tcp)
    serving.until(lambda: caller.answer)
    assert serving.server.nextPendingConnection().requestUrl() == QUrl("wss://127.0.0.1/")


@pytest.mark.beyond("it hands out a socket that never ends")
def test_a_ready_socket_whose_peer_left_ends(
    make_serving: Callable[..., Serving], ready: Any, qtbot: Any
) -> None:
    serving = make_serving()
    serving.keep_all()
    caller, tcp = ready(request())
    caller.half_close()
    serving.until(lambda: tcp.state() == tcp.SocketState.UnconnectedState)
    serving.server.handleConnection(tcp)
    serving.settle()
    assert serving.traces == [] or "disconnected" in serving.traces[0].lines


# Subclasses


class Counting(QWebSocketServer):  # type: ignore[misc]
    """Counts how often it is asked."""

    asked = 0

    def nextPendingConnection(self) -> Any:
        self.asked += 1
        return super().nextPendingConnection()


def test_next_pending_connection_is_overridden(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving(kind=Counting).listen()
    session = serving.connect()
    assert isValid(session.socket)
    serving.server.close()
    serving.until_line("closed")
    assert serving.server.asked == 1


def test_the_handshake_timeout_is_total(serving: Serving) -> None:
    serving.server.setHandshakeTimeout(400)
    began = time.monotonic()
    caller = serving.call(b"GET / HTTP/1.1\r\nX: ")
    while not caller.eof and time.monotonic() - began < 15:
        with contextlib.suppress(OSError):
            caller.send(b"x")
        serving.qtbot.wait(20)
    assert caller.eof
    assert time.monotonic() - began > 0.3
    assert serving.lines == []


def test_frames_of_the_server_are_not_masked(serving: Serving) -> None:
    session = serving.connect()
    session.socket.sendTextMessage("x")
    session.until(lambda: session.caller.frames)
    assert session.caller.frames == [Frame(TEXT, b"x", fin=True, mask=None)]


def test_a_trace_can_be_connected_in_new_connection(serving: Serving) -> None:
    serving.keep_all()
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    caller.send(masked(TEXT, b"hello"))
    serving.until(lambda: serving.traces[0].lines)
    assert isinstance(serving.traces[0], Trace)
    assert serving.traces[0].lines == ["textFrame:hello:last", "text:hello"]
