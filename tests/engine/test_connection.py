"""The open connection: transcripts in both roles, whole, split at each byte and truncated."""

import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from engine.peers import told_by_engine, told_by_websockets, told_by_wsproto
from engine.transcript import (
    CLIENT,
    CLOSED,
    CLOSING,
    FAILED,
    KEY,
    OPEN,
    SERVER,
    Limits,
    bytewise,
    check,
    check_failure,
    connection,
    events,
    failure,
    feed,
    frame,
    in_pieces,
    masked,
    wire_for,
)
from pyqwebsocket._engine.connection import Connection, Role, clipped_utf8, encode_message

UTF8 = (1007, "Invalid UTF-8 code encountered.")
NOTHING_TO_CONTINUE = "Received Continuation frame, while there is nothing to continue."
CONTINUATION_EXPECTED = (
    "All data frames after the initial data frame must have opcode 0 (continuation)."
)
INVALID_WITH_LAST_BYTE = [
    b"\xff",
    b"ab\x80",
    b"\xc3\x28",
    b"\xe2\x82\x28",
    b"\xed\xa0",
    b"\xf4\x90",
]


# Messages


def test_messages_of_one_frame():
    check(
        [b"\x81\x05Hello", b"\x82\x03\x00\xff\x80", b"\x81\x00", b"\x82\x00"],
        [
            ("text message", "Hello"),
            ("binary message", b"\x00\xff\x80"),
            ("text message", ""),
            ("binary message", b""),
        ],
    )


def test_the_masked_hello_of_section_5_7():
    data = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    assert feed(connection(SERVER), data) == [("text message", "Hello")]


def test_each_frame_has_its_own_masking_key():
    data = b"\x01\x82\x01\x02\x03\x04\x49\x67" + b"\x80\x83\xff\x00\xff\x00\x93\x6c\x90"
    assert feed(connection(SERVER), data) == [("text message", "Hello")]


def test_messages_in_fragments():
    check(
        [b"\x01\x03Hel", b"\x00\x00", b"\x80\x02lo", b"\x02\x00", b"\x00\x01\xff", b"\x80\x00"],
        [("text message", "Hello"), ("binary message", b"\xff")],
    )


def test_characters_cut_by_fragments():
    check(
        [b"\x01\x01\xf0", b"\x00\x01\x9f", b"\x00\x01\x98", b"\x80\x01\x80"],
        [("text message", "😀")],
    )


