"""Who keeps a socket alive, and what its end looks like from outside."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QObject
from shiboken6.Shiboken import delete, isValid

from support.client import PATIENCE, Client
from support.peer import CLOSE, PONG, TEXT, Link, Peer, close_frame, frame
from support.process import open_descriptors, resident_mib
from support.qtmodule import QWebSocket

GOING_AWAY = b"\x03\xe9Connection closed"


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """What has to be freed by reference count may not be freed by luck."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def opened(qtbot: Any, peer: Peer, parent: QObject | None = None) -> Any:
    """An open socket that nobody else holds."""
    socket = QWebSocket(parent=parent)
    with qtbot.waitSignal(socket.connected, timeout=PATIENCE):
        socket.open(peer.url())
    return socket


def ends(qtbot: Any, link: Link) -> None:
    qtbot.waitUntil(lambda: link.eof, timeout=PATIENCE)


# Reference counts


def test_a_dropped_socket_is_freed_at_once() -> None:
    socket = QWebSocket()
    reference = weakref.ref(socket)
    del socket
    assert reference() is None


def test_a_dropped_open_socket_says_1001(qtbot: Any, peer: Peer) -> None:
    socket = opened(qtbot, peer)
    reference = weakref.ref(socket)
    del socket
    assert reference() is None
    ends(qtbot, peer.link)
    assert peer.link.payloads(CLOSE) == [GOING_AWAY]


