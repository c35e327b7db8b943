"""Signals and slots as Qt programs use them: by string, by name, forwarded, queued, in sets."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import (
    Q_ARG,
    SIGNAL,
    SLOT,
    QByteArray,
    QMetaObject,
    QObject,
    Qt,
    QUrl,
    Slot,
)
from PySide6.QtNetwork import QNetworkRequest
from PySide6.QtTest import QSignalSpy

from support.client import CLOSED, OPENED, Client
from support.peer import BINARY, PING, PONG, TEXT, Link, Peer, close_frame, frame
from support.qtmodule import QWebSocket


class Listener(QObject):
    """A receiver with slots in the meta-object."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    @Slot(str)
    def hearText(self, text: str) -> None:
        self.heard.append(text)

    @Slot(QByteArray)
    def hearBytes(self, data: QByteArray) -> None:
        self.heard.append(data.data())

    @Slot()
    def hear(self) -> None:
        self.heard.append(self.sender())


# Slots by their names


def test_open_is_invoked_by_name(client: Client, peer: Peer) -> None:
    url = QUrl(peer.url("/named"))
    assert QMetaObject.invokeMethod(client.socket, "open", Q_ARG("QUrl", url))
    client.until_last("connected")
    assert peer.link.request.target == "/named"


def test_open_of_a_request_is_invoked_by_name(client: Client, peer: Peer) -> None:
    request = QNetworkRequest(QUrl(peer.url("/named")))
    assert QMetaObject.invokeMethod(client.socket, "open", Q_ARG("QNetworkRequest", request))
    client.until_last("connected")


def test_ping_is_invoked_by_name(client: Client, link: Link) -> None:
    payload = Q_ARG("QByteArray", QByteArray(b"x"))
    assert QMetaObject.invokeMethod(client.socket, "ping", payload)
    assert QMetaObject.invokeMethod(client.socket, "ping")
    client.until(lambda: len(link.frames) == 2)
    assert link.payloads(PING) == [b"x", b""]


@pytest.mark.parametrize("kind", ["DirectConnection", "QueuedConnection"])
def test_close_is_invoked_by_name(client: Client, link: Link, kind: str) -> None:
    assert QMetaObject.invokeMethod(client.socket, "close", Qt.ConnectionType[kind])
    client.until_last("readChannelFinished")
    assert client.lines == CLOSED
    assert link.payloads() == [b"\x03\xe8"]


def test_ignore_ssl_errors_is_invoked_by_name(client: Client) -> None:
    assert QMetaObject.invokeMethod(client.socket, "ignoreSslErrors")


def test_send_text_message_is_no_slot(client: Client, qt_warnings: Any) -> None:
    assert not QMetaObject.invokeMethod(client.socket, "sendTextMessage", Q_ARG("QString", "x"))
    assert len(qt_warnings.take("No such method QWebSocket::sendTextMessage(QString)")) == 1


# Connections by string


def test_signals_are_connected_by_string(client: Client, link: Link) -> None:
    listener = Listener()
    text, data = SIGNAL("textMessageReceived(QString)"), SIGNAL("binaryMessageReceived(QByteArray)")
    assert QObject.connect(client.socket, text, listener, SLOT("hearText(QString)"))
    assert QObject.connect(client.socket, data, listener, SLOT("hearBytes(QByteArray)"))
    link.send(frame(TEXT, b"text") + frame(BINARY, b"data"))
    client.until(lambda: len(listener.heard) == 2)
    assert listener.heard == ["text", b"data"]


def test_signals_are_connected_by_string_to_functions(client: Client, link: Link) -> None:
    heard: list[Any] = []
    assert client.socket.connect(SIGNAL("textMessageReceived(QString)"), heard.append)
    assert client.socket.connect(SIGNAL("disconnected()"), lambda: heard.append("end"))
    link.send(frame(TEXT, b"text") + close_frame())
    client.until(lambda: heard == ["text", "end"])