@pytest.mark.parametrize("size", [125, 126, 127, 128, 65535, 65536, 65537])
def test_lengths_at_the_edges_of_their_forms(size: int):
    payload = bytes(range(251)) * (size // 251 + 1)
    data = frame(2, payload[:size])
    for role, pieces in itertools.product((CLIENT, SERVER), (1, 2, 3, 1000, size, size * 2)):
        if pieces < 1000 < size:
            continue
        seen = feed(connection(role), *in_pieces(wire_for(role, [data]), pieces))
        assert seen == [("binary message", payload[:size])]


def test_control_frames_between_fragments_keep_their_place():
    check(
        [b"\x01\x03Hel", b"\x89\x01a", b"\x00\x01l", b"\x8a\x01b", b"\x80\x01o", b"\x82\x01z"],
        [("ping", b"a"), ("pong", b"b"), ("text message", "Hello"), ("binary message", b"z")],
        owed=b"\x8a\x01a",
    )


def test_control_frames_between_the_bytes_of_a_character():
    check(
        [b"\x01\x01\xe2", b"\x8a\x01\xff", b"\x00\x01\x82", b"\x8a\x00", b"\x80\x01\xac"],
        [("pong", b"\xff"), ("pong", b""), ("text message", "€")],
    )


# Events of frames


def test_a_frame_event_comes_before_its_message():
    check(
        [b"\x81\x02hi", b"\x82\x02\x01\x02"],
        [
            ("text frame", "hi", True),
            ("text message", "hi"),
            ("binary frame", b"\x01\x02", True),
            ("binary message", b"\x01\x02"),
        ],
        frames=True,
    )


def test_frame_events_with_control_frames_in_place():
    check(
        [b"\x01\x03Hel", b"\x8a\x01x", b"\x00\x00", b"\x80\x02lo"],
        [
            ("text frame", "Hel", False),
            ("pong", b"x"),
            ("text frame", "", False),
            ("text frame", "lo", True),
            ("text message", "Hello"),
        ],
        frames=True,
    )


def test_a_character_is_reported_with_the_frame_that_ends_it():
    check(
        [b"\x01\x02a\xe2", b"\x00\x01\x82", b"\x00\x02\xac\xc3", b"\x80\x02\xa9z"],
        [
            ("text frame", "a", False),
            ("text frame", "", False),
            ("text frame", "€", False),
            ("text frame", "éz", True),
            ("text message", "a€éz"),
        ],
        frames=True,
    )


def test_frames_of_data_are_reported_as_they_came():
    check(
        [b"\x02\x01\xe2", b"\x00\x00", b"\x80\x02\x82\xac"],
        [
            ("binary frame", b"\xe2", False),
            ("binary frame", b"", False),
            ("binary frame", b"\x82\xac", True),
            ("binary message", b"\xe2\x82\xac"),
        ],
        frames=True,
    )


def test_reports_can_be_switched_in_the_middle_of_a_message():
    conn = connection()
    assert feed(conn, b"\x01\x03ab\xc3") == []
    conn.report_frames(enabled=True)
    assert feed(conn, b"\x00\x02\xa9c") == [("text frame", "éc", False)]
    conn.report_frames(enabled=False)
    assert feed(conn, b"\x00\x01d") == []
    conn.report_frames(enabled=True)
    assert feed(conn, b"\x80\x01e") == [("text frame", "e", True), ("text message", "abécde")]


def test_reports_switched_on_inside_a_frame_tell_of_the_whole_frame():
    conn = connection()
    assert feed(conn, b"\x02\x01a", b"\x80\x04bc") == []
    conn.report_frames(enabled=True)
    assert feed(conn, b"de") == [("binary frame", b"bcde", True), ("binary message", b"abcde")]


def test_events_are_made_one_at_a_time():
    conn = connection()
    conn.receive_data(b"\x81\x01a\x89\x01b\x88\x00")
    assert conn.next_event() == ("text message", "a")
    assert conn.data_to_send() == b""
    assert conn.next_event() == ("ping", b"b")
    assert (conn.state, conn.can_send) == (OPEN, True)
    assert conn.data_to_send() == masked(b"\x8a\x01b")
    assert conn.next_event() == ("close", 1000, "")
    assert conn.next_event() is None


def test_a_close_between_two_events_changes_the_answer_to_the_next():
    conn = connection()
    conn.receive_data(b"\x81\x01a\x88\x02\x03\xe9")
    assert conn.next_event() == ("text message", "a")
    assert conn.close(1000, "") == masked(b"\x88\x02\x03\xe8")
    assert conn.next_event() == ("close", 1001, "")
    assert conn.data_to_send() == b""


# Protocol errors: each fails the connection with its last byte


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x40, 0x70])
@pytest.mark.parametrize("opcode", [0x80, 0x81, 0x82, 0x88, 0x89, 0x8A])
def test_reserved_bits(opcode: int, bits: int):
    check_failure([bytes([opcode | bits, 0])], 1002, "Rsv field is non-zero")


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes(opcode: int):
    check_failure([bytes([0x80 | opcode, 0])], 1002, "Used reserved opcode")


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_large_control_frames(opcode: int):
    conn = connection()
    reason = "Control frame is larger than 125 bytes"
    assert feed(conn, bytes([0x80 | opcode, 126])) == [("failure", 1002, reason)]
    assert conn.data_to_send() == masked(failure(1002, reason))


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_control_frames_in_fragments(opcode: int):
    check_failure([bytes([opcode, 0])], 1002, "Control frames cannot be fragmented")


