"""A server under test that echoes and remembers, and the clients that are run against it."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QObject, QUrl, QUrlQuery
from PySide6.QtNetwork import (
    QHostAddress,
    QSsl,
    QSslCertificate,
    QSslConfiguration,
    QSslKey,
    QSslSocket,
)
from shiboken6.Shiboken import delete, isValid

from interop.certificates import Certificate
from support.process import find_program
from support.qtmodule import QWebSocketProtocol, QWebSocketServer

PATIENCE = 60_000
"""Milliseconds to wait for anything; far more than is needed."""

HERE = Path(__file__).parent
LOOPBACK = QHostAddress("127.0.0.1")
SslMode = QWebSocketServer.SslMode


class Session(QObject):
    """One accepted socket; what is done with its messages depends on the path.

    ``/close?code=N&reason=R`` closes at the first message, ``/keep`` only listens, and every other
    path echoes.
    """

    def __init__(self, socket: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.socket = socket
        self.url: QUrl = socket.requestUrl()
        self.origin: str = socket.origin()
        self.subprotocol: str = socket.subprotocol()
        self.peer_certificate = socket.sslConfiguration().peerCertificate()
        self.texts: list[str] = []
        self.end: tuple[int, str] | None = None
        socket.textMessageReceived.connect(self._on_text)
        socket.binaryMessageReceived.connect(self._on_binary)
        socket.disconnected.connect(self._on_disconnected)

    def _on_text(self, text: str) -> None:
        if self.url.path() == "/close":
            query = QUrlQuery(self.url)
            code = QWebSocketProtocol.CloseCode(int(query.queryItemValue("code")))
            self.socket.close(code, query.queryItemValue("reason"))
        elif self.url.path() == "/keep":
            self.texts.append(text)
        else:
            self.socket.sendTextMessage(text)

    def _on_binary(self, data: QByteArray) -> None:
        self.socket.sendBinaryMessage(data)

    def _on_disconnected(self) -> None:
        self.end = (self.socket.closeCode().value, self.socket.closeReason())


class Server(QObject):
    """A QWebSocketServer on 127.0.0.1, and all the sessions that it had.

    Args:
        certificate: speak TLS with this.
        ca: let in only clients with a certificate of this authority.
        subprotocols: what the server can speak.
        allowed_origin: let in only pages of this origin.
    """

    def __init__(
        self,
        *,
        certificate: Certificate | None = None,
        ca: Path | None = None,
        subprotocols: Sequence[str] = ("v1.interop", "v2.interop"),
        allowed_origin: str | None = None,
    ) -> None:
        super().__init__()
        self.sessions: list[Session] = []
        self.errors: list[str] = []
        self.allowed_origin = allowed_origin
        mode = SslMode.SecureMode if certificate else SslMode.NonSecureMode
        self.server = QWebSocketServer("interop", mode, self)
        if certificate is not None:
            self.server.setSslConfiguration(_configuration(certificate, ca))
        self.server.setSupportedSubprotocols(list(subprotocols))
        self.server.newConnection.connect(self._on_new_connection)
        self.server.serverError.connect(self._on_server_error)
        self.server.originAuthenticationRequired.connect(self._on_origin)
        assert self.server.listen(LOOPBACK, 0), self.server.errorString()

    @property
    def port(self) -> int:
        """The port of the server."""
        return self.server.serverPort()

    def url(self, path: str = "/echo", host: str = "127.0.0.1") -> str:
        """The URL that leads to *path* on this server."""
        scheme = "wss" if self.server.secureMode() is SslMode.SecureMode else "ws"
        return f"{scheme}://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Session]:
        """The sessions that were opened with *path*."""
        return [session for session in self.sessions if session.url.path() == path]

    def close(self) -> None:
        """Drop all connections and delete this object: here, not wherever garbage is collected."""
        for session in self.sessions:
            if isValid(session.socket):
                session.socket.abort()
        delete(self)

    def _on_new_connection(self) -> None:
        while (socket := self.server.nextPendingConnection()) is not None:
            self.sessions.append(Session(socket, self))

    def _on_server_error(self, code: Any) -> None:
        self.errors.append(self.server.errorString())

    def _on_origin(self, authenticator: Any) -> None:
        if self.allowed_origin is not None:
            authenticator.setAllowed(authenticator.origin() == self.allowed_origin)


def _configuration(certificate: Certificate, ca: Path | None) -> QSslConfiguration:
    configuration = QSslConfiguration.defaultConfiguration()
    configuration.setLocalCertificateChain(QSslCertificate.fromPath(str(certificate.certificate)))
    pem = QByteArray(certificate.key.read_bytes())
    is_ec = pem.contains(b"BEGIN EC")
    algorithm = QSsl.KeyAlgorithm.Ec if is_ec else QSsl.KeyAlgorithm.Rsa
    configuration.setPrivateKey(QSslKey(pem, algorithm))
    configuration.setPeerVerifyMode(QSslSocket.PeerVerifyMode.VerifyNone)
    if ca is not None:
        configuration.setCaCertificates(QSslCertificate.fromPath(str(ca)))
        configuration.setPeerVerifyMode(QSslSocket.PeerVerifyMode.VerifyPeer)
    return configuration


class Running:
    """A client that runs; it prints into files, so that nobody has to read along.

    There is no thread for that: Python's garbage collection might run in it, and delete the Qt
    objects of earlier tests there.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.command = [str(word) for word in command]
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err
        )

    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def printed(self) -> bytes:
        """What it printed on its standard output."""
        return self._content(self._out)

    def check(self) -> None:
        """See that it ended well."""
        problem = (self.printed() + self._content(self._err)).decode(errors="replace")
        assert self._process.returncode == 0, f"{' '.join(self.command)}\n{problem}"

    def end(self) -> None:
        """End the process if it still runs."""
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._err.close()

    @staticmethod
    def _content(file: Any) -> bytes:
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


