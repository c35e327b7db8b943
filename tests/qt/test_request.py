"""The request as it is on the wire."""

import base64
import struct
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QNetworkRequest

from support.client import Client
from support.peer import BINARY, CLOSE, PING, PONG, TEXT, Link, Peer, Request, accept, frame
from support.qtmodule import QMaskGenerator, QWebSocketHandshakeOptions, QWebSocketProtocol


def requested(client: Client, peer: Peer, *arguments: Any) -> Request:
    """Open with these arguments, and give back what the server read."""
    client.socket.open(*arguments)
    client.until_line("connected")
    return peer.link.request


def options(*names: str) -> QWebSocketHandshakeOptions:
    made = QWebSocketHandshakeOptions()
    made.setSubprotocols(list(names))
    return made


def request_to(peer: Peer, headers: dict[str, str | bytes] | None = None) -> QNetworkRequest:
    request = QNetworkRequest(QUrl(peer.url()))
    for name, value in (headers or {}).items():
        raw = value if isinstance(value, bytes) else value.encode()
        request.setRawHeader(name.encode(), raw)
    return request


STANDARD = ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]


def test_the_plain_request_is_this(client: Client, peer: Peer) -> None:
    request = requested(client, peer, QUrl(peer.url("/chat?room=1")))
    key = request.get("Sec-WebSocket-Key")
    assert request.raw.decode().split("\r\n") == [
        "GET /chat?room=1 HTTP/1.1",
        f"Host: 127.0.0.1:{peer.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "",
        "",
    ]


def test_the_full_request_has_this_order(make_client: Callable[..., Client], peer: Peer) -> None:
    client = make_client("https://example.org")
    request = request_to(peer, {"X-One": "1", "User-Agent": "test", "X-Two": "2"})
    read = requested(client, peer, request, options("a", "b"))
    assert [name.lower() for name in read.names] == [
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "origin",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "x-one",
        "user-agent",
        "x-two",
    ]
    assert read.get("Origin") == "https://example.org"
    assert read.get("Sec-WebSocket-Protocol") == "a, b"


@pytest.mark.parametrize("form", ["str", "QUrl", "QNetworkRequest"])
@pytest.mark.parametrize("with_options", [False, True])
def test_open_takes_all_forms(client: Client, peer: Peer, form: str, with_options: bool) -> None:
    forms = {"str": str, "QUrl": QUrl, "QNetworkRequest": lambda url: QNetworkRequest(QUrl(url))}
    more = [options("a")] if with_options else []
    request = requested(client, peer, forms[form](peer.url("/form")), *more)
    assert request.target == "/form"
    assert request.get("Sec-WebSocket-Protocol") == ("a" if with_options else None)


def test_the_version_on_the_wire_is_always_13(
    make_client: Callable[..., Client], peer: Peer
) -> None:
    client = make_client("", QWebSocketProtocol.Version.Version8)
    assert requested(client, peer, peer.url()).get("Sec-WebSocket-Version") == "13"


def test_each_connection_has_a_new_key_of_16_bytes(client: Client, peer: Peer) -> None:
    keys = set()
    for count in range(1, 4):
        client.socket.open(peer.url())
        client.until_line("connected", count)
        keys.add(peer.link.request.get("Sec-WebSocket-Key"))
    assert len(keys) == 3
    assert {len(base64.b64decode(str(key), validate=True)) for key in keys} == {16}


# Target

TARGETS = [
    ("", "/"),
    ("/", "/"),
    ("?x=1", "/?x=1"),
    ("/p?", "/p"),
    ("/p#fragment", "/p"),
    ("/p?#fragment", "/p"),
    ("/a/../b", "/a/../b"),
    ("//x", "//x"),
    ("/a b", "/a%20b"),
    ("/a%20b?c%20d", "/a%20b?c%20d"),
    ("/é?ü=ö", "/%C3%A9?%C3%BC=%C3%B6"),
    ("/a;b:c@d", "/a;b:c@d"),
    ("/a?b?c", "/a?b?c"),
    ("/\t", "/%09"),
    ("/\\", "/%5C"),
    ("/%41%2f%zz", "/%2541%252f%25zz"),
    ("/'\"<>|^`{}", "/'%22%3C%3E%7C%5E%60%7B%7D"),
]


