"""The open connection (RFC 6455 sections 5.5, 6 and 7): messages, control frames and the close.

The owner feeds bytes with ``receive_data()``, takes ``next_event()`` until there is none, and
writes what ``data_to_send()`` owes the peer. Events are made one at a time, so that what the
program does in answer to one of them (close, abort, nest an event loop) is done before the next
one is read.
"""

import enum
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

from pyqwebsocket._engine import codes
from pyqwebsocket._engine.errors import ProtocolError
from pyqwebsocket._engine.frames import FrameHead, FrameReader, encode_frame
from pyqwebsocket._engine.masking import Payload
from pyqwebsocket._engine.messages import MessageEvent, MessageReader, invalid_utf8

PING: Final = "ping"
PONG: Final = "pong"
CLOSE: Final = "close"
FAILURE: Final = "failure"

Event: TypeAlias = (
    MessageEvent
    | tuple[Literal["ping"], bytes]
    | tuple[Literal["pong"], bytes]
    | tuple[Literal["close"], int, str]
    | tuple[Literal["failure"], int, str]
)

MAX_SIZE: Final = 2**31 - 2  # Qt's limit of a frame and of a message, and its default for both
DEFAULT_OUTGOING_FRAME_SIZE: Final = 512 * 1024

_log = logging.getLogger(__name__)


class Role(enum.Enum):
    """Which end of the connection this is (RFC 6455 section 1.3)."""

    CLIENT = "client"
    SERVER = "server"


class State(enum.Enum):
    """How far the closing handshake is (RFC 6455 section 7.1)."""

    OPEN = "open"
    CLOSING = "closing"  # our Close was sent, the peer's was not received
    CLOSED = "closed"  # the peer's Close was received and answered
    FAILED = "failed"  # the peer broke the protocol, or hung up


_MOVES: Final = {
    State.OPEN: {State.CLOSING, State.CLOSED, State.FAILED},
    State.CLOSING: {State.CLOSED, State.FAILED},
    State.CLOSED: set[State](),
    State.FAILED: set[State](),
}
_READING: Final = {State.OPEN, State.CLOSING}