@pytest.mark.parametrize("head", [b"\x80\x00", b"\x00\x01", b"\x00\x00"])
def test_a_continuation_of_nothing(head: bytes):
    check_failure([head], 1002, NOTHING_TO_CONTINUE)
    check_failure([b"\x81\x01a", head], 1002, NOTHING_TO_CONTINUE, after=[("text message", "a")])
    check_failure(
        [b"\x02\x01a", b"\x80\x00", head],
        1002,
        NOTHING_TO_CONTINUE,
        after=[("binary message", b"a")],
    )


@pytest.mark.parametrize("head", [b"\x81\x00", b"\x01\x05", b"\x82\x00", b"\x02\x00"])
def test_a_new_message_inside_a_message(head: bytes):
    check_failure([b"\x01\x01a", head], 1002, CONTINUATION_EXPECTED)
    check_failure(
        [b"\x02\x00", b"\x89\x00", head], 1002, CONTINUATION_EXPECTED, after=[("ping", b"")]
    )


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"\x81\x7e\x00\x7d", "Lengths smaller than 126 must be expressed as one byte."),
        (
            b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
            "Lengths smaller than 65536 (2^16) must be expressed as 2 bytes.",
        ),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x05", "Highest bit of payload length is not 0."),
    ],
)
def test_lengths_in_a_wrong_form(head: bytes, reason: str):
    check_failure([head], 1002, reason)


def test_a_server_may_not_mask():
    conn, reason = connection(CLIENT), "Frames from a server must not be masked."
    assert feed(conn, masked(b"\x81\x05Hello")) == [("failure", 1002, reason)]
    assert conn.data_to_send() == masked(failure(1002, reason))


def test_a_client_must_mask():
    conn, reason = connection(SERVER), "Frames from a client must be masked."
    assert feed(conn, b"\x81\x05Hello") == [("failure", 1002, reason)]
    assert conn.data_to_send() == failure(1002, reason)


@pytest.mark.parametrize("data", INVALID_WITH_LAST_BYTE)
@pytest.mark.parametrize("first", [b"\x81\x7d", b"\x01\x7d"])
def test_invalid_utf8_fails_inside_a_frame(data: bytes, first: bytes):
    check_failure([first + data], *UTF8)


@pytest.mark.parametrize("data", INVALID_WITH_LAST_BYTE)
def test_invalid_utf8_fails_inside_a_later_fragment(data: bytes):
    check_failure(
        [b"\x01\x02\xc3\xa9", b"\x89\x00", b"\x00\x7d" + data], *UTF8, after=[("ping", b"")]
    )


@pytest.mark.parametrize("data", [b"\x80\x01\xc3", b"\x80\x03\xe2\x82\xac"])
def test_invalid_utf8_across_fragments_fails_with_its_byte(data: bytes):
    begun = [b"\x01\x02a\xe2", b"\x00\x01\x82"]
    conn = connection()
    assert feed(conn, *begun, data[:-1]) == ([("failure", *UTF8)] if len(data) > 3 else [])
    check([*begun, data], [("failure", *UTF8)], owed=failure(*UTF8), state=FAILED)


@pytest.mark.parametrize("data", [b"\xc3", b"a\xe2\x82", b"\xf0\x9f\x98"])
def test_text_that_ends_inside_a_character(data: bytes):
    check_failure([frame(1, data)], *UTF8)
    check_failure([frame(1, b"abc", fin=False), frame(0, data)], *UTF8)
    begun = [frame(1, data, fin=False)]
    assert feed(connection(), *begun) == []
    check([*begun, b"\x80\x00"], [("failure", *UTF8)], owed=failure(*UTF8), state=FAILED)