def test_slots_are_connected_by_string(
    make_client: Callable[..., Client], make_peer: Callable[..., Peer]
) -> None:
    one, other = make_client(), make_client()
    first, second = one.connect(make_peer()), other.connect(make_peer())
    QObject.connect(one.socket, SIGNAL("disconnected()"), other.socket, SLOT("close()"))
    first.send(close_frame())
    other.until_last("readChannelFinished")
    assert second.payloads() == [b"\x03\xe8"]


# Spies


def test_a_spy_sees_messages(client: Client, link: Link) -> None:
    spies = [
        QSignalSpy(client.socket.textMessageReceived),
        QSignalSpy(client.socket, SIGNAL("textMessageReceived(QString)")),
    ]
    assert [spy.isValid() for spy in spies] == [True, True]
    link.send(frame(TEXT, b"seen"))
    client.until_line("text:seen")
    assert [[spy.at(0), spy.count()] for spy in spies] == [[["seen"], 1]] * 2


@pytest.mark.parametrize(
    "name",
    ["aboutToClose", "connected", "disconnected", "errorOccurred", "pong", "sslErrors"],
)
def test_a_spy_can_be_put_on(client: Client, name: str) -> None:
    assert QSignalSpy(getattr(client.socket, name)).isValid()


def test_a_spy_can_be_put_on_error_by_its_signature(client: Client) -> None:
    # QSignalSpy(socket.error) works on Qt's module only: Python has no signal that can be called.
    signature = SIGNAL("error(QAbstractSocket::SocketError)")
    assert QSignalSpy(client.socket, signature).isValid()


# Methods of a socket as slots


def test_a_socket_forwards_to_another(
    make_client: Callable[..., Client], make_peer: Callable[..., Peer]
) -> None:
    one, other = make_client(), make_client()
    first, second = one.connect(make_peer()), other.connect(make_peer())
    one.socket.binaryMessageReceived.connect(other.socket.sendBinaryMessage)
    one.socket.textMessageReceived.connect(other.socket.sendTextMessage)
    one.socket.disconnected.connect(other.socket.close)
    first.send(frame(BINARY, b"\x00data") + frame(TEXT, "téxt".encode()) + close_frame())
    other.until_last("readChannelFinished")
    assert second.payloads() == [b"\x00data", "téxt".encode(), b"\x03\xe8"]


def test_a_forwarding_can_be_undone(client: Client, link: Link) -> None:
    client.socket.textMessageReceived.connect(client.socket.sendTextMessage)
    client.socket.textMessageReceived.disconnect(client.socket.sendTextMessage)
    link.send(frame(TEXT, b"text"))
    client.until_line("text:text")
    client.until_answered()
    assert link.frames == []


def test_a_signal_is_forwarded_to_a_signal(make_client: Callable[..., Client], peer: Peer) -> None:
    one, other = make_client(), make_client()
    one.socket.textMessageReceived.connect(other.socket.textMessageReceived)
    one.socket.connected.connect(other.socket.connected)
    one.connect(peer).send(frame(TEXT, b"text"))
    other.until_line("text:text")
    assert other.lines == ["connected", "text:text"]


def test_connected_may_ping(client: Client, peer: Peer) -> None:
    client.socket.connected.connect(client.socket.ping)
    client.socket.open(peer.url())
    client.until(lambda: peer.links and peer.link.payloads(PING) == [b""])


# More of what programs do


def test_the_sender_is_the_socket(client: Client, link: Link) -> None:
    listener = Listener()
    client.socket.disconnected.connect(listener.hear)
    link.send(close_frame())
    client.until(lambda: listener.heard)
    assert listener.heard == [client.socket]


def test_sockets_are_keys_and_members(make_client: Callable[..., Client]) -> None:
    one, other = make_client().socket, make_client().socket
    assert len({one, other, one}) == 2
    assert {one: "one", other: "other"}[one] == "one"
    assert one != other