class Connection:
    """One WebSocket connection after its opening handshake.

    Args:
        role: a client masks what it sends and takes no masked frames; a server the other way.
        new_key: gives a masking key of four bytes for each frame that a client sends.
        max_frame_size: the largest payload of a frame that is taken, in bytes.
        max_message_size: the largest message that is taken, in bytes.
    """

    def __init__(
        self,
        role: Role,
        *,
        new_key: Callable[[], bytes],
        max_frame_size: int = MAX_SIZE,
        max_message_size: int = MAX_SIZE,
    ) -> None:
        self._state = State.OPEN
        self._new_key = new_key if role is Role.CLIENT else None
        self._frames = FrameReader(masked=role is Role.SERVER, max_frame_size=max_frame_size)
        self._messages = MessageReader(max_message_size=max_message_size)
        self._head: FrameHead | None = None  # of the frame that is being received
        self._control_payload = bytearray()
        self._events: deque[MessageEvent] = deque()
        self._owed_pong: bytes | None = None
        self._owed_close = b""

    @property
    def state(self) -> State:
        """How far the closing handshake is."""
        return self._state

    def _set_state(self, state: State) -> None:
        if state not in _MOVES[self._state]:
            raise RuntimeError(f"no way from {self._state} to {state}")  # a mistake in this module
        _log.debug("%s -> %s", self._state, state)
        self._state = state

    # Receiving

    def set_limits(self, *, max_frame_size: int, max_message_size: int) -> None:
        """Set the limits, in bytes, that hold from the next frame head on."""
        self._frames.max_frame_size = max_frame_size
        self._messages.max_message_size = max_message_size

    def report_frames(self, *, enabled: bool) -> None:
        """Say whether frames give events of their own, before their message's event."""
        self._messages.report_frames = enabled

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer; take every event before the next call."""
        if self._state in _READING:
            self._frames.feed(data)

    def receive_eof(self) -> None:
        """The peer will send nothing more; without its Close frame that is a failure."""
        if self._state in _READING:
            self._set_state(State.FAILED)
            self._stop()

    def next_event(self) -> Event | None:
        """What comes next in the bytes received, or None until more of them come.

        ``("failure", code, reason)`` is the last event, after which nothing is read any more: the
        peer broke the protocol, and the Close frame that tells it so is owed.
        """
        try:
            return self._next_event()
        except ProtocolError as error:
            return self._fail(error)

    def _next_event(self) -> Event | None:
        while not self._events:
            if self._state not in _READING:
                return None
            if self._head is None:
                self._head = self._frames.read_head()
                if self._head is None:
                    return None
                if self._head.opcode in codes.DATA_OPCODES:
                    self._messages.begin_frame(self._head)
            head, piece = self._head, self._frames.read_payload()
            if head.opcode in codes.DATA_OPCODES:
                self._messages.add_payload(head, piece)
            else:
                self._control_payload += piece
            if self._frames.remaining:
                return None
            self._head = None
            if head.opcode not in codes.DATA_OPCODES:
                return self._end_control_frame(head.opcode)
            self._events.extend(self._messages.end_frame(head))
        return self._events.popleft()

    def _end_control_frame(self, opcode: int) -> Event:
        payload = bytes(self._control_payload)
        self._control_payload.clear()
        if opcode == codes.PING:
            # An answer that was not sent yet gives way to the newest (section 5.5.3), so that a
            # peer that pings and never reads costs one payload.
            self._owed_pong = payload
            return (PING, payload)
        if opcode == codes.PONG:
            return (PONG, payload)
        return self._end_close_frame(payload)

    def _end_close_frame(self, payload: bytes) -> Event:
        code, reason = _parse_close(payload)
        if self._state is State.OPEN:
            self._owed_close = self._encode(codes.CLOSE, payload or _close_payload(code, b""))
        self._set_state(State.CLOSED)
        self._stop()
        return (CLOSE, code, reason)

    def _fail(self, error: ProtocolError) -> Event:
        _log.debug("failing the connection: %s", error)
        if self._state is State.OPEN:
            payload = _close_payload(error.close_code, error.reason.encode())
            self._owed_close = self._encode(codes.CLOSE, payload)
        self._set_state(State.FAILED)
        self._stop()
        return (FAILURE, error.close_code, error.reason)

    def fail(self, close_code: int, reason: str) -> None:
        """Fail the connection for a reason that the owner saw; a Close frame is owed."""
        if self._state in _READING:
            self._fail(ProtocolError(reason, close_code))

    def _stop(self) -> None:
        """Nothing is read after the end, and no ping is answered (section 5.5.2)."""
        self._frames.clear()
        self._events.clear()
        self._owed_pong = None

    @property
    def has_unread_data(self) -> bool:
        """Whether bytes wait that ``next_event()`` has not looked at."""
        return bool(self._events) or self._frames.mid_head

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and is not complete: its sender may have stalled."""
        return self._state in _READING and (self._head is not None or self._frames.mid_head)

    # Sending

    def data_to_send(self) -> bytes:
        """What the protocol itself owes the peer: answers to pings, and to its Close frame."""
        owed = self._owed_close
        self._owed_close = b""
        if self._owed_pong is not None:
            payload, self._owed_pong = self._owed_pong, None
            owed = self._encode(codes.PONG, payload) + owed
        return owed

    def send_message(self, opcode: int, payload: Payload, *, frame_size: int) -> Iterator[bytes]:
        """The frames of a message, each made only when it is asked for.

        Args:
            opcode: text or binary.
            payload: the message; of text its UTF-8.
            frame_size: the largest payload of one frame, in bytes; not below 1.
        """
        return encode_message(opcode, payload, frame_size=frame_size, new_key=self._new_key)

    def ping(self, payload: bytes) -> bytes:
        """A Ping frame; the payload is cut to the 125 bytes that it may have (section 5.5)."""
        return self._encode(codes.PING, payload[: codes.MAX_CONTROL_PAYLOAD])

    def close(self, code: int, reason: str) -> bytes:
        """The Close frame that begins the closing handshake (section 7.1.2); b"" if it began.

        Args:
            code: a close code that may be sent, or 1005 for a frame without one.
            reason: cut to 123 bytes of UTF-8, between characters.
        """
        if self._state is not State.OPEN:
            return b""
        payload = b""
        if code != codes.NO_STATUS:
            payload = _close_payload(code, reason.encode(errors="replace"))
        self._set_state(State.CLOSING)
        return self._encode(codes.CLOSE, payload)

    @property
    def can_send(self) -> bool:
        """Whether messages and pings may still be sent (section 5.5.1: not after a Close)."""
        return self._state is State.OPEN

    def close_expected(self) -> bool:
        """Whether the TCP connection has served its purpose: both Close frames, or a failure."""
        return self._state not in _READING

    def _encode(self, opcode: int, payload: Payload) -> bytes:
        key = self._new_key() if self._new_key is not None else None
        return encode_frame(opcode, payload, key=key)


def encode_message(
    opcode: int,
    payload: Payload,
    *,
    frame_size: int,
    new_key: Callable[[], bytes] | None = None,
) -> Iterator[bytes]:
    """The frames of a message; a server's are the same for every client.

    Args:
        opcode: text or binary.
        payload: the message; of text its UTF-8.
        frame_size: the largest payload of one frame, in bytes; not below 1.
        new_key: gives the masking key of each frame of a client; None for a server.
    """
    size = len(payload)
    if size <= frame_size:
        yield encode_frame(opcode, payload, key=new_key() if new_key else None)
        return
    view = memoryview(payload)
    for start in range(0, size, frame_size):
        end = start + frame_size
        key = new_key() if new_key else None
        yield encode_frame(opcode, view[start:end], key=key, fin=end >= size)
        opcode = codes.CONTINUATION


def clipped_utf8(data: bytes, size: int) -> bytes:
    """At most ``size`` bytes of UTF-8 ``data``, cut between two characters."""
    if len(data) <= size:
        return data
    while size and data[size] & 0xC0 == 0x80:  # noqa: PLR2004 - 10xxxxxx continues a character
        size -= 1
    return data[:size]


def _close_payload(code: int, reason: bytes) -> bytes:
    return struct.pack("!H", code) + clipped_utf8(reason, codes.MAX_CLOSE_REASON)


def _parse_close(payload: bytes) -> tuple[int, str]:
    """The code and reason of a Close frame; 1000 stands for a frame without a code, as in Qt.

    Raises:
        ProtocolError: one byte, a code that may not be sent, or a reason that is not UTF-8.
    """
    if not payload:
        return codes.NORMAL, ""
    if len(payload) == 1:
        raise ProtocolError("Payload of close frame is too small.")
    code = int.from_bytes(payload[:2], "big")
    if code not in codes.CLOSE_CODES:
        raise ProtocolError(f"Invalid close code {code} detected.")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise invalid_utf8() from None
