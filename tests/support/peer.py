"""A WebSocket server that does exactly what a test says: plain sockets, in threads of their own.

Nothing of the package under test and nothing of Qt is used here, so what a test reads in
``Link.requests``, ``Link.frames`` and ``Link.eof`` is what was on the wire.
"""

import base64
import contextlib
import hashlib
import queue
import select
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
TLS_TURN = 0.02  # seconds that a thread may keep the other one waiting
KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = None, rsv: int = 0
) -> bytes:
    """One frame as it goes over the wire (RFC 6455 5.2)."""
    head = bytearray([(0x80 if fin else 0) | (rsv << 4) | opcode])
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head.append(masked | len(payload))
    elif len(payload) < 65536:
        head += struct.pack("!BH", masked | 126, len(payload))
    else:
        head += struct.pack("!BQ", masked | 127, len(payload))
    if mask:
        return bytes(head) + mask + apply_mask(payload, mask)
    return bytes(head) + payload


def close_frame(code: int = 1000, reason: bytes = b"") -> bytes:
    """A Close frame from the server."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the four bytes of the mask (RFC 6455 5.3)."""
    size = len(payload)
    repeated = mask * (size // 4 + 1)
    xored = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[:size], "big")
    return xored.to_bytes(size, "big")


class Frame(NamedTuple):
    """A frame that a client sent, unmasked."""

    opcode: int
    payload: bytes
    fin: bool
    mask: bytes | None

    @property
    def close_code(self) -> int:
        """The code of a Close frame; 1005 where there is none."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005


@dataclass(frozen=True)
class Request:
    """One request head of a client."""

    raw: bytes
    line: str = field(init=False)
    fields: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        line, *rest = self.raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        object.__setattr__(self, "line", line)
        fields = [tuple(part.strip() for part in text.split(":", 1)) for text in rest]
        object.__setattr__(self, "fields", fields)

    @property
    def names(self) -> list[str]:
        """The names of the header fields in the order of the wire."""
        return [item[0] for item in self.fields]

    @property
    def target(self) -> str:
        """The request target."""
        return self.line.split(" ")[1]

    def get(self, name: str) -> str | None:
        """The value of the first field of that name, or None."""
        values = self.get_all(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """The values of all fields of that name."""
        return [item[1] for item in self.fields if item[0].lower() == name.lower()]


def accept_key(request: Request) -> str:
    """What Sec-WebSocket-Accept has to say to this request."""
    key = (request.get("Sec-WebSocket-Key") or "").encode()
    return base64.b64encode(hashlib.sha1(key + KEY_SUFFIX).digest()).decode()  # noqa: S324 (RFC 6455)


def accept(*extra: str, upgrade: str = "websocket", connection: str = "Upgrade") -> Any:
    """An answer that accepts, with further header lines."""

    def answer(request: Request) -> bytes:
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            f"Upgrade: {upgrade}",
            f"Connection: {connection}",
            f"Sec-WebSocket-Accept: {accept_key(request)}",
            *extra,
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    return answer


def response(status: str, *lines: str, body: bytes = b"") -> bytes:
    """An answer that refuses."""
    head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


class Link:
    """One accepted connection: what came over it, and the means to answer."""

    def __init__(self, peer: "Peer", sock: socket.socket) -> None:
        self.peer = peer
        self.requests: list[Request] = []
        self.frames: list[Frame] = []
        self.raw = bytearray()
        self.eof = False
        self.reset = False
        self.upgraded = False
        self.tls_error: Exception | None = None
        self._socket = sock
        self._turn = threading.Lock()
        self._reading = threading.Event()
        self._reading.set()
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._write, daemon=True),
        ]

    def start(self) -> None:
        """Begin to read and to write."""
        for thread in self._threads:
            thread.start()

    # What a test does with it.

    def send(self, *chunks: bytes) -> None:
        """Send these bytes, each chunk in a write of its own."""
        for chunk in chunks:
            self._outbox.put(chunk)

    def close(self) -> None:
        """Send FIN after what was sent before."""
        self._outbox.put(lambda: self._socket.shutdown(socket.SHUT_WR))

    def kill(self) -> None:
        """Send RST."""
        self._outbox.put(self._linger_and_close)

    def stop_reading(self) -> None:
        """Leave everything that comes from now on in the kernel's buffers."""
        self._reading.clear()

    def payloads(self, *opcodes: int) -> list[bytes]:
        """The payloads of the frames with these opcodes (all, if none is named)."""
        return [item.payload for item in self.frames if not opcodes or item.opcode in opcodes]

    @property
    def request(self) -> Request:
        """The first request."""
        return self.requests[0]

    # The two threads.

    def _linger_and_close(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.shutdown(socket.SHUT_RD)  # wakes the reader, which would hold the socket open
        self._socket.close()

    def _write(self) -> None:
        while (item := self._outbox.get()) is not None:
            try:
                item() if callable(item) else self._send_all(item)
            except OSError:
                return

    def _read(self) -> None:
        try:
            if self.peer.context is not None:
                self._socket = self.peer.context.wrap_socket(self._socket, server_side=True)
                self._socket.settimeout(TLS_TURN)
            with contextlib.suppress(_EndOfStreamError):
                self._read_requests()
                while True:
                    self._read_frame()
        except (ConnectionError, OSError) as error:
            self.reset = isinstance(error, ConnectionError)
            self.tls_error = error if isinstance(error, ssl.SSLError) else None
        self.eof = True

    # OpenSSL's connections are not for two threads at once, so those take turns.

    def _send_all(self, data: bytes) -> None:
        if self.peer.context is None:
            self._socket.sendall(data)
            return
        with self._turn:
            self._socket.settimeout(10)
            self._socket.sendall(data)
            self._socket.settimeout(TLS_TURN)

    def _receive(self, limit: int) -> bytes:
        if self.peer.context is None:
            return self._socket.recv(limit)
        while True:
            if not self._socket.pending():
                select.select([self._socket], [], [], TLS_TURN)
            with self._turn, contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
                return self._socket.recv(limit)

    def _take(self, count: int) -> bytes:
        taken = bytearray()
        while len(taken) < count:
            self._reading.wait()
            data = self._receive(min(count - len(taken), 1 << 18))
            if not data:
                raise _EndOfStreamError
            taken += data
            self.raw += data
        return bytes(taken)

    def _read_requests(self) -> None:
        while not self.upgraded:
            head = bytearray()
            while not head.endswith(b"\r\n\r\n"):
                head += self._take(1)
            request = Request(bytes(head))
            answer = self.peer.next_answer()
            answer = answer(request) if callable(answer) else answer
            self.upgraded = answer is not None and b" 101 " in answer[:16]
            self.raw.clear()
            self.requests.append(request)
            if answer is not None:
                self.send(answer)
            if self.peer.close_after_answer:
                self.close()

    def _read_frame(self) -> None:
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        mask = self._take(4) if second & 0x80 else None
        payload = self._take(size)
        if mask:
            payload = apply_mask(payload, mask)
        self.frames.append(Frame(first & 0x0F, payload, bool(first & 0x80), mask))
        if self.peer.echo_close and first & 0x0F == CLOSE:
            self.send(frame(CLOSE, payload))
            self.close()

    def end(self) -> None:
        """Stop both threads and free the socket."""
        self._outbox.put(None)
        self._reading.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        with contextlib.suppress(OSError):
            self._socket.close()


class _EndOfStreamError(Exception):
    """The client sent FIN."""


class Peer:
    """A listening server; its answers are given out in order, one to each request.

    An answer is bytes, a function from the request to bytes, or None for silence. The last one is
    given to all further requests; the default accepts.
    """

    def __init__(
        self,
        *answers: Any,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
        echo_close: bool = True,
        close_after_answer: bool = False,
    ) -> None:
        self.context = context
        self.echo_close = echo_close
        self.close_after_answer = close_after_answer
        self.links: list[Link] = []
        self.host = host
        self._answers = list(answers) or [accept()]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, target: str = "/", *, host: str | None = None) -> str:
        """The URL of this server."""
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'wss' if self.context else 'ws'}://{host}:{self.port}{target}"

    @property
    def link(self) -> Link:
        """The newest connection."""
        return self.links[-1]

    @property
    def requests(self) -> list[Request]:
        """All requests over all connections."""
        return [request for link in self.links for request in link.requests]

    def next_answer(self) -> Any:
        """Take the next answer; the last one stays."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(self, sock)
            self.links.append(link)
            link.start()

    def end(self) -> None:
        """Stop listening and end every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for link in self.links:
            link.end()