def test_reported_frames_stand_before_the_failure():
    check_failure(
        [b"\x01\x02a\xe2", b"\x80\x02\x28"],
        *UTF8,
        after=[("text frame", "a", False)],
        frames=True,
    )


# Limits


@pytest.mark.parametrize(
    "head",
    [
        b"\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x00",  # 2^62
        b"\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff",  # 2^31 - 1
    ],
)
def test_a_frame_of_many_bytes_is_refused_on_its_head(head: bytes):
    check_failure([head], 1009, "Maximum framesize exceeded.")


def test_the_largest_frame_is_waited_for():
    conn = connection()
    assert feed(conn, b"\x82\x7f\x00\x00\x00\x00\x7f\xff\xff\xfe", b"begun") == []
    assert (conn.state, conn.mid_frame) == (OPEN, True)


@pytest.mark.parametrize("head", [b"\x82\x0b", b"\x81\x7e\x01\x00", b"\x89\x0b", b"\x88\x0b"])
def test_the_limit_of_a_frame(head: bytes):
    limits = Limits(max_frame_size=10)
    check_failure([head], 1009, "Maximum framesize exceeded.", limits=limits)
    check([b"\x82\x0a0123456789"], [("binary message", b"0123456789")], limits=limits)


def test_the_limit_of_a_message_on_the_head_of_its_frame():
    limits = Limits(max_message_size=5)
    check([b"\x81\x05Hello"], [("text message", "Hello")], limits=limits)
    for role in (CLIENT, SERVER):
        data = wire_for(role, [b"\x81\x06Hello!"])
        conn, size = connection(role, limits=limits), 2 if role is CLIENT else 6
        assert feed(conn, data[: size - 1]) == []
        assert feed(conn, data[size - 1 : size]) == [
            ("failure", 1009, "Received message is too big.")
        ]


def test_the_limit_of_a_message_holds_for_the_sum_of_its_fragments():
    limits = Limits(max_message_size=5)
    begun = [b"\x02\x03abc", b"\x00\x00", b"\x00\x02de"]
    check([*begun, b"\x80\x00"], [("binary message", b"abcde")], limits=limits)
    told = (1009, "Received message is too big.")
    check(
        [*begun, b"\x00\x01f"],
        [("failure", *told)],
        owed=failure(*told),
        state=FAILED,
        limits=limits,
    )
    assert feed(connection(limits=limits), *begun, b"\x00\x01") == [("failure", *told)]


def test_a_limit_of_zero_leaves_empty_messages():
    limits = Limits(max_message_size=0)
    check(
        [b"\x81\x00", b"\x89\x01p"],
        [("text message", ""), ("ping", b"p")],
        owed=b"\x8a\x01p",
        limits=limits,
    )
    assert feed(connection(limits=limits), b"\x81\x01") == [
        ("failure", 1009, "Received message is too big.")
    ]


def test_limits_changed_while_open_hold_from_the_next_head_on():
    conn = connection()
    assert feed(conn, b"\x01\x03abc", b"\x00\x08de") == []
    conn.set_limits(max_frame_size=5, max_message_size=4)
    assert feed(conn, b"fghijk") == []  # its head was taken before
    assert feed(conn, b"\x80\x00") == [("failure", 1009, "Received message is too big.")]
    conn = connection(limits=Limits(max_frame_size=1))
    conn.set_limits(max_frame_size=2, max_message_size=2)
    assert feed(conn, b"\x81\x02hi", b"\x81\x03") == [
        ("text message", "hi"),
        ("failure", 1009, "Maximum framesize exceeded."),
    ]


# Pings


def test_a_ping_is_answered_with_its_payload():
    check([b"\x89\x05Hello"], [("ping", b"Hello")], owed=b"\x8a\x05Hello")
    check([frame(9, b"x" * 125)], [("ping", b"x" * 125)], owed=frame(10, b"x" * 125))


