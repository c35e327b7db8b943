"""Through HTTP proxies (tinyproxy, squid) and SOCKS5 proxies (microsocks, dante)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtNetwork import (
    QAbstractSocket,
    QNetworkProxy,
    QNetworkProxyFactory,
    QNetworkProxyQuery,
)

from interop import programs
from interop.certificates import Certificates
from interop.client import BYTES, Client, headers_seen, trust
from interop.conftest import Start
from support.process import Program, free_port

SocketError = QAbstractSocket.SocketError
ProxyType = QNetworkProxy.ProxyType
USER, PASSWORD = "squidward", "clarinet"


def proxy_for(name: str, program: Program, user: str = "", password: str = "") -> QNetworkProxy:
    """Return Qt's description of the proxy *program*, whose fixture is called *name*."""
    socks = name.startswith(("microsocks", "danted"))
    kind = ProxyType.Socks5Proxy if socks else ProxyType.HttpProxy
    return QNetworkProxy(kind, "127.0.0.1", program.port, user, password)


@pytest.fixture(scope="module")
def tinyproxy(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.tinyproxy(directory, port, None))


@pytest.fixture(scope="module")
def tinyproxy_with_password(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.tinyproxy(directory, port, (USER, PASSWORD)))


@pytest.fixture(scope="module")
def squid(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.squid(directory, port))


@pytest.fixture(scope="module")
def squid_with_password(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.squid(directory, port, password=(USER, PASSWORD)))


@pytest.fixture(scope="module")
def squid_with_digest(start: Start, directory: Path) -> Program:
    return start(
        lambda port: programs.squid(directory, port, password=(USER, PASSWORD), scheme="digest")
    )


@pytest.fixture(scope="module")
def microsocks(start: Start) -> Program:
    return start(lambda port: programs.microsocks(port, None))


@pytest.fixture(scope="module")
def microsocks_with_password(start: Start) -> Program:
    return start(lambda port: programs.microsocks(port, (USER, PASSWORD)))


@pytest.fixture(scope="module")
def danted(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.danted(directory, port))


@pytest.fixture(scope="module")
def danted_with_password(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.danted(directory, port, method="username"))


@pytest.fixture(scope="module")
def danted_that_blocks(start: Start, directory: Path) -> Program:
    return start(lambda port: programs.danted(directory, port, allowed="block"))


@pytest.fixture
def application_proxy() -> Iterator[None]:
    """Put the application's proxy back after the test."""
    before = QNetworkProxy.applicationProxy()
    yield
    QNetworkProxy.setApplicationProxy(before)


OPEN = ["tinyproxy", "squid", "microsocks", "danted"]
CLOSED = [
    "tinyproxy_with_password",
    "squid_with_password",
    "squid_with_digest",
    "microsocks_with_password",
]
ASKING = CLOSED[:3]  # SOCKS5 cannot ask before it is too late


@pytest.mark.parametrize("name", OPEN)
def test_everything_goes_through_a_proxy(
    client: Client, request, name: str, websockets_server: Program
):
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.connect_to(f"ws://localhost:{websockets_server.port}/echo")
    assert client.socket.peerName() == "localhost"
    client.exchange()


@pytest.mark.parametrize("name", OPEN)
def test_everything_goes_through_a_proxy_over_tls(
    client: Client, request, name: str, secure_node_server: Program, certificates: Certificates
):
    trust(client, certificates)
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.connect_to(f"wss://localhost:{secure_node_server.port}/echo")
    client.exchange()


@pytest.mark.parametrize("name", OPEN)
def test_ten_connections_of_one_object_go_through_a_proxy(
    client: Client, request, name: str, websockets_server: Program
):
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    for number in range(10):
        client.connect_to(f"ws://127.0.0.1:{websockets_server.port}/echo")
        client.echo_text(f"connection {number}")
        client.close()


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.beyond("QSslSocket may call the peer's hanging up an error though both said Close")
def test_a_close_through_a_proxy_over_tls_is_no_error(
    client: Client, request, name: str, secure_node_server: Program, certificates: Certificates
):
    trust(client, certificates)
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    for _ in range(10):
        client.connect_to(f"wss://localhost:{secure_node_server.port}/echo")
        client.echo_binary(BYTES)
        client.close()
    assert [line for line in client.log if "Error" in line] == []


@pytest.mark.parametrize("name", ["tinyproxy", "microsocks"])
def test_a_server_on_ipv6_is_reached_through_a_proxy(
    client: Client, request, name: str, ipv6_node_server: Program
):
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.connect_to(f"ws://[::1]:{ipv6_node_server.port}/headers")
    assert headers_seen(client)["headers"]["host"] == f"[::1]:{ipv6_node_server.port}"