class Runner:
    """Runs clients to their end while the event loop of the test serves them."""

    def __init__(self, qtbot: Any) -> None:
        self._qtbot = qtbot
        self._running: list[Running] = []

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait in the event loop until *condition* holds."""
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE)

    def begin(self, command: Sequence[str | Path]) -> Running:
        """Start *command*."""
        self._running.append(Running(command))
        return self._running[-1]

    def run(self, command: Sequence[str | Path]) -> bytes:
        """Serve *command* until it has ended well, and return what it printed."""
        running = self.begin(command)
        self.until(running.is_over)
        running.check()
        printed = running.printed()
        running.end()
        return printed

    def run_json(self, command: Sequence[str | Path]) -> dict[str, Any]:
        """Run *command*, which prints one line of JSON, and return that."""
        answer: dict[str, Any] = json.loads(self.run(command))
        return answer

    def end(self) -> None:
        """End what still runs."""
        for running in self._running:
            running.end()
        self._running.clear()


def make_plan(url: str, **more: Any) -> dict[str, Any]:
    """What a client shall do, see the README; bytes become base64."""
    plan: dict[str, Any] = {"url": url, "texts": [], "binaries": [], **more}
    plan["binaries"] = [base64.b64encode(data).decode() for data in plan["binaries"]]
    return {name: str(value) if isinstance(value, Path) else value for name, value in plan.items()}


def client_command(kind: str, node_modules: Path) -> list[str | Path]:
    """The command of a client: ``websockets``, ``aiohttp`` or ``node``; the plan's file follows."""
    if kind == "node":
        # The library is found from the script's place, so it is told where that lies.
        return [find_program("node", package="nodejs"), HERE / "client.mjs", node_modules]
    if kind == "websockets":
        return [sys.executable, HERE / "with_websockets.py"]
    python = "/usr/bin/python3"
    look = subprocess.run([python, "-c", "import aiohttp"], capture_output=True, check=False)
    assert look.returncode == 0, "aiohttp is not installed: apt-get install python3-aiohttp"
    return [python, "-I", HERE / "with_aiohttp.py"]
