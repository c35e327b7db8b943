"""What a message costs grows with its size and not faster, in work and in memory.

Nothing here looks at a clock. Work is counted in calls of functions, Python's and C's, and in bytes
allocated on the way, which is where an accidental copy of everything so far shows up.
"""

import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from engine.transcript import (
    CLIENT,
    KEY,
    SERVER,
    Limits,
    connection,
    frame,
    handshake,
    head,
    in_pieces,
    masked,
)
from pyqwebsocket._engine.connection import Connection, Role
from pyqwebsocket._engine.server_handshake import RefusalError, ServerHandshake

KIB, MIB = 1 << 10, 1 << 20
ROLES = [CLIENT, SERVER]


def play(conn: Connection, pieces: Iterable[bytes]) -> Any:
    """The last event."""
    last = None
    for piece in pieces:
        conn.receive_data(piece)
        while (event := conn.next_event()) is not None:
            last = event
    return last


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called, C's included."""
    count = 0

    def on_event(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def peak_of(conn: Connection, pieces: Iterable[bytes]) -> tuple[int, Any]:
    """The most bytes that were allocated at once, and the last event."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    last = play(conn, pieces)
    return tracemalloc.get_traced_memory()[1] - before, last


def allocated_for(conn: Connection, pieces: Iterable[bytes]) -> int:
    """The peaks of each step, added up: bytes that were copied for a while count too."""
    total = 0
    for piece in pieces:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        play(conn, [piece])
        total += tracemalloc.get_traced_memory()[1] - before
    return total


def sent_to(role: Role, *frames: bytes) -> bytes:
    return b"".join(frames if role is CLIENT else map(masked, frames))


# Work. Each way to send ``size`` bytes, in pieces of TCP.


def in_single_bytes(role: Role, size: int) -> list[bytes]:
    return in_pieces(sent_to(role, frame(2, b"x" * size)), 1)


def in_segments(role: Role, size: int) -> list[bytes]:
    return in_pieces(sent_to(role, frame(1, b"x" * size)), 1460)


def in_small_frames(role: Role, size: int) -> list[bytes]:
    frames = [frame(1, b"", fin=False), *[frame(0, b"x" * 8, fin=False)] * (size // 8), frame(0)]
    return in_pieces(sent_to(role, *frames), 1460)


def in_frames_of_4_kib(role: Role, size: int) -> list[bytes]:
    frames = [
        frame(2, b"", fin=False),
        *[frame(0, bytes(4096), fin=False)] * (size // 4096),
        frame(0),
    ]
    return in_pieces(sent_to(role, *frames), 1460)


def in_empty_frames(role: Role, size: int) -> list[bytes]:
    frames = [frame(1, b"x", fin=False), *[frame(0, b"", fin=False)] * size, frame(0)]
    return in_pieces(sent_to(role, *frames), 1460)


def in_messages(role: Role, size: int) -> list[bytes]:
    return in_pieces(sent_to(role, *[frame(1, b"x" * 16)] * (size // 16)), 65536)


def in_pings(role: Role, size: int) -> list[bytes]:
    return in_pieces(sent_to(role, *[frame(9, b"x" * 16)] * (size // 16)), 65536)


WAYS = [
    (in_single_bytes, 4 * KIB),
    (in_segments, 512 * KIB),
    (in_small_frames, 16 * KIB),
    (in_frames_of_4_kib, 256 * KIB),
    (in_empty_frames, 4 * KIB),
    (in_messages, 64 * KIB),
    (in_pings, 64 * KIB),
]


@pytest.mark.parametrize("frames", [False, True], ids=["messages", "frames"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("way", "size"), WAYS)
def test_twice_the_size_takes_twice_the_calls(
    way: Callable[[Role, int], list[bytes]], size: int, role: Role, frames: bool
):
    def work(size: int) -> int:
        conn, pieces = connection(role, frames=frames), way(role, size)
        return calls_of(lambda: play(conn, pieces))

    once, twice = work(size), work(2 * size)
    assert once > 0
    assert twice <= 2.05 * once


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("way", "size"), WAYS)
def test_twice_the_size_takes_twice_the_copies(
    way: Callable[[Role, int], list[bytes]], size: int, role: Role
):
    once, twice = (allocated_for(connection(role), way(role, n)) for n in (size, 2 * size))
    assert twice <= 2.3 * once


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("size", [256 * KIB, 512 * KIB])
def test_a_megabyte_of_frames_in_one_piece_is_not_copied_for_each_of_them(size: int):
    """The rest of the piece stays where it is while its frames are read."""
    data = b"".join([frame(2, bytes(100))] * (size // 102))
    conn, copied = connection(), 0
    conn.receive_data(data)
    while True:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        if conn.next_event() is None:
            break
        copied = max(copied, tracemalloc.get_traced_memory()[1] - before)
    assert copied < 4 * KIB


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 101 x\r\nX: ", b"x"),
        (b"HTTP/1.1 101 x\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 401 x\r\nContent-Length: 60000\r\n\r\n", b"x"),
        (b"HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
def test_twice_the_answer_takes_twice_the_calls(start: bytes, more: bytes):
    def work(size: int) -> None:
        shake = handshake()
        for piece in in_pieces(start + more * (size // len(more)), 16):
            assert shake.receive_data(piece) is None

    assert calls_of(lambda: work(24_000)) <= 2.05 * calls_of(lambda: work(12_000))


REQUEST_LINE = b"GET / HTTP/1.1\r\n"
HEADS = [
    (b"", b"x", 4000),
    (b"GET /", b"?", 4000),
    (REQUEST_LINE + b"X: ", b"y", 4000),
    (REQUEST_LINE + b"X:", b" ", 4000),
    (REQUEST_LINE, b"X: " + b"y" * 75 + b"\r\n", 4000),
    (REQUEST_LINE, b"X: " + b"y" * 1995 + b"\r\n", 60_000),
    (REQUEST_LINE, b"X: " + b"\t y" * 665 + b"\r\n", 60_000),
]


@pytest.mark.parametrize("piece", [1, 16])
@pytest.mark.parametrize(("start", "more", "size"), HEADS)
def test_twice_the_request_takes_twice_the_calls(start: bytes, more: bytes, size: int, piece: int):
    """That of a client which drips it, up to the limits of a head."""

    def work(size: int) -> int:
        shake, pieces = ServerHandshake(), in_pieces(start + more * (size // len(more)), piece)
        return calls_of(lambda: drip(shake, pieces))

    assert work(2 * size) <= 2.05 * work(size)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("start", "more", "size"), HEADS)
def test_twice_the_request_takes_twice_the_copies(start: bytes, more: bytes, size: int):
    def work(size: int) -> int:
        shake, total = ServerHandshake(), 0
        for piece in in_pieces(start + more * (size // len(more)), 16):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            drip(shake, [piece])
            total += tracemalloc.get_traced_memory()[1] - before
        return total

    assert work(2 * size) <= 2.3 * work(size)


@pytest.mark.parametrize("more", [b"x", b"X: y\r\n", b"\x81\x00"])
def test_what_comes_after_a_refusal_is_not_looked_at(more: bytes):
    shake = ServerHandshake()
    with pytest.raises(RefusalError):
        shake.receive_data(b"\x16")
    assert calls_of(lambda: drip(shake, [more * 1000])) < 10


def drip(shake: ServerHandshake, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        assert shake.receive_data(piece) is None


@pytest.mark.parametrize("size", [100_000])
def test_an_outgoing_message_is_made_frame_by_frame(size: int):
    def work(count: int) -> None:
        for _ in connection(CLIENT).send_message(2, bytes(count), frame_size=100):
            pass

    assert calls_of(lambda: work(2 * size)) <= 2.05 * calls_of(lambda: work(size))


# Memory


def large(role: Role, opcode: int, size: int) -> Iterator[bytes]:
    """One frame, in pieces of 64 KiB that cost nothing: they are all the same object."""
    yield sent_to(role, head(opcode, size))
    piece = (b"xxxx" if role is CLIENT else KEY) * (16 * KIB)
    for _ in range(size // len(piece)):
        yield piece


def large_in_frames(role: Role, opcode: int, size: int) -> Iterator[bytes]:
    """Frames of 4 KiB, sixteen to a piece."""
    piece = sent_to(role, *[frame(0, b"x" * 4096, fin=False)] * 16)
    yield sent_to(role, frame(opcode, b"", fin=False))
    for _ in range(size // (16 * 4096)):
        yield piece
    yield sent_to(role, frame(0))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("way", [large, large_in_frames])
@pytest.mark.parametrize(("opcode", "kind"), [(1, "text message"), (2, "binary message")])
@pytest.mark.parametrize("role", ROLES)
def test_a_message_of_16_mib_takes_at_most_two_and_a_half_times_its_size(
    role: Role, opcode: int, kind: str, way: Callable[[Role, int, int], Iterator[bytes]]
):
    pieces = list(way(role, opcode, 16 * MIB))
    peak, last = peak_of(connection(role), pieces)
    assert (last[0], len(last[1])) == (kind, 16 * MIB)
    assert peak <= 2.5 * 16 * MIB


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("opcode", [1, 2])
@pytest.mark.parametrize("role", ROLES)
def test_a_message_in_single_bytes_takes_no_more(role: Role, opcode: int):
    pieces = in_pieces(sent_to(role, frame(opcode, b"x" * 32 * KIB)), 1)
    peak, last = peak_of(connection(role), pieces)
    assert len(last[1]) == 32 * KIB
    assert peak <= 2.5 * 32 * KIB


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("opcode", [1, 2])
def test_a_message_in_frames_of_one_byte_takes_no_more(opcode: int):
    frames = [frame(opcode, b"x", fin=False), *[frame(0, b"x", fin=False)] * (32 * KIB - 2)]
    pieces = in_pieces(b"".join([*frames, frame(0, b"x")]), 1460)
    peak, last = peak_of(connection(), pieces)
    assert len(last[1]) == 32 * KIB
    assert peak <= 2.5 * 32 * KIB


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_reserved_for_what_a_head_announces(role: Role):
    pieces = [sent_to(role, head(2, 2**31 - 2)), b"begun"]
    peak, _ = peak_of(connection(role), pieces)
    assert peak < 8 * KIB


@pytest.mark.usefixtures("traced")
def test_what_is_above_the_limit_is_not_kept():
    """Not even while it comes: the limit of a message also stops a single large frame."""
    conn = connection(limits=Limits(max_message_size=MIB))
    peak, last = peak_of(conn, large(CLIENT, 2, 16 * MIB))
    assert last == ("failure", 1009, "Received message is too big.")
    assert peak < 256 * KIB


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    "piece",
    [
        frame(0, b"", fin=False) * 500,
        frame(9, b"x" * 125) * 100,
        frame(10, b"x" * 125) * 100,
        frame(0, b"", fin=False) + frame(9, b"x"),
    ],
    ids=["empty fragments", "pings", "pongs", "both"],
)
def test_what_is_not_kept_costs_nothing_however_much_of_it_comes(piece: bytes):
    conn = connection()
    play(conn, [b"\x01\x01x"])
    peak, _ = peak_of(conn, [piece] * 400)
    assert peak < 64 * KIB


@pytest.mark.usefixtures("traced")
def test_many_messages_leave_nothing_behind():
    conn, piece = (
        connection(),
        frame(1, b"x" * 125) * 100 + frame(2, b"y" * 200, fin=False) + frame(0),
    )
    play(conn, [piece])
    before, _ = tracemalloc.get_traced_memory()
    play(conn, [piece] * 200)
    assert tracemalloc.get_traced_memory()[0] - before < 4 * KIB


@pytest.mark.usefixtures("traced")
def test_outgoing_frames_are_not_kept_together():
    payload = bytes(4 * MIB)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    for _ in connection(CLIENT).send_message(2, payload, frame_size=64 * KIB):
        pass
    assert tracemalloc.get_traced_memory()[1] - before < MIB


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("head", "most"),
    [
        (b"", 12 * KIB),
        (REQUEST_LINE + b"Host: x\r\n" + b"X: y\r\n" * 30, 14 * KIB),
        (REQUEST_LINE + b"X: " + b"y" * 8000, 40 * KIB),
        (REQUEST_LINE + (b"X: " + b"y" * 7995 + b"\r\n") * 16, 400 * KIB),
    ],
)
def test_a_half_open_handshake_is_small(head: bytes, most: int):
    """Whatever its client sends: what is above the limits ends it."""
    pieces = in_pieces(head, 16)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    shake = ServerHandshake()
    drip(shake, pieces)
    assert tracemalloc.get_traced_memory()[1] - before < most


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    "piece", [b"x" * 1000, b"X: y\r\n" * 20, b"X: " + b"y" * 995 + b"\r\n", b" z\n" * 50]
)
def test_an_endless_request_is_not_kept(piece: bytes):
    shake = ServerHandshake()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    with pytest.raises(RefusalError):
        drip(shake, [REQUEST_LINE, *[piece] * 10_000])
    drip(shake, [piece] * 10_000)
    assert tracemalloc.get_traced_memory()[1] - before < 400 * KIB


@pytest.mark.usefixtures("traced")
def test_an_accepted_handshake_keeps_nothing_of_its_request():
    shake = ServerHandshake()
    before, _ = tracemalloc.get_traced_memory()
    request = shake.receive_data(
        REQUEST_LINE
        + b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + (b"X: " + b"y" * 7995 + b"\r\n") * 15
        + b"\r\n"
    )
    assert request is not None
    shake.accept([])
    del request
    assert tracemalloc.get_traced_memory()[0] - before < 32 * KIB
