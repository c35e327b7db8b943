"""Fixtures of the behaviour tests, which run on this package and on Qt's own module."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QtMsgType, qInstallMessageHandler

from support.beyond import pytest_collection_modifyitems, pytest_configure
from support.client import Client
from support.peer import Link, Peer

__all__ = ["pytest_collection_modifyitems", "pytest_configure"]


@pytest.fixture(scope="session")
def qapp_cls() -> type[QCoreApplication]:
    """No windows here."""
    return QCoreApplication


class Warnings:
    """What Qt and the module under test warned about; a test takes out what it expects."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def handle(self, kind: QtMsgType, context: Any, text: str) -> None:
        """Be Qt's message handler."""
        if kind not in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg):
            self.texts.append(text)

    def take(self, part: str) -> list[str]:
        """Take out the warnings with this in them."""
        taken = [text for text in self.texts if part in text]
        self.texts = [text for text in self.texts if part not in text]
        return taken


@pytest.fixture(autouse=True)
def qt_warnings(qapp: QCoreApplication) -> Iterator[Warnings]:
    """Fail the test for each warning of Qt that it did not take."""
    warnings = Warnings()
    before = qInstallMessageHandler(warnings.handle)
    yield warnings
    qInstallMessageHandler(before)
    assert warnings.texts == []


@pytest.fixture
def make_client(qtbot: Any) -> Iterator[Callable[..., Client]]:
    """Make clients, and end them before their traces go."""
    clients: list[Client] = []

    def make(*args: Any, **kwargs: Any) -> Client:
        clients.append(Client(qtbot, *args, **kwargs))
        return clients[-1]

    yield make
    for client in clients:
        client.end()
    qtbot.wait(0)


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    """A client made without arguments."""
    return make_client()


@pytest.fixture
def make_peer() -> Iterator[Callable[..., Peer]]:
    """Start servers, and end them after the test."""
    peers: list[Peer] = []

    def make(*answers: Any, **kwargs: Any) -> Peer:
        peers.append(Peer(*answers, **kwargs))
        return peers[-1]

    yield make
    for peer in peers:
        peer.end()


@pytest.fixture
def peer(make_peer: Callable[..., Peer]) -> Peer:
    """A server that accepts everybody and echoes the Close frame."""
    return make_peer()


@pytest.fixture
def link(client: Client, peer: Peer) -> Link:
    """The server's end of an open connection of ``client``; its trace is empty."""
    return client.connect(peer)
