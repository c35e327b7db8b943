"""A server under test, its trace, and clients that speak to it in bytes.

The clients are plain non-blocking sockets without threads: each look at them (``answer``,
``frames``, ``eof``) moves what can be moved, so a test waits for them in the event loop that also
serves them. Nothing of the package under test and nothing of Qt is used in them.

The test modules name this one in ``pytest_plugins`` for its fixtures, after they have imported it
(PYTEST_DONT_REWRITE: pytest warns otherwise).
"""

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from PySide6.QtCore import QObject
from PySide6.QtNetwork import QHostAddress
from shiboken6.Shiboken import delete, isValid

from support.client import PATIENCE
from support.peer import CLOSE, KEY_SUFFIX, PING, PONG, Frame, apply_mask, frame
from support.qtmodule import ON_QT, QWebSocketServer
from support.trace import Trace

MASK = b"\x11\x22\x33\x44"
KEY = base64.b64encode(b"the sample nonce").decode()  # RFC 6455 1.3
SWITCHING = "HTTP/1.1 101 Switching Protocols"


def accept_value(key: str) -> str:
    """What Sec-WebSocket-Accept has to say to this key (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(key.encode("latin-1") + KEY_SUFFIX).digest()  # noqa: S324
    return base64.b64encode(digest).decode()


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame as a client sends it."""
    return frame(opcode, payload, fin=fin, mask=MASK, rsv=rsv)


def masked_close(code: int = 1000, reason: bytes = b"") -> bytes:
    """A Close frame as a client sends it."""
    return masked(CLOSE, struct.pack("!H", code) + reason)


FIELDS = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def head(line: str, fields: Iterable[str]) -> bytes:
    """A request head of these lines."""
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


def request(*extra: str, line: str = "GET / HTTP/1.1", **changed: str | None) -> bytes:
    """A good request with further lines.

    A keyword changes the value of a field (``Sec_WebSocket_Key="x"``), or drops it (None).
    """
    given = {name.replace("_", "-"): value for name, value in changed.items()}
    fields = {**FIELDS, **given}
    return head(line, [*[f"{name}: {v}" for name, v in fields.items() if v is not None], *extra])


