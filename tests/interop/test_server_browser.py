"""QWebSocketServer against Chromium: a page that uses WebSocket, and a look at the port itself."""

import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QDeadlineTimer, QEventLoop, QTimer

from interop.certificates import Certificates
from interop.client import BINARIES, TEXTS
from interop.conftest import Start
from interop.server_programs.serving import HERE, PATIENCE, Server, make_plan
from support.process import Program, find_program

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
    *("--no-proxy-server", "--ignore-certificate-errors", "--hide-scrollbars"),
]


def start_chromium(profile: Path, port: int, *arguments: str) -> Program:
    """Start Chromium; *port* is one that is served already."""
    program = find_program("chromium", package="chromium")
    return Program([program, *ARGUMENTS, f"--user-data-dir={profile}", *arguments], port=port)


def run_until(condition: Any, browser: Program, what: str) -> None:
    """Serve until *condition* holds; it is looked at all the time."""
    loop, tick, deadline = QEventLoop(), QTimer(), QDeadlineTimer(PATIENCE)
    tick.timeout.connect(loop.quit)
    tick.start(20)
    while not condition():
        if deadline.hasExpired() or not browser.is_running():
            pytest.fail(f"{what}: not seen; Chromium printed:\n{browser.output()[-4000:]}")
        loop.exec()


@pytest.fixture(scope="module")
def servers(
    qapp: QCoreApplication, certificates: Certificates, pages: tuple[int, Path]
) -> Iterator[dict[str, Server]]:
    """An open server, one with TLS, and two that look at the origin of the page."""
    port, _ = pages
    servers = {
        "open": Server(),
        "secure": Server(certificate=certificates.server),
        "strict_for_us": Server(allowed_origin=f"http://127.0.0.1:{port}"),
        "strict_for_others": Server(allowed_origin=f"http://localhost:{port}"),
    }
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture(scope="module")
def pages(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A web server for the page: its port, and the folder that it shows."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "page.html").write_bytes((HERE / "page.html").read_bytes())
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder]
    program = start(lambda port: [*command, str(port)])
    yield program.port, folder
    program.stop()


@pytest.fixture(scope="module")
def seen(
    servers: dict[str, Server], pages: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the page saw at the servers; Chromium runs once for all tests."""
    port, folder = pages
    urls = {name: server.url("") for name, server in servers.items()}
    protocols = ["v9.interop", "v2.interop", "v1.interop"]
    plan = make_plan(urls["open"], texts=TEXTS, binaries=BINARIES, protocols=protocols, **urls)
    (folder / "plan.json").write_text(json.dumps(plan))
    profile = tmp_path_factory.mktemp("profile")
    reports = functools.partial(servers["open"].at, "/keep")
    # Without a debugging port, Chromium would end as soon as the page is loaded.
    page = f"http://127.0.0.1:{port}/page.html"
    browser = start_chromium(profile, port, "--remote-debugging-port=0", page)
    try:
        run_until(lambda: reports() and reports()[0].texts, browser, "the page's report")
    finally:
        browser.stop()
    return json.loads(reports()[0].texts[0])


@pytest.mark.parametrize("name", ["exchange", "secure"])
def test_every_message_of_a_page_comes_back_as_it_was(seen: dict[str, Any], name: str):
    """Text, binary, empty, unicode and a MiB; over TLS with a certificate that it may ignore."""
    assert seen[name]["opened"], seen
    assert seen[name]["echoes"] == [True] * (len(TEXTS) + len(BINARIES))


def test_a_page_gets_its_subprotocol_and_no_compression(seen: dict[str, Any]):
    assert seen["exchange"]["subprotocol"] == "v2.interop"
    assert seen["exchange"]["extensions"] == ""


@pytest.mark.parametrize(("name", "server"), [("exchange", "open"), ("secure", "secure")])
def test_a_page_closes_with_its_code_and_reason(
    seen: dict[str, Any], servers: dict[str, Server], name: str, server: str
):
    assert (seen[name]["code"], seen[name]["reason"]) == (4001, "bye")
    assert seen[name]["wasClean"]
    (session,) = servers[server].at("/echo")
    assert session.end == (4001, "bye")


def test_the_server_closes_a_page_with_its_code_and_reason(seen: dict[str, Any]):
    assert (seen["closed"]["code"], seen["closed"]["reason"]) == (4002, "genug für heute")
    assert seen["closed"]["wasClean"]


def test_a_close_without_a_code_is_a_clean_one(seen: dict[str, Any], servers: dict[str, Server]):
    assert seen["silent"]["wasClean"]
    (session,) = servers["open"].at("/silent")
    assert session.end == (1000, "")


def test_a_page_from_elsewhere_is_refused(seen: dict[str, Any], servers: dict[str, Server]):
    """And learns nothing: to a page, each failure looks alike."""
    assert not seen["refused"]["opened"]
    assert seen["refused"]["code"] == 1006
    assert servers["strict_for_others"].sessions == []
    assert servers["strict_for_others"].errors == ["Access forbidden."]


def test_a_page_of_the_allowed_origin_gets_in(
    seen: dict[str, Any], servers: dict[str, Server], pages: tuple[int, Path]
):
    assert seen["admitted"]["opened"]
    (session,) = servers["strict_for_us"].sessions
    assert session.origin == f"http://127.0.0.1:{pages[0]}"


@pytest.mark.beyond("Qt closes without an answer")
def test_a_browser_that_looks_at_the_port_shows_a_readable_page(
    servers: dict[str, Server], tmp_path: Path
):
    port = servers["open"].port
    browser = start_chromium(tmp_path, port, "--dump-dom", f"http://127.0.0.1:{port}/")
    try:
        run_until(lambda: "</html>" in browser.output(), browser, "the page")
        shown = browser.output()
    finally:
        browser.stop()
    assert "WebSocket" in shown
    assert "ERR_" not in shown  # what Chromium's own error pages show
