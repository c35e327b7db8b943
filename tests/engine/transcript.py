"""What a test of the engine is written in: bytes in, events out, bytes owed.

A transcript is a list of frames as a server sends them, one literal each. ``check()`` plays it to a
client as it is, and to a server with every frame masked; each time whole, in two pieces cut at each
place, byte by byte, and truncated after each byte. ``check_answer()`` does the same for an opening
handshake. Nothing here uses the engine's own encoder.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pyqwebsocket._engine.connection import MAX_SIZE, Connection, Role, State
from pyqwebsocket._engine.errors import HandshakeError
from pyqwebsocket._engine.handshake import Accepted, ClientHandshake, Unauthorized

CLIENT, SERVER = Role.CLIENT, Role.SERVER
OPEN, CLOSING, CLOSED, FAILED = State.OPEN, State.CLOSING, State.CLOSED, State.FAILED

KEY = b"\x37\xfa\x21\x3d"  # of RFC 6455 section 5.7
NONCE = b"the sample nonce"  # of RFC 6455 section 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

_SPLIT_AT_MOST = 300  # bytes; a longer transcript is cut in two at some places only


# Frames


def xor(data: bytes, key: bytes = KEY) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))


def head_size(frame: bytes) -> int:
    return {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)


def masked(frame: bytes, key: bytes = KEY) -> bytes:
    """A frame that is not masked, as a client would have sent it."""
    size = head_size(frame)
    return bytes([frame[0], frame[1] | 0x80]) + frame[2:size] + key + xor(frame[size:], key)


def head(opcode: int, size: int, *, fin: bool = True) -> bytes:
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        return struct.pack("!BB", first, size)
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame that is not masked, where a literal would be too long."""
    return head(opcode, len(payload), fin=fin) + payload


def failure(code: int, reason: str) -> bytes:
    """The Close frame, not masked, that tells the peer so."""
    return frame(8, struct.pack("!H", code) + reason.encode())


