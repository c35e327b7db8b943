"""A socket under test, with its trace and the waits that tests need."""

from collections.abc import Callable
from typing import Any

import pytest
from shiboken6.Shiboken import delete, isValid

from support.peer import PONG, Link, Peer, frame
from support.qtmodule import QWebSocket
from support.trace import Trace

PATIENCE = 15_000  # ms that a wait may take on a busy machine

# What the signals of a connection look like, from beginning to end.
OPENED = ["state:Connecting", "state:Connected", "connected"]
ENDED = ["state:Unconnected", "disconnected", "readChannelFinished"]
CLOSED = ["aboutToClose", "aboutToClose", "state:Closing", *ENDED]
ABORTED = ["aboutToClose", *ENDED]


def failed(error: str) -> list[str]:
    """Both signals that report an error."""
    return [f"errorOccurred:{error}Error", f"error:{error}Error"]


LOST = [*failed("RemoteHostClosed"), "state:Closing", *ENDED]
REFUSED = ["state:Connecting", *failed("ConnectionRefused"), *ENDED]


class Client:
    """A socket under test with its trace, and the waits that tests need."""

    def __init__(self, qtbot: Any, *args: Any, **kwargs: Any) -> None:
        self.qtbot = qtbot
        self.socket = QWebSocket(*args, **kwargs)
        self.trace = Trace(self.socket)
        self.peer: Any = None

    @property
    def lines(self) -> list[str]:
        """What was emitted so far."""
        return self.trace.lines

    def until(self, condition: Callable[[], Any], timeout: int = PATIENCE) -> None:
        """Wait in an event loop until the condition holds."""
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=timeout)

    def until_line(self, line: str, count: int = 1, timeout: int = PATIENCE) -> None:
        """Wait until the trace has this line."""
        try:
            self.until(lambda: self.lines.count(line) >= count, timeout)
        except self.qtbot.TimeoutError:
            pytest.fail(f"no {line!r} in {self.lines}")

    def until_last(self, line: str, timeout: int = PATIENCE) -> None:
        """Wait until the trace ends with this line."""
        try:
            self.until(lambda: self.lines[-1:] == [line], timeout)
        except self.qtbot.TimeoutError:
            pytest.fail(f"{line!r} is not the last of {self.lines}")

    def settle(self) -> None:
        """Run the event loop for a moment, to see that nothing else comes."""
        self.qtbot.wait(60)

    def until_answered(self) -> None:
        """Wait until the server has everything that was sent up to now (open sockets only)."""
        link = self.peer.link
        self.socket.ping(b"barrier")
        self.until(lambda: link.frames[-1:] and link.frames[-1].payload == b"barrier")
        link.frames.pop()

    def until_delivered(self) -> None:
        """Wait until everything that the server sent up to now was delivered (open sockets)."""
        self.peer.link.send(frame(PONG, b"barrier"))
        self.until_line("pong:b'barrier'")
        self.lines.remove("pong:b'barrier'")

    def end(self) -> None:
        """Abort and delete, so that no timer of this socket reaches into the next test."""
        if self.socket is None or not isValid(self.socket):
            return
        self.socket.blockSignals(True)
        self.socket.abort()
        delete(self.socket)

    def connect(self, peer: Peer, target: str = "/") -> Link:
        """Open, wait for connected, and begin a new trace."""
        self.socket.open(peer.url(target))
        self.until_line("connected")
        self.trace.take()
        self.peer = peer
        return peer.link