@pytest.mark.parametrize(("written", "target"), TARGETS)
def test_the_target_is_encoded_but_not_normalised(
    client: Client, peer: Peer, written: str, target: str
) -> None:
    request = requested(client, peer, QUrl(f"ws://127.0.0.1:{peer.port}{written}"))
    assert request.target == target
    assert client.socket.resourceName() == target


def test_user_info_is_not_sent(client: Client, peer: Peer) -> None:
    url = f"ws://user:secret@127.0.0.1:{peer.port}/x#y"
    request = requested(client, peer, QUrl(url))
    assert b"secret" not in request.raw
    assert request.get("Host") == f"127.0.0.1:{peer.port}"
    assert client.socket.requestUrl() == QUrl(url)


# Host


def test_the_host_is_in_lower_case(client: Client, peer: Peer) -> None:
    request = requested(client, peer, QUrl(f"WS://LOCALHOST:{peer.port}/"))
    assert request.get("Host") == f"localhost:{peer.port}"
    assert client.socket.peerName() == "localhost"


def test_an_ipv6_host_is_in_brackets(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(host="::1")
    request = requested(client, peer, QUrl(peer.url()))
    assert request.get("Host") == f"[::1]:{peer.port}"
    assert client.socket.peerName() == "::1"
    assert client.socket.peerAddress().toString() == "::1"


def test_an_international_host_becomes_ascii(client: Client) -> None:
    client.socket.open(QUrl("ws://bücher.invalid/"))
    assert client.socket.peerName() == "xn--bcher-kva.invalid"
    client.socket.abort()


def test_a_raw_host_header_takes_the_place_of_ours(client: Client, peer: Peer) -> None:
    request = requested(client, peer, request_to(peer, {"Host": "virtual.example"}))
    assert request.get_all("Host") == ["virtual.example"]
    assert request.names[0] == "Host"


# Headers of the program


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "User-Agent", "X-Anything"])
def test_a_header_is_sent_after_ours(client: Client, peer: Peer, name: str) -> None:
    request = requested(client, peer, request_to(peer, {name: "a value; x=1"}))
    assert [item.lower() for item in request.names] == [*map(str.lower, STANDARD), name.lower()]
    assert request.get(name) == "a value; x=1"


def test_an_empty_header_is_sent(client: Client, peer: Peer) -> None:
    assert requested(client, peer, request_to(peer, {"X-Empty": b""})).get("X-Empty") == ""


def test_bytes_of_a_header_are_sent_as_they_are(client: Client, peer: Peer) -> None:
    request = requested(client, peer, request_to(peer, {"X-Latin": b"a\xe9\xff"}))
    assert b": a\xe9\xff\r\n" in request.raw


def test_known_headers_are_sent(client: Client, peer: Peer) -> None:
    request = QNetworkRequest(QUrl(peer.url()))
    request.setHeader(QNetworkRequest.KnownHeaders.UserAgentHeader, "agent/1")
    assert requested(client, peer, request).get("User-Agent") == "agent/1"


def test_the_origin_is_sent(make_client: Callable[..., Client], peer: Peer) -> None:
    client = make_client("https://example.org:8443")
    assert requested(client, peer, peer.url()).get("Origin") == "https://example.org:8443"


# Subprotocols


def test_subprotocols_are_asked_for_in_order(client: Client, peer: Peer) -> None:
    request = requested(client, peer, QUrl(peer.url()), options("b", "a"))
    assert request.get_all("Sec-WebSocket-Protocol") == ["b, a"]


def test_subprotocols_of_a_raw_header_come_after_those_of_the_options(
    client: Client, peer: Peer
) -> None:
    request = request_to(peer, {"Sec-WebSocket-Protocol": " z , a, ,w"})
    read = requested(client, peer, request, options("a", "b"))
    assert read.get_all("Sec-WebSocket-Protocol") == ["a, b, z, w"]


@pytest.mark.parametrize("name", ["b ad", " x ", "é", "c,d", "y\r\nz", "s/lash", 'quo"te', "\x00"])
def test_an_invalid_subprotocol_is_dropped_with_a_warning(
    client: Client, peer: Peer, qt_warnings: Any, name: str
) -> None:
    request = requested(client, peer, QUrl(peer.url()), options("good", name))
    assert request.get_all("Sec-WebSocket-Protocol") == ["good"]
    assert len(qt_warnings.take("Ignoring invalid WebSocket subprotocol name")) == 1


