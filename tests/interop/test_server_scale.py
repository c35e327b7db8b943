"""Many clients: two thousand on one server in one thread, and servers in several threads."""

import contextlib
import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, Qt, QThread, Signal

from interop.server_programs.serving import HERE, Runner, Server
from support.process import find_program, open_descriptors

CLIENTS = 2000
MESSAGES = 5


@pytest.fixture
def runner(qtbot: Any) -> Iterator[Runner]:
    """Runs clients while the test's event loop serves them."""
    runner = Runner(qtbot)
    yield runner
    runner.end()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let this process have as many files open as there are clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, CLIENTS + 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def crowd(node_modules: Path, clients: int, *urls: str) -> list[str | Path]:
    """The command for so many clients at each of these URLs."""
    node = find_program("node", package="nodejs")
    return [node, HERE / "crowd.mjs", node_modules, str(clients), str(MESSAGES), *urls]


def all_went_well(count: int) -> dict[str, int]:
    """What a crowd of so many clients says when nothing was lost."""
    return {"opened": count, "echoed": count * MESSAGES, "wrong": 0, "closed": count}


@pytest.mark.usefixtures("many_descriptors")
def test_two_thousand_clients_are_served_at_once_in_one_thread(runner: Runner, node_modules: Path):
    with contextlib.closing(Server()) as server:
        before = open_descriptors()
        result = runner.run_json(crowd(node_modules, CLIENTS, server.url()))
        assert result == all_went_well(CLIENTS)
        assert server.errors == []
        assert len(server.sessions) == CLIENTS
        runner.until(lambda: all(session.end == (1000, "") for session in server.sessions))
        runner.until(lambda: open_descriptors() <= before)


class Worker(QObject):
    """Makes a server in the thread that this object lives in, and ends it there."""

    listening = Signal(str)
    ended = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._server: Server | None = None
        self.threads: set[QThread] = set()

    def begin(self) -> None:
        """Make the server, and tell its URL."""
        self._server = Server()
        self._server.server.newConnection.connect(self._note_thread)
        self.listening.emit(self._server.url())

    def _note_thread(self) -> None:
        self.threads.add(QThread.currentThread())

    def end(self) -> None:
        """Delete the server, and tell how many sessions it had that ended well."""
        assert self._server is not None
        ended = [session.end for session in self._server.sessions]
        self._server.close()
        self._server = None
        self.ended.emit(ended.count((1000, "")))


class Threads(QObject):
    """Four servers in four threads; what they say arrives in the thread of the test."""

    begun = Signal()
    ending = Signal()

    def __init__(self, count: int) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.counts: list[int] = []
        self.threads = [QThread() for _ in range(count)]
        self.workers = [Worker() for _ in range(count)]
        for worker, thread in zip(self.workers, self.threads, strict=True):
            worker.moveToThread(thread)
            thread.start()
            self.begun.connect(worker.begin, Qt.ConnectionType.QueuedConnection)
            self.ending.connect(worker.end, Qt.ConnectionType.QueuedConnection)
            worker.listening.connect(self._on_listening)
            worker.ended.connect(self._on_ended)

    def _on_listening(self, url: str) -> None:
        self.urls.append(url)

    def _on_ended(self, count: int) -> None:
        self.counts.append(count)

    def stop(self) -> None:
        """End the threads; what lives in them goes with its thread."""
        for thread in self.threads:
            thread.quit()
        assert all(thread.wait(10_000) for thread in self.threads)


def test_servers_in_four_threads_serve_fifty_clients_each(runner: Runner, node_modules: Path):
    threads = Threads(4)
    try:
        threads.begun.emit()
        runner.until(lambda: len(threads.urls) == 4)
        # The threads serve; this one only waits, and takes no part in what they do.
        command = crowd(node_modules, 50, *threads.urls)
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout) == all_went_well(200)
        threads.ending.emit()
        runner.until(lambda: len(threads.counts) == 4)
    finally:
        threads.stop()
    assert threads.counts == [50] * 4
    used = [worker.threads for worker in threads.workers]
    assert used == [{thread} for thread in threads.threads]
