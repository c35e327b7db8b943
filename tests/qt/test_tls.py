"""wss: trust, certificates, what is ignored and what is not, alerts, pre-shared keys."""

import base64
import hashlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import PySide6
import pytest
from PySide6.QtCore import QByteArray
from PySide6.QtNetwork import (
    QAbstractSocket,
    QSsl,
    QSslConfiguration,
    QSslError,
    QSslSocket,
)

from support.certificates import (
    authority,
    certificate,
    server_certificate,
    server_context,
    trusting,
    with_client_certificate,
)
from support.client import ENDED, OPENED, Client, failed
from support.peer import (
    BINARY,
    CLOSE,
    KEY_SUFFIX,
    TEXT,
    Link,
    Peer,
    accept,
    close_frame,
    frame,
    response,
)

SENT = "alertSent:Warning:CloseNotify:close notify"
CLOSED = ["aboutToClose", "state:Closing", SENT, "aboutToClose", *ENDED]
ABORTED = [*ENDED, SENT, "aboutToClose"]
UNTRUSTED = ["UnableToGetLocalIssuerCertificate", "UnableToVerifyFirstCertificate"]
COMPLAINT = [
    *[f"peerVerifyError:{name}" for name in UNTRUSTED],
    "sslErrors:" + ",".join(UNTRUSTED),
]
# When exactly an older QSslSocket sends its alert and lets go of TCP is its own affair.
ORDER_IS_OWN = PySide6.__version_info__ < (6, 11)
REFUSED = [*failed("SslHandshakeFailed"), *ENDED, SENT]

pytestmark = pytest.mark.skipif(not QSslSocket.supportsSsl(), reason="this Qt has no TLS plugin")


@pytest.fixture
def secure(make_peer: Callable[..., Peer]) -> Peer:
    """A TLS server whose certificate the private authority signed."""
    return make_peer(context=server_context())


@pytest.fixture
def trusted(client: Client, secure: Peer) -> Link:
    """The server's end of an open connection of ``client``."""
    client.socket.setSslConfiguration(trusting())
    return client.connect(secure)


def closed(client: Client) -> None:
    """Wait for the end, and check how it came."""
    client.until(lambda: len(client.lines) >= len(CLOSED))
    client.settle()
    if ORDER_IS_OWN:
        assert sorted(client.lines) == sorted(CLOSED)
        assert [line for line in client.lines if line in ENDED] == ENDED
    else:
        assert client.lines == CLOSED


def refused(client: Client, peer: Peer, lines: list[str]) -> None:
    client.until_line("readChannelFinished")
    client.settle()
    assert client.lines == lines
    assert client.socket.error().name == "SslHandshakeFailedError"
    assert peer.requests == []


# Trust


def test_a_trusted_server_is_connected(client: Client, secure: Peer) -> None:
    client.socket.setSslConfiguration(trusting())
    client.socket.open(secure.url("/path"))
    client.until_last("connected")
    assert client.lines == OPENED
    assert secure.link.request.line == "GET /path HTTP/1.1"
    assert secure.link.request.get("Host") == f"127.0.0.1:{secure.port}"


def test_messages_go_both_ways(client: Client, trusted: Link) -> None:
    trusted.send(frame(TEXT, b"hello"), frame(BINARY, b"x" * 100_000))
    client.until(lambda: len(client.trace.only("binary:")) == 1)
    client.socket.sendTextMessage("back")
    client.socket.sendBinaryMessage(b"y" * 100_000)
    client.until(lambda: len(trusted.frames) == 2)
    assert trusted.payloads() == [b"back", b"y" * 100_000]


def test_an_untrusted_server_is_refused(client: Client, secure: Peer) -> None:
    client.socket.open(secure.url())
    refused(client, secure, ["state:Connecting", *COMPLAINT, *REFUSED])
    assert client.socket.errorString() == QSslError(QSslError.SslError[UNTRUSTED[0]]).errorString()