def test_the_warning_names_the_subprotocol(client: Client, peer: Peer, qt_warnings: Any) -> None:
    requested(client, peer, QUrl(peer.url()), options("b ad"))
    assert qt_warnings.take("") == ['Ignoring invalid WebSocket subprotocol name "b ad"']


def test_the_chosen_subprotocol_is_known(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(accept("Sec-WebSocket-Protocol: b"))
    requested(client, peer, QUrl(peer.url()), options("a", "b"))
    assert client.socket.subprotocol() == "b"


def test_a_server_may_choose_no_subprotocol(client: Client, peer: Peer) -> None:
    requested(client, peer, QUrl(peer.url()), options("a"))
    assert client.socket.subprotocol() == ""


# Masks


class Counting(QMaskGenerator):
    """Gives out the masks 0x01020301, 0x01020302, ... and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.masks = 0
        self.seeds = 0

    def nextMask(self) -> int:
        self.masks += 1
        return 0x01020300 + self.masks

    def seed(self) -> bool:
        self.seeds += 1
        return True


@pytest.fixture
def generator(client: Client) -> Counting:
    made = Counting()
    client.socket.setMaskGenerator(made)
    return made


def test_the_key_is_made_of_four_masks(client: Client, peer: Peer, generator: Counting) -> None:
    request = requested(client, peer, peer.url())
    key = base64.b64decode(request.get("Sec-WebSocket-Key") or "")
    assert struct.unpack("=4I", key) == (0x01020301, 0x01020302, 0x01020303, 0x01020304)
    assert generator.masks == 4


def test_the_generator_is_not_seeded(client: Client, peer: Peer, generator: Counting) -> None:
    requested(client, peer, peer.url())
    assert generator.seeds == 0


def test_each_frame_has_the_next_mask(client: Client, peer: Peer, generator: Counting) -> None:
    link = client.connect(peer)
    client.socket.sendTextMessage("text")
    client.socket.sendBinaryMessage(b"data")
    client.socket.ping(b"ping")
    link.send(frame(PING, b"pong"))
    client.until(lambda: len(link.frames) == 4)
    client.socket.close()
    client.until(lambda: len(link.frames) == 5)
    assert [(item.opcode, item.mask) for item in link.frames] == [
        (TEXT, b"\x01\x02\x03\x05"),
        (BINARY, b"\x01\x02\x03\x06"),
        (PING, b"\x01\x02\x03\x07"),
        (PONG, b"\x01\x02\x03\x08"),
        (CLOSE, b"\x01\x02\x03\x09"),
    ]


def test_each_fragment_has_a_mask(client: Client, peer: Peer, generator: Counting) -> None:
    link = client.connect(peer)
    client.socket.setOutgoingFrameSize(2)
    client.socket.sendBinaryMessage(b"12345")
    client.until(lambda: len(link.frames) == 3)
    assert link.payloads() == [b"12", b"34", b"5"]
    assert generator.masks == 4 + 3


def test_the_generator_can_be_changed_while_connected(client: Client, link: Link) -> None:
    generator = Counting()
    client.socket.setMaskGenerator(generator)
    client.socket.sendTextMessage("text")
    client.until(lambda: link.frames)
    assert link.frames[0].mask == b"\x01\x02\x03\x01"


class Zero(QMaskGenerator):
    """Gives out a mask that changes nothing."""

    def nextMask(self) -> int:
        return 0

    def seed(self) -> bool:
        return True


@pytest.mark.beyond("a mask of zero makes it send an unmasked frame (RFC 6455 5.3)")
def test_a_mask_of_zero_is_sent_as_a_mask(client: Client, link: Link) -> None:
    generator = Zero()
    client.socket.setMaskGenerator(generator)
    client.socket.sendTextMessage("text")
    client.until(lambda: link.frames)
    assert link.frames == [(TEXT, b"text", True, b"\x00\x00\x00\x00")]


@pytest.mark.beyond("it keeps a bare pointer to the generator", crashes=True)
def test_the_socket_keeps_its_generator_alive(client: Client, link: Link) -> None:
    client.socket.setMaskGenerator(Counting())
    client.socket.sendTextMessage("text")
    client.until(lambda: link.frames)
    assert link.frames[0].mask == b"\x01\x02\x03\x01"


def test_masks_differ_from_frame_to_frame(client: Client, link: Link) -> None:
    for _ in range(100):
        client.socket.sendTextMessage("text")
    client.until(lambda: len(link.frames) == 100)
    assert len({item.mask for item in link.frames}) == 100
