"""From frames to messages: fragments, UTF-8 and limits."""

from typing import Any

import pytest

from engine.transcript import bytewise
from pyqwebsocket._engine.errors import ProtocolError
from pyqwebsocket._engine.frames import FrameHead
from pyqwebsocket._engine.messages import MessageReader

CONTINUATION, TEXT, BINARY = 0, 1, 2
UTF8 = (1007, "Invalid UTF-8 code encountered.")

# Each is invalid from its last byte on, and not before.
INVALID_WITH_LAST_BYTE = [
    b"\x80",  # a continuation that continues nothing
    b"abc\xbf",
    b"\xc0",  # would be overlong whatever follows
    b"\xc1",
    b"\xf5",  # would be above U+10FFFF
    b"\xfe",
    b"\xff",
    b"\xc3\x28",
    b"\xe0\x9f",  # overlong
    b"\xe2\x28",
    b"\xe2\x82\x28",
    b"\xed\xa0",  # a surrogate, though CPython's decoder waits for a third byte
    b"\xed\xbf",
    b"\xf0\x8f",  # overlong
    b"\xf0\x9f\x28",
    b"\xf0\x9f\x98\x28",
    b"\xf4\x90",  # above U+10FFFF
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90",  # Autobahn 6.4.1
]
CUT_CHARACTERS = [b"\xc3", b"a\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xf4\x8f\xbf"]
VALID = [
    "",
    "a",
    "\x00",
    "\x7f",
    "\x80",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\ufeffBOM",
    "\ufffd",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "κόσμε €",
    "😀" * 3,
]


def reader(*, limit: int = 1 << 40, frames: bool = False) -> MessageReader:
    made = MessageReader(max_message_size=limit)
    made.report_frames = frames
    return made


def read(
    made: MessageReader, opcode: int, *pieces: bytes, fin: bool = True, length: int | None = None
) -> list[Any]:
    """One frame, whose payload comes in these pieces; one of another length does not end."""
    size = sum(map(len, pieces))
    head = FrameHead(fin, opcode, size if length is None else length, None)
    made.begin_frame(head)
    for piece in pieces:
        made.add_payload(head, piece)
    return made.end_frame(head) if head.length == size else []


def refusal(made: MessageReader, *args: Any, **kwargs: Any) -> tuple[int, str]:
    with pytest.raises(ProtocolError) as caught:
        read(made, *args, **kwargs)
    return caught.value.close_code, caught.value.reason


def test_a_message_of_one_frame_in_one_piece():
    made = reader()
    assert read(made, TEXT, b"h\xc3\xa9") == [("text message", "hé")]
    assert read(made, BINARY, b"\xc3") == [("binary message", b"\xc3")]


def test_a_binary_message_in_one_piece_is_not_copied():
    payload = b"payload"
    assert read(reader(), BINARY, payload)[0][1] is payload


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("text", VALID)
def test_valid_text_is_taken_however_it_is_cut(text: str, frames: bool):
    data = text.encode()
    message = ("text message", text)
    expected = [("text frame", text, True), message] if frames else [message]
    made = reader(frames=frames)
    assert read(made, TEXT, data) == expected
    assert read(made, TEXT, *bytewise(data)) == expected
    for cut in range(len(data) + 1):
        read(made, TEXT, data[:cut], fin=False)
        assert read(made, CONTINUATION, data[cut:])[-1] == message


@pytest.mark.parametrize("data", INVALID_WITH_LAST_BYTE)
def test_invalid_text_fails_with_the_byte_that_makes_it_so(data: bytes):
    """In a frame that goes on and one that does not, in the first fragment and a later one."""
    for fin in (True, False):
        made = reader()
        if len(data) > 1:
            read(made, TEXT, data[:-1], length=1000, fin=fin)
        assert refusal(reader(), TEXT, data, length=1000, fin=fin) == UTF8
        assert refusal(reader(), TEXT, *bytewise(data), length=1000, fin=fin) == UTF8
    made = reader()
    for byte in bytewise(data[:-1]):
        read(made, CONTINUATION if made._payload else TEXT, byte, fin=False)
    assert refusal(made, CONTINUATION if data[:-1] else TEXT, data[-1:], fin=False) == UTF8
    assert refusal(reader(), TEXT, data) == UTF8


@pytest.mark.parametrize("data", CUT_CHARACTERS)
def test_text_may_not_end_inside_a_character(data: bytes):
    assert refusal(reader(), TEXT, data) == UTF8
    assert refusal(reader(), TEXT, *bytewise(data)) == UTF8
    made = reader()
    read(made, TEXT, data, fin=False)
    assert refusal(made, CONTINUATION, b"") == UTF8


