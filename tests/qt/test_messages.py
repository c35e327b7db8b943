"""Messages, frames, pings and pongs, and the limits on them."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import QByteArray

from support.client import CLOSED, Client
from support.peer import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Link,
    Peer,
    frame,
)

# Receiving


def received(client: Client, link: Link, *chunks: bytes) -> list[str]:
    link.send(*chunks)
    client.until_delivered()
    return client.trace.take()


def test_a_text_message_is_a_frame_and_a_message(client: Client, link: Link) -> None:
    assert received(client, link, frame(TEXT, "héllo".encode())) == [
        "textFrame:héllo:last",
        "text:héllo",
    ]


def test_a_binary_message_is_a_frame_and_a_message(client: Client, link: Link) -> None:
    assert received(client, link, frame(BINARY, b"\x00\xff")) == [
        "binaryFrame:b'\\x00\\xff':last",
        "binary:b'\\x00\\xff'",
    ]


def test_a_binary_message_is_a_qbytearray(client: Client, link: Link) -> None:
    kinds: list[type] = []
    client.socket.binaryMessageReceived.connect(lambda data: kinds.append(type(data)))
    client.socket.binaryFrameReceived.connect(lambda data, last: kinds.append(type(data)))
    client.socket.pong.connect(lambda elapsed, data: kinds.append(type(data)))
    received(client, link, frame(BINARY, b"x"))
    assert kinds == [QByteArray] * 3


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_an_empty_message_is_a_message(client: Client, link: Link, opcode: int) -> None:
    lines = received(client, link, frame(opcode))
    assert lines in (["textFrame::last", "text:"], ["binaryFrame:b'':last", "binary:b''"])


def test_fragments_are_frames_and_one_message(client: Client, link: Link) -> None:
    chunk = (
        frame(TEXT, b"a", fin=False)
        + frame(CONTINUATION, b"", fin=False)
        + frame(CONTINUATION, b"b", fin=False)
        + frame(CONTINUATION, b"c")
    )
    assert received(client, link, chunk) == [
        "textFrame:a:more",
        "textFrame::more",
        "textFrame:b:more",
        "textFrame:c:last",
        "text:abc",
    ]


def test_binary_fragments_are_frames_and_one_message(client: Client, link: Link) -> None:
    chunk = frame(BINARY, b"a", fin=False) + frame(CONTINUATION, b"b")
    assert received(client, link, chunk) == [
        "binaryFrame:b'a':more",
        "binaryFrame:b'b':last",
        "binary:b'ab'",
    ]


def test_control_frames_keep_their_place_between_fragments(client: Client, link: Link) -> None:
    chunk = (
        frame(TEXT, b"a", fin=False)
        + frame(PONG, b"p")
        + frame(PING, b"q")
        + frame(CONTINUATION, b"b")
    )
    assert received(client, link, chunk) == [
        "textFrame:a:more",
        "pong:b'p'",
        "textFrame:b:last",
        "text:ab",
    ]
    client.until(lambda: link.payloads(PONG) == [b"q"])


def test_a_frame_holds_back_a_character_that_is_not_complete(client: Client, link: Link) -> None:
    text = "é€𝄞".encode()
    chunk = (
        frame(TEXT, text[:3], fin=False)
        + frame(CONTINUATION, text[3:4], fin=False)
        + frame(CONTINUATION, text[4:6], fin=False)
        + frame(CONTINUATION, text[6:])
    )
    assert received(client, link, chunk) == [
        "textFrame:é:more",
        "textFrame::more",
        "textFrame:€:more",
        "textFrame:𝄞:last",
        "text:é€𝄞",
    ]


@pytest.mark.parametrize(
    "text", ["a\0b", "𝄞", "\ufffe", "\uffff", "a\ufeffb", "\U0010ffff", "é" * 500]
)
def test_this_text_arrives_whole(client: Client, link: Link, text: str) -> None:
    heard: list[str] = []
    client.socket.textMessageReceived.connect(heard.append)
    received(client, link, frame(TEXT, text.encode()))
    assert heard == [text]


@pytest.mark.beyond("a leading byte order mark is dropped (RFC 6455 does not ask for that)")
@pytest.mark.parametrize("text", ["\ufeff", "\ufeffabc", "\ufeff\ufeffa", "\ufeff\ufffea"])
def test_a_leading_bom_arrives(client: Client, link: Link, text: str) -> None:
    heard: list[str] = []
    client.socket.textMessageReceived.connect(heard.append)
    client.socket.textFrameReceived.connect(lambda part, last: heard.append(part))
    received(client, link, frame(TEXT, text.encode()))
    assert heard == [text, text]


@pytest.mark.parametrize("size", [125, 126, 127, 65535, 65536, 1_000_003])
def test_a_message_of_this_size_arrives(client: Client, link: Link, size: int) -> None:
    heard: list[bytes] = []
    client.socket.binaryMessageReceived.connect(lambda data: heard.append(data.data()))
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    link.send(frame(BINARY, payload))
    client.until_delivered()
    assert heard == [payload]


def test_messages_arrive_however_they_are_cut(client: Client, link: Link) -> None:
    stream = b"".join(frame(TEXT, b"%d" % number + b"x" * number) for number in range(20))
    link.send(*[stream[start : start + 7] for start in range(0, len(stream), 7)])
    client.until_delivered()
    heard = client.trace.only("text:")
    assert heard == [f"text:{number}" + "x" * number for number in range(20)]


def test_many_messages_in_one_packet_keep_their_order(client: Client, link: Link) -> None:
    link.send(b"".join(frame(TEXT, b"%d" % number) for number in range(1000)))
    client.until_delivered()
    assert client.trace.only("text:") == [f"text:{number}" for number in range(1000)]


# Sending


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("", b""),
        ("hello", b"hello"),
        ("héllo", b"h\xc3\xa9llo"),
        ("𝄞", b"\xf0\x9d\x84\x9e"),
        ("\ud834\udd1e", b"\xf0\x9d\x84\x9e"),
        ("a\0b", b"a\0b"),
    ],
)
def test_a_text_is_sent_as_utf8(client: Client, link: Link, text: str, sent: bytes) -> None:
    assert client.socket.sendTextMessage(text) == len(sent)
    client.until(lambda: link.frames)
    assert [item[:3] for item in link.frames] == [(TEXT, sent, True)]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        pytest.param(
            text, sent, marks=pytest.mark.beyond("a str is not sent as it is: PySide changes it")
        )
        for text, sent in [
            ("\ufeffab", b"\xef\xbb\xbfab"),
            ("\ufffeab", b"\xef\xbf\xbeab"),
            ("a\ud800b", b"a\xef\xbf\xbdb"),
            ("\udc00", b"\xef\xbf\xbd"),
            ("ab\ud800", b"ab\xef\xbf\xbd"),
            ("\udd1e\ud834", b"\xef\xbf\xbd\xef\xbf\xbd"),
        ]
    ],
)
def test_no_text_is_changed(client: Client, link: Link, text: str, sent: bytes) -> None:
    assert client.socket.sendTextMessage(text) == len(sent)
    client.until(lambda: link.frames)
    assert link.payloads() == [sent]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 524288])
def test_a_message_of_this_size_is_one_frame(client: Client, link: Link, size: int) -> None:
    payload = (bytes(range(251)) * (size // 251 + 1))[:size]
    assert client.socket.sendBinaryMessage(payload) == size
    client.until(lambda: link.frames)
    assert [item[:3] for item in link.frames] == [(BINARY, payload, True)]


@pytest.mark.parametrize("size", [524289, 1_300_000, 1_572_864])
def test_a_larger_message_is_split_at_the_outgoing_frame_size(
    client: Client, link: Link, size: int
) -> None:
    payload = (bytes(range(251)) * (size // 251 + 1))[:size]
    assert client.socket.sendBinaryMessage(payload) == size
    client.until(lambda: link.frames and link.frames[-1].fin)
    assert b"".join(link.payloads()) == payload
    assert [len(part) for part in link.payloads()[:-1]] == [524288] * ((size - 1) // 524288)
    assert [item.opcode for item in link.frames] == [BINARY] + [CONTINUATION] * (
        (size - 1) // 524288
    )


def test_a_text_is_split_by_bytes(client: Client, link: Link) -> None:
    client.socket.setOutgoingFrameSize(4)
    assert client.socket.sendTextMessage("abcé€") == 8
    client.until(lambda: len(link.frames) == 2)
    assert [item[:3] for item in link.frames] == [
        (TEXT, b"abc\xc3", False),
        (CONTINUATION, b"\xa9\xe2\x82\xac", True),
    ]


def test_control_frames_are_not_split(client: Client, link: Link) -> None:
    client.socket.setOutgoingFrameSize(2)
    client.socket.ping(b"12345")
    client.until(lambda: link.frames)
    assert link.frames[0][:3] == (PING, b"12345", True)


@pytest.mark.beyond("it divides by zero", crashes=True)
def test_an_outgoing_frame_size_of_zero_does_no_harm(client: Client, link: Link) -> None:
    client.socket.setOutgoingFrameSize(0)
    client.socket.sendTextMessage("text")
    client.settle()
    assert client.socket.isValid()


def test_messages_are_sent_in_order(client: Client, link: Link) -> None:
    for number in range(500):
        client.socket.sendTextMessage(str(number))
    client.until(lambda: len(link.frames) == 500)
    assert link.payloads() == [b"%d" % number for number in range(500)]


# bytesWritten, bytesToWrite, flush


def test_bytes_to_write_is_the_length_on_the_wire(client: Client, link: Link) -> None:
    client.socket.sendTextMessage("hello")
    assert client.socket.bytesToWrite() == 2 + 4 + 5
    client.socket.sendBinaryMessage(b"x" * 200)
    assert client.socket.bytesToWrite() == 11 + 4 + 4 + 200


def test_flush_says_whether_it_wrote(client: Client, link: Link) -> None:
    client.socket.sendTextMessage("hello")
    assert client.socket.flush() is True
    assert client.socket.bytesToWrite() == 0
    assert client.socket.flush() is False
    client.until(lambda: link.payloads() == [b"hello"])


def test_flush_writes_inside_the_call(client: Client, link: Link) -> None:
    before = client.trace.written
    client.socket.sendTextMessage("hello")
    assert client.trace.written == before
    client.socket.flush()
    assert client.trace.written == before + 11


@pytest.mark.parametrize("size", [0, 100, 1000, 70_000, 1_300_000])
def test_bytes_written_adds_up_to_what_is_on_the_wire(
    client: Client, link: Link, size: int
) -> None:
    before = client.trace.written
    client.socket.sendBinaryMessage(b"x" * size)
    expected = client.socket.bytesToWrite()
    client.until(lambda: client.trace.written - before == expected)
    client.until(lambda: len(link.raw) == expected)
    assert client.socket.bytesToWrite() == 0


def test_bytes_written_counts_the_request(client: Client, peer: Peer) -> None:
    client.connect(peer)
    assert client.trace.written == len(peer.link.request.raw)


# Ping and pong


def test_a_ping_is_answered_with_its_payload(client: Client, link: Link) -> None:
    assert received(client, link, frame(PING, b"payload"), frame(PING)) == []
    client.until(lambda: len(link.frames) == 2)
    assert [item[:2] for item in link.frames] == [(PONG, b"payload"), (PONG, b"")]


def test_a_ping_is_sent_with_its_payload(client: Client, link: Link) -> None:
    client.socket.ping(b"payload")
    client.socket.ping()
    client.until(lambda: len(link.frames) == 2)
    assert [item[:3] for item in link.frames] == [(PING, b"payload", True), (PING, b"", True)]


def test_a_ping_is_clipped_to_125_bytes(client: Client, link: Link) -> None:
    client.socket.ping(b"x" * 200)
    client.until(lambda: link.frames)
    assert link.payloads() == [b"x" * 125]


def test_a_pong_says_how_long_it_took(client: Client, link: Link) -> None:
    heard: list[tuple[int, bytes]] = []
    client.socket.pong.connect(lambda elapsed, data: heard.append((elapsed, data.data())))
    client.socket.ping(b"p")
    client.until(lambda: link.frames)
    client.qtbot.wait(100)
    link.send(frame(PONG, b"p"))
    client.until(lambda: heard)
    assert heard[0][1] == b"p"
    assert 90 <= heard[0][0] < 10_000


def test_the_time_runs_from_the_last_ping(client: Client, link: Link) -> None:
    heard: list[int] = []
    client.socket.pong.connect(lambda elapsed, data: heard.append(elapsed))
    client.socket.ping()
    client.qtbot.wait(300)
    client.socket.ping()
    link.send(frame(PONG))
    client.until(lambda: heard)
    assert heard[0] < 300


def test_a_pong_without_a_ping_is_heard(client: Client, link: Link) -> None:
    link.send(frame(PONG, b"unasked"))
    client.until_line("pong:b'unasked'")
    assert link.frames == []


def test_a_pong_answers_nothing(client: Client, link: Link) -> None:
    received(client, link, frame(PONG, b"x"))
    client.until_answered()
    assert link.frames == []


# Limits


def too_big(client: Client, link: Link, reason: str) -> None:
    client.until_last("readChannelFinished")
    client.until(lambda: link.eof)
    assert client.lines[-6:] == CLOSED
    assert link.payloads() == [b"\x03\xf1" + reason.encode()]
    assert client.socket.closeCode().value == 1009
    assert client.socket.closeReason() == reason


def test_a_message_at_the_limits_arrives(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingFrameSize(6)
    client.socket.setMaxAllowedIncomingMessageSize(6)
    link.send(frame(TEXT, b"abcdef"))
    client.until_line("text:abcdef")
    client.until_answered()
    assert client.lines == ["textFrame:abcdef:last", "text:abcdef"]


def test_a_frame_above_the_limit_is_refused_on_its_head(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingFrameSize(6)
    link.send(frame(TEXT, b"abcdefg")[:2])
    too_big(client, link, "Maximum framesize exceeded.")


def test_a_message_above_the_limit_is_refused(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingMessageSize(6)
    link.send(frame(TEXT, b"abcd", fin=False) + frame(CONTINUATION, b"efg"))
    too_big(client, link, "Received message is too big.")
    assert client.lines[0] == "textFrame:abcd:more"


def test_a_single_frame_above_the_message_limit_is_refused(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingMessageSize(6)
    link.send(frame(BINARY, b"abcdefg"))
    too_big(client, link, "Received message is too big.")
    assert client.trace.only("binary") == []


@pytest.mark.beyond("it buffers the whole frame before it looks at the message limit")
def test_a_frame_above_the_message_limit_is_refused_on_its_head(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingMessageSize(1 << 20)
    link.send(frame(BINARY, bytes(1 << 26))[:10])
    client.until_last("readChannelFinished", timeout=3000)
    too_big(client, link, "Received message is too big.")


def test_the_message_limit_counts_bytes(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingMessageSize(3)
    link.send(frame(TEXT, "éé".encode()))
    too_big(client, link, "Received message is too big.")


def test_the_frame_limit_holds_for_control_frames(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingFrameSize(10)
    link.send(frame(PING, b"x" * 50))
    too_big(client, link, "Maximum framesize exceeded.")


def test_a_frame_limit_of_zero_lets_empty_frames_pass(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingFrameSize(0)
    link.send(frame(TEXT) + frame(TEXT, b"a"))
    too_big(client, link, "Maximum framesize exceeded.")
    assert client.trace.only("text:") == ["text:"]


def test_a_message_limit_of_zero_lets_empty_messages_pass(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingMessageSize(0)
    link.send(frame(TEXT) + frame(TEXT, b"a"))
    too_big(client, link, "Received message is too big.")
    assert client.trace.only("text:") == ["text:"]


def test_limits_can_be_changed_while_connected(
    make_client: Callable[..., Client], peer: Peer
) -> None:
    client = make_client()
    client.socket.setMaxAllowedIncomingMessageSize(3)
    link = client.connect(peer)
    client.socket.setMaxAllowedIncomingMessageSize(10)
    assert received(client, link, frame(TEXT, b"abcdef"))[-1] == "text:abcdef"


def test_no_limit_holds_for_what_is_sent(client: Client, link: Link) -> None:
    client.socket.setMaxAllowedIncomingMessageSize(3)
    client.socket.setMaxAllowedIncomingFrameSize(3)
    assert client.socket.sendTextMessage("longer") == 6
    client.until(lambda: link.payloads() == [b"longer"])
