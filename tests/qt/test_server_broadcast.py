"""One message for many clients, which Qt's module does not have."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtNetwork import QHostAddress

from support.qtmodule import QWebSocket, QWebSocketServer

pytestmark = pytest.mark.beyond("it has no broadcasts")


class Audience:
    """A server, its sockets, some clients, and what each client heard."""

    def __init__(self, qtbot: Any) -> None:
        self.qtbot = qtbot
        self.server = QWebSocketServer("", QWebSocketServer.SslMode.NonSecureMode)
        self.server.newConnection.connect(self._on_new_connection)
        assert self.server.listen(QHostAddress.SpecialAddress.LocalHost)
        self.sockets: list[Any] = []
        self.clients: list[Any] = []
        self.heard: list[list[str | bytes]] = []

    def _on_new_connection(self) -> None:
        self.sockets.append(self.server.nextPendingConnection())

    def add(self) -> None:
        client, heard = QWebSocket(), []
        client.textMessageReceived.connect(heard.append)
        client.binaryMessageReceived.connect(lambda data: heard.append(data.data()))
        self.clients.append(client)
        self.heard.append(heard)
        client.open(self.server.serverUrl())
        self.until(lambda: client.isValid() and len(self.sockets) == len(self.clients))

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=15_000)


@pytest.fixture
def audience(qtbot: Any) -> Iterator[Audience]:
    made = Audience(qtbot)
    for _ in range(3):
        made.add()
    yield made
    made.server.close()


def test_everybody_hears_a_text(audience: Audience) -> None:
    assert audience.server.broadcastTextMessage("to all: \u00e4\U0001f600") == 3
    audience.until(lambda: audience.heard == [["to all: \u00e4\U0001f600"]] * 3)


def test_everybody_hears_a_large_binary_message_once(audience: Audience) -> None:
    data = bytes(range(256)) * 8192
    assert audience.server.broadcastBinaryMessage(data) == 3
    audience.until(lambda: audience.heard == [[data]] * 3)


def test_only_those_who_are_named_hear_it(audience: Audience) -> None:
    assert audience.server.broadcastTextMessage("some", audience.sockets[:2]) == 2
    assert audience.server.broadcastTextMessage("all") == 3
    audience.until(lambda: audience.heard == [["some", "all"], ["some", "all"], ["all"]])


def test_who_is_closing_or_gone_does_not_count(audience: Audience) -> None:
    audience.sockets[0].close()
    assert audience.server.broadcastTextMessage("late") == 2
    audience.until(lambda: audience.heard == [[], ["late"], ["late"]])
    audience.clients[1].abort()
    audience.until(lambda: not audience.sockets[1].isValid())
    assert audience.server.broadcastTextMessage("later") == 1
    audience.until(lambda: audience.heard == [[], ["late"], ["late", "later"]])


def test_nobody_is_no_error(qtbot: Any) -> None:
    assert Audience(qtbot).server.broadcastTextMessage("hello?") == 0


def test_the_order_with_other_messages_is_kept(audience: Audience) -> None:
    audience.sockets[0].sendTextMessage("1")
    audience.server.broadcastTextMessage("2")
    audience.sockets[0].sendTextMessage("3")
    audience.until(lambda: audience.heard[0] == ["1", "2", "3"])


@pytest.mark.parametrize("wrong", [b"bytes", None, 5])
def test_a_text_is_a_str(audience: Audience, wrong: Any) -> None:
    with pytest.raises(TypeError):
        audience.server.broadcastTextMessage(wrong)