def test_only_the_newest_unanswered_ping_is_answered():
    check(
        [b"\x89\x03one", b"\x89\x00", b"\x89\x03two"],
        [("ping", b"one"), ("ping", b""), ("ping", b"two")],
        owed=b"\x8a\x03two",
    )


def test_a_ping_after_an_answer_is_answered_again():
    conn = connection(SERVER)
    for payload in (b"a", b"b"):
        feed(conn, masked(b"\x89\x01" + payload))
        assert conn.data_to_send() == b"\x8a\x01" + payload
        assert conn.data_to_send() == b""


def test_an_empty_ping_is_owed_an_empty_answer():
    check([b"\x89\x00"], [("ping", b"")], owed=b"\x8a\x00")


def test_a_pong_is_not_answered():
    check([b"\x8a\x03abc", b"\x8a\x00"], [("pong", b"abc"), ("pong", b"")])


def test_a_ping_is_answered_while_our_close_is_under_way():
    check([b"\x89\x01a"], [("ping", b"a")], owed=b"\x8a\x01a", state=CLOSING, before=close_it)


def test_no_ping_is_answered_after_the_close_of_the_peer():
    check(
        [b"\x89\x01a", b"\x88\x00"],
        [("ping", b"a"), ("close", 1000, "")],
        owed=b"\x88\x02\x03\xe8",
        state=CLOSED,
    )


def test_no_ping_is_answered_after_a_failure():
    check_failure(
        [b"\x89\x01a", b"\xc1\x00"], 1002, "Rsv field is non-zero", after=[("ping", b"a")]
    )


# Close frames of the peer


def close_it(conn: Connection) -> None:
    conn.close(1000, "")


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
def test_a_close_is_echoed(code: int):
    data = b"\x88\x05" + code.to_bytes(2, "big") + b"bye"
    check([data], [("close", code, "bye")], owed=data, state=CLOSED)


def test_a_close_without_code_is_answered_with_1000():
    check([b"\x88\x00"], [("close", 1000, "")], owed=b"\x88\x02\x03\xe8", state=CLOSED)


def test_a_close_with_the_longest_reason_is_echoed_whole():
    data = b"\x88\x7d\x03\xe8" + "é".encode() * 61 + b"x"
    check([data], [("close", 1000, "é" * 61 + "x")], owed=data, state=CLOSED)


@pytest.mark.parametrize(
    "code",
    [0, 1, 999, 1004, 1005, 1006, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65535],
)
def test_a_close_with_another_code_is_an_error(code: int):
    check_failure(
        [b"\x88\x02" + code.to_bytes(2, "big")], 1002, f"Invalid close code {code} detected."
    )


def test_a_close_of_one_byte_is_an_error():
    check_failure([b"\x88\x01\x03"], 1002, "Payload of close frame is too small.")


@pytest.mark.parametrize("reason", [b"\xff", b"a\xc3", b"\xed\xa0\x80"])
def test_a_close_whose_reason_is_not_utf8_is_an_error(reason: bytes):
    check_failure([frame(8, b"\x03\xe8" + reason)], *UTF8)


@pytest.mark.parametrize(
    "after", [b"\x81\x05Hello", b"\x89\x00", b"\x88\x00", b"\xff\xff", b"\x00"]
)
def test_nothing_is_delivered_after_a_close(after: bytes):
    for role in (CLIENT, SERVER):
        conn = connection(role)
        data = wire_for(role, [b"\x88\x02\x03\xe8"])
        assert feed(conn, data + after, after) == [("close", 1000, "")]
        assert conn.state is CLOSED


def test_a_close_inside_a_message_ends_it():
    check(
        [b"\x01\x03Hel", b"\x88\x02\x03\xe8", b"\x80\x02lo"],
        [("close", 1000, "")],
        owed=b"\x88\x02\x03\xe8",
        state=CLOSED,
    )


def test_messages_before_the_answer_to_our_close_are_delivered():
    check(
        [b"\x81\x04late", b"\x88\x02\x03\xe8", b"\x81\x05later"],
        [("text message", "late"), ("close", 1000, "")],
        state=CLOSED,
        before=close_it,
    )


