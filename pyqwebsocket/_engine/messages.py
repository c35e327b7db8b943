"""From frames to messages (RFC 6455 sections 5.4, 5.6 and 8.1): fragments, UTF-8, limits.

The payload of a message that comes in pieces is kept as bytes and decoded once, when it is whole;
text is checked piece by piece on the way, so that invalid UTF-8 fails the connection with the byte
that makes it invalid. A bytearray grows without a copy of its own, whatever the size of the pieces.
"""

import codecs
from typing import Final, Literal, TypeAlias

from pyqwebsocket._engine import codes
from pyqwebsocket._engine.errors import ProtocolError
from pyqwebsocket._engine.frames import FrameHead

TEXT_FRAME: Final = "text frame"
BINARY_FRAME: Final = "binary frame"
TEXT_MESSAGE: Final = "text message"
BINARY_MESSAGE: Final = "binary message"

MessageEvent: TypeAlias = (
    tuple[Literal["text message"], str]
    | tuple[Literal["binary message"], bytes | bytearray]
    | tuple[Literal["text frame"], str, bool]
    | tuple[Literal["binary frame"], bytes, bool]
)

_NOTHING_TO_CONTINUE = "Received Continuation frame, while there is nothing to continue."
_CONTINUATION_EXPECTED = (
    "All data frames after the initial data frame must have opcode 0 (continuation)."
)
_MESSAGE_TOO_BIG = "Received message is too big."
_INVALID_UTF8 = "Invalid UTF-8 code encountered."

_new_utf8_decoder = codecs.getincrementaldecoder("utf-8")


def invalid_utf8() -> ProtocolError:
    """The error that fails a connection for text that is not UTF-8 (RFC 6455 section 8.1)."""
    return ProtocolError(_INVALID_UTF8, codes.INVALID_DATA)


class MessageReader:
    """Puts messages together from the heads and payloads of data frames.

    Args:
        max_message_size: the largest message, in bytes.

    Attributes:
        report_frames: whether each frame gives an event of its own before its message's.
    """

    def __init__(self, *, max_message_size: int) -> None:
        self.max_message_size = max_message_size
        self.report_frames = False
        self._opcode: int | None = None  # of the message that is being received
        self._payload = bytearray()
        self._frame_start = 0  # where the present frame's event begins in _payload
        self._decoder = _new_utf8_decoder()
        self._whole: bytes | None = None  # a message that came in one piece

    def begin_frame(self, head: FrameHead) -> None:
        """Check what the head of a data frame says before any of its payload is kept.

        Raises:
            ProtocolError: wrong opcode for its place (section 5.4), or a message over the limit.
        """
        if head.opcode == codes.CONTINUATION:
            if self._opcode is None:
                raise ProtocolError(_NOTHING_TO_CONTINUE)
        elif self._opcode is not None:
            raise ProtocolError(_CONTINUATION_EXPECTED)
        else:
            self._opcode = head.opcode
        if len(self._payload) + head.length > self.max_message_size:
            raise ProtocolError(_MESSAGE_TOO_BIG, codes.MESSAGE_TOO_BIG)
        if self._payload:
            incomplete_character = self._decoder.getstate()[0]
            self._frame_start = len(self._payload) - len(incomplete_character)

    def add_payload(self, head: FrameHead, piece: bytes) -> None:
        """Keep a piece of the present frame's payload.

        Raises:
            ProtocolError: the text so far cannot become UTF-8.
        """
        if head.fin and not self._payload and len(piece) == head.length:
            self._whole = piece
            return
        if self._opcode == codes.TEXT:
            self._check_text(piece)
        self._payload += piece

    def _check_text(self, piece: bytes) -> None:
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError:
            raise invalid_utf8() from None
        # The decoder waits for the third byte of a surrogate, which no third byte makes valid.
        incomplete = self._decoder.getstate()[0]
        if incomplete[:1] == b"\xed" and incomplete[1:] >= b"\xa0":
            raise invalid_utf8()

    def end_frame(self, head: FrameHead) -> list[MessageEvent]:
        """The events of a frame whose payload is complete; the message's own is last.

        Raises:
            ProtocolError: the text ends inside a character, or is not UTF-8.
        """
        is_text = self._opcode == codes.TEXT
        events: list[MessageEvent] = []
        if not head.fin:
            if self.report_frames:
                events.append(self._text_frame() if is_text else self._binary_frame())
            return events
        if self._whole is not None:
            return self._end_whole(self._whole, is_text=is_text)
        if is_text:
            text = self._end_text()
            if self.report_frames:
                events.append((TEXT_FRAME, self._decoded(self._frame_start), True))
            events.append((TEXT_MESSAGE, text))
        else:
            if self.report_frames:
                events.append((BINARY_FRAME, bytes(self._payload[self._frame_start :]), True))
            events.append((BINARY_MESSAGE, self._payload))
        self._reset()
        return events

    def _end_whole(self, payload: bytes, *, is_text: bool) -> list[MessageEvent]:
        """A message of one frame that arrived in one piece, by far the most common."""
        self._opcode = self._whole = None
        if not is_text:
            message: MessageEvent = (BINARY_MESSAGE, payload)
            return [(BINARY_FRAME, payload, True), message] if self.report_frames else [message]
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise invalid_utf8() from None
        message = (TEXT_MESSAGE, text)
        return [(TEXT_FRAME, text, True), message] if self.report_frames else [message]

    def _end_text(self) -> str:
        try:
            self._decoder.decode(b"", final=True)
            return self._payload.decode()
        except UnicodeDecodeError:
            raise invalid_utf8() from None

    def _text_frame(self) -> MessageEvent:
        """A frame that is not the last: an incomplete character waits for the next one."""
        end = len(self._payload) - len(self._decoder.getstate()[0])
        return (TEXT_FRAME, self._decoded(self._frame_start, end), False)

    def _binary_frame(self) -> MessageEvent:
        return (BINARY_FRAME, bytes(self._payload[self._frame_start :]), False)

    def _decoded(self, start: int, end: int | None = None) -> str:
        return str(memoryview(self._payload)[start:end], "utf-8")

    def _reset(self) -> None:
        self._opcode = None
        self._payload = bytearray()  # the old one may be on its way to the program
        self._frame_start = 0
        self._decoder.reset()
