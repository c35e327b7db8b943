"""401: Basic and Digest, by the URL's credentials and by the program's."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QNetworkRequest

from support.client import ENDED, OPENED, Client, failed
from support.peer import Peer, accept, response

BASIC = response("401 Unauthorized", 'WWW-Authenticate: Basic realm="r"', body=b"who are you")
DIGEST_FIELD = 'WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth", opaque="o"'
DIGEST = response("401 Unauthorized", DIGEST_FIELD, body=b"who are you")
ASKED = ["state:Connecting", "authenticationRequired:r"]
CONNECTED = ["state:Connected", "connected"]


def answer_with(client: Client, user: str, password: str) -> list[tuple[str, str]]:
    """Answer each question with this; what the authenticator held before is given back."""
    held: list[tuple[str, str]] = []

    def slot(authenticator: Any) -> None:
        held.append((authenticator.user(), authenticator.password()))
        authenticator.setUser(user)
        authenticator.setPassword(password)

    client.socket.authenticationRequired.connect(slot)
    return held


def sent(peer: Peer) -> list[str | None]:
    return [request.get("Authorization") for request in peer.requests]


def with_user(peer: Peer, user: str, target: str = "/") -> QUrl:
    return QUrl(peer.url(target).replace("//", f"//{user}@", 1))


def digest_of(header: str) -> dict[str, str]:
    assert header.startswith("Digest ")
    return {
        name: quoted or plain
        for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', header)
    }


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 (RFC 7616 asks for it)


# Basic


def test_the_program_is_asked_for_credentials(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(BASIC, accept())
    answer_with(client, "user", "password")
    client.socket.open(peer.url("/p?q"))
    client.until_last("connected")
    assert client.lines == [*ASKED, *CONNECTED]
    assert sent(peer) == [None, "Basic dXNlcjpwYXNzd29yZA=="]
    assert [request.line for request in peer.requests] == ["GET /p?q HTTP/1.1"] * 2
    assert len(peer.links) == 1


def test_each_request_has_a_new_key(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(BASIC, accept())
    answer_with(client, "user", "password")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert len({request.get("Sec-WebSocket-Key") for request in peer.requests}) == 2


def test_authorization_is_the_last_header(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(BASIC, accept())
    answer_with(client, "user", "password")
    request = QNetworkRequest(QUrl(peer.url()))
    request.setRawHeader(b"X-Own", b"1")
    client.socket.open(request)
    client.until_last("connected")
    assert peer.requests[1].names[-1] == "Authorization"
    assert peer.requests[1].get("X-Own") == "1"


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ("user:password", "Basic dXNlcjpwYXNzd29yZA=="),
        ("a%40b:p%3Aq", "Basic YUBiOnA6cQ=="),
        ("user", "Basic dXNlcjo="),
        (":password", "Basic OnBhc3N3b3Jk"),
    ],
)
def test_credentials_of_the_url_are_tried_without_asking(
    client: Client, make_peer: Callable[..., Peer], user: str, header: str
) -> None:
    peer = make_peer(BASIC, accept())
    client.socket.open(with_user(peer, user))
    client.until_last("connected")
    assert client.lines == OPENED
    assert sent(peer) == [None, header]


def test_wrong_credentials_of_the_url_lead_to_a_question(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(BASIC, BASIC, accept())
    held = answer_with(client, "user", "password")
    client.socket.open(with_user(peer, "x:y"))
    client.until_last("connected")
    assert client.lines == [*ASKED, *CONNECTED]
    assert held == [("x", "y")]
    assert sent(peer) == [None, "Basic eDp5", "Basic dXNlcjpwYXNzd29yZA=="]


def test_nobody_answers(client: Client, make_peer: Callable[..., Peer]) -> None:
    client.socket.open(make_peer(BASIC).url())
    client.until_line("readChannelFinished")
    assert client.lines[:7] == [*ASKED, *failed("ConnectionRefused"), *ENDED]
    assert (
        client.socket.errorString() == "QWebSocket::processHandshake: Host requires authentication"
    )


@pytest.mark.parametrize("challenge", [BASIC, DIGEST])
def test_wrong_credentials_end_when_they_do_not_change(
    client: Client, make_peer: Callable[..., Peer], challenge: bytes
) -> None:
    peer = make_peer(challenge)
    held = answer_with(client, "user", "wrong")
    client.socket.open(peer.url())
    client.until_line("readChannelFinished")
    assert client.lines[:8] == [*ASKED, ASKED[1], *failed("ConnectionRefused"), *ENDED]
    assert held == [("", ""), ("user", "wrong")]
    assert len(peer.requests) == 2
    assert (
        client.socket.errorString() == "QWebSocket::processHandshake: Host requires authentication"
    )


def test_credentials_may_change_as_often_as_they_like(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(BASIC, BASIC, BASIC, BASIC, accept())
    passwords = ["a", "b", "c", "d"]

    def slot(authenticator: Any) -> None:
        authenticator.setUser("u")
        authenticator.setPassword(passwords.pop(0))

    client.socket.authenticationRequired.connect(slot)
    client.socket.open(peer.url())
    client.until_last("connected")
    assert client.lines == [ASKED[0], *[ASKED[1]] * 4, *CONNECTED]


def test_a_closed_connection_is_opened_again(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    challenge = BASIC.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    peer = make_peer(challenge, accept())
    answer_with(client, "user", "password")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert client.trace.without("readChannelFinished") == [*ASKED, *CONNECTED]
    assert [len(link.requests) for link in peer.links] == [1, 1]
    assert client.socket.peerPort() == peer.port


def test_the_realm_can_be_read(client: Client, make_peer: Callable[..., Peer]) -> None:
    realms: list[str] = []
    client.socket.authenticationRequired.connect(lambda item: realms.append(item.realm()))
    answer_with(client, "user", "password")
    challenge = response("401 Unauthorized", 'WWW-Authenticate: Basic realm="two words"')
    client.socket.open(make_peer(challenge, accept()).url())
    client.until_last("connected")
    assert realms == ["two words"]


def test_basic_is_latin1_by_default(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(BASIC, accept())
    answer_with(client, "é", "ü")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert sent(peer) == [None, "Basic 6Tr8"]


@pytest.mark.beyond("it knows Latin-1 only (RFC 7617 2.1)")
def test_basic_is_utf8_where_the_server_says_so(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    field = 'WWW-Authenticate: Basic realm="r", charset="UTF-8"'
    peer = make_peer(response("401 Unauthorized", field), accept())
    answer_with(client, "é", "ü")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert sent(peer) == [None, "Basic w6k6w7w="]


def test_the_user_info_goes_out_of_the_url_with_the_first_401(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(BASIC, accept())
    client.socket.open(with_user(peer, "u:p", "/x"))
    client.until_last("connected")
    assert client.socket.requestUrl() == QUrl(peer.url("/x"))


def test_another_refusal_may_follow(client: Client, make_peer: Callable[..., Peer]) -> None:
    answer_with(client, "user", "password")
    client.socket.open(make_peer(BASIC, response("404 Not Found")).url())
    client.until_last("readChannelFinished")
    assert client.lines == [*ASKED, *failed("ConnectionRefused"), *ENDED]
    assert "404 (Not Found)" in client.socket.errorString()


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "Unsupported WWW-Authenticate challenges encountered."),
        (
            ["WWW-Authenticate: Bearer realm=x"],
            "Unsupported WWW-Authenticate challenge encountered.",
        ),
    ],
)
def test_no_challenge_that_is_understood(
    client: Client, make_peer: Callable[..., Peer], lines: list[str], text: str
) -> None:
    client.socket.open(make_peer(response("401 Unauthorized", *lines)).url())
    client.until_last("readChannelFinished")
    assert client.lines == ["state:Connecting", *failed("ConnectionRefused"), *ENDED]
    assert client.socket.errorString() == f"QWebSocketPrivate::processHandshake: {text}"


@pytest.mark.beyond("it takes the chunks for the next answer")
def test_a_chunked_body_is_skipped(client: Client, make_peer: Callable[..., Peer]) -> None:
    challenge = (
        b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="r"\r\n'
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    answer_with(client, "user", "password")
    client.socket.open(make_peer(challenge, accept()).url())
    client.until_last("connected", timeout=3000)
    assert client.lines == [*ASKED, *CONNECTED]


# Digest


def test_digest_is_answered(client: Client, make_peer: Callable[..., Peer]) -> None:
    peer = make_peer(DIGEST, accept())
    answer_with(client, "user", "secret")
    client.socket.open(peer.url("/p?q=1"))
    client.until_last("connected")
    assert client.lines == [*ASKED, *CONNECTED]
    found = digest_of(sent(peer)[1] or "")
    expected = {"username": "user", "realm": "r", "nonce": "n1", "opaque": "o", "qop": "auth"}
    assert {name: found[name] for name in expected} == expected
    assert found["nc"] == "00000001"
    first = md5("user:r:secret")
    second = md5(f"GET:{found['uri']}")
    text = f"{first}:n1:00000001:{found['cnonce']}:auth:{second}"
    assert found["response"] == md5(text)


def test_digest_without_qop_is_answered(client: Client, make_peer: Callable[..., Peer]) -> None:
    field = 'WWW-Authenticate: Digest realm="r", nonce="n1"'
    peer = make_peer(response("401 Unauthorized", field), accept())
    answer_with(client, "user", "secret")
    client.socket.open(peer.url())
    client.until_last("connected")
    found = digest_of(sent(peer)[1] or "")
    assert "nc" not in found
    assert found["response"] == md5(f"{md5('user:r:secret')}:n1:{md5('GET:' + found['uri'])}")


@pytest.mark.beyond("it sends the whole URL as uri, which strict servers refuse (RFC 7616 3.4.6)")
def test_the_uri_of_digest_is_the_request_target(
    client: Client, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(DIGEST, accept())
    answer_with(client, "user", "secret")
    client.socket.open(peer.url("/p?q=1"))
    client.until_last("connected")
    assert digest_of(sent(peer)[1] or "")["uri"] == "/p?q=1"


@pytest.mark.beyond("it does not know SHA-256")
def test_digest_with_sha256_is_answered(client: Client, make_peer: Callable[..., Peer]) -> None:
    field = f"{DIGEST_FIELD}, algorithm=SHA-256"
    peer = make_peer(response("401 Unauthorized", field), accept())
    answer_with(client, "user", "secret")
    client.socket.open(peer.url("/x"))
    client.until_last("connected", timeout=3000)
    found = digest_of(sent(peer)[1] or "")

    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    text = f"{sha256('user:r:secret')}:n1:00000001:{found['cnonce']}:auth:{sha256('GET:/x')}"
    assert found["response"] == sha256(text)
    assert found["algorithm"] == "SHA-256"


@pytest.mark.parametrize("digest_first", [True, False])
def test_digest_is_preferred_to_basic(
    client: Client, make_peer: Callable[..., Peer], digest_first: bool
) -> None:
    fields = [DIGEST_FIELD, 'WWW-Authenticate: Basic realm="b"']
    challenge = response("401 Unauthorized", *(fields if digest_first else reversed(fields)))
    peer = make_peer(challenge, accept())
    answer_with(client, "user", "secret")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert (sent(peer)[1] or "").startswith("Digest ")


def test_a_stale_nonce_is_no_new_question(client: Client, make_peer: Callable[..., Peer]) -> None:
    stale = DIGEST.replace(b'"n1"', b'"n2", stale=true')
    peer = make_peer(DIGEST, stale, accept())
    answer_with(client, "user", "secret")
    client.socket.open(peer.url())
    client.until_last("connected")
    assert client.lines == [*ASKED, *CONNECTED]
    assert [digest_of(header or "")["nonce"] for header in sent(peer)[1:]] == ["n1", "n2"]


@pytest.mark.beyond("it goes on for ever")
def test_a_nonce_that_is_always_stale_ends(client: Client, make_peer: Callable[..., Peer]) -> None:
    stale = DIGEST.replace(b'"n1"', b'"n1", stale=true')
    peer = make_peer(stale)
    answer_with(client, "user", "secret")
    client.socket.open(peer.url())
    client.until_line("readChannelFinished", timeout=5000)
    assert "error:ConnectionRefusedError" in client.lines
    assert len(peer.requests) < 100