def test_an_error_after_our_close_is_told_to_nobody():
    check(
        [b"\xc1\x00"], [("failure", 1002, "Rsv field is non-zero")], state=FAILED, before=close_it
    )


# Our Close frames


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (1000, "", b"\x03\xe8"),
        (1001, "bye", b"\x03\xe9bye"),
        (4999, "é€", b"\x13\x87\xc3\xa9\xe2\x82\xac"),
        (1005, "", b""),
        (1005, "not sent without a code", b""),
        (1000, "x" * 123, b"\x03\xe8" + b"x" * 123),
        (1000, "x" * 124, b"\x03\xe8" + b"x" * 123),
        (1000, "x" * 122 + "é", b"\x03\xe8" + b"x" * 122),
        (1000, "x" * 121 + "é", b"\x03\xe8" + b"x" * 121 + "é".encode()),
        (1000, "😀" * 40, b"\x03\xe8" + "😀".encode() * 30),
        (1000, "x" * 122 + "😀", b"\x03\xe8" + b"x" * 122),
        (1000, "lone \ud800", b"\x03\xe8lone ?"),
    ],
)
def test_our_close(code: int, reason: str, payload: bytes):
    data = frame(8, payload)
    client, server = connection(CLIENT), connection(SERVER)
    assert client.close(code, reason) == masked(data)
    assert server.close(code, reason) == data
    assert client.state is server.state is CLOSING


def test_we_close_once():
    conn = connection()
    conn.close(1000, "")
    assert conn.close(1000, "") == b""
    assert conn.state is CLOSING


@pytest.mark.parametrize("data", [b"\x88\x00", b"\xc1\x00"])
def test_we_do_not_close_after_the_end(data: bytes):
    conn = connection()
    feed(conn, data)
    assert conn.close(1000, "") == b""


@pytest.mark.parametrize(
    ("text", "size", "clipped"),
    [
        (b"", 0, b""),
        (b"abc", 3, b"abc"),
        (b"abc", 2, b"ab"),
        (b"abc", 0, b""),
        (b"a\xc3\xa9", 3, b"a\xc3\xa9"),
        (b"a\xc3\xa9", 2, b"a"),
        (b"\xf0\x9f\x98\x80", 4, b"\xf0\x9f\x98\x80"),
        (b"\xf0\x9f\x98\x80", 3, b""),
        (b"a\xe2\x82\xac\xe2\x82\xac", 5, b"a\xe2\x82\xac"),
    ],
)
def test_text_is_clipped_between_characters(text: bytes, size: int, clipped: bytes):
    assert clipped_utf8(text, size) == clipped


def test_the_owner_can_fail_the_connection():
    for role in (CLIENT, SERVER):
        conn = connection(role)
        feed(conn, wire_for(role, [b"\x89\x01a"]), wire_for(role, [b"\x81\x05Hello"])[:-1])
        conn.fail(1001, "Timeout.")
        assert conn.state is FAILED
        assert conn.data_to_send() == wire_for(
            SERVER if role is CLIENT else CLIENT, [failure(1001, "Timeout.")]
        )
        assert feed(conn, b"o") == []
        assert not conn.mid_frame


def test_a_failure_after_the_end_changes_nothing():
    conn = connection()
    feed(conn, b"\x88\x00")
    conn.fail(1001, "Timeout.")
    assert (conn.state, conn.data_to_send()) == (CLOSED, masked(b"\x88\x02\x03\xe8"))


def test_a_failure_after_our_close_sends_no_second_close():
    conn = connection()
    conn.close(1000, "")
    conn.fail(1001, "Timeout.")
    assert (conn.state, conn.data_to_send()) == (FAILED, b"")


