"""Frames that break RFC 6455: the code and the reason that each is answered with."""

import struct
import time
from collections.abc import Callable

import pytest

from support.client import CLOSED, Client
from support.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    close_frame,
    frame,
)

RSV = "Rsv field is non-zero"
OPCODE = "Used reserved opcode"
CONTROL_SIZE = "Control frame is larger than 125 bytes"
CONTROL_FIN = "Control frames cannot be fragmented"
NOTHING = "Received Continuation frame, while there is nothing to continue."
INITIAL = "All data frames after the initial data frame must have opcode 0 (continuation)."
SMALL = "Lengths smaller than 126 must be expressed as one byte."
MEDIUM = "Lengths smaller than 65536 (2^16) must be expressed as 2 bytes."
HIGHEST = "Highest bit of payload length is not 0."
FRAME_SIZE = "Maximum framesize exceeded."
UTF8 = "Invalid UTF-8 code encountered."
CLOSE_SIZE = "Payload of close frame is too small."


def long_head(opcode: int, size: int) -> bytes:
    return struct.pack("!BBQ", 0x80 | opcode, 127, size)


ERRORS = [
    *[pytest.param(frame(TEXT, b"x", rsv=bits), 1002, RSV, id=f"rsv {bits}") for bits in (1, 2, 4)],
    pytest.param(frame(CLOSE, b"\x03\xe8", rsv=1), 1002, RSV, id="rsv of close"),
    *[
        pytest.param(frame(code, b"x"), 1002, OPCODE, id=f"opcode {code}")
        for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ],
    pytest.param(frame(PING, b"x" * 126), 1002, CONTROL_SIZE, id="ping size"),
    pytest.param(frame(PONG, b"x" * 126), 1002, CONTROL_SIZE, id="pong size"),
    pytest.param(close_frame(1000, b"x" * 124), 1002, CONTROL_SIZE, id="close size"),
    pytest.param(frame(PING, b"x", fin=False), 1002, CONTROL_FIN, id="ping fin"),
    pytest.param(frame(CLOSE, b"\x03\xe8", fin=False), 1002, CONTROL_FIN, id="close fin"),
    pytest.param(frame(CONTINUATION, b"x"), 1002, NOTHING, id="continuation"),
    pytest.param(frame(CONTINUATION, b"x", fin=False), 1002, NOTHING, id="continuation more"),
    pytest.param(b"\x81\x7e\x00\x05hello", 1002, SMALL, id="16 bits for 5"),
    pytest.param(b"\x81\x7e\x00\x7d", 1002, SMALL, id="16 bits for 125"),
    pytest.param(long_head(TEXT, 5) + b"hello", 1002, MEDIUM, id="64 bits for 5"),
    pytest.param(long_head(TEXT, 65535), 1002, MEDIUM, id="64 bits for 65535"),
    pytest.param(long_head(BINARY, 2**63 + 5), 1002, HIGHEST, id="2^63"),
    pytest.param(long_head(BINARY, 2**62), 1009, FRAME_SIZE, id="2^62"),
    pytest.param(long_head(BINARY, 2**31 - 1), 1009, FRAME_SIZE, id="2^31"),
    pytest.param(frame(TEXT, b"ab\xff"), 1007, UTF8, id="utf-8"),
    pytest.param(frame(TEXT, b"a\xc3"), 1007, UTF8, id="utf-8 cut"),
    pytest.param(frame(TEXT, b"\xed\xa0\x80"), 1007, UTF8, id="utf-8 surrogate"),
    pytest.param(frame(TEXT, b"\xc0\xaf"), 1007, UTF8, id="utf-8 overlong"),
    pytest.param(frame(TEXT, b"\xf4\x90\x80\x80"), 1007, UTF8, id="utf-8 too large"),
    pytest.param(frame(TEXT, b"\xff", fin=False), 1007, UTF8, id="utf-8 in a fragment"),
    pytest.param(frame(CLOSE, b"\x03"), 1002, CLOSE_SIZE, id="close of one byte"),
    pytest.param(frame(CLOSE, b"\x03\xe8\xff"), 1007, UTF8, id="close utf-8"),
    pytest.param(
        frame(TEXT, b"x", mask=b"abcd"),
        1002,
        None,
        id="masked",
        marks=pytest.mark.beyond("it takes masked frames from a server (RFC 6455 5.1)"),
    ),
]


