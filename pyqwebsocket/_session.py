"""One connection of a ``QWebSocket``, from ``open()`` to its end: handshake, messages, close.

The web socket keeps the settings and is what programs see; a session is what happens on one socket,
and emits the web socket's signals. Every emit may run a slot that closes, aborts, reopens or
destroys the web socket, so after each of them ``active()`` is looked at again.
"""

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtNetwork import QAbstractSocket, QSslSocket, QTcpSocket
from shiboken6 import isValid

from pyqwebsocket._engine import codes, messages
from pyqwebsocket._engine import connection as engine
from pyqwebsocket._engine.connection import Connection, Event, Role
from pyqwebsocket._engine.errors import HandshakeError, InvalidRequestError
from pyqwebsocket._engine.handshake import Accepted, Unauthorized
from pyqwebsocket._engine.masking import Payload
from pyqwebsocket._qsignals import to_qstring
from pyqwebsocket._request import Opening
from pyqwebsocket._transport import Transport
from pyqwebsocket.qwebsocketprotocol import QWebSocketProtocol

if TYPE_CHECKING:
    from pyqwebsocket.qwebsocket import QWebSocket

CloseCode = QWebSocketProtocol.CloseCode
SocketError = QAbstractSocket.SocketError
SocketState = QAbstractSocket.SocketState

# How long messages are delivered before the event loop gets its turn, in seconds.
_DELIVERY_TIME: Final = 0.008

# How much is read ahead for a socket that waits to be handed out, in bytes.
_QUEUE_BUFFER: Final = 64 * 1024