def test_a_long_reason_of_a_failure_is_clipped():
    conn = connection(SERVER)
    conn.fail(1001, "é" * 70)
    assert conn.data_to_send() == b"\x88\x7c\x03\xe9" + "é".encode() * 61


# The end of the peer's bytes


@pytest.mark.parametrize(
    ("before", "data", "state"),
    [
        (None, b"", FAILED),
        (None, b"\x81", FAILED),
        (None, b"\x81\x05Hel", FAILED),
        (None, b"\x88\x00", CLOSED),
        (close_it, b"", FAILED),
        (close_it, b"\x88\x00", CLOSED),
        (None, b"\xc1\x00", FAILED),
    ],
)
def test_the_end_of_the_bytes(before: Callable[[Connection], None] | None, data: bytes, state: Any):
    conn = connection()
    if before is not None:
        before(conn)
    feed(conn, data)
    conn.receive_eof()
    assert conn.state is state
    assert conn.close_expected()
    assert not conn.can_send
    assert not conn.mid_frame
    assert feed(conn, b"\x81\x05after") == []
    conn.receive_eof()
    assert conn.state is state


# States


def states(conn: Connection) -> tuple[Any, bool, bool]:
    return conn.state, conn.can_send, conn.close_expected()


def test_the_states_of_a_close_of_ours():
    conn = connection()
    assert states(conn) == (OPEN, True, False)
    conn.close(1000, "")
    assert states(conn) == (CLOSING, False, False)
    feed(conn, b"\x88\x00")
    assert states(conn) == (CLOSED, False, True)


def test_the_states_of_a_close_of_the_peer():
    conn = connection()
    feed(conn, b"\x88\x00")
    assert states(conn) == (CLOSED, False, True)


def test_the_states_of_a_failure():
    conn = connection()
    feed(conn, b"\xc1\x00")
    assert states(conn) == (FAILED, False, True)


@pytest.mark.parametrize("state", [CLOSED, FAILED])
def test_there_is_no_way_back_from_the_end(state: Any):
    conn = connection()
    conn._set_state(state)
    for other in (OPEN, CLOSING, CLOSED, FAILED):
        with pytest.raises(RuntimeError, match="no way from"):
            conn._set_state(other)
    assert conn.state is state


def test_each_move_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG, "pyqwebsocket._engine.connection"):
        feed(connection(), b"\xc1\x00")
    assert [record.getMessage() for record in caplog.records] == [
        "failing the connection: Rsv field is non-zero",
        "State.OPEN -> State.FAILED",
    ]


@pytest.mark.parametrize("role", [CLIENT, SERVER])
def test_whether_a_frame_has_begun(role: Role):
    conn = connection(role)
    data = wire_for(role, [b"\x01\x03Hel"])
    for byte in bytewise(data[:-1]):
        feed(conn, byte)
        assert conn.mid_frame
    feed(conn, data[-1:])
    assert not conn.mid_frame  # between two fragments nothing has stalled


@pytest.mark.parametrize("role", [CLIENT, SERVER])
def test_whether_bytes_wait_that_nobody_has_looked_at(role: Role):
    conn = connection(role, frames=True)
    assert not conn.has_unread_data
    conn.receive_data(wire_for(role, [b"\x81\x02Hi", b"\x89\x00"]))
    waiting = []
    while conn.next_event() is not None:
        waiting.append(conn.has_unread_data)
    assert waiting == [True, True, False]  # the frame, its message, the ping
    assert not conn.has_unread_data
    conn.receive_data(b"\x88")
    assert conn.has_unread_data


# Sending


def sent(conn: Connection, payload: Any, size: int, opcode: int = 2) -> list[bytes]:
    return list(conn.send_message(opcode, payload, frame_size=size))