def test_another_host_name_is_refused(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(context=server_context("other.example"))
    client.socket.setSslConfiguration(trusting())
    client.socket.open(peer.url())
    complaint = ["peerVerifyError:HostNameMismatch", "sslErrors:HostNameMismatch"]
    refused(client, peer, ["state:Connecting", *complaint, *REFUSED])


def test_no_byte_goes_to_a_server_that_is_not_trusted(client: Client, secure: Peer) -> None:
    client.socket.open(secure.url("/secret"))
    client.until_line("readChannelFinished")
    client.until(lambda: secure.links and secure.link.eof)
    assert bytes(secure.link.raw) == b""


def test_verification_can_be_switched_off(client: Client, secure: Peer) -> None:
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setPeerVerifyMode(QSslSocket.PeerVerifyMode.VerifyNone)
    client.socket.setSslConfiguration(configuration)
    client.socket.open(secure.url())
    client.until_last("connected")
    assert client.lines == OPENED


# ignoreSslErrors()

IGNORED = ["state:Connecting", *COMPLAINT, "state:Connected", "connected"]


def test_errors_are_ignored_in_the_slot(client: Client, secure: Peer) -> None:
    client.socket.sslErrors.connect(lambda errors: client.socket.ignoreSslErrors())
    client.socket.open(secure.url())
    client.until_last("connected")
    assert client.lines == IGNORED


def test_the_slot_itself_may_be_ignore_ssl_errors(client: Client, secure: Peer) -> None:
    client.socket.sslErrors.connect(client.socket.ignoreSslErrors)
    client.socket.open(secure.url())
    client.until_last("connected")
    assert client.lines == IGNORED


def test_errors_are_ignored_right_after_open(client: Client, secure: Peer) -> None:
    client.socket.open(secure.url())
    client.socket.ignoreSslErrors()
    client.until_last("connected")
    assert client.lines == IGNORED


IGNORE_FIRST = "connectToHostEncrypted() forgets it; the documentation says that it works"


@pytest.mark.beyond(IGNORE_FIRST)
def test_errors_are_ignored_before_open(client: Client, secure: Peer) -> None:
    client.socket.ignoreSslErrors()
    client.socket.open(secure.url())
    client.until_last("connected", timeout=5000)
    assert client.lines == IGNORED


@pytest.mark.beyond(IGNORE_FIRST)
def test_what_was_ignored_before_open_stays_until_the_empty_list(
    client: Client, secure: Peer
) -> None:
    client.socket.ignoreSslErrors()
    for _ in range(2):
        client.socket.open(secure.url())
        client.until_last("connected", timeout=5000)
        client.socket.abort()
    client.socket.ignoreSslErrors([])
    client.trace.take()
    client.socket.open(secure.url())
    client.until_line("readChannelFinished")
    assert "error:SslHandshakeFailedError" in client.lines


def expected_errors() -> list[QSslError]:
    leaf = certificate(server_certificate("127.0.0.1", "localhost").cert_chain_pems[0])
    return [QSslError(QSslError.SslError[name], leaf) for name in UNTRUSTED]


def test_a_list_of_errors_is_ignored_for_all_connections(client: Client, secure: Peer) -> None:
    client.socket.ignoreSslErrors(expected_errors())
    for _ in range(2):
        client.socket.open(secure.url())
        client.until_last("connected")
        assert client.trace.take() == IGNORED
        client.socket.abort()
        client.trace.take()


@pytest.mark.parametrize("keep", [0, 1])
def test_a_list_must_have_every_error(client: Client, secure: Peer, keep: int) -> None:
    client.socket.ignoreSslErrors(expected_errors()[:keep])
    client.socket.open(secure.url())
    refused(client, secure, ["state:Connecting", *COMPLAINT, *REFUSED])


def test_a_list_is_bound_to_its_certificate(client: Client, secure: Peer) -> None:
    other = certificate(authority().cert_pem)
    errors = [QSslError(QSslError.SslError[name], other) for name in UNTRUSTED]
    client.socket.ignoreSslErrors(errors)
    client.socket.open(secure.url())
    refused(client, secure, ["state:Connecting", *COMPLAINT, *REFUSED])


def test_a_later_list_replaces_an_earlier_one(client: Client, secure: Peer) -> None:
    client.socket.ignoreSslErrors(expected_errors())
    client.socket.ignoreSslErrors([])
    client.socket.open(secure.url())
    refused(client, secure, ["state:Connecting", *COMPLAINT, *REFUSED])


# Pausing


@pytest.fixture
def paused(client: Client, secure: Peer) -> Client:
    """A client that waits after sslErrors."""
    client.socket.setPauseMode(QAbstractSocket.PauseMode.PauseOnSslErrors)
    client.socket.open(secure.url())
    client.until_last(COMPLAINT[-1])
    client.settle()
    assert client.lines == ["state:Connecting", *COMPLAINT]
    return client


def test_a_paused_socket_goes_on_when_errors_are_ignored(paused: Client) -> None:
    paused.socket.ignoreSslErrors()
    paused.socket.resume()
    paused.until_last("connected")
    assert paused.lines == IGNORED


def test_a_paused_socket_fails_when_they_are_not(paused: Client) -> None:
    paused.socket.resume()
    paused.until_last(SENT)
    assert paused.lines == ["state:Connecting", *COMPLAINT, *REFUSED]


def test_a_paused_socket_can_be_aborted(paused: Client) -> None:
    paused.socket.abort()
    assert paused.lines == ["state:Connecting", *COMPLAINT, *ABORTED]


# The handshake can be interrupted at each error


def interrupting() -> QSslConfiguration:
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setHandshakeMustInterruptOnError(True)
    return configuration


def test_an_interrupted_handshake_ends_with_an_alert(client: Client, secure: Peer) -> None:
    client.socket.setSslConfiguration(interrupting())
    client.socket.open(secure.url())
    client.until_line("readChannelFinished")
    assert client.lines[:7] == [
        "state:Connecting",
        f"handshakeInterrupted:{UNTRUSTED[0]}",
        "alertSent:Fatal:UnknownCa:unknown CA",
        *failed("SslHandshakeFailed"),
        *ENDED[:2],
    ]
    client.until(lambda: secure.link.tls_error)
    assert "UNKNOWN_CA" in str(secure.link.tls_error)


def test_an_interrupted_handshake_can_go_on(client: Client, secure: Peer) -> None:
    socket = client.socket
    socket.setSslConfiguration(interrupting())
    socket.handshakeInterruptedOnError.connect(lambda error: socket.continueInterruptedHandshake())
    socket.sslErrors.connect(lambda errors: socket.ignoreSslErrors())
    socket.open(secure.url())
    client.until_last("connected")
    assert client.lines == [
        "state:Connecting",
        *[f"handshakeInterrupted:{name}" for name in UNTRUSTED],
        COMPLAINT[-1],
        "state:Connected",
        "connected",
    ]


# Client certificates


def test_a_client_certificate_is_shown(client: Client, make_peer: Callable[..., Peer]) -> None:
    client.socket.setSslConfiguration(with_client_certificate())
    link = client.connect(make_peer(context=server_context(ask_client=True)))
    assert link.tls_error is None
    assert client.socket.isValid()


def test_a_missing_client_certificate_is_an_alert(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    context = server_context(ask_client=True, highest=ssl.TLSVersion.TLSv1_2)
    client.socket.setSslConfiguration(trusting())
    client.socket.open(make_peer(context=context).url())
    client.until_line("readChannelFinished")
    assert client.lines[:6] == [
        "state:Connecting",
        "alertReceived:Fatal:HandshakeFailure:handshake failure",
        *failed("SslHandshakeFailed"),
        *ENDED[:2],
    ]


# The configuration


def test_the_configuration_knows_the_peer_after_connecting(client: Client, trusted: Link) -> None:
    configuration = client.socket.sslConfiguration()
    leaf = certificate(server_certificate("127.0.0.1", "localhost").cert_chain_pems[0])
    assert configuration.peerCertificate() == leaf
    assert configuration.sessionCipher().isNull() is False
    assert configuration.sessionProtocol() != QSsl.SslProtocol.UnknownProtocol


def test_a_new_configuration_is_for_the_next_connection(
    client: Client, trusted: Link, secure: Peer
) -> None:
    client.socket.setSslConfiguration(QSslConfiguration.defaultConfiguration())
    client.socket.sendTextMessage("still there")
    client.until(lambda: trusted.frames)
    client.socket.open(secure.url())
    client.until_line("error:SslHandshakeFailedError")


# Closing


def test_close_is_a_close_and_an_alert(client: Client, trusted: Link) -> None:
    client.socket.close()
    closed(client)
    client.until(lambda: trusted.eof)
    assert trusted.frames[0].payload == b"\x03\xe8"


def test_the_peers_close_is_answered(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(context=server_context(), echo_close=False)
    client.socket.setSslConfiguration(trusting())
    link = client.connect(peer)
    link.send(close_frame(4000, b"why"))
    closed(client)
    client.until(lambda: link.eof)
    assert (link.frames[0].opcode, link.frames[0].close_code) == (CLOSE, 4000)


def test_abort_ends_it_inside_the_call(client: Client, trusted: Link) -> None:
    client.socket.abort()
    assert client.lines == ABORTED
    client.until(lambda: trusted.eof)
    assert trusted.frames == []


@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_lost_connection_is_an_error(client: Client, trusted: Link, how: str) -> None:
    getattr(trusted, how)()
    client.until_last(SENT)
    assert client.lines == [*failed("RemoteHostClosed"), "state:Closing", *ENDED, SENT]


def test_deleting_it_says_1001(client: Client, trusted: Link) -> None:
    client.socket.deleteLater()
    client.until(lambda: trusted.eof)
    assert trusted.payloads(CLOSE) == [b"\x03\xe9Connection closed"]


def test_opening_while_open_drops_the_old_connection(
    client: Client, trusted: Link, secure: Peer
) -> None:
    client.socket.open(secure.url("/second"))
    client.until_last("connected")
    client.until(lambda: trusted.eof)
    assert client.lines == OPENED
    assert secure.link.request.target == "/second"


def test_a_refused_handshake_says_why(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(response("404 Not Found"), context=server_context())
    client.socket.setSslConfiguration(trusting())
    client.socket.open(peer.url())
    client.until_line("readChannelFinished")
    assert [line for line in client.lines if line != SENT] == [
        "state:Connecting",
        *failed("ConnectionRefused"),
        *ENDED,
    ]
    assert "404 (Not Found)" in client.socket.errorString()


# Wrong schemes


def test_ws_on_a_secure_port_is_closed(client: Client, secure: Peer) -> None:
    client.socket.open(secure.url().replace("wss:", "ws:"))
    client.until_last("readChannelFinished")
    assert client.lines == ["state:Connecting", *failed("RemoteHostClosed"), *ENDED]


def test_wss_on_a_plain_port_is_no_websocket(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer()
    client.socket.open(peer.url().replace("ws:", "wss:"))
    client.until(lambda: peer.links)
    peer.link.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    client.until_line("error:SslHandshakeFailedError")
    client.until_line("readChannelFinished")
    assert "connected" not in client.lines


# Bytes


def test_bytes_to_write_are_those_of_the_frame(client: Client, trusted: Link) -> None:
    client.socket.sendBinaryMessage(b"x" * 1000)
    assert client.socket.bytesToWrite() == 1008
    assert client.socket.flush() is True
    assert client.socket.bytesToWrite() == 0


def test_bytes_written_are_those_of_tls(client: Client, trusted: Link) -> None:
    before = client.trace.written
    client.socket.sendBinaryMessage(b"x" * 1000)
    client.until(lambda: trusted.frames)
    client.until(lambda: client.trace.written > before)
    assert 1008 < client.trace.written - before < 1200


def test_credentials_are_asked_for(client: Client, make_peer: Callable[..., Peer]) -> None:
    challenge = response("401 Unauthorized", 'WWW-Authenticate: Basic realm="r"')
    peer = make_peer(challenge, accept(), context=server_context())
    client.socket.authenticationRequired.connect(lambda item: item.setUser("u"))
    client.socket.setSslConfiguration(trusting())
    client.socket.open(peer.url())
    client.until_last("connected")
    assert peer.requests[1].get("Authorization") == "Basic dTo="


# Pre-shared keys


class PskServer:
    """``openssl s_server`` with a pre-shared key; what the client sends is answered by hand."""

    def __init__(self) -> None:
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-nocert", "-tls1_2"]
        command += ["-psk_hint", "a hint", "-psk_identity", "me", "-psk", "0123456789abcdef"]
        self._process = subprocess.Popen(
            [*command, "-cipher", "PSK"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        line = next(item for item in self._lines if item.startswith(b"ACCEPT"))
        self.port = int(line.split(b":")[-1])
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        for line in self._lines:
            if line.startswith(b"Sec-WebSocket-Key: "):
                key = line.split()[1]
                digest = hashlib.sha1(key + KEY_SUFFIX).digest()  # noqa: S324 (RFC 6455)
                self._write(base64.b64encode(digest))
                return

    def _write(self, key: bytes) -> None:
        assert self._process.stdin is not None
        lines = [b"HTTP/1.1 101 OK", b"Upgrade: websocket", b"Connection: Upgrade"]
        lines += [b"Sec-WebSocket-Accept: " + key, b"", b""]
        self._process.stdin.write(b"\r\n".join(lines))
        self._process.stdin.flush()

    def end(self) -> None:
        """End the process and the thread."""
        self._process.kill()
        self._process.wait(10)
        self._thread.join(10)


@pytest.fixture
def psk_server() -> Iterator[PskServer]:
    if shutil.which("openssl") is None:
        pytest.fail("there is no openssl program here: install openssl (Debian)")
    server = PskServer()
    yield server
    server.end()


def shared(client: Client, key: bytes) -> Callable[[Any], None]:
    def slot(authenticator: Any) -> None:
        authenticator.setIdentity(QByteArray(b"me"))
        authenticator.setPreSharedKey(QByteArray(key))

    return slot


def open_with_key(client: Client, server: PskServer, key: bytes) -> None:
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setPeerVerifyMode(QSslSocket.PeerVerifyMode.VerifyNone)
    configuration.setProtocol(QSsl.SslProtocol.TlsV1_2)
    client.socket.setSslConfiguration(configuration)
    client.socket.preSharedKeyAuthenticationRequired.connect(shared(client, key))
    client.socket.open(f"wss://127.0.0.1:{server.port}/")


def test_a_pre_shared_key_connects(client: Client, psk_server: PskServer) -> None:
    open_with_key(client, psk_server, bytes.fromhex("0123456789abcdef"))
    client.until_last("connected")
    assert client.lines == ["state:Connecting", "preSharedKey:a hint", *OPENED[1:]]


def test_a_wrong_pre_shared_key_fails(client: Client, psk_server: PskServer) -> None:
    open_with_key(client, psk_server, b"wrong")
    client.until_line("readChannelFinished")
    assert client.lines[:2] == ["state:Connecting", "preSharedKey:a hint"]
    assert "error:SslHandshakeFailedError" in client.lines
    assert client.trace.only("alertReceived:Fatal:")