class Session(QObject):
    """A socket, and the engine that makes sense of its bytes; a child of the web socket.

    Args:
        owner: the web socket.
        socket: its socket, which becomes a child of this object.

    Attributes:
        transport: the socket and the timers.
        connection: the engine of the open connection; None before and after.
    """

    def __init__(self, owner: "QWebSocket", socket: QTcpSocket) -> None:
        super().__init__(owner)
        self._active = True
        self.transport = Transport(socket, self)
        self.connection: Connection | None = None
        self._owner = weakref.ref(owner)
        self._opening: Opening | None = None
        self._authorization = b""
        self._delivering = False
        self._error_told = False
        self._ended = False
        self._held = False
        self._missed_error: QAbstractSocket.SocketError | None = None
        self._when_over: Callable[[], object] | None = None
        owner.destroyed.connect(self._on_owner_destroyed)
        self._wire(owner, socket)

    def active(self) -> bool:
        """Whether this is still the web socket's session: ask again after every emit."""
        return self._active

    def _wire(self, owner: "QWebSocket", socket: QTcpSocket) -> None:
        """Every connection of the socket's signals; what needs no thought goes straight through."""
        socket.readyRead.connect(self._on_ready_read)
        socket.stateChanged.connect(self._on_socket_state_changed)
        socket.errorOccurred.connect(self._on_socket_error)
        socket.aboutToClose.connect(owner.aboutToClose)
        socket.readChannelFinished.connect(owner.readChannelFinished)
        questions = [(socket.proxyAuthenticationRequired, owner.proxyAuthenticationRequired)]
        if isinstance(socket, QSslSocket):
            socket.encrypted.connect(self._on_ready_to_open)
            socket.encryptedBytesWritten.connect(owner.bytesWritten)
            socket.alertSent.connect(owner.alertSent)
            socket.alertReceived.connect(owner.alertReceived)
            questions += [
                (socket.peerVerifyError, owner.peerVerifyError),
                (socket.sslErrors, owner.sslErrors),
                (
                    socket.preSharedKeyAuthenticationRequired,
                    owner.preSharedKeyAuthenticationRequired,
                ),
                (socket.handshakeInterruptedOnError, owner.handshakeInterruptedOnError),
            ]
        else:
            socket.connected.connect(self._on_ready_to_open)
            socket.bytesWritten.connect(owner.bytesWritten)
        for ours, theirs in questions:  # a dialog that asks the user takes its time
            ours.connect(self.transport.pause_open_timer)
            ours.connect(theirs)
            ours.connect(self.transport.resume_open_timer)

    @Slot()
    def _on_owner_destroyed(self) -> None:
        """Tell the peer that the web socket is gone (RFC 6455 section 7.4.1: going away)."""
        if not self.__dict__:
            return  # the garbage collector took a cycle apart, and came here first
        self._active = False
        farewell = b""
        if self.connection is not None and self.connection.can_send:
            farewell = self.connection.close(codes.GOING_AWAY, "Connection closed")
        self._be_over()
        self.transport.outlive(farewell)

    def call_when_over(self, slot: Callable[[], object]) -> None:
        """Call ``slot`` when the connection has ended and every slot has heard of it."""
        self._when_over = slot

    @Slot()
    def _be_over(self) -> None:
        slot, self._when_over = self._when_over, None
        owner = self._owner()
        if slot is None or owner is None:
            return
        owner._own_error = SocketError.UnknownSocketError  # as Qt: it outlives its slots no more
        slot()

    # A server's connection: open from the start, and held back until somebody can hear it

    def hold(self, connection: Connection) -> None:
        """Take an open connection, and deliver nothing before ``release()``."""
        self.connection = connection
        self._held = True
        self.transport.prepare_connected()
        self.transport.set_read_buffer_size(_QUEUE_BUFFER)

    def release(self) -> None:
        """Deliver what came meanwhile, from the event loop: slots can be connected before."""
        if not self._held:
            return
        self._held = False
        self.transport.set_read_buffer_size(0)
        self.transport.call_next_turn(self._on_next_turn)

    def go_away(self, reason: str) -> None:
        """Say Close and end the connection in one (RFC 6455 section 7.4.1: going away)."""
        if self.connection is not None:
            self.transport.write(self.connection.close(codes.GOING_AWAY, reason))
            self.transport.socket.flush()
        self.transport.abort()

    def ended_unheard(self) -> bool:
        """Whether the peer left while the connection was held, and nothing it sent is unread."""
        socket = self.transport.socket
        unread = socket.bytesAvailable() or (self.connection and self.connection.has_unread_data)
        return socket.state() == SocketState.UnconnectedState and not unread

    @Slot()
    def _on_next_turn(self) -> None:
        """Go on delivering, and tell what happened while the connection was held."""
        self._on_ready_read()
        error, self._missed_error = self._missed_error, None
        if error is not None:
            self._on_socket_error(error)
        owner = self._owner()
        socket = self.transport.socket
        if (
            owner is not None
            and self.active()
            and not self._delivering
            and socket.state() == SocketState.UnconnectedState
            and not self._ended
        ):
            if owner.state() == SocketState.ConnectedState:
                owner._set_state(SocketState.ClosingState)
            self._on_socket_unconnected(owner)
            if self.active():
                owner.readChannelFinished.emit()

    def discard(self) -> None:
        """Let go of the connection without another signal."""
        self._active = False
        self._be_over()
        self.transport.discard()
        self.deleteLater()

    # Opening

    def begin(self, opening: Opening, timeout: int) -> None:
        """Connect, and begin the opening handshake when that has succeeded.

        Args:
            opening: what to ask of whom.
            timeout: the time until the connection must be open, in milliseconds.
        """
        self._opening = opening
        self.transport.start_open_timer(timeout, self._on_open_timeout)
        self.transport.connect_to(opening.target)

    def take_over(self, former: "Session") -> None:
        """Go on with the opening of another session, whose server wants a new connection."""
        assert former._opening is not None  # noqa: S101 - it asked for this
        self._opening, self._authorization = former._opening, former._authorization
        self.transport.start_open_timer(former.transport.open_timeout, self._on_open_timeout)
        self.transport.connect_to(self._opening.target)

    @Slot()
    def _on_ready_to_open(self) -> None:
        """TCP and TLS are up: send the upgrade request (RFC 6455 section 4.1)."""
        owner = self._owner()
        if owner is None or self._opening is None:
            return
        self.transport.prepare_connected()
        if isinstance(self.transport.socket, QSslSocket):
            owner._set_ssl_session(self.transport.socket.sslConfiguration())
        self._send_request(owner)

    def _send_request(self, owner: "QWebSocket") -> None:
        assert self._opening is not None  # noqa: S101
        try:
            request = self._opening.request(self._authorization)
        except InvalidRequestError as error:
            self._opening = None
            self.transport.abort()
            if self.active():
                owner._report(SocketError.ConnectionRefusedError, str(error))
            return
        self.transport.write(request)

    def _receive_answer(self, owner: "QWebSocket", opening: Opening, data: bytes) -> None:
        try:
            answer = opening.receive_data(data)
            if isinstance(answer, Unauthorized):
                self._authorize(owner, opening, answer)
            elif answer is not None:
                self._accept(owner, answer)
        except HandshakeError as error:
            self._refuse(owner, SocketError.ConnectionRefusedError, str(error))

    def _accept(self, owner: "QWebSocket", answer: Accepted) -> None:
        """The server has switched: from here on the bytes are frames."""
        self._opening = None
        self.transport.stop_timers()
        self.connection = Connection(Role.CLIENT, new_key=owner._mask_keys.new_key)
        owner._set_limits()
        self.connection.receive_data(answer.leftover)
        owner._subprotocol = answer.subprotocol
        owner._set_state(SocketState.ConnectedState)
        if self.active() and not self._ended:
            owner.connected.emit()
        self._update_frame_reports(owner)

    def _authorize(self, owner: "QWebSocket", opening: Opening, answer: Unauthorized) -> None:
        """Answer a 401 with credentials: the URL's, or the program's as long as they change."""
        authentication = opening.authentication
        if not authentication.take(answer.challenges):
            self.transport.pause_open_timer()
            owner.authenticationRequired.emit(authentication.authenticator)
            if not self.active() or self._opening is None:
                return
            self.transport.resume_open_timer()
            if not authentication.changed:
                raise HandshakeError("QWebSocket::processHandshake: Host requires authentication")
        self._authorization = authentication.answer(opening.target.resource_name)
        owner._hide_user_info()
        if answer.reusable:
            self._send_request(owner)
        else:
            opening.restart()
            owner._reconnect(self)

    def _refuse(self, owner: "QWebSocket", error: QAbstractSocket.SocketError, text: str) -> None:
        """The opening handshake has failed: say so, and drop the connection."""
        self._opening = None
        self._error_told = True
        owner._report(error, text)
        if self.active():
            self.transport.refuse()
            if self.transport.socket.state() == SocketState.UnconnectedState:
                self._on_socket_unconnected(owner)  # where the socket's own signal was held back

    @Slot()
    def _on_open_timeout(self) -> None:
        owner = self._owner()
        if owner is not None and self._opening is not None:
            owner._own_error = SocketError.SocketTimeoutError
            self._refuse(owner, SocketError.SocketTimeoutError, "Socket operation timed out")

    def cancel(self, owner: "QWebSocket") -> None:
        """``close()`` before the connection is open: no frame may be sent yet."""
        connecting = self.transport.socket.state() != SocketState.ConnectedState
        refused, self._opening = self._opening is None, None
        if connecting and not refused:
            self._error_told = True
            owner._own_error = SocketError.UnfinishedSocketOperationError
            owner._report(SocketError.UnfinishedSocketOperationError, "Invalid socket descriptor")
            if self.active():
                self.transport.abort()
        if self.active():
            owner.aboutToClose.emit()
        if self.active() and not connecting and not refused:
            self.transport.finish()

    # Receiving

    @Slot()
    def _on_ready_read(self) -> None:
        """Deliver what has come, unless a slot that is being called came here by an event loop."""
        if not self._delivering and not self._held:
            self._deliver(time.monotonic() + _DELIVERY_TIME)

    def _deliver(self, deadline: float) -> None:
        """Deliver messages until there are none left, or the deadline is over."""
        owner = self._owner()
        outermost, self._delivering = not self._delivering, True
        if owner is not None:
            self._update_frame_reports(owner)
        try:
            while owner is not None and self.active() and self._deliver_one(owner):
                if time.monotonic() > deadline:
                    self.transport.call_next_turn(self._on_next_turn)
                    return
        finally:
            if outermost:
                self._delivering = False
        if self.active() and self.connection is not None:
            self.transport.watch_for_stall(self._on_stall, enabled=self.connection.mid_frame)

    def _deliver_one(self, owner: "QWebSocket") -> bool:
        """Deliver the next event, or read the next piece; False when there is nothing to read."""
        if self.connection is not None:
            event = self.connection.next_event()
            if event is not None:
                self._dispatch(owner, event)
                return True
        data = self.transport.read()
        if not data:
            return False
        if self.connection is not None:
            self.connection.receive_data(data)
        elif self._opening is not None:
            self._receive_answer(owner, self._opening, data)
        return True

    def _dispatch(self, owner: "QWebSocket", event: Event) -> None:
        if event[0] == messages.TEXT_MESSAGE:
            owner.textMessageReceived.emit(to_qstring(event[1]))
        elif event[0] == messages.BINARY_MESSAGE:
            owner.binaryMessageReceived.emit(event[1])
        elif event[0] == messages.TEXT_FRAME:
            owner.textFrameReceived.emit(to_qstring(event[1]), event[2])
        elif event[0] == messages.BINARY_FRAME:
            owner.binaryFrameReceived.emit(event[1], event[2])
        elif event[0] == engine.PING:
            self._send_owed()
        elif event[0] == engine.PONG:
            elapsed = int((time.monotonic() - owner._ping_time) * 1000)
            owner.pong.emit(elapsed, event[1])
        else:
            self._end(owner, event[1], event[2])

    def _update_frame_reports(self, owner: "QWebSocket") -> None:
        """Frame events cost time: ask for them only while somebody listens."""
        if self.connection is not None and self.active():
            self.connection.report_frames(enabled=owner._frames_wanted())

    def send_encoded(self, frames: list[bytes]) -> bool:
        """Send a message that was encoded for many servers' connections; whether it was taken."""
        if self.connection is None or not self.connection.can_send:
            return False
        for frame in frames:
            self.transport.write(frame)
        return True

    @Slot()
    def _send_owed(self) -> None:
        """Answer pings; to a peer that does not read, only the newest and only when it does."""
        if self.connection is None:
            return
        if self.transport.backlogged() and not self.connection.close_expected():
            self.transport.call_when_written(self._send_owed)
        else:
            self.transport.write(self.connection.data_to_send())

    @Slot()
    def _on_stall(self) -> None:
        """A frame stands still for too long: the peer has hung, or the network."""
        owner = self._owner()
        if owner is None or self.connection is None or self._delivering:
            return
        self.connection.fail(codes.GOING_AWAY, "Timeout when reading data from socket.")
        self._end(owner, codes.GOING_AWAY, "Timeout when reading data from socket.")

    # Sending

    def send(self, opcode: int, payload: Payload, frame_size: int) -> int:
        """Send a message; its size, or 0 when the connection takes none."""
        if self.connection is None or not self.connection.can_send:
            return 0
        for frame in self.connection.send_message(opcode, payload, frame_size=frame_size):
            self.transport.write(frame)
        return len(payload)

    def ping(self, payload: bytes) -> bool:
        """Send a ping; whether the connection takes one."""
        if self.connection is None or not self.connection.can_send:
            return False
        self.transport.write(self.connection.ping(payload))
        return True

    # Closing

    def close(self, owner: "QWebSocket", code: QWebSocketProtocol.CloseCode, reason: str) -> None:
        """Send our Close frame and give the peer three seconds to answer it."""
        if self.connection is None:
            return
        if self.connection.close_expected():  # called in the aboutToClose of the peer's Close
            self._finish()
            return
        frame = self.connection.close(code.value, reason)
        if not frame:
            return
        clipped = engine.clipped_utf8(reason.encode(errors="replace"), codes.MAX_CLOSE_REASON)
        owner._close_code, owner._close_reason = code, clipped.decode()
        self.transport.start_close_timer()
        self.transport.write(frame)
        self.transport.socket.flush()
        if self.active():
            owner.aboutToClose.emit()

    def _end(self, owner: "QWebSocket", code: int, reason: str) -> None:
        """The peer's Close, or a failure: answer, and close the TCP connection."""
        assert self.connection is not None  # noqa: S101
        owed = self.connection.data_to_send()
        if owed:  # else our own Close was first, and its code and reason stay
            owner._close_code, owner._close_reason = CloseCode(code), reason
            self.transport.write(owed)
            self.transport.socket.flush()
            if self.active():
                owner.aboutToClose.emit()
        self._finish()

    def _finish(self) -> None:
        if self.active() and not self.transport.finished:
            self.transport.finish()

    @Slot("QAbstractSocket::SocketError")
    def _on_socket_error(self, error: QAbstractSocket.SocketError) -> None:
        """Pass on an error of the socket, behind the data that came before it."""
        owner = self._owner()
        if owner is None or self._held:
            self._missed_error = error
            return
        if error == SocketError.RemoteHostClosedError:
            self._deliver(float("inf"))
            if not self.active():
                return
        if self.transport.finished and (
            self.connection is None or self.connection.close_expected()
        ):
            return  # both sides have said Close: how TCP and TLS end after that is no error
        if not self._error_told:
            self._error_told = True
            owner._report(error)

    @Slot("QAbstractSocket::SocketState")
    def _on_socket_state_changed(self, state: QAbstractSocket.SocketState) -> None:
        owner = self._owner()
        if owner is None or self._held:
            return
        if state == SocketState.ClosingState:
            if owner.state() == SocketState.ConnectedState:
                owner._set_state(SocketState.ClosingState)
        elif state == SocketState.UnconnectedState:
            self._on_socket_unconnected(owner)

    def _on_socket_unconnected(self, owner: "QWebSocket") -> None:
        """The end: forget the protocol, then tell the program."""
        if not self.transport.finished:
            self._deliver(float("inf"))
        if not self.active() or self._ended:
            return
        self._ended = True
        failed, text = self.transport.socket.error(), self.transport.socket.errorString()
        opening, self._opening, self.connection = self._opening, None, None
        self.transport.stop_timers()
        owner._set_state(SocketState.UnconnectedState)
        if self.active():
            owner.disconnected.emit()
        if not self.active() and opening is not None and not self._error_told and isValid(owner):
            # The program has opened again before it heard why this attempt failed; the socket that
            # was about to say it is gone.
            owner._report_former(failed, text)
        if self._when_over is not None:  # readChannelFinished is still to come
            QTimer.singleShot(0, self._be_over)