@dataclass(frozen=True)
class Answer:
    """The head of a server's answer, and what came behind it."""

    raw: bytes
    body: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of the head."""
        return self.raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")

    @property
    def line(self) -> str:
        """The status line."""
        return self.lines[0]

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.line.split(" ")[1])

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Names and values in the order of the wire."""
        parts = [line.partition(":") for line in self.lines[1:]]
        return [(name, value.strip()) for name, _, value in parts]

    @property
    def names(self) -> list[str]:
        """The names of the fields in the order of the wire."""
        return [name for name, _ in self.fields]

    def get(self, name: str) -> str | None:
        """The value of the first field of that name, or None."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


class Caller:
    """A client that sends what a test says, and keeps every byte of the answer."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self.raw = bytearray()
        self.reset = False
        self.tls_error: ssl.SSLError | None = None
        self._eof = False
        self._outbox = bytearray()
        self._reading = True
        self._frames: list[Frame] = []
        self._parsed = 0
        self._socket: Any = socket.create_connection((host, port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self.server_port = port
        self._socket.setblocking(False)
        if context is not None:
            self._socket = context.wrap_socket(
                self._socket, server_hostname=server_name or host, do_handshake_on_connect=False
            )
        self._shaking = context is not None

    # What a test does with it.

    def send(self, *chunks: bytes) -> None:
        """Send these bytes, as far as they go; the rest follows at each look."""
        for chunk in chunks:
            self._outbox += chunk
            self.look()

    def half_close(self) -> None:
        """Send FIN; what comes is still read."""
        self._socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Send RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self._eof = True

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers."""
        self._reading = False

    def resume_reading(self) -> None:
        """Read again."""
        self._reading = True

    def end(self) -> None:
        """Free the socket."""
        self._socket.close()

    @property
    def unsent(self) -> int:
        """How many bytes wait for the server to read."""
        return len(self._outbox)

    @property
    def eof(self) -> bool:
        """Whether the server ended the connection (FIN or RST)."""
        self.look()
        return self._eof

    @property
    def answer(self) -> Answer | None:
        """The answer, once its head is whole."""
        self.look()
        end = self.raw.find(b"\r\n\r\n")
        if end < 0:
            return None
        return Answer(bytes(self.raw[: end + 4]), bytes(self.raw[end + 4 :]))

    @property
    def frames(self) -> list[Frame]:
        """The frames behind the answer so far."""
        self.look()
        if not self._parsed:
            end = self.raw.find(b"\r\n\r\n")
            if end < 0 or b" 101 " not in self.raw[:16]:
                return []
            self._parsed = end + 4
        while self._parse():
            pass
        return self._frames

    def payloads(self, *opcodes: int) -> list[bytes]:
        """The payloads of the frames with these opcodes (all, if none is named)."""
        return [item.payload for item in self.frames if not opcodes or item.opcode in opcodes]

    def look(self) -> None:
        """Move what can be moved, without waiting."""
        if self._socket.fileno() < 0:
            return
        try:
            if self._shaking:
                self._socket.do_handshake()
                self._shaking = False
            self._write()
            self._read()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except ssl.SSLError as error:
            self.tls_error = error
            self._eof = True
        except OSError as error:
            self.reset = isinstance(error, ConnectionError)
            self._eof = True

    def _write(self) -> None:
        while self._outbox:
            try:
                sent = self._socket.send(self._outbox)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            except OSError:  # the server is gone; what it said is still to be read
                self._outbox.clear()
                return
            del self._outbox[:sent]

    def _read(self) -> None:
        while self._reading and not self._eof:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                return
            self._eof = not data
            self.raw += data

    def _parse(self) -> bool:
        data, at = self.raw, self._parsed
        if len(data) < at + 2:
            return False
        size, start = data[at + 1] & 0x7F, at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        mask = bytes(data[start : start + 4]) if data[at + 1] & 0x80 else None
        start += 4 if mask else 0
        if len(data) < start + size:
            return False
        payload = bytes(data[start : start + size])
        payload = apply_mask(payload, mask) if mask else payload
        self._frames.append(Frame(data[at] & 0x0F, payload, bool(data[at] & 0x80), mask))
        self._parsed = start + size
        return True


class ServerTrace(QObject):
    """Writes each signal of a server into ``lines``: ``"newConnection"``, ``"closed"``."""

    def __init__(self, server: Any) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.errors: list[tuple[str, str]] = []  # error() and errorString() in each serverError
        self.origins: list[str] = []
        self._server = server
        server.newConnection.connect(self._on_new_connection)
        server.closed.connect(self._on_closed)
        server.serverError.connect(self._on_server_error)
        server.acceptError.connect(self._on_accept_error)
        server.originAuthenticationRequired.connect(self._on_origin)
        server.sslErrors.connect(self._on_ssl_errors)
        server.sslErrorsOccurred.connect(self._on_ssl_errors_occurred)
        server.peerVerifyError.connect(self._on_peer_verify_error)
        server.preSharedKeyAuthenticationRequired.connect(self._on_pre_shared_key)
        server.alertSent.connect(self._on_alert_sent)
        server.alertReceived.connect(self._on_alert_received)
        server.handshakeInterruptedOnError.connect(self._on_handshake_interrupted)

    def take(self) -> list[str]:
        """Give back the lines and begin a new list."""
        lines, self.lines = self.lines, []
        return lines

    def only(self, *starts: str) -> list[str]:
        """The lines that begin with one of these."""
        return [line for line in self.lines if line.startswith(starts)]

    def _on_new_connection(self) -> None:
        self.lines.append("newConnection")

    def _on_closed(self) -> None:
        self.lines.append("closed")

    def _on_server_error(self, code: Any) -> None:
        self.lines.append(f"serverError:{code.name.removeprefix('CloseCode')}")
        name = self._server.error().name.removeprefix("CloseCode")
        self.errors.append((name, self._server.errorString()))

    def _on_accept_error(self, error: Any) -> None:
        self.lines.append(f"acceptError:{error.name}")

    def _on_origin(self, authenticator: Any) -> None:
        self.lines.append("originAuthenticationRequired")
        self.origins.append(authenticator.origin())

    def _on_ssl_errors(self, errors: Any) -> None:
        self.lines.append("sslErrors:" + ",".join(error.error().name for error in errors))

    def _on_ssl_errors_occurred(self, socket: Any, errors: Any) -> None:
        self.lines.append("sslErrorsOccurred:" + ",".join(error.error().name for error in errors))

    def _on_peer_verify_error(self, error: Any) -> None:
        self.lines.append(f"peerVerifyError:{error.error().name}")

    def _on_pre_shared_key(self, authenticator: Any) -> None:
        self.lines.append(f"preSharedKey:{authenticator.identity().data().decode()}")

    def _on_alert_sent(self, level: Any, kind: Any, description: str) -> None:
        self.lines.append(f"alertSent:{level.name}:{kind.name}")

    def _on_alert_received(self, level: Any, kind: Any, description: str) -> None:
        self.lines.append(f"alertReceived:{level.name}:{kind.name}")

    def _on_handshake_interrupted(self, error: Any) -> None:
        self.lines.append(f"handshakeInterrupted:{error.error().name}")


class Serving:
    """A server under test with its trace, its callers, and the waits that tests need."""

    def __init__(
        self, qtbot: Any, name: str = "a server", *, secure: bool = False, kind: Any = None
    ) -> None:
        self.qtbot = qtbot
        self.patience = PATIENCE
        modes = QWebSocketServer.SslMode
        mode = modes.SecureMode if secure else modes.NonSecureMode
        self.server: Any = (kind or QWebSocketServer)(name, mode)
        self.trace = ServerTrace(self.server)
        self.callers: list[Caller] = []
        self.accepted: list[Any] = []
        self.traces: list[Trace] = []

    @property
    def lines(self) -> list[str]:
        """What the server said so far."""
        return self.trace.lines

    def listen(self) -> "Serving":
        """Listen on a free port of 127.0.0.1."""
        assert self.server.listen(QHostAddress("127.0.0.1"), 0)
        return self

    def keep_all(self) -> None:
        """Take every connection in newConnection, with a trace from the first moment."""
        self.server.newConnection.connect(self._keep)

    def _keep(self) -> None:
        while (accepted := self.server.nextPendingConnection()) is not None:
            self.accepted.append(accepted)
            self.traces.append(Trace(accepted))

    def until(self, condition: Callable[[], Any], timeout: int | None = None) -> None:
        """Wait in an event loop until the condition holds."""
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=timeout or self.patience)

    def until_line(self, line: str, count: int = 1, timeout: int | None = None) -> None:
        """Wait until the server's trace has this line."""
        try:
            self.until(lambda: self.lines.count(line) >= count, timeout)
        except self.qtbot.TimeoutError:
            pytest.fail(f"no {line!r} in {self.lines}")

    def settle(self) -> None:
        """Run the event loop for a moment, to see that nothing else comes."""
        self.qtbot.wait(60)

    def call(self, *chunks: bytes, **kwargs: Any) -> Caller:
        """Connect and send these bytes."""
        caller = Caller(self.server.serverPort(), **kwargs)
        self.callers.append(caller)
        caller.send(*chunks)
        return caller

    def call_many(self, count: int, sent: bytes) -> list[Caller]:
        """Call so often, a few at a time: no more than wait for a server that accepts."""
        callers: list[Caller] = []
        while len(callers) < count:
            batch = [self.call(sent) for _ in range(min(25, count - len(callers)))]
            self.until_all(batch, lambda item: item.answer or item.eof)
            callers += batch
        return callers

    def until_all(
        self,
        callers: Sequence[Caller],
        condition: Callable[[Caller], Any] = lambda caller: caller.answer,
        timeout: int | None = None,
    ) -> None:
        """Wait until the condition holds for every one; each is looked at, so that all move."""
        self.until(lambda: all_of(callers, condition), timeout)

    def until_answered(self, caller: Caller) -> Answer:
        """Wait for the head of the answer."""
        self.until(lambda: caller.answer is not None or caller.eof)
        assert caller.answer is not None, "closed without an answer"
        return caller.answer

    def until_ended(self, caller: Caller) -> None:
        """Wait until the server ended this connection."""
        self.until(lambda: caller.eof)

    def exchange(self, *chunks: bytes, **kwargs: Any) -> Answer:
        """Call, and wait for the whole answer: until 101, or until the connection ends."""
        caller = self.call(*chunks, **kwargs)
        self.until(lambda: caller.eof or (caller.answer and caller.answer.status == 101))
        assert caller.answer is not None, "closed without an answer"
        return caller.answer

    def connect(
        self, *extra: str, context: ssl.SSLContext | None = None, **changed: str | None
    ) -> "Session":
        """Call with a good request, take the socket in newConnection, and trace it."""
        sessions: list[Any] = []

        def keep() -> None:
            sessions.append(self.server.nextPendingConnection())
            self.accepted.append(sessions[0])
            self.traces.append(Trace(sessions[0]))

        self.server.newConnection.connect(keep)
        caller = self.call(request(*extra, **changed), context=context)
        self.until(lambda: caller.answer and sessions)
        self.server.newConnection.disconnect(keep)
        self.trace.take()
        return Session(self, caller, self.accepted[-1], self.traces[-1])

    def end(self) -> None:
        """Delete the server and everything that it accepted, and free the callers."""
        for accepted in self.accepted:
            if isValid(accepted):
                accepted.blockSignals(True)
                accepted.abort()
        self.accepted.clear()
        if isValid(self.server):
            self.server.blockSignals(True)
            self.server.close()
            delete(self.server)
        for caller in self.callers:
            caller.end()


@dataclass
class Session:
    """Both ends of one connection: the caller's bytes, and the accepted socket with its trace."""

    serving: Serving
    caller: Caller
    socket: Any
    trace: Trace

    @property
    def lines(self) -> list[str]:
        """What the accepted socket said so far."""
        return self.trace.lines

    def until(self, condition: Callable[[], Any], timeout: int | None = None) -> None:
        """Wait in an event loop until the condition holds."""
        self.serving.until(condition, timeout)

    def until_last(self, line: str, timeout: int | None = None) -> None:
        """Wait until the trace of the accepted socket ends with this line."""
        try:
            self.until(lambda: self.lines[-1:] == [line], timeout)
        except self.serving.qtbot.TimeoutError:
            pytest.fail(f"{line!r} is not the last of {self.lines}")

    def until_ended(self) -> None:
        """Wait until the caller saw the end of the connection."""
        self.serving.until_ended(self.caller)

    def until_delivered(self) -> None:
        """Wait until the accepted socket has heard everything sent to it up to now."""
        self.caller.send(masked(PONG, b"barrier"))
        self.until(lambda: "pong:b'barrier'" in self.lines)
        self.lines.remove("pong:b'barrier'")

    def until_arrived(self) -> None:
        """Wait until the caller has everything that the accepted socket sent up to now."""
        self.socket.ping(b"barrier")
        self.until(lambda: self.caller.payloads(PING)[-1:] == [b"barrier"])
        self.caller.frames.pop()


def all_of(callers: Sequence[Caller], condition: Callable[[Caller], Any]) -> bool:
    """Whether the condition holds for every one; each is looked at, so that all move."""
    return sum(bool(condition(caller)) for caller in callers) == len(callers)


@pytest.fixture
def make_serving(qtbot: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Serving]]:
    """Make servers, and end them and all that belongs to them after the test."""
    made: list[Serving] = []
    hopeless = ON_QT and request.node.get_closest_marker("beyond") is not None

    def make(*args: Any, **kwargs: Any) -> Serving:
        made.append(Serving(qtbot, *args, **kwargs))
        if hopeless:  # Qt's module will not do it
            made[-1].patience = 1500
        return made[-1]

    yield make
    for serving in made:
        with contextlib.suppress(RuntimeError):
            serving.end()
    qtbot.wait(0)


@pytest.fixture
def serving(make_serving: Callable[..., Serving]) -> Serving:
    """A server that listens on 127.0.0.1."""
    return make_serving().listen()


@pytest.fixture
def session(serving: Serving) -> Session:
    """Both ends of an open connection; the traces are empty."""
    return serving.connect()