def test_queued_connections_deliver_later(client: Client, link: Link) -> None:
    listener = Listener()
    queued = Qt.ConnectionType.QueuedConnection
    client.socket.textMessageReceived.connect(listener.hearText, queued)
    client.socket.binaryMessageReceived.connect(listener.hearBytes, queued)
    link.send(frame(TEXT, b"text") + frame(BINARY, b"data"))
    client.until(lambda: listener.heard == ["text", b"data"])


@pytest.mark.parametrize("name", ["errorOccurred", "error", "stateChanged", "sslErrors"])
def test_every_argument_can_be_queued(client: Client, name: str) -> None:
    heard: list[Any] = []
    signal = getattr(client.socket, name)
    signal.connect(heard.append, Qt.ConnectionType.QueuedConnection)
    values = {
        "stateChanged": client.socket.state(),
        "sslErrors": [],
    }
    value = values.get(name, client.socket.error())
    signal.emit(value)
    client.until(lambda: heard)
    assert heard == [value]


def test_a_single_shot_connection_is_heard_once(client: Client, link: Link) -> None:
    listener = Listener()
    kind = Qt.ConnectionType.SingleShotConnection
    client.socket.textMessageReceived.connect(listener.hearText, kind)
    link.send(frame(TEXT, b"1") + frame(TEXT, b"2"))
    client.until_line("text:2")
    assert listener.heard == ["1"]


def test_blocked_signals_are_not_heard(client: Client, link: Link) -> None:
    client.socket.blockSignals(True)
    link.send(frame(TEXT, b"unheard") + frame(PING, b"barrier"))
    client.until(lambda: link.payloads(PONG) == [b"barrier"])
    client.socket.blockSignals(False)
    link.send(frame(TEXT, b"heard"))
    client.until_line("text:heard")
    assert client.lines == ["textFrame:heard:last", "text:heard"]


def test_signals_can_be_emitted_by_hand(client: Client) -> None:
    client.socket.textMessageReceived.emit("by hand")
    client.socket.binaryMessageReceived.emit(QByteArray(b"by hand"))
    client.socket.pong.emit(2**40, QByteArray(b"p"))
    client.socket.connected.emit()
    assert client.lines == ["text:by hand", "binary:b'by hand'", "pong:b'p'", "connected"]


def test_large_numbers_arrive_whole(client: Client) -> None:
    heard: list[int] = []
    client.socket.bytesWritten.connect(heard.append)
    client.socket.pong.connect(lambda elapsed, _: heard.append(elapsed))
    client.socket.bytesWritten.emit(2**40)
    client.socket.pong.emit(2**63, QByteArray())
    assert heard == [2**40, 2**63]


class Subclass(QWebSocket):
    """A program's own socket."""

    def __init__(self, url: str) -> None:
        super().__init__("https://origin.example")
        self.heard: list[str] = []
        self.connected.connect(self.onConnected)
        self.textMessageReceived.connect(self.heard.append)
        self.open(url)

    def onConnected(self) -> None:
        self.sendTextMessage("hello from a subclass")


def test_a_subclass_is_a_socket(qtbot: Any, peer: Peer) -> None:
    socket = Subclass(peer.url())
    qtbot.waitUntil(lambda: bool(peer.links) and bool(peer.link.frames), timeout=15_000)
    assert peer.link.payloads() == [b"hello from a subclass"]
    assert peer.link.request.get("Origin") == "https://origin.example"
    peer.link.send(frame(TEXT, b"hello back"))
    qtbot.waitUntil(lambda: socket.heard == ["hello back"], timeout=15_000)
    socket.abort()


def test_two_sockets_do_not_disturb_each_other(
    make_client: Callable[..., Client], peer: Peer
) -> None:
    clients = [make_client() for _ in range(10)]
    for number, client in enumerate(clients):
        client.socket.open(peer.url(f"/{number}"))
    for client in clients:
        client.until_last("connected")
    for link in peer.links:
        link.send(frame(TEXT, link.request.target.encode()))
    for number, client in enumerate(clients):
        client.until_last(f"text:/{number}")
        assert client.lines == [*OPENED, f"textFrame:/{number}:last", f"text:/{number}"]
