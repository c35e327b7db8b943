"""A socket in the hands of QML's engine: its slots, and its signals with their parameters."""

from typing import Any

import pytest
from PySide6.QtQml import QJSEngine

from support.client import Client
from support.peer import TEXT, Peer, frame

PROGRAM = """(function(socket, url, heard) {
    socket.connected.connect(function() { heard.push("connected"); socket.ping(); });
    socket.textMessageReceived.connect(function(message) { heard.push(message); socket.close(); });
    socket.disconnected.connect(function() { heard.push("disconnected"); });
    socket.errorOccurred.connect(function(error) { heard.push("error " + error); });
    socket.open(url);
})"""


@pytest.fixture
def engine(qapp: Any) -> QJSEngine:
    return QJSEngine()


def call(engine: QJSEngine, client: Client, url: str) -> Any:
    """Run the program; what it hears is the array that is given back."""
    engine.globalObject().setProperty("socket", engine.newQObject(client.socket))
    QJSEngine.setObjectOwnership(client.socket, QJSEngine.ObjectOwnership.CppOwnership)
    result = engine.evaluate(f"var heard = []; {PROGRAM}(socket, '{url}', heard); heard")
    assert not result.isError(), result.toString()
    return result


def test_a_socket_is_used_from_javascript(client: Client, peer: Peer, engine: QJSEngine) -> None:
    heard = call(engine, client, peer.url())
    client.until(lambda: peer.links and peer.link.frames)
    assert peer.link.frames[0].payload == b""  # the ping
    peer.link.send(frame(TEXT, "grüß \U0001f600".encode()))
    client.until_last("readChannelFinished")
    assert heard.toVariant() == ["connected", "grüß \U0001f600", "disconnected"]
    assert peer.link.payloads()[-1] == b"\x03\xe8"


def test_a_refusal_is_heard_in_javascript(client: Client, engine: QJSEngine) -> None:
    heard = call(engine, client, "ws://127.0.0.1:1/")
    client.until_line("error:ConnectionRefusedError")
    assert heard.toVariant() == ["disconnected", "error 0"]
