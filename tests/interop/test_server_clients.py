"""QWebSocketServer against clients that others wrote: Node, websockets, aiohttp, curl."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.certificates import Certificates
from interop.client import BINARIES, TEXTS
from interop.server_programs.serving import Runner, Server, client_command, make_plan
from support.process import find_program

FRAGMENTS = ["frag", "", "ments: ", "€" * 1000, " end"]
OFFERED = ["v9.interop", "v2.interop", "v1.interop"]

Carry = Callable[..., dict[str, Any]]


@pytest.fixture
def runner(qtbot: Any) -> Iterator[Runner]:
    """Runs clients while the test's event loop serves them."""
    runner = Runner(qtbot)
    yield runner
    runner.end()


@pytest.fixture
def make_server(qapp: Any) -> Iterator[Callable[..., Server]]:
    """Make servers, and close them after the test."""
    servers: list[Server] = []

    def make(**options: Any) -> Server:
        servers.append(Server(**options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A server without TLS."""
    return make_server()


def carrier(kind: str, runner: Runner, node_modules: Path, tmp_path: Path) -> Carry:
    """Make a function that has a client of this *kind* carry out a plan."""
    numbers = itertools.count()

    def carry(url: str, **plan: Any) -> dict[str, Any]:
        path = tmp_path / f"plan-{next(numbers)}.json"
        path.write_text(json.dumps(make_plan(url, **plan)), encoding="utf-8")
        return runner.run_json([*client_command(kind, node_modules), path])

    return carry


@pytest.fixture
def node(runner: Runner, node_modules: Path, tmp_path: Path) -> Carry:
    """Have Node's ``ws`` carry out a plan."""
    return carrier("node", runner, node_modules, tmp_path)


@pytest.fixture(params=["websockets", "node", "aiohttp"])
def kind(request: pytest.FixtureRequest) -> str:
    """The name of each client in turn."""
    return request.param


@pytest.fixture
def carry_out(kind: str, runner: Runner, node_modules: Path, tmp_path: Path) -> Carry:
    """Have each client in turn carry out a plan."""
    return carrier(kind, runner, node_modules, tmp_path)


# Libraries.


def test_everything_that_a_client_sends_comes_back(
    server: Server, runner: Runner, carry_out: Carry, kind: str
):
    """All of them offer permessage-deflate, which is declined."""
    fragments = {} if kind == "aiohttp" else {"fragments": FRAGMENTS}
    result = carry_out(
        server.url(),
        texts=TEXTS,
        binaries=BINARIES,
        ping="are you there?",
        protocols=OFFERED,
        close=[4001, "bye"],
        **fragments,
    )
    assert result["echoed"] == len(TEXTS) + len(BINARIES) + len(fragments)
    assert result["pong"] == "are you there?"
    assert result["subprotocol"] == "v2.interop"
    assert result["extensions"] == ""
    assert result["code"] == 4001
    (session,) = server.sessions
    runner.until(lambda: session.end)
    assert session.end == (4001, "bye")
    assert session.subprotocol == "v2.interop"
    assert server.errors == []


def test_the_server_closes_with_its_own_code_and_reason(
    server: Server, runner: Runner, carry_out: Carry
):
    result = carry_out(server.url("/close?code=4002&reason=enough"), texts=["go"], echo=False)
    assert (result["code"], result["reason"]) == (4002, "enough")
    runner.until(lambda: server.sessions[0].end)
    assert server.sessions[0].end == (4002, "enough")


def test_no_subprotocol_is_chosen_where_none_is_known(server: Server, carry_out: Carry, kind: str):
    """Node's client, as browsers do, then gives up by itself."""
    result = carry_out(server.url(), texts=["hello"], protocols=["v9.interop"], close=[1000, ""])
    if kind == "node":
        assert result["error"] == "Server sent no subprotocol"
    else:
        assert (result["echoed"], result["subprotocol"]) == (1, "")


def test_an_origin_that_is_not_allowed_gets_a_403(
    make_server: Callable[..., Server], carry_out: Carry
):
    server = make_server(allowed_origin="https://good.example")
    assert carry_out(server.url(), origin="https://evil.example")["status"] == 403
    assert server.errors == ["Access forbidden."]
    result = carry_out(server.url(), origin="https://good.example", texts=["x"], close=[1000, ""])
    assert result["echoed"] == 1
    assert [session.origin for session in server.sessions] == ["https://good.example"]


# TLS.


@pytest.mark.parametrize("kind", ["websockets", "node"], indirect=True)
def test_everything_comes_back_over_tls(
    make_server: Callable[..., Server], carry_out: Carry, certificates: Certificates
):
    server = make_server(certificate=certificates.server)
    result = carry_out(
        server.url(host="localhost"),
        texts=TEXTS,
        binaries=BINARIES,
        ca=certificates.ca,
        close=[4001, "bye"],
    )
    assert result["echoed"] == len(TEXTS) + len(BINARIES)
    assert result["code"] == 4001


def test_a_client_that_asks_for_a_name_gets_a_certificate_for_it(
    make_server: Callable[..., Server], node: Carry, certificates: Certificates
):
    server = make_server(certificate=certificates.server)
    good = {"texts": ["hello"], "close": [1000, ""], "ca": certificates.ca}
    assert node(server.url(), name="chat.interop.test", **good)["echoed"] == 1
    assert "chat.example" in node(server.url(), name="chat.example", **good)["error"]
    assert len(server.sessions) == 1


@pytest.mark.parametrize("kind", ["websockets", "node"], indirect=True)
def test_a_client_certificate_is_seen_by_the_server(
    make_server: Callable[..., Server], carry_out: Carry, certificates: Certificates
):
    server = make_server(certificate=certificates.server, ca=certificates.ca)
    own = certificates.client
    result = carry_out(
        server.url(host="localhost"),
        texts=["hello"],
        ca=certificates.ca,
        certificate=own.certificate,
        key=own.key,
        close=[1000, ""],
    )
    assert result.get("echoed") == 1, result
    assert server.sessions[0].peer_certificate.subjectAlternativeNames()


@pytest.mark.parametrize("shown", [None, "stranger"])
def test_without_a_trusted_client_certificate_nobody_gets_in(
    make_server: Callable[..., Server],
    node: Carry,
    certificates: Certificates,
    shown: str | None,
):
    server = make_server(certificate=certificates.server, ca=certificates.ca)
    plan: dict[str, Any] = {"texts": ["hello"], "ca": certificates.ca}
    if shown is not None:
        plan |= {"certificate": certificates.stranger.certificate, "key": certificates.stranger.key}
    result = node(server.url(host="localhost"), **plan)
    assert result["echoed"] == 0
    assert result["error"]
    assert server.sessions == []


# curl.


@pytest.fixture
def curl(runner: Runner) -> Callable[..., tuple[int, dict[str, str], str]]:
    """Run curl, and return the status, the fields of the answer, and the body."""
    program = find_program("curl", package="curl")

    def run(*arguments: str) -> tuple[int, dict[str, str], str]:
        bounds = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "5"]
        printed = runner.run([program, *bounds, "--include", *arguments]).decode()
        head, _, body = printed.partition("\r\n\r\n")
        line, *fields = head.splitlines()
        names_and_values = (field.partition(":") for field in fields)
        return (
            int(line.split()[1]),
            {name.lower(): value.strip() for name, _, value in names_and_values},
            body,
        )

    return run


EMPTY_CLOSE = "Qt closes without an answer"


@pytest.mark.beyond(EMPTY_CLOSE)
def test_a_plain_get_by_curl_is_told_to_upgrade(server: Server, curl):
    status, fields, body = curl(f"http://127.0.0.1:{server.port}/")
    assert status == 426
    assert fields["upgrade"].lower() == "websocket"
    assert "upgrade" in fields["connection"].lower()
    assert fields["sec-websocket-version"] == "13"
    assert fields["content-type"].startswith("text/")
    assert "websocket" in body.lower()


@pytest.mark.beyond(EMPTY_CLOSE)
@pytest.mark.parametrize(
    "arguments", [("--data", "a=b"), ("--data-binary", f"@{__file__}"), ("--request", "DELETE")]
)
def test_another_method_than_get_is_not_allowed(server: Server, curl, arguments: tuple[str, ...]):
    status, fields, body = curl(*arguments, f"http://127.0.0.1:{server.port}/")
    assert status == 405
    assert fields["allow"] == "GET"
    assert body


UPGRADE = [
    *("--header", "Upgrade: websocket", "--header", "Connection: keep-alive, Upgrade"),
    *("--header", "Sec-WebSocket-Version: 13"),
]


def test_curl_with_the_right_fields_is_upgraded(server: Server, runner: Runner):
    """It knows nothing of frames, and shows them as they are until the server hangs up."""
    program = find_program("curl", package="curl")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    running = runner.begin(
        [
            *(program, "-s", "-i", "--noproxy", "*", "--max-time", "30", "--http1.1"),
            *(*UPGRADE, "--header", key, f"http://127.0.0.1:{server.port}/keep"),
        ]
    )
    runner.until(lambda: server.sessions)
    server.sessions[0].socket.sendTextMessage("hello curl")
    server.sessions[0].socket.close()
    runner.until(lambda: server.sessions[0].socket.bytesToWrite() == 0)
    server.sessions[0].socket.abort()
    runner.until(running.is_over)
    head, _, frames = running.printed().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert frames.startswith(b"\x81\x0ahello curl\x88\x02\x03\xe8")


@pytest.mark.beyond(EMPTY_CLOSE)
def test_curl_with_a_wrong_key_gets_a_400(server: Server, curl):
    key = ("--header", "Sec-WebSocket-Key: short")
    status, _, body = curl(*UPGRADE, *key, f"http://127.0.0.1:{server.port}/")
    assert status == 400
    assert body