@pytest.mark.parametrize("name", OPEN)
def test_the_password_of_the_server_is_asked_for_behind_a_proxy(
    client: Client, request, name: str, nginx: Program
):
    client.user_and_password = ("Aladdin", "open sesame")
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.connect_to(f"ws://127.0.0.1:{nginx.port}/private")
    assert client.realms == ["interop basic"]
    assert client.proxy_realms == []
    client.close()


@pytest.mark.parametrize("name", CLOSED)
def test_the_password_of_the_proxy_object_opens_the_way(
    client: Client, request, name: str, websockets_server: Program
):
    program = request.getfixturevalue(name)
    client.socket.setProxy(proxy_for(name, program, USER, PASSWORD))
    client.connect_to(f"ws://127.0.0.1:{websockets_server.port}/echo")
    assert client.proxy_realms == []
    client.exchange()


@pytest.mark.parametrize("name", CLOSED)
def test_the_password_of_the_proxy_object_opens_the_way_for_tls(
    client: Client, request, name: str, secure_node_server: Program, certificates: Certificates
):
    trust(client, certificates)
    program = request.getfixturevalue(name)
    client.socket.setProxy(proxy_for(name, program, USER, PASSWORD))
    client.connect_to(f"wss://localhost:{secure_node_server.port}/echo")
    client.exchange()


@pytest.mark.parametrize("name", ASKING)
def test_a_password_given_on_request_opens_the_way(
    client: Client, request, name: str, websockets_server: Program
):
    client.proxy_user_and_password = (USER, PASSWORD)
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.connect_to(f"ws://127.0.0.1:{websockets_server.port}/echo")
    assert len(client.proxy_realms) == 1
    assert client.disconnections == 0
    client.exchange()


@pytest.mark.parametrize("name", ASKING)
def test_a_password_given_on_request_opens_the_way_for_tls(
    client: Client, request, name: str, secure_node_server: Program, certificates: Certificates
):
    trust(client, certificates)
    client.proxy_user_and_password = (USER, PASSWORD)
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.connect_to(f"wss://localhost:{secure_node_server.port}/echo")
    assert len(client.proxy_realms) == 1
    client.exchange()


@pytest.mark.parametrize("name", [*CLOSED, "danted_with_password"])
def test_a_wrong_password_is_refused(
    client: Client, request, name: str, websockets_server: Program
):
    program = request.getfixturevalue(name)
    client.socket.setProxy(proxy_for(name, program, USER, "trumpet"))
    error = client.fail_to_connect(f"ws://127.0.0.1:{websockets_server.port}/echo")
    if name.startswith("tinyproxy"):  # its answer is 401, not 407
        assert error is SocketError.ProxyProtocolError
    else:
        assert error is SocketError.ProxyAuthenticationRequiredError


@pytest.mark.parametrize("name", CLOSED)
def test_no_password_is_refused(client: Client, request, name: str, websockets_server: Program):
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    error = client.fail_to_connect(f"ws://127.0.0.1:{websockets_server.port}/echo")
    assert error is SocketError.ProxyAuthenticationRequiredError


@pytest.mark.parametrize("kind", [ProxyType.HttpProxy, ProxyType.Socks5Proxy])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_proxy_that_is_not_there_is_an_error(
    client: Client, kind: ProxyType, scheme: str, websockets_server: Program
):
    client.socket.setProxy(QNetworkProxy(kind, "127.0.0.1", free_port()))
    error = client.fail_to_connect(f"{scheme}://127.0.0.1:{websockets_server.port}/echo")
    assert error is SocketError.ProxyConnectionRefusedError
    assert client.socket.errorString()


@pytest.mark.parametrize("name", OPEN)
def test_a_target_that_is_not_there_is_an_error(client: Client, request, name: str):
    client.socket.setProxy(proxy_for(name, request.getfixturevalue(name)))
    client.fail_to_connect(f"ws://127.0.0.1:{free_port()}/echo")


def test_a_target_that_squid_denies_is_an_access_error(client: Client, squid: Program):
    client.socket.setProxy(proxy_for("squid", squid))
    error = client.fail_to_connect("ws://denied.interop.test:80/echo")
    assert error is SocketError.SocketAccessError


def test_a_target_that_dante_blocks_is_an_error(
    client: Client, danted_that_blocks: Program, websockets_server: Program
):
    client.socket.setProxy(proxy_for("danted_that_blocks", danted_that_blocks))
    client.fail_to_connect(f"ws://127.0.0.1:{websockets_server.port}/echo")


