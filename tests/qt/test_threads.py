"""Sockets in threads of their own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Q_ARG, QMetaObject, QObject, Qt, QThread, QUrl, Signal, Slot
from shiboken6.Shiboken import isValid

from support.client import CLOSED, OPENED, Client
from support.peer import CLOSE, TEXT, Peer, frame
from support.qtmodule import QWebSocket

QUEUED = Qt.ConnectionType.QueuedConnection


@pytest.fixture
def thread(qapp: Any) -> Iterator[QThread]:
    """A running thread with an event loop."""
    made = QThread()
    made.start()
    yield made
    made.quit()
    assert made.wait(15_000)


def moved(client: Client, thread: QThread) -> Any:
    assert client.socket.moveToThread(thread) is not False
    assert client.socket.thread() is thread
    return client.socket


def gone(client: Client) -> None:
    """Delete the socket in its thread."""
    client.socket.deleteLater()
    client.until(lambda: not isValid(client.socket))


def test_a_socket_is_moved_before_it_is_opened(client: Client, peer: Peer, thread: QThread) -> None:
    socket = moved(client, thread)
    QMetaObject.invokeMethod(socket, "open", QUEUED, Q_ARG("QUrl", QUrl(peer.url())))
    client.until_last("connected")
    peer.link.send(frame(TEXT, b"hello"))
    client.until_last("text:hello")
    QMetaObject.invokeMethod(socket, "close", QUEUED)
    client.until_last("readChannelFinished")
    assert client.lines == [*OPENED, "textFrame:hello:last", "text:hello", *CLOSED]
    assert peer.link.payloads(CLOSE) == [b"\x03\xe8"]
    gone(client)


def test_an_open_socket_is_moved(client: Client, peer: Peer, thread: QThread) -> None:
    link = client.connect(peer)
    socket = moved(client, thread)
    link.send(frame(TEXT, b"hello"))
    client.until_line("text:hello")
    QMetaObject.invokeMethod(socket, "close", QUEUED)
    client.until_last("readChannelFinished")
    assert client.lines == ["textFrame:hello:last", "text:hello", *CLOSED]
    gone(client)


def test_deleting_it_in_its_thread_says_1001(client: Client, peer: Peer, thread: QThread) -> None:
    link = client.connect(peer)
    moved(client, thread)
    gone(client)
    client.until(lambda: link.eof)
    assert link.payloads(CLOSE) == [b"\x03\xe9Connection closed"]


class Worker(QObject):
    """Makes its socket in the thread that it was moved to, and lives there with it."""

    heard = Signal(str)
    finished = Signal()

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._socket: Any = None

    @Slot()
    def start(self) -> None:
        self._socket = QWebSocket()
        self._socket.connected.connect(self._on_connected)
        self._socket.textMessageReceived.connect(self._on_text)
        self._socket.disconnected.connect(self._socket.deleteLater)
        self._socket.destroyed.connect(self.finished)
        self._socket.open(self._url)

    @Slot()
    def _on_connected(self) -> None:
        same = QThread.currentThread() is self.thread()
        self._socket.sendTextMessage("own thread" if same else "other thread")

    @Slot(str)
    def _on_text(self, text: str) -> None:
        self.heard.emit(text)
        self._socket.close()


def test_a_worker_has_a_socket_of_its_own(qtbot: Any, peer: Peer, thread: QThread) -> None:
    heard: list[str] = []
    worker = Worker(peer.url())
    worker.moveToThread(thread)
    worker.heard.connect(heard.append)
    worker.finished.connect(thread.quit)
    QMetaObject.invokeMethod(worker, "start", QUEUED)
    qtbot.waitUntil(lambda: bool(peer.links) and bool(peer.link.frames), timeout=15_000)
    peer.link.send(frame(TEXT, b"bye"))
    qtbot.waitUntil(lambda: heard == ["bye"] and thread.isFinished(), timeout=15_000)
    assert peer.link.frames[0].payload == b"own thread"


def test_many_threads_have_sockets(qtbot: Any, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer()
    threads = [QThread() for _ in range(4)]
    workers = [Worker(peer.url(f"/{number}")) for number in range(4)]
    for worker, thread in zip(workers, threads, strict=True):
        worker.moveToThread(thread)
        worker.finished.connect(thread.quit)
    for worker, thread in zip(workers, threads, strict=True):
        thread.start()
        QMetaObject.invokeMethod(worker, "start", QUEUED)
    qtbot.waitUntil(lambda: sum(len(link.frames) for link in peer.links) == 4, timeout=15_000)
    for link in peer.links:
        link.send(frame(TEXT, b"bye"))
    qtbot.waitUntil(lambda: all(thread.isFinished() for thread in threads), timeout=15_000)
    assert all(link.eof for link in peer.links)


DESTROYS_RECEIVERS = """
import sys
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, QTimer, Slot
from support.qtmodule import QWebSocket

application = QCoreApplication(sys.argv)


class Receiver(QObject):
    @Slot()
    def hear(self):
        pass


class Thread(QThread):
    def run(self):
        for _ in range(600):
            sockets = [QWebSocket() for _ in range(8)]
            receiver = Receiver()
            for socket in sockets:
                socket.connected.connect(receiver.hear)
            receiver.deleteLater()
            QCoreApplication.sendPostedEvents(receiver, QEvent.Type.DeferredDelete)


threads = [Thread() for _ in range(4)]
for thread in threads:
    thread.start()
timers, receiver = [QTimer() for _ in range(50)], Receiver()
while any(thread.isRunning() for thread in threads):
    for timer in timers:
        timer.timeout.connect(receiver.hear)
        timer.timeout.disconnect(receiver.hear)
print("done")
"""


@pytest.mark.beyond("PySide takes the GIL with one of Qt's locks held, and hangs", crashes=True)
def test_receivers_may_be_destroyed_while_other_threads_connect() -> None:
    program = subprocess.run(
        [sys.executable, "-c", DESTROYS_RECEIVERS],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parent.parent,
        text=True,
        timeout=100,
    )
    assert (program.stdout, program.stderr, program.returncode) == ("done\n", "", 0)
