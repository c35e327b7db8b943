"""Defaults, getters and setters, and which arguments are taken."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QByteArray, QObject, QUrl
from PySide6.QtNetwork import (
    QAbstractSocket,
    QHostAddress,
    QNetworkProxy,
    QNetworkRequest,
    QSslConfiguration,
)

from support.client import Client
from support.peer import BINARY, Link, Peer
from support.qtmodule import (
    QMaskGenerator,
    QWebSocket,
    QWebSocketHandshakeOptions,
    QWebSocketProtocol,
)

CloseCode = QWebSocketProtocol.CloseCode
MAXIMUM = 2**31 - 2

DEFAULTS = [
    ("bytesToWrite", 0),
    ("closeCode", CloseCode.CloseCodeNormal),
    ("closeReason", ""),
    ("error", QAbstractSocket.SocketError.UnknownSocketError),
    ("errorString", ""),
    ("flush", True),
    ("isValid", False),
    ("localAddress", QHostAddress()),
    ("localPort", 0),
    ("maxAllowedIncomingFrameSize", MAXIMUM),
    ("maxAllowedIncomingMessageSize", MAXIMUM),
    ("origin", ""),
    ("outgoingFrameSize", 524288),
    ("parent", None),
    ("pauseMode", QAbstractSocket.PauseMode.PauseNever),
    ("peerAddress", QHostAddress()),
    ("peerName", ""),
    ("peerPort", 0),
    ("readBufferSize", 0),
    ("requestUrl", QUrl()),
    ("resourceName", ""),
    ("state", QAbstractSocket.SocketState.UnconnectedState),
    ("subprotocol", ""),
    ("version", QWebSocketProtocol.Version.Version13),
]


@pytest.mark.parametrize(("getter", "value"), DEFAULTS)
def test_a_new_socket_says(client: Client, getter: str, value: Any) -> None:
    assert getattr(client.socket, getter)() == value


def test_a_new_socket_has_an_empty_request(client: Client) -> None:
    assert client.socket.request().url() == QUrl()
    assert client.socket.handshakeOptions().subprotocols() == []


def test_a_new_socket_uses_the_proxy_of_the_application(client: Client) -> None:
    assert client.socket.proxy().type() == QNetworkProxy.ProxyType.DefaultProxy


def test_a_new_socket_has_a_mask_generator(client: Client) -> None:
    assert isinstance(client.socket.maskGenerator(), QMaskGenerator)


@pytest.mark.parametrize("name", ["Frame", "Message"])
def test_the_maxima_are_those_of_a_qbytearray(name: str) -> None:
    assert getattr(QWebSocket, f"maxIncoming{name}Size")() == MAXIMUM
    assert QWebSocket.maxOutgoingFrameSize() == MAXIMUM


def test_an_unopened_socket_does_nothing(client: Client) -> None:
    client.socket.close()
    client.socket.abort()
    client.socket.ping()
    client.socket.resume()
    assert client.socket.sendTextMessage("text") == 0
    assert client.socket.sendBinaryMessage(b"data") == 0
    assert client.lines == []


# Constructors


def test_the_constructor_takes_its_arguments_in_order() -> None:
    parent = QObject()
    socket = QWebSocket("https://example.org", QWebSocketProtocol.Version.Version8, parent)
    assert socket.origin() == "https://example.org"
    assert socket.version() is QWebSocketProtocol.Version.Version8
    assert socket.parent() is parent


def test_the_constructor_takes_keywords() -> None:
    parent = QObject()
    version = QWebSocketProtocol.Version.Version0
    socket = QWebSocket(parent=parent, version=version, origin="o", objectName="name")
    assert (socket.origin(), socket.version(), socket.objectName()) == ("o", version, "name")
    assert socket.parent() is parent


def test_the_constructor_connects_signals_given_as_keywords() -> None:
    heard: list[str] = []
    socket = QWebSocket(textMessageReceived=heard.append)
    socket.textMessageReceived.emit("by hand")
    assert heard == ["by hand"]


def test_the_form_of_old_programs_is_taken() -> None:
    socket = QWebSocket("", QWebSocketProtocol.Version13, None)
    assert socket.parent() is None


@pytest.mark.parametrize("arguments", [(5,), ("", 13), ("", QWebSocketProtocol.Version13, 5)])
def test_the_constructor_refuses(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        QWebSocket(*arguments)


def test_the_constructor_refuses_unknown_keywords() -> None:
    with pytest.raises((AttributeError, TypeError)):
        QWebSocket(bogus=1)


# Setters

LIMITS = [
    ("setOutgoingFrameSize", "outgoingFrameSize"),
    ("setMaxAllowedIncomingFrameSize", "maxAllowedIncomingFrameSize"),
    ("setMaxAllowedIncomingMessageSize", "maxAllowedIncomingMessageSize"),
]


@pytest.mark.parametrize(("setter", "getter"), LIMITS)
@pytest.mark.parametrize("value", [0, 1, 1000, MAXIMUM])
def test_a_limit_is_taken(client: Client, setter: str, getter: str, value: int) -> None:
    getattr(client.socket, setter)(value)
    assert getattr(client.socket, getter)() == value


@pytest.mark.parametrize(("setter", "getter"), LIMITS)
@pytest.mark.parametrize("value", [MAXIMUM + 1, 2**40, 2**63])
def test_a_limit_above_the_maximum_is_ignored(
    client: Client, setter: str, getter: str, value: int
) -> None:
    getattr(client.socket, setter)(77)
    getattr(client.socket, setter)(value)
    assert getattr(client.socket, getter)() == 77


@pytest.mark.parametrize(("setter", "getter"), LIMITS)
@pytest.mark.parametrize("value", ["7", None, b"7"])
def test_a_limit_is_a_number(client: Client, setter: str, getter: str, value: Any) -> None:
    with pytest.raises(TypeError):
        getattr(client.socket, setter)(value)


@pytest.mark.filterwarnings("ignore:libshiboken")
@pytest.mark.qt_no_exception_capture
@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_limit_fits_into_64_bits(client: Client, value: int) -> None:
    with pytest.raises(OverflowError):
        client.socket.setOutgoingFrameSize(value)


def test_the_read_buffer_size_is_kept(client: Client) -> None:
    client.socket.setReadBufferSize(4096)
    assert client.socket.readBufferSize() == 4096


def test_the_pause_mode_is_kept(client: Client) -> None:
    client.socket.setPauseMode(QAbstractSocket.PauseMode.PauseOnSslErrors)
    assert client.socket.pauseMode() == QAbstractSocket.PauseMode.PauseOnSslErrors


def test_the_proxy_is_kept(client: Client) -> None:
    proxy = QNetworkProxy(QNetworkProxy.ProxyType.Socks5Proxy, "proxy.example", 1080)
    client.socket.setProxy(proxy)
    assert client.socket.proxy() == proxy


def test_a_proxy_type_is_taken_for_a_proxy(client: Client) -> None:
    client.socket.setProxy(QNetworkProxy.ProxyType.NoProxy)
    assert client.socket.proxy().type() == QNetworkProxy.ProxyType.NoProxy


def test_the_ssl_configuration_is_kept_as_a_copy(client: Client) -> None:
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setAllowedNextProtocols([b"http/1.1"])
    client.socket.setSslConfiguration(configuration)
    configuration.setAllowedNextProtocols([])
    kept = client.socket.sslConfiguration().allowedNextProtocols()
    assert [item.data() for item in kept] == [b"http/1.1"]


class Masks(QMaskGenerator):
    """Gives out one mask."""

    def nextMask(self) -> int:
        return 1

    def seed(self) -> bool:
        return True


def test_the_mask_generator_is_the_one_that_was_set(client: Client) -> None:
    generator = Masks()
    client.socket.setMaskGenerator(generator)
    assert client.socket.maskGenerator() is generator


def test_none_brings_back_the_default_mask_generator(client: Client) -> None:
    generator = Masks()
    client.socket.setMaskGenerator(generator)
    client.socket.setMaskGenerator(None)
    assert client.socket.maskGenerator() is not generator
    assert isinstance(client.socket.maskGenerator(), QMaskGenerator)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("open", ()),
        ("open", (None,)),
        ("open", (b"ws://127.0.0.1",)),
        ("open", (5,)),
        ("open", ("ws://127.0.0.1", 5)),
        ("close", (1000,)),
        ("close", ("bye",)),
        ("close", (None,)),
        ("close", (CloseCode.CloseCodeNormal, 5)),
        ("closeCode", (5,)),
        ("sendTextMessage", ()),
        ("sendTextMessage", (b"bytes",)),
        ("sendTextMessage", (5,)),
        ("sendBinaryMessage", ("text",)),
        ("sendBinaryMessage", (5,)),
        ("sendBinaryMessage", ([1],)),
        ("ping", ("text",)),
        ("ping", (5,)),
        ("setMaskGenerator", (5,)),
        ("setPauseMode", (1,)),
        ("setProxy", (None,)),
        ("setReadBufferSize", ("1",)),
        ("setSslConfiguration", (None,)),
        ("ignoreSslErrors", (5,)),
    ],
)
def test_wrong_arguments_raise(client: Client, method: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        getattr(client.socket, method)(*arguments)


@pytest.mark.parametrize(
    ("method", "keywords"),
    [
        ("sendTextMessage", {"message": "x"}),
        ("sendBinaryMessage", {"data": b"x"}),
        ("open", {"url": QUrl("ws://127.0.0.1")}),
        ("setOutgoingFrameSize", {"outgoingFrameSize": 1}),
        ("setReadBufferSize", {"size": 1}),
        ("close", {"code": CloseCode.CloseCodeNormal}),
        ("ping", {"data": b"x"}),
    ],
)
def test_wrong_keywords_raise(client: Client, method: str, keywords: dict[str, Any]) -> None:
    with pytest.raises((TypeError, AttributeError)):
        getattr(client.socket, method)(**keywords)


# What is taken for bytes

BYTES = [
    pytest.param(lambda: b"abc", id="bytes"),
    pytest.param(lambda: bytearray(b"abc"), id="bytearray"),
    pytest.param(lambda: QByteArray(b"abc"), id="QByteArray"),
    pytest.param(
        lambda: memoryview(b"abc"),
        id="memoryview",
        marks=pytest.mark.beyond("a memoryview raises ValueError though the stub names it"),
    ),
    pytest.param(
        lambda: memoryview(b"a.b.c.")[::2],
        id="strided",
        marks=pytest.mark.beyond("a memoryview raises ValueError though the stub names it"),
    ),
]


@pytest.mark.parametrize("make", BYTES)
def test_bytes_of_this_kind_are_sent(client: Client, link: Link, make: Callable[[], Any]) -> None:
    assert client.socket.sendBinaryMessage(make()) == 3
    client.socket.ping(make())
    client.until(lambda: len(link.frames) == 2)
    assert link.payloads() == [b"abc", b"abc"]


def test_none_is_an_empty_message(client: Client, link: Link) -> None:
    assert client.socket.sendTextMessage(None) == 0
    assert client.socket.sendBinaryMessage(None) == 0
    client.socket.ping(None)
    client.until(lambda: len(link.frames) == 3)
    assert link.payloads() == [b"", b"", b""]


def test_a_bytearray_may_change_after_it_was_sent(client: Client, link: Link) -> None:
    data = bytearray(b"x" * 70000)
    client.socket.sendBinaryMessage(data)
    data[:] = b"y" * 70000
    client.until(lambda: link.frames)
    assert link.payloads(BINARY) == [b"x" * 70000]


def test_close_and_ping_take_keywords(client: Client, link: Link) -> None:
    client.socket.ping(payload=b"payload")
    client.socket.close(closeCode=CloseCode.CloseCodeGoingAway, reason="bye")
    client.until(lambda: len(link.frames) == 2)
    assert link.payloads() == [b"payload", b"\x03\xe9bye"]


# error is a signal and a method


def test_error_is_a_signal_and_a_method(client: Client) -> None:
    heard: list[Any] = []
    client.socket.error.connect(heard.append)
    client.socket.error[QAbstractSocket.SocketError].connect(heard.append)
    client.socket.error.emit(QAbstractSocket.SocketError.NetworkError)
    assert heard == [QAbstractSocket.SocketError.NetworkError] * 2
    assert client.socket.error() == QAbstractSocket.SocketError.UnknownSocketError


def test_error_can_be_disconnected(client: Client) -> None:
    heard: list[Any] = []

    def hear(error: QAbstractSocket.SocketError) -> None:
        heard.append(error)

    client.socket.error.connect(hear)
    client.socket.error.disconnect(hear)
    client.socket.error.emit(QAbstractSocket.SocketError.NetworkError)
    assert heard == []


# QWebSocketHandshakeOptions


def test_options_keep_their_subprotocols_as_they_are() -> None:
    options = QWebSocketHandshakeOptions()
    assert options.subprotocols() == []
    options.setSubprotocols(["b", "a", "b", "", "not valid"])
    assert options.subprotocols() == ["b", "a", "b", "", "not valid"]
    options.setSubprotocols(("t",))
    assert options.subprotocols() == ["t"]


def test_options_are_compared_by_value() -> None:
    one, other = QWebSocketHandshakeOptions(), QWebSocketHandshakeOptions()
    assert one == other
    one.setSubprotocols(["a"])
    assert one != other
    assert one == QWebSocketHandshakeOptions(one)
    assert one != 5


def test_options_are_copied() -> None:
    one = QWebSocketHandshakeOptions()
    one.setSubprotocols(["a"])
    other = QWebSocketHandshakeOptions(one)
    one.setSubprotocols(["b"])
    assert other.subprotocols() == ["a"]
    assert one.__copy__() == one


def test_options_are_swapped() -> None:
    one, other = QWebSocketHandshakeOptions(), QWebSocketHandshakeOptions()
    one.setSubprotocols(["a"])
    one.swap(other)
    assert (one.subprotocols(), other.subprotocols()) == ([], ["a"])


def test_options_are_not_hashable() -> None:
    with pytest.raises(TypeError):
        hash(QWebSocketHandshakeOptions())


@pytest.mark.parametrize("argument", ["text", 5, ["a"]])
def test_options_are_made_of_options_only(argument: Any) -> None:
    with pytest.raises(TypeError):
        QWebSocketHandshakeOptions(argument)


@pytest.mark.parametrize("argument", [5, None])
def test_subprotocols_are_a_sequence(argument: Any) -> None:
    with pytest.raises(TypeError):
        QWebSocketHandshakeOptions().setSubprotocols(argument)


def test_the_socket_keeps_a_copy_of_the_options(client: Client, peer: Peer) -> None:
    options = QWebSocketHandshakeOptions()
    options.setSubprotocols(["a"])
    client.socket.open(QUrl(peer.url()), options)
    options.setSubprotocols(["b"])
    assert client.socket.handshakeOptions().subprotocols() == ["a"]


def test_the_request_is_the_one_that_was_opened(client: Client, peer: Peer) -> None:
    request = QNetworkRequest(QUrl(peer.url("/path")))
    request.setRawHeader(b"X-Token", b"secret")
    client.socket.open(request)
    assert client.socket.request() == request
    assert client.socket.requestUrl() == request.url()
