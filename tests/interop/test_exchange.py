"""Text, data, pings and closes, exchanged with three servers that others wrote."""

import itertools

import pytest
from PySide6.QtCore import QByteArray, QUrl
from PySide6.QtNetwork import QAbstractSocket, QNetworkRequest

from interop.client import BINARIES, BYTES, TEXTS, Client, headers_seen, wait_for
from interop.conftest import websockets_command
from support.process import Program
from support.qtmodule import QWebSocket, QWebSocketProtocol

CloseCode = QWebSocketProtocol.CloseCode
SocketError = QAbstractSocket.SocketError

SECRET_NUMBERS = itertools.count()


def url(server: Program, path: str = "/echo") -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


def test_texts_come_back_as_they_were_sent(client: Client, server: Program):
    client.connect_to(url(server))
    for text in TEXTS:
        client.echo_text(text)
    assert client.binaries == []


@pytest.mark.parametrize("text", ["\ufeffBOM first", "\ufffefirst", "\ufeff", "\ufeff\ufeff"])
@pytest.mark.beyond("a leading U+FEFF is dropped, a leading U+FFFE swaps the bytes of the text")
def test_a_text_that_begins_with_a_byte_order_mark_comes_back_whole(
    client: Client, server: Program, text: str
):
    client.connect_to(url(server))
    client.echo_text(text)


def test_data_comes_back_as_it_was_sent(client: Client, server: Program):
    client.connect_to(url(server))
    for data in BINARIES:
        client.echo_binary(data)
    assert client.texts == []


def test_sixteen_mebibytes_go_there_and_back(client: Client, node_server: Program):
    client.connect_to(url(node_server))
    client.echo_binary(BYTES * 16)


def test_five_hundred_messages_keep_their_order(client: Client, server: Program):
    client.connect_to(url(server))
    for number in range(250):
        client.socket.sendTextMessage(f"message {number}")
        client.socket.sendBinaryMessage(QByteArray(b"%d" % number))
    client.wait(lambda: len(client.texts) + len(client.binaries) == 500, "500 echoes")
    assert client.texts == [f"message {number}" for number in range(250)]
    assert client.binaries == [b"%d" % number for number in range(250)]
    echoes = [line[:4] for line in client.log if "of" in line]
    assert echoes == ["text", "bina"] * 250


@pytest.mark.parametrize("text", ["fragments", "ab", "", "a€\U0001f600€\U0001f600öäü"])
@pytest.mark.parametrize("name", ["websockets", "node"])
def test_a_fragmented_answer_comes_as_one_message(
    client: Client, name: str, text: str, request: pytest.FixtureRequest
):
    client.connect_to(url(request.getfixturevalue(f"{name}_server"), "/fragments"))
    client.echo_text(text)
    client.echo_binary(text.encode())


def test_a_message_that_we_send_in_fragments_arrives_as_one(client: Client, server: Program):
    client.socket.setOutgoingFrameSize(7)
    client.connect_to(url(server))
    client.echo_text("in frames of seven bytes: äöü€\U0001f600" * 50)
    client.echo_binary(bytes(range(256)))


def test_a_large_message_is_received(client: Client, server: Program):
    client.connect_to(url(server, "/large?size=4194304"))
    client.wait(lambda: client.binaries, "4 MiB")
    assert client.binaries == [BYTES * 4]


@pytest.mark.parametrize("payload", [b"", b"payload", b"\xff\0", b"p" * 125])
def test_a_ping_is_answered_with_its_payload(client: Client, server: Program, payload: bytes):
    client.connect_to(url(server))
    client.ping(payload)


def test_a_ping_from_the_server_is_answered(client: Client, server: Program):
    client.connect_to(url(server, "/ping"))
    client.wait(lambda: client.texts, "the server's word")
    assert client.texts == ["answered"]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], ""),
        (["v1.interop"], "v1.interop"),
        (["v2.interop"], "v2.interop"),
        (["unknown", "v1.interop"], "v1.interop"),
    ],
)
def test_a_subprotocol_is_negotiated(
    client: Client, server: Program, offered: list[str], chosen: str
):
    client.connect_to(url(server), subprotocols=offered)
    assert client.socket.subprotocol() == chosen
    client.echo_text("still there")


def test_the_server_sees_the_handshake_that_we_sent(qapp, server: Program):
    client = Client(QWebSocket("https://origin.interop.test"))
    request = QNetworkRequest(QUrl(url(server, "/headers?a=b%20c&d=%C3%A9#fragment")))
    request.setRawHeader(b"X-Own", b"own value")
    request.setRawHeader(b"User-Agent", b"interop/1")
    client.connect_to(request, subprotocols=["v1.interop", "v2.interop"])
    seen = headers_seen(client)
    assert seen["target"] == "/headers?a=b%20c&d=%C3%A9"
    headers = seen["headers"]
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["upgrade"].lower() == "websocket"
    assert headers["connection"].lower() == "upgrade"
    assert headers["origin"] == "https://origin.interop.test"
    assert headers["sec-websocket-version"] == "13"
    assert headers["sec-websocket-protocol"] == "v1.interop, v2.interop"
    assert headers["x-own"] == "own value"
    assert headers["user-agent"] == "interop/1"
    assert len(headers["sec-websocket-key"]) == 24
    client.close()


