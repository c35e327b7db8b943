"""Servers in threads of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QMetaObject, QObject, Qt, QThread, Signal, Slot
from PySide6.QtNetwork import QHostAddress
from shiboken6.Shiboken import isValid

from support.client import Client
from support.peer import CLOSE, TEXT
from support.qtmodule import QWebSocketServer
from support.server import Caller, Serving, all_of, masked, masked_close, request

pytest_plugins = ["support.server"]

QUEUED = Qt.ConnectionType.QueuedConnection


class Worker(QObject):
    """An echo server that is made, used and ended in the thread of this object."""

    ended = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.strangers = 0
        self.clients: list[Any] = []
        self._server: Any = None

    @Slot()
    def start(self) -> None:
        """Listen."""
        self._server = QWebSocketServer("worker", QWebSocketServer.SslMode.NonSecureMode, self)
        self._server.setMaxPendingConnections(200)
        self._server.newConnection.connect(self._on_new_connection)
        self._server.listen(QHostAddress("127.0.0.1"), 0)
        self.port = self._server.serverPort()

    @Slot()
    def stop(self) -> None:
        """Close and delete the server, and end the thread."""
        self._server.closed.connect(self._on_closed)
        self._server.close()

    @Slot()
    def _on_new_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.textMessageReceived.connect(self._on_text)
            socket.disconnected.connect(self._on_disconnected)
            self.clients.append(socket)

    @Slot(str)
    def _on_text(self, text: str) -> None:
        self.strangers += QThread.currentThread() is not self.thread()
        self.sender().sendTextMessage(text.upper())

    @Slot()
    def _on_disconnected(self) -> None:
        gone = self.sender()
        self.clients = [client for client in self.clients if client is not gone]
        gone.deleteLater()

    @Slot()
    def _on_closed(self) -> None:
        self.clients.clear()
        self._server.deleteLater()
        self._server.destroyed.connect(self.ended)
        self._server = None


@pytest.fixture
def make_worker(qtbot: Any) -> Iterator[Callable[[], Worker]]:
    """Start servers in threads of their own, and end them."""
    made: list[tuple[Worker, QThread]] = []
    callers: list[Caller] = []

    def make() -> Worker:
        worker, thread = Worker(), QThread()
        made.append((worker, thread))
        worker.moveToThread(thread)
        worker.ended.connect(thread.quit)
        thread.start()
        QMetaObject.invokeMethod(worker, "start", QUEUED)
        qtbot.waitUntil(lambda: worker.port > 0, timeout=15_000)
        return worker

    make.callers = callers  # type: ignore[attr-defined]
    yield make
    for worker, thread in made:
        QMetaObject.invokeMethod(worker, "stop", QUEUED)
        qtbot.waitUntil(thread.isFinished, timeout=15_000)
        assert thread.wait(15_000)
    for caller in callers:
        caller.end()


def call(make_worker: Any, worker: Worker, *chunks: bytes) -> Caller:
    caller = Caller(worker.port)
    make_worker.callers.append(caller)
    caller.send(*chunks)
    return caller


def test_a_server_serves_in_its_thread(qtbot: Any, make_worker: Any) -> None:
    worker = make_worker()
    caller = call(make_worker, worker, request())
    qtbot.waitUntil(lambda: caller.answer is not None, timeout=15_000)
    qtbot.waitUntil(lambda: len(worker.clients) == 1, timeout=15_000)
    caller.send(masked(TEXT, b"hello"))
    qtbot.waitUntil(lambda: bool(caller.frames), timeout=15_000)
    assert caller.payloads() == [b"HELLO"]
    assert worker.strangers == 0
    caller.send(masked_close())
    qtbot.waitUntil(lambda: caller.eof, timeout=15_000)
    assert caller.payloads(CLOSE) == [b"\x03\xe8"]
    qtbot.waitUntil(lambda: worker.clients == [], timeout=15_000)


def test_servers_serve_in_several_threads(qtbot: Any, make_worker: Any) -> None:
    workers = [make_worker() for _ in range(3)]
    callers = [call(make_worker, worker, request()) for worker in workers for _ in range(10)]
    qtbot.waitUntil(lambda: all_of(callers, lambda item: item.answer), timeout=30_000)
    qtbot.waitUntil(lambda: sum(len(item.clients) for item in workers) == 30, timeout=30_000)
    for turn in range(20):
        for number, caller in enumerate(callers):
            caller.send(masked(TEXT, f"m{number}.{turn}".encode()))
    qtbot.waitUntil(lambda: all_of(callers, lambda item: len(item.frames) == 20), timeout=60_000)
    for number, caller in enumerate(callers):
        assert caller.payloads() == [f"M{number}.{turn}".encode() for turn in range(20)]
    assert [worker.strangers for worker in workers] == [0, 0, 0]


def test_ending_the_thread_ends_the_connections(qtbot: Any, make_worker: Any) -> None:
    worker = make_worker()
    thread = worker.thread()
    callers = [call(make_worker, worker, request()) for _ in range(5)]
    qtbot.waitUntil(lambda: len(worker.clients) == 5, timeout=15_000)
    QMetaObject.invokeMethod(worker, "stop", QUEUED)
    qtbot.waitUntil(thread.isFinished, timeout=15_000)
    qtbot.waitUntil(lambda: all_of(callers, lambda item: item.eof), timeout=15_000)


def test_clients_of_the_same_package_talk_to_another_thread(
    make_client: Callable[..., Client], make_worker: Any
) -> None:
    worker = make_worker()
    client = make_client()
    client.socket.open(f"ws://127.0.0.1:{worker.port}/")
    client.until_line("connected")
    client.until(lambda: worker.clients)
    client.socket.sendTextMessage("hello")
    client.until_line("text:HELLO")
    client.socket.close()
    client.until_line("readChannelFinished")


@pytest.fixture
def thread(qapp: Any) -> Iterator[QThread]:
    """A running thread with an event loop."""
    made = QThread()
    made.start()
    yield made
    made.quit()
    assert made.wait(15_000)


@pytest.mark.beyond("it dies", crashes=True)
def test_a_listening_server_is_moved_to_a_thread(serving: Serving, thread: QThread) -> None:
    serving.server.moveToThread(thread)
    caller = serving.call(request())
    serving.until(lambda: caller.answer)
    serving.until_line("newConnection")
    serving.server.deleteLater()
    serving.until(lambda: not isValid(serving.server))
    serving.until_ended(caller)