def test_a_dropped_socket_frees_itself_during_the_handshake(
    qtbot: Any, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(None)
    socket = QWebSocket()
    socket.open(peer.url())
    qtbot.waitUntil(lambda: bool(peer.requests), timeout=PATIENCE)
    reference = weakref.ref(socket)
    del socket
    assert reference() is None
    ends(qtbot, peer.link)
    assert bytes(peer.link.raw) == b""


def test_a_dropped_socket_frees_itself_while_connecting(qtbot: Any, peer: Peer) -> None:
    socket = QWebSocket()
    socket.open(peer.url())
    reference = weakref.ref(socket)
    del socket
    assert reference() is None


def test_a_socket_that_was_closed_is_freed(qtbot: Any, peer: Peer) -> None:
    socket = opened(qtbot, peer)
    with qtbot.waitSignal(socket.disconnected, timeout=PATIENCE):
        socket.close()
    reference = weakref.ref(socket)
    del socket
    assert reference() is None


def test_a_socket_that_was_refused_is_freed(qtbot: Any) -> None:
    socket = QWebSocket()
    with qtbot.waitSignal(socket.errorOccurred, timeout=PATIENCE):
        socket.open("ws://127.0.0.1:1/")
    reference = weakref.ref(socket)
    del socket
    assert reference() is None


def test_messages_leave_nothing_that_holds_it(qtbot: Any, peer: Peer) -> None:
    socket = opened(qtbot, peer)
    socket.setOutgoingFrameSize(10)
    socket.sendTextMessage("x" * 100)
    socket.ping()
    with qtbot.waitSignal(socket.pong, timeout=PATIENCE):
        peer.link.send(frame(TEXT, b"a" * 1000) + frame(PONG, b"p"))
    reference = weakref.ref(socket)
    del socket
    assert reference() is None


class Owner(QObject):
    """A program's object around a socket, connected by bound methods."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.socket = QWebSocket()
        self.socket.textMessageReceived.connect(self.heard_text)
        self.socket.error.connect(self.heard_error)

    def heard_text(self, text: str) -> None:
        self.heard.append(text)

    def heard_error(self, error: Any) -> None:
        self.heard.append(error.name)


def test_bound_methods_do_not_hold_socket_or_owner(qtbot: Any, peer: Peer) -> None:
    owner = Owner()
    heard = owner.heard
    owner.socket.open(peer.url())
    qtbot.waitUntil(lambda: bool(peer.requests), timeout=PATIENCE)
    peer.link.send(frame(TEXT, b"x"))
    qtbot.waitUntil(lambda: heard == ["x"], timeout=PATIENCE)
    references = [weakref.ref(owner), weakref.ref(owner.socket)]
    del owner
    assert [reference() for reference in references] == [None, None]
    ends(qtbot, peer.link)


# Deletion in C++


def test_delete_later_says_1001(client: Client, link: Link) -> None:
    client.socket.deleteLater()
    client.until(lambda: link.eof)
    assert link.payloads(CLOSE) == [GOING_AWAY]
    assert client.lines == ["aboutToClose"]
    assert not isValid(client.socket)


def test_a_parent_takes_the_socket_with_it(qtbot: Any, peer: Peer) -> None:
    parent = QObject()
    socket = opened(qtbot, peer, parent)
    delete(parent)
    assert not isValid(socket)
    ends(qtbot, peer.link)
    assert peer.link.payloads(CLOSE) == [GOING_AWAY]


def test_a_parent_keeps_the_socket(qtbot: Any, peer: Peer) -> None:
    parent = QObject()
    reference = weakref.ref(opened(qtbot, peer, parent))
    assert reference() is not None
    peer.link.send(close_frame())
    ends(qtbot, peer.link)


def test_delete_later_after_the_end_does_no_harm(client: Client, link: Link) -> None:
    client.socket.close()
    client.until_last("readChannelFinished")
    client.socket.deleteLater()
    client.until(lambda: not isValid(client.socket))
    assert client.lines[-1] == "readChannelFinished"


@pytest.mark.beyond("it crashes when its last reference goes in a slot", crashes=True)
@pytest.mark.parametrize(
    "signal",
    [
        "stateChanged",
        "connected",
        "textFrameReceived",
        "textMessageReceived",
        "pong",
        "aboutToClose",
        "disconnected",
        "readChannelFinished",
        "bytesWritten",
        "errorOccurred",
    ],
)
def test_the_last_reference_may_go_in_a_slot(qtbot: Any, peer: Peer, signal: str) -> None:
    holder = [QWebSocket()]
    getattr(holder[0], signal).connect(lambda *_: holder.clear())
    holder[0].open(peer.url() if signal != "errorOccurred" else "ws://127.0.0.1:1/")
    if signal not in ("errorOccurred", "connected", "stateChanged", "bytesWritten"):
        qtbot.waitUntil(lambda: bool(peer.links), timeout=PATIENCE)
        qtbot.waitUntil(lambda: peer.link.upgraded, timeout=PATIENCE)
        peer.link.send(frame(PONG, b"p") + frame(TEXT, b"x") + frame(TEXT, b"y") + close_frame())
    qtbot.waitUntil(lambda: not holder, timeout=PATIENCE)
    qtbot.wait(50)


# Nothing grows


def cycle(client: Client, peer: Peer) -> None:
    client.socket.open(peer.url())
    client.until_last("connected")
    peer.link.send(frame(TEXT, b"x" * 1000))
    client.until(lambda: client.lines[-1].startswith("text:"))
    client.socket.close()
    client.until_last("readChannelFinished")
    client.trace.take()
    peer.links.pop().end()


def test_memory_and_descriptors_stay_flat_over_connections(client: Client, peer: Peer) -> None:
    for _ in range(20):
        cycle(client, peer)
    memory, descriptors = resident_mib(), open_descriptors()
    for _ in range(150):
        cycle(client, peer)
    gc.collect()
    assert resident_mib() - memory < 8
    assert open_descriptors() - descriptors <= 8


def test_no_children_pile_up(client: Client, peer: Peer) -> None:
    for _ in range(3):
        cycle(client, peer)
    children = len(client.socket.findChildren(QObject))
    for _ in range(10):
        cycle(client, peer)
    client.settle()
    assert len(client.socket.findChildren(QObject)) <= children + 1


def test_memory_stays_flat_over_messages(qtbot: Any, peer: Peer) -> None:
    heard: list[int] = [0]

    def count(text: str) -> None:
        heard[0] += 1

    socket = opened(qtbot, peer)
    socket.textMessageReceived.connect(count)
    batch = frame(TEXT, b"x" * 125) * 2000

    def receive(batches: int) -> None:
        expected = heard[0] + 2000 * batches
        for _ in range(batches):
            peer.link.send(batch)
        qtbot.waitUntil(lambda: heard[0] == expected, timeout=60_000)

    receive(5)
    memory = resident_mib()
    receive(50)
    assert resident_mib() - memory < 8


def test_memory_stays_flat_over_sockets(qtbot: Any, peer: Peer) -> None:
    def make(count: int) -> None:
        for _ in range(count):
            opened(qtbot, peer)
            peer.links.pop().end()

    make(20)
    memory = resident_mib()
    make(100)
    assert resident_mib() - memory < 8
