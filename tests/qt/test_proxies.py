"""HTTP proxies; the server of these tests plays the proxy and what is behind it."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtNetwork import QNetworkProxy

from support.client import CLOSED, ENDED, OPENED, Client, failed
from support.peer import TEXT, Peer, accept, close_frame, frame, response

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
ASKING = response("407 Authentication Required", 'Proxy-Authenticate: Basic realm="proxy"')
BEHIND = "ws://behind.example:81/path"


def through(client: Client, proxy: Peer, *credentials: str) -> None:
    kind = QNetworkProxy.ProxyType.HttpProxy
    client.socket.setProxy(QNetworkProxy(kind, "127.0.0.1", proxy.port, *credentials))
    client.socket.open(BEHIND)


def test_a_connection_goes_through_the_proxy(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    proxy = make_peer(ESTABLISHED, accept())
    through(client, proxy)
    client.until_last("connected")
    assert client.lines == OPENED
    connect, request = proxy.requests
    assert connect.line == "CONNECT behind.example:81 HTTP/1.1"
    assert request.line == "GET /path HTTP/1.1"
    assert request.get("Host") == "behind.example:81"
    assert client.socket.peerName() == "behind.example"


def test_messages_go_through_the_proxy(client: Client, make_peer: Callable[..., Peer]) -> None:
    proxy = make_peer(ESTABLISHED, accept())
    through(client, proxy)
    client.until_last("connected")
    client.trace.take()
    client.socket.sendTextMessage("out")
    client.until(lambda: proxy.link.payloads() == [b"out"])
    proxy.link.send(frame(TEXT, b"in") + close_frame())
    client.until_last("readChannelFinished")
    assert client.lines == ["textFrame:in:last", "text:in", *CLOSED]


def test_credentials_of_the_proxy_are_used(client: Client, make_peer: Callable[..., Peer]) -> None:
    proxy = make_peer(ASKING, ESTABLISHED, accept())
    through(client, proxy, "user", "password")
    client.until_last("connected")
    header = proxy.requests[-2].get("Proxy-Authorization")
    assert header == "Basic dXNlcjpwYXNzd29yZA=="
    assert proxy.requests[-1].get("Proxy-Authorization") is None


def test_the_program_is_asked_for_the_proxys_credentials(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    def answer(proxy: QNetworkProxy, authenticator: Any) -> None:
        authenticator.setUser("user")
        authenticator.setPassword("password")

    client.socket.proxyAuthenticationRequired.connect(answer)
    proxy = make_peer(ASKING, ESTABLISHED, accept())
    through(client, proxy)
    client.until_last("connected")
    asked = "proxyAuthenticationRequired:proxy"
    assert client.lines == ["state:Connecting", asked, *OPENED[1:]]
    assert proxy.requests[-2].get("Proxy-Authorization") == "Basic dXNlcjpwYXNzd29yZA=="


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ASKING, "ProxyAuthenticationRequired"),
        (response("403 Forbidden"), "SocketAccess"),
        (b"garbage\r\n\r\n", "ProxyProtocol"),
    ],
)
def test_a_proxy_that_refuses_is_an_error(
    client: Client, make_peer: Callable[..., Peer], answer: bytes, error: str
) -> None:
    through(client, make_peer(answer))
    client.until_line(f"error:{error}Error")
    client.until_line("disconnected")
    assert client.trace.only("error") == failed(error)
    assert [line for line in client.lines if line in ENDED[:2]] == ENDED[:2]


def test_a_proxy_that_is_not_there_is_an_error(client: Client) -> None:
    kind = QNetworkProxy.ProxyType.HttpProxy
    client.socket.setProxy(QNetworkProxy(kind, "127.0.0.1", 1))
    client.socket.open(BEHIND)
    client.until_line("error:ProxyConnectionRefusedError")
    client.until_line("disconnected")
    assert client.trace.only("error") == failed("ProxyConnectionRefused")