def test_a_proxy_that_is_killed_is_an_error_and_a_disconnect(
    client: Client, directory: Path, websockets_server: Program, start: Start
):
    program = start(lambda port: programs.tinyproxy(directory, port, None))
    client.socket.setProxy(proxy_for("tinyproxy", program))
    client.connect_to(f"ws://127.0.0.1:{websockets_server.port}/echo")
    program.kill()
    client.wait(lambda: client.disconnections, "the end")
    assert client.errors == [SocketError.RemoteHostClosedError]


@pytest.mark.usefixtures("application_proxy")
def test_the_application_proxy_is_used_and_resolves_the_name(
    client: Client, squid: Program, websockets_server: Program
):
    """Only squid knows ``echo.interop.test``."""
    QNetworkProxy.setApplicationProxy(proxy_for("squid", squid))
    client.connect_to(f"ws://echo.interop.test:{websockets_server.port}/echo")
    assert client.socket.peerName() == "echo.interop.test"
    client.exchange()


@pytest.mark.usefixtures("application_proxy")
def test_the_application_proxy_is_used_for_tls(
    client: Client, squid: Program, secure_node_server: Program, certificates: Certificates
):
    trust(client, certificates)
    QNetworkProxy.setApplicationProxy(proxy_for("squid", squid))
    client.connect_to(f"wss://echo.interop.test:{secure_node_server.port}/echo")
    client.exchange()


@pytest.mark.usefixtures("application_proxy")
def test_the_application_proxy_asks_for_its_password(
    client: Client, squid_with_password: Program, websockets_server: Program
):
    client.proxy_user_and_password = (USER, PASSWORD)
    QNetworkProxy.setApplicationProxy(proxy_for("squid", squid_with_password))
    client.connect_to(f"ws://echo.interop.test:{websockets_server.port}/echo")
    assert client.proxy_realms == ["interop squid"]
    client.exchange()


@pytest.mark.usefixtures("application_proxy")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_application_proxy_is_passed_by_on_the_way_to_this_machine(
    client: Client, host: str, websockets_server: Program
):
    nobody = QNetworkProxy(ProxyType.HttpProxy, "127.0.0.1", free_port())
    QNetworkProxy.setApplicationProxy(nobody)
    client.connect_to(f"ws://{host}:{websockets_server.port}/echo")
    client.echo_text("directly")


@pytest.mark.usefixtures("application_proxy")
def test_no_proxy_on_the_socket_overrides_the_application_proxy(
    client: Client, squid: Program, websockets_server: Program
):
    """Without the proxy nobody knows the name."""
    QNetworkProxy.setApplicationProxy(proxy_for("squid", squid))
    client.socket.setProxy(QNetworkProxy(ProxyType.NoProxy))
    error = client.fail_to_connect(f"ws://echo.interop.test:{websockets_server.port}/echo")
    assert error is SocketError.HostNotFoundError


class SquidForAll(QNetworkProxyFactory):
    """Sends everything through one proxy and keeps what was asked."""

    def __init__(self, proxy: QNetworkProxy) -> None:
        super().__init__()
        self.proxy = proxy
        self.queries: list[tuple[str, int, str]] = []

    def queryProxy(self, query: QNetworkProxyQuery) -> list[QNetworkProxy]:
        self.queries.append((query.peerHostName(), query.peerPort(), query.protocolTag()))
        return [self.proxy]


@pytest.fixture
def squid_for_all(squid: Program) -> Iterator[SquidForAll]:
    factory = SquidForAll(proxy_for("squid", squid))
    QNetworkProxyFactory.setApplicationProxyFactory(factory)
    yield factory
    QNetworkProxyFactory.setApplicationProxyFactory(None)


def test_the_application_proxy_factory_is_asked(
    client: Client, squid_for_all: SquidForAll, websockets_server: Program
):
    port = websockets_server.port
    client.connect_to(f"ws://echo.interop.test:{port}/echo")
    client.echo_text("through the factory's proxy")
    assert squid_for_all.queries == [("echo.interop.test", port, "http")]


def test_the_application_proxy_factory_is_asked_for_tls(
    client: Client,
    squid_for_all: SquidForAll,
    secure_node_server: Program,
    certificates: Certificates,
):
    port = secure_node_server.port
    trust(client, certificates)
    client.connect_to(f"wss://echo.interop.test:{port}/echo")
    client.echo_text("through the factory's proxy")
    assert squid_for_all.queries == [("echo.interop.test", port, "https")]
