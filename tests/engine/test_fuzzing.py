"""Random messages and damage, judged by the decoders and encoders that others wrote."""

import itertools
import os
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.peers import (
    Sent,
    encoded_by_websockets,
    encoded_by_wsproto,
    other,
    told_by_engine,
    told_by_websockets,
    told_by_wsproto,
)
from engine.transcript import (
    ACCEPT,
    CLIENT,
    FAILED,
    NONCE,
    SERVER,
    bytewise,
    connection,
    events,
    feed,
    frame,
    handshake,
    wire_for,
)
from pyqwebsocket._engine import auth
from pyqwebsocket._engine.connection import Connection, Role
from pyqwebsocket._engine.errors import HandshakeError, InvalidRequestError
from pyqwebsocket._engine.handshake import Accepted, ClientHandshake

# Speed is never asserted: a slow machine fails no test.
settings.register_profile("engine", deadline=None, max_examples=100)
settings.load_profile("engine")

roles = st.sampled_from([CLIENT, SERVER])
sizes = st.one_of(st.integers(0, 10), st.sampled_from([124, 125, 126, 127, 128, 65535, 65536]))
texts = st.one_of(
    st.text(max_size=20), st.builds(lambda c, n: c * n, st.sampled_from("aé€😀"), sizes)
)
datas = st.one_of(st.binary(max_size=20), st.builds(lambda n: b"\x00\xff" * (n // 2), sizes))
payloads = st.one_of(st.binary(max_size=10), st.builds(bytes, st.integers(120, 125)))


@st.composite
def fragmented(draw: st.DrawFn, data: Any) -> list[Any]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]


text_by_characters = texts.flatmap(fragmented).map(
    lambda it: Sent("text", [x.encode() for x in it])
)
text_by_bytes = texts.map(str.encode).flatmap(fragmented).map(lambda it: Sent("text", it))
binary = datas.flatmap(fragmented).map(lambda it: Sent("binary", it))
controls = st.builds(Sent, st.sampled_from(["ping", "pong"]), st.tuples(payloads))
by_characters = st.lists(st.one_of(text_by_characters, binary, controls), max_size=5)
by_bytes = st.lists(st.one_of(text_by_bytes, binary, controls), max_size=5)


@st.composite
def segments(draw: st.DrawFn, data: bytes) -> list[bytes]:
    if len(data) < 500 and draw(st.booleans()):
        return bytewise(data)
    return draw(fragmented(data))


def told(sent: list[Sent]) -> list[Any]:
    return [it.told() for it in sent]


# Encoding


@given(st.data(), roles, st.lists(st.one_of(text_by_bytes, binary, controls), max_size=5))
def test_others_read_what_the_engine_sends(data: st.DataObject, role: Role, sent: list[Sent]):
    conn, wire = Connection(role, new_key=lambda: os.urandom(4)), b""
    sent = [it for it in sent if it.kind != "pong"]  # it sends none of its own accord
    for it in sent:
        payload = b"".join(it.fragments)
        if it.kind == "ping":
            wire += conn.ping(payload)
        else:
            opcode = 1 if it.kind == "text" else 2
            size = data.draw(st.integers(1 + len(payload) // 9, len(payload) + 2))
            wire += b"".join(conn.send_message(opcode, payload, frame_size=size))
    reader = other(role)
    assert told_by_wsproto(reader, [wire]) == told(sent)
    assert told_by_websockets(reader, [wire]) == told(sent)
    assert told_by_engine(reader, [wire]) == told(sent)


@given(roles, st.sampled_from([1000, 1001, 1011, 3000, 4999, 1005]), st.text(max_size=140))
def test_others_read_our_close(role: Role, code: int, reason: str):
    wire, seen = connection(role).close(code, reason), 1000 if code == 1005 else code
    for decode in (told_by_wsproto, told_by_websockets, told_by_engine):
        assert decode(other(role), [wire]) == [("close", seen)]


# Decoding


@given(st.data(), roles, by_characters)
def test_what_wsproto_sends_is_read(data: st.DataObject, role: Role, sent: list[Sent]):
    wire = encoded_by_wsproto(other(role), sent)
    assert told_by_engine(role, data.draw(segments(wire))) == told(sent)


@given(st.data(), roles, by_bytes)
def test_what_websockets_sends_is_read(data: st.DataObject, role: Role, sent: list[Sent]):
    wire = encoded_by_websockets(other(role), sent)
    assert told_by_engine(role, data.draw(segments(wire))) == told(sent)


@given(
    st.data(), texts.map(str.encode).flatmap(fragmented), st.lists(st.integers(0, 5), max_size=4)
)
def test_frames_put_together_are_the_message(
    data: st.DataObject, fragments: list[bytes], pings: list[int]
):
    """Whatever stands between its fragments."""
    frames = [
        frame(0 if index else 1, fragment, fin=index == len(fragments) - 1)
        for index, fragment in enumerate(fragments)
    ]
    for place in pings:
        if place < len(fragments):
            frames.insert(place, b"\x8a\x00")
    for role in (CLIENT, SERVER):
        conn = connection(role, frames=True)
        seen = feed(conn, *data.draw(segments(wire_for(role, frames))))
        parts = [event for event in seen if event[0] == "text frame"]
        text = b"".join(fragments).decode()
        assert "".join(part[1] for part in parts) == text
        assert [part[2] for part in parts] == [False] * (len(fragments) - 1) + [True]
        assert seen[-1] == ("text message", text)
        assert len(seen) == len(frames) + 1


# Damage


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The data with a few bytes changed, inserted, taken out, doubled, or cut off."""
    made = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, min(len(made), 400) - 1)))
        change = draw(st.sampled_from(["bit", "byte", "insert", "delete", "double", "cut"]))
        if change == "bit" and made:
            made[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "byte" and made:
            made[at] = draw(st.integers(0, 255))
        elif change == "insert":
            made[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif change == "delete":
            del made[at : at + draw(st.integers(1, 4))]
        elif change == "double":
            made[at:at] = made[at : at + draw(st.integers(1, 8))]
        else:
            del made[at:]
    return bytes(made)


closes = st.builds(
    lambda code, reason: frame(8, code.to_bytes(2, "big") + reason),
    st.one_of(st.integers(0, 65535), st.integers(995, 1020), st.integers(2995, 5005)),
    st.one_of(st.binary(max_size=8), st.text(max_size=8).map(str.encode)),
)
frames_of_any_kind = st.builds(
    frame,
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.one_of(payloads, text_by_bytes.map(lambda it: it.fragments[0])),
    fin=st.booleans(),
)
# Lists of frames, as a server sends them
streams = st.one_of(
    by_bytes.map(lambda sent: [made for it in sent for made in it.frames()]),
    st.lists(st.one_of(frames_of_any_kind, closes), max_size=6),
)


@pytest.mark.parametrize("code", [1012, 1013, 1014])
def test_closes_that_are_judged_differently_are_known(code: int):
    """Qt refuses what IANA registered after the RFC, and so does this package."""
    wire = frame(8, code.to_bytes(2, "big"))
    assert told_by_websockets(CLIENT, [wire]) == [("close", code)]
    assert told_by_engine(CLIENT, [wire]) == [("failure", 1002)]


CODES_THAT_WSPROTO_TAKES = {
    (f"Invalid close code {code} detected.",) for code in (1012, 1013, 1014)
}


@settings(max_examples=400)
@given(st.data(), roles, streams, st.booleans())
def test_damage_is_judged_as_wsproto_judges_it(
    data: st.DataObject, role: Role, frames: list[bytes], damage: bool
):
    wire = wire_for(role, frames)
    if damage:
        wire = data.draw(damaged(wire))
    wire += bytes(14)  # completes any head that has begun, so that neither waits for it
    last = feed(connection(role), wire)[-1:]
    assume(not last or last[0][1] != 1009)  # wsproto knows no limit
    assume(not last or last[0][2:] not in CODES_THAT_WSPROTO_TAKES)
    assert told_by_engine(role, data.draw(segments(wire))) == told_by_wsproto(role, [wire])


@settings(max_examples=250)
@given(
    st.data(),
    roles,
    st.one_of(
        st.binary(max_size=60),
        st.tuples(roles, streams).map(lambda it: wire_for(*it)).flatmap(damaged),
    ),
)
def test_the_cuts_of_tcp_change_nothing(data: st.DataObject, role: Role, wire: bytes):
    frames = data.draw(st.booleans())
    assume(len(wire) < 2000)
    first, second, third = (connection(role, frames=frames) for _ in range(3))
    whole = feed(first, wire)
    assert feed(second, *data.draw(fragmented(wire))) == whole
    assert feed(third, *bytewise(wire)) == whole
    assert first.state is second.state is third.state
    assert first.data_to_send() == second.data_to_send() == third.data_to_send()
    assert first.mid_frame == second.mid_frame == third.mid_frame


@settings(max_examples=250)
@given(st.data(), roles, streams)
def test_nothing_follows_the_end(data: st.DataObject, role: Role, frames: list[bytes]):
    conn, wire = connection(role), wire_for(role, frames)
    seen = feed(conn, *data.draw(fragmented(wire)))
    kinds = [event[0] for event in seen]
    assert not {"close", "failure"} & set(kinds[:-1])
    assert conn.close_expected() == (kinds[-1:] in (["close"], ["failure"]))
    if conn.close_expected():
        assert feed(conn, wire, wire) == []
        assert told_by_wsproto(other(role), [conn.data_to_send()])[0][0] == "close"
        assert events(conn) == []
    conn.receive_eof()
    assert conn.state is FAILED or kinds[-1:] == ["close"]


# Handshakes

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x05Hello"
)
DIGEST = (
    b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="a, b", nonce="n\\"", qop="auth", '
    b"Basic realm=x\r\nContent-Length: 3\r\n\r\nabc"
)
ANSWERS = [
    SWITCHING,
    DIGEST,
    b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 401 No\r\nConnection: close\r\n\r\nabc",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
]
answers = st.one_of(st.binary(max_size=80), st.sampled_from(ANSWERS).flatmap(damaged))


def outcome(pieces: list[bytes]) -> Any:
    """What a handshake makes of an answer: the answer, or the words of the error."""
    shake, rest = handshake(subprotocols=["chat"]), iter(pieces)
    for piece in rest:
        try:
            found = shake.receive_data(piece)
        except HandshakeError as error:
            return str(error)
        if isinstance(found, Accepted):
            return found._replace(leftover=found.leftover + b"".join(rest))
        if found is not None:
            return found
    return None


@settings(max_examples=250)
@given(st.data(), answers)
def test_a_damaged_answer_ends_in_an_error_or_an_answer(data: st.DataObject, answer: bytes):
    whole = outcome([answer])
    assert outcome(data.draw(fragmented(answer))) == whole
    assert outcome(bytewise(answer)) == whole


values = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30)


@settings(max_examples=250)
@given(
    st.one_of(
        values,
        st.lists(
            st.sampled_from(
                ["Digest ", "Basic", "nonce=", '"', "\\", ",", " ", "=", "a", "qop=auth"]
            )
        ).map("".join),
    ),
    values,
    st.text(max_size=10),
)
def test_any_challenge_that_is_usable_can_be_answered(field: str, user: str, password: str):
    chosen = auth.strongest(auth.parse_challenges([field]))
    if chosen is None:
        return
    made = auth.answer(chosen, user=user, password=password, method="GET", target="/")
    request = ClientHandshake(target="/", host="h").request(NONCE, made)
    assert request.endswith(b"\r\nAuthorization: " + made + b"\r\n\r\n")
    assert request.count(b"\r\n") == 8


tokens = st.text("abcXYZ0189!#$%&'*+-.^_`|~", min_size=1, max_size=8)
challenges = st.lists(
    st.tuples(tokens, st.dictionaries(tokens.map(str.lower), values, max_size=4)), max_size=4
)


@given(challenges)
def test_challenges_are_read_as_they_were_written(written: list[tuple[str, dict[str, str]]]):
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    field = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in written
    )
    assert auth.parse_challenges([field]) == [(scheme.lower(), it) for scheme, it in written]


@given(st.sampled_from(["target", "host"]), st.text(st.characters(codec="ascii"), max_size=12))
def test_no_text_breaks_a_request(part: str, text: str):
    try:
        made = ClientHandshake(**({"target": "/", "host": "h"} | {part: text})).request(NONCE)
    except InvalidRequestError:
        return
    assert made.count(b"\r\n") == 7
    assert made.replace(b"\r\n", b"").count(b"\n") == 0
    assert b"\0" not in made


@pytest.mark.parametrize("encode", [encoded_by_wsproto, encoded_by_websockets])
@pytest.mark.parametrize("role", [CLIENT, SERVER])
def test_a_megabyte_in_random_pieces(encode: Any, role: Role):
    sent = [Sent("binary", [os.urandom(300_000) for _ in range(4)])]
    wire = encode(other(role), sent)
    for size in (1000, 4096, 65536, len(wire)):
        pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
        assert told_by_engine(role, pieces) == told(sent)