def check(client: Client, peer: Peer, data: bytes, code: int, reason: str | None) -> list[str]:
    link = client.connect(peer)
    link.send(data)
    client.until_last("readChannelFinished", timeout=4000)
    client.until(lambda: link.eof)
    assert client.lines[-6:] == CLOSED
    assert client.socket.closeCode().value == code
    closing = link.frames[-1]
    assert (closing.opcode, closing.close_code) == (CLOSE, code)
    if reason is not None:
        assert closing.payload[2:].decode() == reason
        assert client.socket.closeReason() == reason
    return client.lines[:-6]


@pytest.mark.parametrize(("data", "code", "reason"), ERRORS)
def test_this_is_refused(
    client: Client, make_peer: Callable[..., Peer], data: bytes, code: int, reason: str
) -> None:
    assert check(client, make_peer(echo_close=False), data, code, reason) == []


@pytest.mark.parametrize(("data", "code", "reason"), ERRORS)
def test_this_is_refused_between_good_messages(
    client: Client, make_peer: Callable[..., Peer], data: bytes, code: int, reason: str
) -> None:
    peer = make_peer(echo_close=False)
    stream = frame(TEXT, b"good") + data + frame(TEXT, b"after") + frame(PING)
    lines = check(client, peer, stream, code, reason)
    assert lines == ["textFrame:good:last", "text:good"]
    assert len(peer.link.frames) == 1


def test_a_new_message_inside_a_message_is_refused(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    stream = frame(TEXT, b"x", fin=False) + frame(TEXT, b"y")
    lines = check(client, make_peer(echo_close=False), stream, 1002, INITIAL)
    assert lines == ["textFrame:x:more"]


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1012, 1014, 1015, 1016, 2999, 5000, 65535]
)
def test_an_invalid_close_code_is_refused(
    client: Client, make_peer: Callable[..., Peer], code: int
) -> None:
    lines = check(client, make_peer(echo_close=False), close_frame(code, b"hi"), 1002, None)
    assert lines == []
    assert client.socket.closeReason().startswith("Invalid close code ")


@pytest.mark.beyond("the reason always names 1002")
@pytest.mark.parametrize("code", [999, 1004, 5000])
def test_the_reason_names_the_invalid_close_code(
    client: Client, make_peer: Callable[..., Peer], code: int
) -> None:
    reason = f"Invalid close code {code} detected."
    check(client, make_peer(echo_close=False), close_frame(code), 1002, reason)


def test_a_protocol_error_is_no_socket_error(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    check(client, make_peer(echo_close=False), frame(3), 1002, OPCODE)
    assert client.socket.error().name == "UnknownSocketError"
    assert client.trace.only("error") == []


def test_the_reason_is_known_in_the_first_about_to_close(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    heard: list[str] = []
    client.socket.aboutToClose.connect(lambda: heard.append(client.socket.closeReason()))
    check(client, make_peer(echo_close=False), frame(3), 1002, OPCODE)
    assert heard == [OPCODE, OPCODE]


@pytest.mark.beyond("it checks the text when the frame is complete")
def test_invalid_utf8_is_refused_before_the_frame_is_complete(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    check(client, make_peer(echo_close=False), b"\x81\x7d" + b"a\xff", 1007, UTF8)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"\x81", id="head"),
        pytest.param(b"\x81\x7e\x01", id="length"),
        pytest.param(b"\x81\x05he", id="payload"),
    ],
)
def test_a_frame_that_stalls_ends_the_connection_after_five_seconds(
    client: Client, make_peer: Callable[..., Peer], start: bytes
) -> None:
    link = client.connect(make_peer(echo_close=False))
    began = time.monotonic()
    link.send(start)
    client.until_last("readChannelFinished")
    assert 4 < time.monotonic() - began < 12
    assert client.trace.without("textFrame") == CLOSED
    client.until(lambda: link.eof)
    assert link.payloads() == [b"\x03\xe9Timeout when reading data from socket."]
    assert client.socket.closeCode().value == 1001


@pytest.mark.beyond("it gives the next fragment five seconds, which RFC 6455 section 5.4 does not")
def test_a_pause_between_fragments_is_not_a_stall(client: Client, peer: Peer) -> None:
    link = client.connect(peer)
    began = time.monotonic()
    link.send(frame(TEXT, b"a", fin=False))
    client.until(lambda: time.monotonic() - began > 6)
    link.send(frame(CONTINUATION, b"b"))
    client.until_line("text:ab")


def test_a_frame_that_goes_on_is_not_stalled(client: Client, peer: Peer) -> None:
    link = client.connect(peer)
    for byte in frame(TEXT, b"abc"):
        link.send(bytes([byte]))
        client.qtbot.wait(1300)  # 6.5 seconds in all, more than a stalled frame is given
    client.until_line("text:abc")