def test_binary_fragments_are_no_text():
    made = reader()
    assert read(made, BINARY, b"\xff", fin=False) == []
    assert read(made, CONTINUATION, b"\xfe", b"\xfd") == [("binary message", b"\xff\xfe\xfd")]


def test_the_message_after_a_fragmented_one_begins_anew():
    made = reader(frames=True)
    read(made, TEXT, b"first", fin=False)
    read(made, CONTINUATION, b"")
    assert read(made, BINARY, b"se", b"cond") == [
        ("binary frame", b"second", True),
        ("binary message", b"second"),
    ]


def test_a_message_handed_out_is_not_written_to_again():
    made = reader()
    [(_, first)] = read(made, BINARY, b"fi", b"rst")
    [(_, second)] = read(made, BINARY, b"sec", b"ond")
    assert (first, second) == (b"first", b"second")


def test_an_incomplete_character_waits_for_the_next_frame():
    made = reader(frames=True)
    assert read(made, TEXT, b"a\xe2", fin=False) == [("text frame", "a", False)]
    assert read(made, CONTINUATION, b"\x82", fin=False) == [("text frame", "", False)]
    assert read(made, CONTINUATION, b"", fin=False) == [("text frame", "", False)]
    assert read(made, CONTINUATION, b"\xac\xc3", fin=False) == [("text frame", "€", False)]
    assert read(made, CONTINUATION, b"\xa9z") == [
        ("text frame", "éz", True),
        ("text message", "a€éz"),
    ]


def test_frames_of_data_are_reported_as_they_came():
    made = reader(frames=True)
    assert read(made, BINARY, fin=False) == [("binary frame", b"", False)]
    assert read(made, CONTINUATION, b"a", b"b", fin=False) == [("binary frame", b"ab", False)]
    assert read(made, CONTINUATION, b"", fin=False) == [("binary frame", b"", False)]
    assert read(made, CONTINUATION, b"c") == [
        ("binary frame", b"c", True),
        ("binary message", b"abc"),
    ]


@pytest.mark.parametrize(
    ("opcode", "kind", "payload"), [(1, "text", "abcd"), (2, "binary", b"abcd")]
)
def test_reports_begin_in_the_middle_of_a_message_with_the_present_frame(
    opcode: int, kind: str, payload: str | bytes
):
    made = reader()
    read(made, opcode, b"ab", fin=False)
    made.report_frames = True
    assert read(made, CONTINUATION, b"c", fin=False) == [(f"{kind} frame", payload[2:3], False)]
    made.report_frames = False
    assert read(made, CONTINUATION, b"d") == [(f"{kind} message", payload)]


def test_an_end_without_payload_ends_the_message():
    made = reader(frames=True)
    assert read(made, TEXT, b"", fin=False) == [("text frame", "", False)]
    assert read(made, CONTINUATION, b"") == [("text frame", "", True), ("text message", "")]


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_needs_a_beginning(fin: bool):
    reason = "Received Continuation frame, while there is nothing to continue."
    assert refusal(reader(), CONTINUATION, fin=fin) == (1002, reason)
    made = reader()
    read(made, TEXT, b"whole")
    assert refusal(made, CONTINUATION, fin=fin) == (1002, reason)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_beginning_may_not_come_in_a_message(opcode: int):
    reason = "All data frames after the initial data frame must have opcode 0 (continuation)."
    made = reader()
    read(made, TEXT, b"", fin=False)
    assert refusal(made, opcode) == (1002, reason)


def test_the_limit_holds_for_the_sum_of_the_fragments_on_the_head_alone():
    made = reader(limit=5)
    read(made, BINARY, b"abc", fin=False)
    assert read(made, CONTINUATION, b"de", fin=False) == []
    assert refusal(made, CONTINUATION, length=1) == (1009, "Received message is too big.")


def test_a_message_of_the_limit_is_taken_and_one_byte_more_is_not():
    made = reader(limit=5)
    assert read(made, TEXT, b"abcde") == [("text message", "abcde")]
    assert refusal(made, TEXT, length=6) == (1009, "Received message is too big.")


@pytest.mark.parametrize("data", [b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xbf\xbf"])
def test_a_surrogate_is_no_text(data: bytes):
    assert refusal(reader(), TEXT, data) == UTF8
    assert refusal(reader(), TEXT, data, length=1000) == UTF8
    assert refusal(reader(), TEXT, data, fin=False) == UTF8
    assert refusal(reader(), TEXT, *bytewise(data), fin=False) == UTF8
