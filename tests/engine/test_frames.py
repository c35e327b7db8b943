"""One frame: its bytes, and what its head may not say."""

import pytest

from engine.transcript import KEY, bytewise, masked, xor
from pyqwebsocket._engine.errors import ProtocolError
from pyqwebsocket._engine.frames import FrameHead, FrameReader, encode_frame, encode_head

ENCODED = [
    (0x1, b"Hello", True, b"\x81\x05Hello"),  # section 5.7, as the next three
    (0x1, b"Hel", False, b"\x01\x03Hel"),
    (0x0, b"lo", True, b"\x80\x02lo"),
    (0x9, b"Hello", True, b"\x89\x05Hello"),
    (0x2, b"", True, b"\x82\x00"),
    (0x2, b"x" * 125, True, b"\x82\x7d" + b"x" * 125),
    (0x2, b"x" * 126, True, b"\x82\x7e\x00\x7e" + b"x" * 126),
    (0x2, b"x" * 256, True, b"\x82\x7e\x01\x00" + b"x" * 256),
    (0x2, b"x" * 65535, True, b"\x82\x7e\xff\xff" + b"x" * 65535),
    (0x2, b"x" * 65536, True, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + b"x" * 65536),
]


def reader(*, masked: bool = False, limit: int = 1 << 40) -> FrameReader:
    return FrameReader(masked=masked, max_frame_size=limit)


def refusal(data: bytes, **kwargs: bool | int) -> tuple[int, str]:
    made = reader(**kwargs)
    made.feed(data)
    with pytest.raises(ProtocolError) as caught:
        made.read_head()
    return caught.value.close_code, caught.value.reason


@pytest.mark.parametrize(("opcode", "payload", "fin", "data"), ENCODED)
def test_a_frame_has_the_bytes_of_section_5(opcode: int, payload: bytes, fin: bool, data: bytes):
    assert encode_frame(opcode, payload, key=None, fin=fin) == data
    assert encode_frame(opcode, payload, key=KEY, fin=fin) == masked(data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_payload_may_be_any_buffer(kind: type):
    assert encode_frame(2, kind(b"data"), key=None) == b"\x82\x04data"
    assert encode_frame(2, kind(b"data"), key=KEY) == masked(b"\x82\x04data")


def test_a_head_can_be_made_without_its_payload():
    assert encode_head(2, 2**40, key=None) == b"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00"
    assert encode_head(2, 2**40, key=b"abcd") == b"\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00abcd"


@pytest.mark.parametrize(("opcode", "payload", "fin", "data"), ENCODED)
def test_what_was_made_can_be_read(opcode: int, payload: bytes, fin: bool, data: bytes):
    made = reader()
    made.feed(data)
    assert made.read_head() == FrameHead(fin, opcode, len(payload), None)
    assert made.read_payload() == payload
    assert made.remaining == 0
    assert not made.mid_head


@pytest.mark.parametrize(("opcode", "payload", "fin", "data"), ENCODED[:8])
def test_a_masked_frame_is_read_byte_by_byte(opcode: int, payload: bytes, fin: bool, data: bytes):
    made, head, read = reader(masked=True), None, b""
    for piece in bytewise(masked(data)):
        made.feed(piece)
        assert made.mid_head
        if head is None:
            head = made.read_head()
        else:
            read += made.read_payload()
    assert head == FrameHead(fin, opcode, len(payload), KEY)
    assert read == payload
    assert made.remaining == 0


def test_a_head_is_read_whole_or_not_at_all():
    made = reader(masked=True)
    for piece in bytewise(b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00abc"):
        made.feed(piece)
        assert made.read_head() is None
    made.feed(b"d")
    assert made.read_head() == FrameHead(True, 2, 65536, b"abcd")
    assert not made.mid_head
    assert made.remaining == 65536


def test_a_payload_is_handed_on_in_the_pieces_in_which_it_comes():
    made = reader(masked=True)
    made.feed(masked(b"\x82\x08frag")[:7])
    made.read_head()
    assert made.read_payload() == b"f"
    assert made.read_payload() == b""
    made.feed(xor(b"frag")[1:] + xor(b"ment") + b"next")
    assert made.read_payload() == b"ragment"
    assert made.remaining == 0
    assert made.mid_head  # "next" waits


def test_two_frames_in_one_piece_are_told_apart():
    made = reader()
    made.feed(b"\x81\x01a\x82\x01b")
    assert (made.read_head(), made.read_payload()) == (FrameHead(True, 1, 1, None), b"a")
    assert (made.read_head(), made.read_payload()) == (FrameHead(True, 2, 1, None), b"b")
    assert made.read_head() is None


def test_what_was_fed_can_be_forgotten():
    made = reader()
    made.feed(b"\x81")
    made.clear()
    assert not made.mid_head
    assert made.read_head() is None


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x40, 0x70])
def test_reserved_bits_are_refused(bits: int):
    assert refusal(bytes([0x81 | bits, 0])) == (1002, "Rsv field is non-zero")


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("fin", [0, 0x80])
def test_reserved_opcodes_are_refused(opcode: int, fin: int):
    assert refusal(bytes([fin | opcode, 0])) == (1002, "Used reserved opcode")