# Pieces


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def segmentations(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and in two pieces."""
    yield [data]
    yield bytewise(data)
    step = max(1, len(data) // _SPLIT_AT_MOST)
    for cut in range(1, len(data), step):
        yield [data[:cut], data[cut:]]


def prefixes(data: bytes) -> Iterator[bytes]:
    step = max(1, len(data) // _SPLIT_AT_MOST)
    for cut in range(1, len(data), step):
        yield data[:cut]


# Connections


class Limits(NamedTuple):
    max_frame_size: int = MAX_SIZE
    max_message_size: int = MAX_SIZE


NO_LIMITS = Limits()


def connection(
    role: Role = CLIENT, *, frames: bool = False, limits: Limits = NO_LIMITS
) -> Connection:
    made = Connection(role, new_key=lambda: KEY, **limits._asdict())
    made.report_frames(enabled=frames)
    return made


def events(conn: Connection) -> list[Any]:
    return list(iter(conn.next_event, None))


def feed(conn: Connection, *pieces: bytes) -> list[Any]:
    """The events of these bytes."""
    seen = []
    for piece in pieces:
        conn.receive_data(piece)
        seen += events(conn)
    return seen


def sent_by(role: Role, data: bytes) -> bytes:
    """A frame, not masked, as this end sends it."""
    return masked(data) if data and role is CLIENT else data


def wire_for(role: Role, frames: Iterable[bytes]) -> bytes:
    """Frames, not masked, as this end receives them."""
    return b"".join(frames if role is CLIENT else map(masked, frames))


def check(
    transcript: Sequence[bytes],
    expected: Sequence[Any],
    *,
    owed: bytes = b"",
    state: State = OPEN,
    frames: bool = False,
    limits: Limits = NO_LIMITS,
    before: Callable[[Connection], object] = lambda _: None,
) -> None:
    """Play a transcript in both roles, whole, split and truncated.

    Args:
        transcript: frames, not masked.
        expected: the events, all of them.
        owed: the frame, not masked, that the connection owes the peer in the end.
        state: where the connection is in the end.
        frames: whether frames are reported.
        limits: those of the connection.
        before: what happens to the connection first.
    """

    def new(role: Role) -> Connection:
        made = connection(role, frames=frames, limits=limits)
        before(made)
        return made

    for role in (CLIENT, SERVER):
        data = wire_for(role, transcript)
        for pieces in segmentations(data):
            conn = new(role)
            assert feed(conn, *pieces) == list(expected), (role, pieces)
            assert conn.data_to_send() == sent_by(role, owed), (role, pieces)
            assert conn.data_to_send() == b""
            assert conn.state is state
            assert not conn.mid_frame
        for prefix in prefixes(data):
            conn = new(role)
            seen = feed(conn, prefix)
            assert seen == list(expected[: len(seen)]), (role, prefix)
            assert conn.state is state or len(seen) < len(expected), (role, prefix)


def check_failure(
    transcript: Sequence[bytes], code: int, reason: str, *, after: Sequence[Any] = (), **kwargs: Any
) -> None:
    """The transcript fails the connection with its last byte, not before, and nothing follows.

    The last frame may be a head alone, or lack a part of its payload.
    """
    told = failure(code, reason)
    expected = [*after, ("failure", code, reason)]
    check(transcript, expected, owed=told, state=FAILED, **kwargs)
    check([*transcript, b"\x81\x05after", b"\x88\x00"], expected, owed=told, state=FAILED, **kwargs)
    role_kwargs = {name: kwargs[name] for name in ("frames", "limits") if name in kwargs}
    for role in (CLIENT, SERVER):
        data, last = wire_for(role, transcript), 1
        if role is SERVER and len(transcript[-1]) == head_size(transcript[-1]):
            last += 4  # it may need the masking key to be sure of the head
        conn = connection(role, **role_kwargs)
        kwargs.get("before", lambda _: None)(conn)
        assert feed(conn, data[:-last]) == list(after), role
        assert feed(conn, data[-last:]) == [("failure", code, reason)], role
        assert feed(conn, wire_for(role, [b"\x81\x05after"])) == []


# Opening handshakes

HOST = "server.example.com"


def handshake(**kwargs: Any) -> ClientHandshake:
    """A handshake whose request, with the RFC's nonce, has been sent."""
    made = ClientHandshake(**{"target": "/chat", "host": HOST} | kwargs)
    made.request(NONCE)
    return made


Outcome = Accepted | Unauthorized | str | None  # a text is that of a HandshakeError


def answered(shake: ClientHandshake, pieces: Iterable[bytes]) -> tuple[Outcome, bytes]:
    """What the handshake makes of the pieces of an answer, and what it leaves of them."""
    rest = iter(pieces)
    for piece in rest:
        try:
            outcome = shake.receive_data(piece)
        except HandshakeError as error:
            return str(error), b"".join(rest)
        if outcome is not None:
            return outcome, b"".join(rest)
    return None, b""


def check_answer(data: bytes, expected: Outcome, **kwargs: Any) -> None:
    """Play an answer whole, split and truncated; ``expected`` takes all leftover bytes."""
    for pieces in segmentations(data):
        outcome, rest = answered(handshake(**kwargs), pieces)
        if isinstance(outcome, Accepted):
            outcome = outcome._replace(leftover=outcome.leftover + rest)
        assert outcome == expected, pieces
    for prefix in prefixes(data):
        outcome, _ = answered(handshake(**kwargs), [prefix])
        if isinstance(outcome, Accepted):
            assert isinstance(expected, Accepted)
            assert expected.leftover.startswith(outcome.leftover)
        else:
            assert outcome in (None, expected), prefix


def check_complete_at_end(data: bytes, **kwargs: Any) -> None:
    """The last byte of this answer is what decides it."""
    shake = handshake(**kwargs)
    assert answered(shake, [data[:-1]]) == (None, b"")
    assert answered(shake, [data[-1:]])[0] is not None
