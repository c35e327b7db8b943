"""One frame (RFC 6455 section 5.2): its head read and checked, its payload cut out, its bytes made.

The parser keeps no state for "needs more bytes": a head is read whole or not at all (commit and
roll back), and payload is handed on in the pieces in which it arrives, so nothing is buffered here
but an incomplete head.
"""

import struct
from typing import Final, NamedTuple

from pyqwebsocket._engine import codes, masking
from pyqwebsocket._engine.errors import ProtocolError
from pyqwebsocket._engine.masking import Payload

_FIN: Final = 0x80
_RSV: Final = 0x70
_OPCODE: Final = 0x0F
_MASK: Final = 0x80
_LENGTH: Final = 0x7F
_LENGTH_16: Final = 126  # the two bytes that follow are the length
_LENGTH_64: Final = 127  # the eight bytes that follow are

_RSV_SET = "Rsv field is non-zero"
_RESERVED_OPCODE = "Used reserved opcode"
_LARGE_CONTROL = "Control frame is larger than 125 bytes"
_FRAGMENTED_CONTROL = "Control frames cannot be fragmented"
_LENGTH_FITS_7_BITS = "Lengths smaller than 126 must be expressed as one byte."
_LENGTH_FITS_16_BITS = "Lengths smaller than 65536 (2^16) must be expressed as 2 bytes."
_LENGTH_HIGHEST_BIT = "Highest bit of payload length is not 0."
_FRAME_TOO_BIG = "Maximum framesize exceeded."
_MASKED = "Frames from a server must not be masked."
_NOT_MASKED = "Frames from a client must be masked."


class FrameHead(NamedTuple):
    """The head of a frame that passed every check that needs no payload."""

    fin: bool
    opcode: int
    length: int
    key: bytes | None


def encode_frame(opcode: int, payload: Payload, *, key: bytes | None, fin: bool = True) -> bytes:
    """The bytes of one frame; ``key`` masks it (clients must, servers must not: section 5.1)."""
    head = encode_head(opcode, len(payload), key=key, fin=fin)
    if key is not None:
        payload = masking.apply_mask(payload, key)
    return b"".join((head, payload))


def encode_head(opcode: int, length: int, *, key: bytes | None, fin: bool = True) -> bytes:
    """The bytes of a frame before its payload: two to fourteen."""
    first = (_FIN if fin else 0) | opcode
    masked = 0 if key is None else _MASK
    if length < _LENGTH_16:
        head = struct.pack("!BB", first, masked | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, masked | _LENGTH_16, length)
    else:
        head = struct.pack("!BBQ", first, masked | _LENGTH_64, length)
    return head if key is None else head + key


class FrameReader:
    """Cuts the bytes of a peer into frame heads and pieces of payload.

    Args:
        masked: whether frames must be masked (the peer is a client) or must not be.
        max_frame_size: the largest payload of one frame, in bytes.
    """

    def __init__(self, *, masked: bool, max_frame_size: int) -> None:
        self.max_frame_size = max_frame_size
        self.remaining = 0  # bytes of the present frame's payload that have not been read
        self._masked = masked
        self._buffer = b""
        self._position = 0
        self._key: bytes | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer; what was fed before should have been read by now."""
        rest = self._buffer[self._position :]
        self._buffer = rest + data if rest else data
        self._position = 0

    def clear(self) -> None:
        """Forget all bytes that were not read."""
        self._buffer, self._position = b"", 0

    @property
    def mid_head(self) -> bool:
        """Whether a frame head has begun and is not complete."""
        return self._position < len(self._buffer)

    def read_head(self) -> FrameHead | None:
        """The next frame's head, or None until it is complete.

        Raises:
            ProtocolError: what RFC 6455 section 5 forbids, seen as soon as its byte is there.
        """
        buffer, start = self._buffer, self._position
        if len(buffer) - start < 2:  # noqa: PLR2004 - the two bytes that every head has
            return None
        first, second = buffer[start], buffer[start + 1]
        _check_first_bytes(first, second)
        if bool(second & _MASK) is not self._masked:
            raise ProtocolError(_NOT_MASKED if self._masked else _MASKED)
        read = self._read_length(second & _LENGTH, start + 2)
        if read is None:
            return None
        length, end = read
        if length > self.max_frame_size:
            raise ProtocolError(_FRAME_TOO_BIG, codes.MESSAGE_TOO_BIG)
        key = None
        if self._masked:
            key = buffer[end : end + 4]
            end += 4
            if end > len(buffer):
                return None
        self._position = end
        self.remaining = length
        self._key = key
        return FrameHead(bool(first & _FIN), first & _OPCODE, length, key)

    def _read_length(self, length: int, position: int) -> tuple[int, int] | None:
        """The payload length and where it ends, or None until its bytes are there."""
        buffer = self._buffer
        if length < _LENGTH_16:
            return length, position
        if length == _LENGTH_16:
            end = position + 2
            if end > len(buffer):
                return None
            length = int.from_bytes(buffer[position:end], "big")
            if length < _LENGTH_16:
                raise ProtocolError(_LENGTH_FITS_7_BITS)
            return length, end
        end = position + 8
        if end > len(buffer):
            return None
        length = int.from_bytes(buffer[position:end], "big")
        if length >> 63:
            raise ProtocolError(_LENGTH_HIGHEST_BIT)
        if length < 1 << 16:
            raise ProtocolError(_LENGTH_FITS_16_BITS)
        return length, end

    def read_payload(self) -> bytes:
        """What has arrived of the present frame's payload and was not read yet, unmasked."""
        start = self._position
        end = min(start + self.remaining, len(self._buffer))
        piece = self._buffer[start:end]  # the whole buffer is not copied by this
        self._position = end
        self.remaining -= len(piece)
        if self._key is None or not piece:
            return piece
        unmasked = masking.apply_mask(piece, self._key)
        self._key = masking.rotated(self._key, len(piece))
        return unmasked


def _check_first_bytes(first: int, second: int) -> None:
    """What section 5.2 and 5.5 ask of the first two bytes of every frame."""
    opcode = first & _OPCODE
    if first & _RSV:
        raise ProtocolError(_RSV_SET)
    if opcode not in codes.OPCODES:
        raise ProtocolError(_RESERVED_OPCODE)
    if opcode in codes.DATA_OPCODES:
        return
    if second & _LENGTH > codes.MAX_CONTROL_PAYLOAD:
        raise ProtocolError(_LARGE_CONTROL)
    if not first & _FIN:
        raise ProtocolError(_FRAGMENTED_CONTROL)