def test_no_compression_is_offered_and_a_server_that_could_does_without(
    client: Client, server: Program
):
    client.connect_to(url(server, "/headers"))
    assert "sec-websocket-extensions" not in headers_seen(client)["headers"]
    client.texts.clear()
    client.echo_text("a" * 10_000)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1000, ""),
        (1000, "good bye"),
        (1001, "going"),
        (1011, "Grüße €"),
        (3000, ""),
        (4999, "x" * 100),
    ],
)
def test_the_server_sees_our_close_code_and_reason(
    client: Client, server: Program, code: int, reason: str
):
    reason = f"{next(SECRET_NUMBERS)} {reason}" if reason else ""
    client.connect_to(url(server))
    client.close(CloseCode(code), reason)
    assert client.socket.closeCode() == CloseCode(code)
    assert client.socket.closeReason() == reason
    server.wait_for_output(f"CLOSED {code} {reason}")


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1000, "bye"), (1001, "restarting"), (1011, "Ärger €"), (3999, ""), (4321, "own")],
)
def test_we_see_the_close_code_and_reason_of_the_server(
    client: Client, server: Program, code: int, reason: str
):
    encoded = bytes(QUrl.toPercentEncoding(reason)).decode()
    client.connect_to(url(server, f"/close?code={code}&reason={encoded}"))
    client.socket.sendTextMessage("close, please")
    client.wait(lambda: client.disconnections, "the close")
    assert client.socket.closeCode() == CloseCode(code)
    assert client.socket.closeReason() == reason
    assert client.errors == []
    assert client.log[-4:] == ["connected", "ClosingState", "UnconnectedState", "disconnected"]


@pytest.mark.parametrize("name", ["node", "aiohttp"])  # websockets stops sending at a Close
def test_messages_sent_right_before_the_close_arrive(
    client: Client, name: str, request: pytest.FixtureRequest
):
    client.connect_to(url(request.getfixturevalue(f"{name}_server")))
    for number in range(20):
        client.socket.sendTextMessage(str(number))
    client.close()
    assert client.texts == [str(number) for number in range(20)]


def test_a_server_that_is_killed_is_an_error_and_a_disconnect(client: Client):
    program = Program(websockets_command())
    try:
        client.connect_to(url(program))
        client.echo_text("before")
        program.kill()
        client.wait(lambda: client.disconnections, "the end")
    finally:
        program.stop()
    assert client.errors == [SocketError.RemoteHostClosedError]
    assert client.log[-4:] == [
        f"RemoteHostClosedError: {client.socket.errorString()}",
        "ClosingState",
        "UnconnectedState",
        "disconnected",
    ]


def test_a_server_that_comes_back_is_reached_by_the_same_object(client: Client):
    first = Program(websockets_command())
    try:
        client.connect_to(url(first))
        first.kill()
        client.wait(lambda: client.disconnections == 1, "the end")
    finally:
        first.stop()
    second = Program(websockets_command())
    client.errors.clear()
    try:
        client.connect_to(url(second))
        client.echo_text("back again")
        client.close()
    finally:
        second.stop()


def test_nobody_listening_is_an_error(client: Client):
    program = Program(websockets_command())
    program.stop()
    assert client.fail_to_connect(url(program)) is SocketError.ConnectionRefusedError
    assert client.log[:3] == ["ConnectingState", "UnconnectedState", "disconnected"]


def test_one_object_connects_fifty_times(client: Client, server: Program):
    for number in range(50):
        client.connect_to(url(server))
        client.echo_text(f"connection {number}")
        client.close()
    assert client.disconnections == 50
    assert client.log.count("ConnectingState") == 50


def test_twenty_sockets_talk_at_once(qapp, server: Program):
    clients = [Client() for _ in range(20)]
    for client in clients:
        client.open(url(server))
    wait_for(clients, lambda: all(client.connections for client in clients), "20 connections")
    for round_ in range(5):
        for number, client in enumerate(clients):
            client.socket.sendTextMessage(f"{number}/{round_}")
            client.socket.sendBinaryMessage(QByteArray(bytes([number]) * 10_000))
    wait_for(
        clients,
        lambda: all(len(client.texts) == len(client.binaries) == 5 for client in clients),
        "all echoes",
    )
    for number, client in enumerate(clients):
        assert client.texts == [f"{number}/{round_}" for round_ in range(5)]
        assert client.binaries == [bytes([number]) * 10_000] * 5
        client.socket.close()
    wait_for(clients, lambda: all(client.disconnections for client in clients), "20 ends")
    assert not any(client.errors for client in clients)


def test_a_server_on_ipv6_is_reached(client: Client, ipv6_node_server: Program):
    port = ipv6_node_server.port
    client.connect_to(f"ws://[::1]:{port}/headers")
    assert headers_seen(client)["headers"]["host"] == f"[::1]:{port}"
    assert client.socket.peerAddress().toString() == "::1"
    client.exchange()


def test_a_server_is_reached_by_its_name(client: Client, server: Program):
    client.connect_to(f"ws://localhost:{server.port}/echo")
    assert client.socket.peerName() == "localhost"
    client.exchange()
