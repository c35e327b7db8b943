"""One TCP or TLS connection of a web socket: its socket, its timers, and its last words."""

from collections import deque
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QSignalBlocker, QTimer, Slot
from PySide6.QtNetwork import QAbstractSocket, QSslSocket, QTcpSocket
from shiboken6 import isValid

from pyqwebsocket._qsignals import settle
from pyqwebsocket._request import Target

_READ_SIZE: Final = 64 * 1024  # bytes; readAll() is slower, and so are larger pieces
_READ_AHEAD: Final = 4 * 1024 * 1024  # bytes; also the fastest: it stays in the cache
_CLOSE_TIMEOUT: Final = 3000  # ms that a peer gets to answer a Close, or to take what is written
_STALL_TIMEOUT: Final = 5000  # ms that may pass within one frame

# Bytes unsent from which answers to pings wait: the peer is not reading.
_BACKLOG: Final = 64 * 1024


# Sockets whose web socket is gone, the oldest first, until the event loop has deleted them.
_outliving: Final[deque[QTcpSocket]] = deque()


class Transport(QObject):
    """The connection below a web socket, from ``open()`` to its end; a child of its session.

    The session wires the socket's signals; what is here needs no protocol.

    Args:
        socket: the socket; it becomes a child of this object.
        parent: the session.

    Attributes:
        socket: the socket.
        finished: whether the connection is being closed; nothing that it brings counts any more.
        open_timeout: the time that ``open()`` may take, in milliseconds.
    """

    def __init__(self, socket: QTcpSocket, parent: QObject) -> None:
        super().__init__(parent)
        self.socket = socket
        self.finished = False
        self.open_timeout = 0
        self._open_timer: QTimer | None = None
        self._stall_timer: QTimer | None = None
        self._stalled: Callable[[], None] | None = None
        self._stall_confirmed = False
        self._close_timer: QTimer | None = None
        self._next_turn: QTimer | None = None
        self._unsent_at_last_look: int | None = None
        self._when_written: Callable[[], None] | None = None
        settle(socket)
        socket.setParent(self)

    def connect_to(self, target: Target) -> None:
        """Connect to the target's host, over TLS where it wants that."""
        if isinstance(self.socket, QSslSocket):
            self.socket.setProtocolTag("https")  # what proxy factories are asked for, as Qt
            self.socket.connectToHostEncrypted(target.host, target.port)
        else:
            self.socket.setProtocolTag("http")
            self.socket.connectToHost(target.host, target.port)

    def prepare_connected(self) -> None:
        """Options that only a connected socket takes: send small frames at once, as Qt."""
        self.socket.setSocketOption(QAbstractSocket.SocketOption.LowDelayOption, 1)
        self.socket.setSocketOption(QAbstractSocket.SocketOption.KeepAliveOption, 1)

    # Bytes

    def set_read_buffer_size(self, size: int) -> None:
        """Bound the socket's buffer; without a bound of the program's there is still one.

        While slots take their time and the event loop has its turns, the socket would go on
        reading from a peer that floods it. Bounded, TCP itself makes the peer wait.
        """
        self.socket.setReadBufferSize(size if size > 0 else _READ_AHEAD)

    def read(self) -> bytes:
        """The next piece of what has arrived; b"" when there is no more."""
        socket = self.socket
        if not socket.isOpen():
            return b""
        # No more than there is, for Qt allocates what it is asked for: 64 KiB for each small
        # message leave holes in the heap. At least 1, for only a read that wants more than there
        # is lets a socket whose buffer was full read on.
        size = min(socket.bytesAvailable(), _READ_SIZE) or 1
        return bytes(socket.read(size).data())

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket, which sends them when it can."""
        if data:
            self.socket.write(data)

    def backlogged(self) -> bool:
        """Whether so much is unsent that answers to pings would only add to it."""
        return self.socket.bytesToWrite() > _BACKLOG

    def call_when_written(self, slot: Callable[[], None]) -> None:
        """Call ``slot`` once the peer has taken some of what is unsent."""
        if self._when_written is None:
            self.socket.bytesWritten.connect(self._on_bytes_written)
        self._when_written = slot

    @Slot()
    def _on_bytes_written(self) -> None:
        slot = self._when_written
        if slot is not None and not self.backlogged():
            self._when_written = None
            self.socket.bytesWritten.disconnect(self._on_bytes_written)
            slot()

    # Ends

    def discard(self) -> None:
        """Let go of the connection without another signal; what was written is still flushed."""
        self.stop_timers()
        self.socket.blockSignals(True)  # noqa: FBT003 - Qt's own, and for good
        self.socket.flush()
        self.socket.abort()

    def outlive(self, farewell: bytes) -> None:
        """End the connection with its last bytes; the owner is being destroyed.

        The socket stays until the event loop turns: a slot that drops the last reference to a web
        socket may have been called by this socket's own signal, which has to find it alive.
        """
        socket = self.socket
        if not isValid(socket):
            return  # a socket that the program gave to a server, and destroyed
        with QSignalBlocker(socket):
            self.write(farewell)
            socket.flush()
            socket.disconnectFromHost()
            socket.abort()
        while _outliving and not isValid(_outliving[0]):
            _outliving.popleft()
        socket.setParent(None)
        _outliving.append(socket)
        socket.deleteLater()

    def abort(self) -> None:
        """End the connection at once."""
        self.stop_timers()
        self.finished = True
        self.socket.abort()

    def finish(self) -> None:
        """Close the socket when all is written, or when the peer does not take it."""
        self.stop_timers()
        self.finished = True
        self.socket.close()
        self._watch_closing()

    def refuse(self) -> None:
        """End a connection that never was a web socket's; abort() alone would say aboutToClose."""
        self.stop_timers()
        self.finished = True
        if self.socket.state() == QAbstractSocket.SocketState.ConnectedState:
            self.socket.disconnectFromHost()
            self._watch_closing()
        else:
            with QSignalBlocker(self.socket):
                self.socket.abort()

    def _watch_closing(self) -> None:
        """See that the socket gets to its end though the peer may take nothing any more."""
        if self.socket.state() != QAbstractSocket.SocketState.UnconnectedState:
            self._unsent_at_last_look = self._unsent()
            self.start_close_timer()

    def _unsent(self) -> int:
        socket = self.socket
        encrypted = socket.encryptedBytesToWrite() if isinstance(socket, QSslSocket) else 0
        return socket.bytesToWrite() + encrypted

    # Timers. Children, so that they follow moveToThread(); each made when it is first needed.

    def _new_timer(self, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        settle(timer)
        timer.setSingleShot(True)
        timer.timeout.connect(slot)
        return timer

    def start_open_timer(self, timeout: int, slot: Callable[[], None]) -> None:
        """Call ``slot`` unless the connection is open within ``timeout`` milliseconds."""
        self.open_timeout = timeout
        if self._open_timer is None:
            self._open_timer = self._new_timer(slot)
        self._open_timer.start(timeout)

    @Slot()
    def pause_open_timer(self) -> None:
        """The program was asked something: the time that it takes does not count."""
        if self._open_timer is not None:
            self._open_timer.stop()

    @Slot()
    def resume_open_timer(self) -> None:
        """The program has answered: the peer has the whole time again."""
        if self._open_timer is not None:
            self._open_timer.start(self.open_timeout)

    def watch_for_stall(self, slot: Callable[[], None], *, enabled: bool) -> None:
        """Call ``slot`` when a frame that has begun stands still for five seconds."""
        self._stalled, self._stall_confirmed = slot, False
        if enabled:
            if self._stall_timer is None:
                self._stall_timer = self._new_timer(self._on_stall_timeout)
            self._stall_timer.start(_STALL_TIMEOUT)
        elif self._stall_timer is not None:
            self._stall_timer.stop()

    @Slot()
    def _on_stall_timeout(self) -> None:
        """Give bytes that came while the event loop was busy one turn to be read."""
        if self._stalled is None or self._stall_timer is None:
            return
        if self._stall_confirmed:
            self._stalled()
        else:
            self._stall_confirmed = True
            self._stall_timer.start(0)

    def call_next_turn(self, slot: Callable[[], None]) -> None:
        """Call ``slot`` once the event loop has looked after everything else."""
        if self._next_turn is None:
            self._next_turn = self._new_timer(slot)
        self._next_turn.start(0)

    def start_close_timer(self) -> None:
        """Give the peer three seconds to answer our Close; then the socket is closed."""
        if self._close_timer is None:
            self._close_timer = self._new_timer(self._on_close_timeout)
        self._close_timer.start(_CLOSE_TIMEOUT)

    @Slot()
    def _on_close_timeout(self) -> None:
        if self._unsent_at_last_look is None:
            self.finish()
        elif (unsent := self._unsent()) < self._unsent_at_last_look:
            self._unsent_at_last_look = unsent  # slow, but it reads
            self.start_close_timer()
        else:
            self.abort()

    def stop_timers(self) -> None:
        """Nothing is waited for any more."""
        for timer in (self._open_timer, self._stall_timer, self._close_timer, self._next_turn):
            if timer is not None:
                timer.stop()
