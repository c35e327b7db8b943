"""Secure servers: certificates of both sides, alerts, what is ignored, how connections end."""

import ssl
from collections.abc import Callable
from typing import Any

import PySide6
import pytest
import trustme
from PySide6.QtCore import QByteArray, QUrl
from PySide6.QtNetwork import (
    QHostAddress,
    QSsl,
    QSslConfiguration,
    QSslKey,
    QSslServer,
    QSslSocket,
)
from shiboken6.Shiboken import delete

from support.certificates import (
    authority,
    certificate,
    key_algorithm,
    server_certificate,
    trusting,
)
from support.client import ENDED, Client, failed
from support.peer import CLOSE, TEXT
from support.qtmodule import QWebSocketProtocol
from support.server import Caller, Serving, Session, masked, masked_close, request

pytest_plugins = ["support.server"]

pytestmark = pytest.mark.skipif(not QSslSocket.supportsSsl(), reason="this Qt has no TLS plugin")

ACCEPTED = ["originAuthenticationRequired", "newConnection"]
SENT = "alertSent:Warning:CloseNotify:close notify"
CLOSED = ["aboutToClose", "state:Closing", SENT, "aboutToClose", *ENDED]
LOST = [*failed("RemoteHostClosed"), "state:Closing", *ENDED, SENT]
UNTRUSTED = ["UnableToGetLocalIssuerCertificate", "UnableToVerifyFirstCertificate"]
Verify = QSslSocket.PeerVerifyMode


def shown(verify: Any = None) -> QSslConfiguration:
    """A configuration with the server's certificate, which trusts the private authority."""
    leaf = server_certificate("127.0.0.1", "localhost")
    configuration = trusting()
    configuration.setLocalCertificateChain([certificate(blob) for blob in leaf.cert_chain_pems])
    key = QSslKey(QByteArray(leaf.private_key_pem.bytes()), key_algorithm(leaf))
    configuration.setPrivateKey(key)
    if verify is not None:
        configuration.setPeerVerifyMode(verify)
    return configuration