@pytest.mark.parametrize(
    ("payload", "size", "frames"),
    [
        (b"Hello", 5, [b"\x82\x05Hello"]),
        (b"Hello", 6, [b"\x82\x05Hello"]),
        (b"Hello", 4, [b"\x02\x04Hell", b"\x80\x01o"]),
        (b"Hello", 2, [b"\x02\x02He", b"\x00\x02ll", b"\x80\x01o"]),
        (b"Hell", 2, [b"\x02\x02He", b"\x80\x02ll"]),
        (b"Hi", 1, [b"\x02\x01H", b"\x80\x01i"]),
        (b"", 1, [b"\x82\x00"]),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_message_is_cut_into_frames(payload: bytes, size: int, frames: list[bytes], kind: type):
    assert sent(connection(SERVER), kind(payload), size) == frames
    assert sent(connection(CLIENT), kind(payload), size) == [masked(it) for it in frames]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
@pytest.mark.parametrize("frame_size", [1, 2, 125, 126, 127, 65535, 65536, 1 << 31])
@pytest.mark.parametrize("opcode", [1, 2])
def test_a_message_is_encoded_once_for_all_clients(opcode: int, frame_size: int, size: int):
    """As every server's connection would have sent it, and as others read it."""
    if size // frame_size > 1000:
        frame_size = size // 1000
    payload = b"0123456789" * (size // 10) + b"x" * (size % 10)
    frames = list(encode_message(opcode, payload, frame_size=frame_size))
    assert frames == sent(connection(SERVER), payload, frame_size, opcode)
    kinds = {1: ("text", payload.decode()), 2: ("binary", payload)}
    for decode in (told_by_wsproto, told_by_websockets, told_by_engine):
        assert decode(CLIENT, frames) == [kinds[opcode]]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_message_is_encoded_with_the_keys_of_a_client(kind: type):
    keys = iter([b"\x00\x00\x00\x00", b"aaaa"])
    frames = encode_message(2, kind(b"ab"), frame_size=1, new_key=lambda: next(keys))
    assert list(frames) == [b"\x02\x81\x00\x00\x00\x00a", b"\x80\x81aaaa\x03"]


def test_text_is_cut_by_bytes():
    assert sent(connection(SERVER), "é€".encode(), 2, opcode=1) == [
        b"\x01\x02\xc3\xa9",
        b"\x00\x02\xe2\x82",
        b"\x80\x01\xac",
    ]


def test_frames_are_made_when_they_are_asked_for():
    keys = iter([b"\x00\x00\x00\x00", b"aaaa"])
    conn = Connection(CLIENT, new_key=lambda: next(keys))
    made = conn.send_message(2, b"ab", frame_size=1)
    assert next(made) == b"\x02\x81\x00\x00\x00\x00a"
    assert next(made) == b"\x80\x81aaaa\x03"


def test_a_client_asks_for_a_key_for_each_frame_and_a_server_for_none():
    asked = []

    def new_key() -> bytes:
        asked.append(1)
        return bytes([len(asked)]) * 4

    for role in (CLIENT, SERVER):
        conn = Connection(role, new_key=new_key)
        sent(conn, b"abc", 1)
        conn.ping(b"")
        feed(conn, wire_for(role, [b"\x89\x00"]))
        conn.data_to_send()
        conn.close(1000, "")
    assert len(asked) == 6


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        (b"", b"\x89\x00"),
        (b"Hello", b"\x89\x05Hello"),
        (b"x" * 125, b"\x89\x7d" + b"x" * 125),
        (b"x" * 126, b"\x89\x7d" + b"x" * 125),
    ],
)
def test_a_ping_is_cut_to_what_it_may_carry(payload: bytes, data: bytes):
    assert connection(SERVER).ping(payload) == data
    assert connection(CLIENT).ping(payload) == masked(data)


def test_the_key_is_that_of_the_owner():
    assert connection(CLIENT).ping(b"")[2:] == KEY


def test_bytes_after_the_end_are_not_kept():
    conn = connection()
    feed(conn, b"\x88\x00")
    conn.receive_data(b"x" * 1000)
    assert conn._frames._buffer == b""
    assert events(conn) == []
