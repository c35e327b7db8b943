"""A program written for Qt's QWebSocket that goes through all cases of a fuzzing server.

``python -m conformance.client URL AGENT`` (in ``tests/``), on the module that
PYQWEBSOCKET_TEST_MODULE names. One QWebSocket is opened again for each case and echoes what it
gets. It ends with 1 when a connection does not end in time, with 2 at an exception in a slot.
"""

import sys
import time
from functools import partial
from types import TracebackType

from PySide6.QtCore import (
    QByteArray,
    QCoreApplication,
    QObject,
    Qt,
    QTimer,
    QUrl,
    QUrlQuery,
    Signal,
    Slot,
)

from support.qtmodule import MODULE_NAME, QWebSocket

PATIENCE = 180_000
"""Milliseconds that one case may take; the suite itself gives its slowest cases 120 s."""


class ConformanceClient(QObject):
    """Asks how many cases there are, echoes through each of them, and has the report written."""

    finished = Signal(bool)

    def __init__(self, server: QUrl, agent: str) -> None:
        super().__init__()
        self._server = server
        self._agent = agent
        self._case_count = 0
        self._case = 0
        self._socket = QWebSocket(parent=self)
        self._watchdog = QTimer(self, interval=PATIENCE, singleShot=True)
        self._connect_signals()

    @property
    def case_count(self) -> int:
        """How many cases the server has."""
        return self._case_count

    @Slot()
    def start(self) -> None:
        """Begin by asking for the number of cases."""
        self._open("/getCaseCount")

    def _connect_signals(self) -> None:
        self._socket.textMessageReceived.connect(self._on_text)
        self._socket.binaryMessageReceived.connect(self._on_binary)
        # Queued, so that the next open() finds everything of this connection done and reported.
        self._socket.disconnected.connect(self._on_disconnected, Qt.ConnectionType.QueuedConnection)
        self._watchdog.timeout.connect(self._on_stalled)

    def _open(self, path: str, **query: str) -> None:
        items = QUrlQuery()
        for name, value in query.items():
            items.addQueryItem(name, value)
        url = QUrl(self._server)
        url.setPath(path)
        url.setQuery(items)
        self._watchdog.start()
        self._socket.open(url)

    @Slot(str)
    def _on_text(self, message: str) -> None:
        if self._case:
            self._socket.sendTextMessage(message)
        else:
            self._case_count = int(message)

    @Slot(QByteArray)
    def _on_binary(self, message: QByteArray) -> None:
        self._socket.sendBinaryMessage(message)

    @Slot()
    def _on_disconnected(self) -> None:
        self._case += 1
        if self._case <= self._case_count:
            self._open("/runCase", case=str(self._case), agent=self._agent)
        elif self._case == self._case_count + 1:
            self._open("/updateReports", agent=self._agent)
        else:
            self._watchdog.stop()
            self.finished.emit(self._case_count > 0)

    @Slot()
    def _on_stalled(self) -> None:
        print(f"case {self._case} of {self._case_count} did not end", file=sys.stderr)
        self.finished.emit(False)


def main(url: str, agent: str) -> int:
    """Run all cases of the server at *url* and print how long they took."""
    app = QCoreApplication(sys.argv)
    sys.excepthook = partial(_give_up, app)
    client = ConformanceClient(QUrl(url), agent)
    client.finished.connect(partial(_quit, app))
    QTimer.singleShot(0, client.start)
    started = time.monotonic()
    code = app.exec()
    seconds = time.monotonic() - started
    print(f"{MODULE_NAME}: {client.case_count} cases in {seconds:.1f} s", flush=True)
    return code


def _quit(app: QCoreApplication, success: bool) -> None:
    app.exit(0 if success else 1)


def _give_up(
    app: QCoreApplication,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    """An exception in a slot, ours or the package's: say so, and run no further case."""
    sys.__excepthook__(kind, error, traceback)
    app.exit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