@pytest.mark.parametrize("opcode", [8, 9, 10])
@pytest.mark.parametrize("length", [126, 127])
def test_a_large_control_frame_is_refused_before_its_length_is_known(opcode: int, length: int):
    reason = "Control frame is larger than 125 bytes"
    assert refusal(bytes([0x80 | opcode, length])) == (1002, reason)


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_a_control_frame_in_fragments_is_refused(opcode: int):
    assert refusal(bytes([opcode, 0])) == (1002, "Control frames cannot be fragmented")


@pytest.mark.parametrize("length", [0, 1, 125])
def test_sixteen_bits_for_a_length_that_fits_seven_are_refused(length: int):
    reason = "Lengths smaller than 126 must be expressed as one byte."
    assert refusal(b"\x82\x7e" + length.to_bytes(2, "big")) == (1002, reason)


@pytest.mark.parametrize("length", [0, 125, 126, 65535])
def test_sixty_four_bits_for_a_length_that_fits_sixteen_are_refused(length: int):
    reason = "Lengths smaller than 65536 (2^16) must be expressed as 2 bytes."
    assert refusal(b"\x82\x7f" + length.to_bytes(8, "big")) == (1002, reason)


@pytest.mark.parametrize("length", [2**63, 2**63 + 5, 2**64 - 1])
def test_the_highest_bit_of_a_length_is_refused(length: int):
    reason = "Highest bit of payload length is not 0."
    assert refusal(b"\x82\x7f" + length.to_bytes(8, "big"), limit=1 << 70) == (1002, reason)


@pytest.mark.parametrize("length", [1001, 65535])
@pytest.mark.parametrize("bit", [0, 0x80])
def test_a_length_above_the_limit_is_refused_on_the_head_alone(length: int, bit: int):
    head = bytes([0x82, bit | 126]) + length.to_bytes(2, "big")
    reason = "Maximum framesize exceeded."
    assert refusal(head, limit=1000, masked=bool(bit)) == (1009, reason)


def test_a_length_at_the_limit_is_taken():
    made = reader(limit=1000)
    made.feed(b"\x82\x7e\x03\xe8")
    assert made.read_head() == FrameHead(True, 2, 1000, None)


def test_the_limit_holds_for_control_frames_as_in_qt():
    assert refusal(b"\x89\x0b", limit=10) == (1009, "Maximum framesize exceeded.")


@pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10])
def test_a_frame_is_masked_exactly_when_a_client_sent_it(opcode: int):
    first = 0x80 | opcode
    told = (1002, "Frames from a client must be masked.")
    assert refusal(bytes([first, 5]), masked=True) == told
    told = (1002, "Frames from a server must not be masked.")
    assert refusal(bytes([first, 0x85]), masked=False) == told