def caller_context(
    *, shows: trustme.CA | None = None, trusts: bool = True, highest: Any = None
) -> ssl.SSLContext:
    """The context of a caller, who may show a certificate of an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusts:
        authority().configure_trust(context)
    if shows is not None:
        shows.issue_cert("client@example.org").configure_cert(context)
    if highest is not None:
        context.maximum_version = highest
    return context


@pytest.fixture
def make_secure(make_serving: Callable[..., Serving]) -> Callable[..., Serving]:
    """Make secure servers that listen."""

    def make(configuration: QSslConfiguration | None = None) -> Serving:
        serving = make_serving(secure=True)
        serving.server.setSslConfiguration(configuration or shown())
        return serving.listen()

    return make


@pytest.fixture
def secure(make_secure: Callable[..., Serving]) -> Serving:
    """A secure server with a certificate of the private authority."""
    return make_secure()


@pytest.fixture
def session(secure: Serving) -> Session:
    """Both ends of an open connection; the traces are empty."""
    return secure.connect(context=caller_context())


# Open connections


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_caller_is_accepted(secure: Serving, highest: Any) -> None:
    caller = secure.call(request(Host="localhost:1"), context=caller_context(highest=highest))
    secure.until(lambda: caller.answer)
    assert secure.lines == ACCEPTED
    accepted = secure.server.nextPendingConnection()
    assert accepted.requestUrl() == QUrl("wss://localhost:1/")


def test_messages_go_both_ways(session: Session) -> None:
    session.caller.send(masked(TEXT, b"hello"), masked(TEXT, b"x" * 100_000))
    session.until(lambda: session.caller.look() or len(session.trace.only("text:")) == 2)
    session.socket.sendTextMessage("back")
    session.socket.sendBinaryMessage(b"y" * 100_000)
    session.until(lambda: len(session.caller.frames) == 2)
    assert session.caller.payloads() == [b"back", b"y" * 100_000]


def test_the_accepted_socket_knows_its_tls(session: Session) -> None:
    configuration = session.socket.sslConfiguration()
    leaf = certificate(server_certificate("127.0.0.1", "localhost").cert_chain_pems[0])
    assert configuration.localCertificate() == leaf
    assert configuration.peerCertificate().isNull()
    assert configuration.sessionProtocol() == QSsl.SslProtocol.TlsV1_3
    assert configuration.sessionCipher().isNull() is False


def test_a_client_of_the_same_package_is_accepted(
    make_client: Callable[..., Client], secure: Serving
) -> None:
    secure.keep_all()
    client = make_client()
    client.socket.setSslConfiguration(trusting())
    client.socket.open(secure.server.serverUrl())
    client.until_line("connected")
    client.socket.sendTextMessage("hello")
    secure.until(lambda: secure.traces and "text:hello" in secure.traces[0].lines)


def test_a_new_configuration_is_for_the_next_connection(secure: Serving) -> None:
    first = secure.connect(context=caller_context())
    secure.server.setSslConfiguration(QSslConfiguration.defaultConfiguration())
    second = secure.call(request(), context=caller_context())
    secure.until_ended(second)
    first.caller.send(masked(TEXT, b"still"))
    first.until_last("text:still")


def test_frames_that_come_with_the_request_are_not_masked_back(secure: Serving) -> None:
    session = secure.connect(context=caller_context())
    session.socket.sendTextMessage("x")
    session.until(lambda: session.caller.frames)
    assert session.caller.frames[0].mask is None


@pytest.mark.beyond("it loses them")
def test_what_comes_with_the_request_is_heard(secure: Serving) -> None:
    secure.keep_all()
    caller = secure.call(request() + masked(TEXT, b"early"), context=caller_context())
    secure.until(lambda: caller.look() or (secure.traces and secure.traces[0].lines))
    assert secure.traces[0].lines == ["textFrame:early:last", "text:early"]


# How they end


def over(session: Session) -> None:
    """The accepted socket has ended as after a Close."""
    session.until_ended()
    session.until(lambda: {SENT, "readChannelFinished"} <= set(session.lines))
    session.serving.settle()
    if PySide6.__version_info__ >= (6, 8):
        assert session.lines == CLOSED
    else:  # older TLS sockets of Qt say these things in another order
        assert sorted(session.lines) == sorted(CLOSED)


def test_a_local_close_is_a_close_and_an_alert(session: Session) -> None:
    session.socket.close()
    session.until(lambda: session.caller.frames)
    session.caller.send(masked_close())
    over(session)
    assert session.caller.payloads() == [b"\x03\xe8"]
    assert session.serving.lines == []


def test_a_close_of_the_client_is_answered(session: Session) -> None:
    session.caller.send(masked_close(4000, b"why"))
    over(session)
    assert session.caller.payloads(CLOSE) == [b"\x0f\xa0why"]


@pytest.mark.parametrize("how", ["half_close", "kill"])
def test_a_client_that_hangs_up_is_an_error(session: Session, how: str) -> None:
    getattr(session.caller, how)()
    session.until_last(SENT)
    assert session.lines == LOST


def test_abort_ends_it_inside_the_call(session: Session) -> None:
    session.socket.abort()
    assert session.lines == [*ENDED, SENT, "aboutToClose"]
    session.until_ended()
    assert session.caller.frames == []


def test_deleting_it_says_1001(session: Session) -> None:
    session.socket.deleteLater()
    session.until(lambda: session.caller.frames)
    assert session.caller.payloads() == [b"\x03\xe9Connection closed"]


@pytest.mark.beyond("it leaves the TCP connection open")
def test_deleting_it_ends_the_connection(session: Session) -> None:
    session.socket.deleteLater()
    session.until_ended()
    assert session.caller.payloads() == [b"\x03\xe9Connection closed"]


def test_deleting_the_server_ends_it(session: Session) -> None:
    delete(session.serving.server)
    session.until_ended()


# Handshakes that fail


def test_a_server_without_a_certificate_sends_an_alert(make_serving: Any) -> None:
    serving = make_serving(secure=True).listen()
    caller = serving.call(request(), context=caller_context())
    serving.until_ended(caller)
    serving.until(lambda: serving.lines)
    assert serving.lines == ["alertSent:Fatal:HandshakeFailure"]


def test_a_caller_who_does_not_trust_sends_an_alert(secure: Serving) -> None:
    caller = secure.call(request(), context=caller_context(trusts=False))
    secure.until_ended(caller)
    secure.until(lambda: secure.lines)
    assert secure.lines == ["alertReceived:Fatal:UnknownCa"]
    assert secure.server.error() is QWebSocketProtocol.CloseCode.CloseCodeNormal


def test_a_plain_caller_is_cut_off(secure: Serving) -> None:
    caller = secure.call(request())
    secure.until_ended(caller)
    assert caller.answer is None
    assert secure.lines == []


def test_a_plain_client_loses_its_connection(
    make_client: Callable[..., Client], secure: Serving
) -> None:
    client = make_client()
    client.socket.open(f"ws://127.0.0.1:{secure.server.serverPort()}/")
    client.until_last("readChannelFinished")
    assert client.lines == ["state:Connecting", *failed("RemoteHostClosed"), *ENDED]


def test_garbage_is_cut_off(secure: Serving) -> None:
    caller = secure.call(b"\x16\x03\x01garbage" * 100)
    secure.until_ended(caller)
    assert "newConnection" not in secure.lines
    assert secure.connect(context=caller_context()).socket.isValid()


def test_handshakes_that_do_not_end_are_ended_in_time(secure: Serving) -> None:
    secure.server.setHandshakeTimeout(400)
    callers = [
        secure.call(),
        secure.call(context=caller_context()),
        secure.call(request()[:-2], context=caller_context()),
    ]
    secure.until_all(callers, lambda item: item.eof)
    assert "newConnection" not in secure.lines
    assert [line for line in secure.lines if line.startswith("serverError")] == []


@pytest.mark.beyond("it closes without a word")
def test_an_unfinished_request_is_answered_with_408(secure: Serving) -> None:
    secure.server.setHandshakeTimeout(600)
    caller = secure.call(request()[:-2], context=caller_context())
    secure.until_ended(caller)
    assert caller.answer is not None
    assert caller.answer.status == 408


@pytest.mark.beyond("it closes without a word")
def test_a_browser_gets_an_answer(secure: Serving) -> None:
    sent = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    caller = secure.call(sent, context=caller_context())
    secure.until_ended(caller)
    assert caller.answer is not None
    assert caller.answer.status == 426
    assert caller.answer.get("Content-Length") == str(len(caller.answer.body))


def test_a_refused_origin_is_answered_with_403(secure: Serving) -> None:
    secure.server.originAuthenticationRequired.connect(lambda item: item.setAllowed(False))
    caller = secure.call(request("Origin: http://evil.example"), context=caller_context())
    secure.until_ended(caller)
    assert caller.answer is not None
    assert caller.answer.status == 403
    assert [line for line in secure.lines if not line.startswith("alert")] == [
        "originAuthenticationRequired",
        "serverError:PolicyViolated",
    ]


# Client certificates


def complaint(*names: str) -> list[str]:
    together = ",".join(names)
    return [
        *[f"peerVerifyError:{name}" for name in names],
        f"sslErrors:{together}",
        f"sslErrorsOccurred:{together}",
    ]


def refused(serving: Serving, caller: Caller, *names: str) -> None:
    serving.until_ended(caller)
    serving.until(lambda: len(serving.lines) > len(names) + 2)
    assert serving.lines == [*complaint(*names), "alertSent:Warning:CloseNotify"]
    assert caller.answer is None


def test_a_client_certificate_is_known(make_secure: Callable[..., Serving]) -> None:
    serving = make_secure(shown(Verify.VerifyPeer))
    session = serving.connect(context=caller_context(shows=authority()))
    peer = session.socket.sslConfiguration().peerCertificate()
    assert peer.isNull() is False
    assert list(peer.subjectAlternativeNames().values()) != []


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_refused(
    make_secure: Callable[..., Serving], highest: Any
) -> None:
    serving = make_secure(shown(Verify.VerifyPeer))
    caller = serving.call(request(), context=caller_context(highest=highest))
    refused(serving, caller, "NoPeerCertificate")


def test_an_untrusted_client_certificate_is_refused(make_secure: Callable[..., Serving]) -> None:
    serving = make_secure(shown(Verify.VerifyPeer))
    caller = serving.call(request(), context=caller_context(shows=trustme.CA()))
    refused(serving, caller, *UNTRUSTED)


@pytest.mark.parametrize("shows", [False, True])
def test_a_server_may_only_ask(make_secure: Callable[..., Serving], shows: bool) -> None:
    serving = make_secure(shown(Verify.QueryPeer))
    session = serving.connect(context=caller_context(shows=authority() if shows else None))
    assert session.socket.sslConfiguration().peerCertificate().isNull() is not shows


def test_errors_are_ignored_in_ssl_errors_occurred(make_secure: Callable[..., Serving]) -> None:
    sockets: list[Any] = []

    def ignore(socket: Any, errors: Any) -> None:
        sockets.append((type(socket), socket.peerPort(), len(errors)))
        socket.ignoreSslErrors()

    serving = make_secure(shown(Verify.VerifyPeer))
    serving.server.sslErrorsOccurred.connect(ignore)
    caller = serving.call(request(), context=caller_context(shows=trustme.CA()))
    serving.until(lambda: caller.answer)
    assert serving.lines == [*complaint(*UNTRUSTED), *ACCEPTED]
    assert sockets == [(QSslSocket, caller.port, 2)]


def test_only_some_errors_are_ignored(make_secure: Callable[..., Serving]) -> None:
    serving = make_secure(shown(Verify.VerifyPeer))
    serving.server.sslErrorsOccurred.connect(
        lambda socket, errors: socket.ignoreSslErrors(errors[:1])
    )
    caller = serving.call(request(), context=caller_context(shows=trustme.CA()))
    refused(serving, caller, *UNTRUSTED)


def test_a_handshake_is_interrupted_on_errors(make_secure: Callable[..., Serving]) -> None:
    configuration = shown(Verify.VerifyPeer)
    configuration.setHandshakeMustInterruptOnError(True)
    serving = make_secure(configuration)
    caller = serving.call(request(), context=caller_context(shows=trustme.CA()))
    serving.until_ended(caller)
    serving.until(lambda: len(serving.lines) == 2)
    assert serving.lines == [f"handshakeInterrupted:{UNTRUSTED[0]}", "alertSent:Fatal:UnknownCa"]


# Ready sockets


def test_a_ready_tls_socket_is_handled(make_serving: Callable[..., Serving], qtbot: Any) -> None:
    listener = QSslServer()
    listener.setSslConfiguration(shown())
    assert listener.listen(QHostAddress("127.0.0.1"), 0)
    serving = make_serving(secure=True)
    caller = Caller(listener.serverPort(), context=caller_context())
    serving.callers.append(caller)
    caller.send(request(line="GET /ready HTTP/1.1"))
    qtbot.waitUntil(lambda: caller.look() or listener.hasPendingConnections(), timeout=15_000)
    socket = listener.nextPendingConnection()
    qtbot.waitUntil(lambda: caller.look() or socket.bytesAvailable() > 0, timeout=15_000)
    serving.keep_all()
    serving.server.handleConnection(socket)
    serving.until(lambda: caller.answer)
    assert serving.lines == ACCEPTED
    assert serving.accepted[0].requestUrl() == QUrl("wss://127.0.0.1/ready")
    caller.send(masked(TEXT, b"hello"))
    serving.until(lambda: caller.look() or "text:hello" in serving.traces[0].lines)
