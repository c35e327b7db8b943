"""The server's defaults, getters and setters, and which arguments are taken; the authenticator."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QObject, QUrl
from PySide6.QtNetwork import QHostAddress, QNetworkProxy, QSslConfiguration, QSslSocket

from support.qtmodule import QWebSocketCorsAuthenticator, QWebSocketProtocol, QWebSocketServer
from support.server import Serving

pytest_plugins = ["support.server"]

CloseCode = QWebSocketProtocol.CloseCode
SslMode = QWebSocketServer.SslMode
PLAIN = SslMode.NonSecureMode


@pytest.fixture
def server(make_serving: Callable[..., Serving]) -> Any:
    """A server that does not listen."""
    return make_serving().server


DEFAULTS = [
    ("error", CloseCode.CloseCodeNormal),
    ("errorString", ""),
    ("handshakeTimeout", 10_000),
    ("handshakeTimeoutMS", 10_000),
    ("hasPendingConnections", False),
    ("isListening", False),
    ("maxPendingConnections", 30),
    ("nextPendingConnection", None),
    ("parent", None),
    ("secureMode", PLAIN),
    ("serverAddress", QHostAddress()),
    ("serverName", "a server"),
    ("serverPort", 0),
    ("serverUrl", QUrl()),
    ("socketDescriptor", -1),
    ("supportedSubprotocols", []),
    ("supportedVersions", [QWebSocketProtocol.Version.Version13]),
]


@pytest.mark.parametrize(("getter", "value"), DEFAULTS)
def test_a_new_server_says(server: Any, getter: str, value: Any) -> None:
    assert getattr(server, getter)() == value


def test_the_timeout_is_a_number(server: Any) -> None:
    assert isinstance(server.handshakeTimeout(), int)


def test_a_new_server_uses_the_proxy_of_the_application(server: Any) -> None:
    assert server.proxy().type() == QNetworkProxy.ProxyType.DefaultProxy


@pytest.mark.parametrize("mode", list(SslMode))
def test_a_new_server_has_the_default_tls_configuration(mode: Any) -> None:
    server = QWebSocketServer("x", mode)
    assert server.secureMode() is mode
    assert server.sslConfiguration() == QSslConfiguration.defaultConfiguration()


def test_the_members_are_reached_without_the_name_of_the_enum() -> None:
    assert QWebSocketServer.NonSecureMode is SslMode.NonSecureMode
    assert QWebSocketServer.SecureMode is SslMode.SecureMode


# The constructor


def test_it_is_made_with_a_parent() -> None:
    parent = QObject()
    first, second = (
        QWebSocketServer("a", PLAIN, parent),
        QWebSocketServer("b", PLAIN, parent=parent),
    )
    assert first.parent() is parent
    assert parent.children() == [first, second]


def test_it_is_made_without_a_parent() -> None:
    assert QWebSocketServer("a", PLAIN, None).parent() is None
    assert QWebSocketServer("a", PLAIN, parent=None).parent() is None


def test_none_is_no_name() -> None:
    assert QWebSocketServer(None, PLAIN).serverName() == ""


def test_it_is_made_with_properties_and_slots() -> None:
    heard: list[bool] = []
    server = QWebSocketServer("a", PLAIN, objectName="o", newConnection=lambda: heard.append(True))
    assert server.objectName() == "o"
    server.newConnection.emit()
    assert heard == [True]


@pytest.mark.parametrize(
    "args", [(), ("x",), ("x", 1), (b"x", PLAIN), (5, PLAIN), ("x", PLAIN, 5), (PLAIN, "x")]
)
def test_it_is_not_made_with(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        QWebSocketServer(*args)


def test_name_and_mode_are_no_keywords() -> None:
    with pytest.raises(TypeError):
        QWebSocketServer(serverName="x", secureMode=PLAIN)
    with pytest.raises(TypeError):
        QWebSocketServer("x", secureMode=PLAIN)


def test_it_is_not_made_with_an_unknown_keyword() -> None:
    with pytest.raises(AttributeError):
        QWebSocketServer("x", PLAIN, bogus=1)


# Setters


@pytest.mark.parametrize(("given", "kept"), [("new", "new"), ("", ""), (None, ""), ("é", "é")])
def test_the_name_is_set(server: Any, given: Any, kept: str) -> None:
    server.setServerName(given)
    assert server.serverName() == kept


NUMBERS = [(5, 5), (0, 0), (-1, -1), (2**31 - 1, 2**31 - 1), (2.5, 2), (True, 1)]


@pytest.mark.parametrize(("given", "kept"), NUMBERS)
def test_the_timeout_is_set(server: Any, given: Any, kept: int) -> None:
    server.setHandshakeTimeout(given)
    assert server.handshakeTimeout() == kept
    assert server.handshakeTimeoutMS() == kept


@pytest.mark.parametrize(("given", "kept"), NUMBERS)
def test_the_maximum_is_set(server: Any, given: Any, kept: int) -> None:
    server.setMaxPendingConnections(given)
    assert server.maxPendingConnections() == kept


PROTOCOLS = [["a", "b"], ("a",), [], ["a b", ""], ["a", "a"], "ab"]


@pytest.mark.parametrize("given", PROTOCOLS)
def test_the_subprotocols_are_kept_as_given(server: Any, given: Any) -> None:
    server.setSupportedSubprotocols(given)
    assert server.supportedSubprotocols() == list(given)


def test_the_proxy_is_set(server: Any) -> None:
    server.setProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))
    assert server.proxy().type() == QNetworkProxy.ProxyType.NoProxy
    server.setProxy(QNetworkProxy.ProxyType.DefaultProxy)
    assert server.proxy().type() == QNetworkProxy.ProxyType.DefaultProxy


def unverified() -> QSslConfiguration:
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setPeerVerifyMode(QSslSocket.PeerVerifyMode.VerifyNone)
    return configuration


def test_a_secure_server_takes_a_tls_configuration() -> None:
    server = QWebSocketServer("x", SslMode.SecureMode)
    server.setSslConfiguration(unverified())
    assert server.sslConfiguration() == unverified()


def test_a_plain_server_has_no_use_for_a_tls_configuration(server: Any) -> None:
    server.setSslConfiguration(unverified())
    assert server.sslConfiguration() == QSslConfiguration.defaultConfiguration()


WRONG = [
    ("setHandshakeTimeout", "x"),
    ("setHandshakeTimeout", None),
    ("setMaxPendingConnections", "x"),
    ("setMaxPendingConnections", None),
    ("setServerName", 5),
    ("setServerName", b"x"),
    ("setSupportedSubprotocols", None),
    ("setSupportedSubprotocols", 5),
    ("setProxy", None),
    ("setProxy", "x"),
    ("setSslConfiguration", None),
    ("setSocketDescriptor", "x"),
    ("setSocketDescriptor", None),
    ("handleConnection", "x"),
    ("handleConnection", 5),
]


@pytest.mark.parametrize(("setter", "value"), WRONG)
def test_this_is_not_taken(server: Any, setter: str, value: Any) -> None:
    with pytest.raises(TypeError):
        getattr(server, setter)(value)


@pytest.mark.parametrize("setter", ["setHandshakeTimeout", "setMaxPendingConnections"])
def test_a_number_has_32_bits(server: Any, setter: str) -> None:
    with pytest.raises(OverflowError):
        getattr(server, setter)(2**31)


@pytest.mark.parametrize(
    ("setter", "keyword", "value"),
    [
        ("setHandshakeTimeout", "msec", 5),
        ("setMaxPendingConnections", "numConnections", 5),
        ("setServerName", "serverName", "x"),
        ("setSupportedSubprotocols", "protocols", ["x"]),
    ],
)
def test_this_is_no_keyword(server: Any, setter: str, keyword: str, value: Any) -> None:
    with pytest.raises(TypeError):
        getattr(server, setter)(**{keyword: value})


@pytest.mark.parametrize("getter", ["serverPort", "isListening", "close", "nextPendingConnection"])
def test_this_takes_no_argument(server: Any, getter: str) -> None:
    with pytest.raises(TypeError):
        getattr(server, getter)(1)


def test_error_is_a_method_and_no_signal(server: Any) -> None:
    assert not hasattr(server.error, "connect")


# QWebSocketCorsAuthenticator


def test_an_authenticator_allows_at_first() -> None:
    authenticator = QWebSocketCorsAuthenticator("http://a")
    assert (authenticator.origin(), authenticator.allowed()) == ("http://a", True)


@pytest.mark.parametrize(("given", "kept"), [(False, False), (True, True), (0, False), (2, True)])
def test_an_authenticator_is_set(given: Any, kept: bool) -> None:
    authenticator = QWebSocketCorsAuthenticator("http://a")
    authenticator.setAllowed(given)
    assert authenticator.allowed() is kept


def test_an_authenticator_is_copied() -> None:
    first = QWebSocketCorsAuthenticator("http://a")
    first.setAllowed(False)
    second = QWebSocketCorsAuthenticator(first)
    assert (second.origin(), second.allowed()) == ("http://a", False)
    second.setAllowed(True)
    assert first.allowed() is False


def test_authenticators_are_swapped() -> None:
    first, second = QWebSocketCorsAuthenticator("a"), QWebSocketCorsAuthenticator("b")
    first.setAllowed(False)
    first.swap(second)
    assert (first.origin(), first.allowed()) == ("b", True)
    assert (second.origin(), second.allowed()) == ("a", False)
    first.swap(first)
    assert (first.origin(), first.allowed()) == ("b", True)


def test_none_is_no_origin() -> None:
    assert QWebSocketCorsAuthenticator(None).origin() == ""


def test_authenticators_are_compared_by_identity() -> None:
    first, second = QWebSocketCorsAuthenticator("a"), QWebSocketCorsAuthenticator("a")
    assert first != second
    assert len({first, second}) == 2
    assert weakref.ref(first)() is first


def test_an_authenticator_is_no_qobject() -> None:
    assert not isinstance(QWebSocketCorsAuthenticator("a"), QObject)


@pytest.mark.parametrize("args", [(), (5,), (b"a",), ("a", True)])
def test_an_authenticator_is_not_made_with(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        QWebSocketCorsAuthenticator(*args)


def test_the_arguments_of_an_authenticator_are_no_keywords() -> None:
    with pytest.raises(TypeError):
        QWebSocketCorsAuthenticator(origin="a")
    with pytest.raises(TypeError):
        QWebSocketCorsAuthenticator("a").setAllowed(allowed=True)


@pytest.mark.parametrize(
    ("method", "value"), [("setAllowed", "x"), ("setAllowed", None), ("swap", 5), ("swap", None)]
)
def test_an_authenticator_does_not_take(method: str, value: Any) -> None:
    with pytest.raises(TypeError):
        getattr(QWebSocketCorsAuthenticator("a"), method)(value)
