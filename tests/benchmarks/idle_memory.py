"""How much memory a server's process takes for each connection that is open and idle.

    python tests/benchmarks/idle_memory.py [--clients 2000] [--rounds 3]

Measures this package and, where it is installed (full PySide6), Qt's own module. Each round is a
new process: a server that keeps what it accepts, and nothing else. It serves some clients first,
so that what is needed only once is there; then the clients connect, and the growth of the resident
memory is divided by their number. The clients are bare sockets in this process; what the operating
system keeps for a connection is in neither number. Linux only.
"""

import argparse
import base64
import importlib.util
import json
import resource
import socket
import statistics
import subprocess
import sys
from pathlib import Path

WARM_UP = 50
KEY = base64.b64encode(bytes(16)).decode()
REQUEST = (
    "GET /idle HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
HELLO = b"\x81\x85\0\0\0\0hello"
ECHO = b"\x81\x05hello"
MODULES = ["pyqwebsocket.QtWebSockets", "PySide6.QtWebSockets"]

# The server; each line on standard input asks for its memory, in KiB.
SERVER = """
import gc, importlib, os, sys
from PySide6.QtCore import QCoreApplication, QObject, QSocketNotifier
from PySide6.QtNetwork import QHostAddress
module = importlib.import_module(sys.argv[1])
Server = module.QWebSocketServer

class Keeper(QObject):
    def __init__(self):
        super().__init__()
        self.server = Server("idle", Server.SslMode.NonSecureMode, self)
        self.server.newConnection.connect(self.keep)
        self.server.listen(QHostAddress("127.0.0.1"), 0)
        self.notifier = QSocketNotifier(0, QSocketNotifier.Type.Read, self)
        self.notifier.activated.connect(self.answer)
        self.sockets = []
        print(self.server.serverPort(), flush=True)

    def keep(self):
        socket = self.server.nextPendingConnection()
        self.sockets.append(socket)
        socket.textMessageReceived.connect(self.echo)

    def echo(self, text):
        self.sender().sendTextMessage(text)

    def answer(self):
        if not os.read(0, 1):
            QCoreApplication.quit()
            return
        gc.collect()
        pages = int(open("/proc/self/statm").read().split()[1])
        print(pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(self.sockets), flush=True)

application = QCoreApplication([])
keeper = Keeper()
application.exec()
"""


def receive(connection: socket.socket, end: bytes) -> None:
    """Read until the answer ends so."""
    data = b""
    while not data.endswith(end):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("the server hung up")
        data += piece


def open_connections(port: int, count: int) -> list[socket.socket]:
    """Open so many web sockets, and exchange a message on each."""
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.sendall(REQUEST)
        receive(connection, b"\r\n\r\n")
        connection.sendall(HELLO)
        receive(connection, ECHO)
        connections.append(connection)
    return connections


def measure(module: str, clients: int) -> float:
    """Return the KiB for each connection to a server on this module."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def memory(expected: int) -> int:
        server.stdin.write("\n")
        server.stdin.flush()
        kibibytes, count = map(int, server.stdout.readline().split())
        assert count == expected, f"{count} connections instead of {expected}"
        return kibibytes

    connections = []
    try:
        port = int(server.stdout.readline())
        connections = open_connections(port, WARM_UP)
        before = memory(WARM_UP)
        connections += open_connections(port, clients)
        return (memory(WARM_UP + clients) - before) / clients
    finally:
        for connection in connections:
            connection.close()
        server.stdin.close()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def main() -> None:
    """Measure each module that is here, and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, arguments.clients + WARM_UP + 200), hard))
    medians = {}
    for module in MODULES:
        if importlib.util.find_spec(module) is None:
            print(f"{module}: not installed", file=sys.stderr)
            continue
        rounds = [measure(module, arguments.clients) for _ in range(arguments.rounds)]
        medians[module] = round(statistics.median(rounds), 1)
        if not arguments.json:
            spread = f"{min(rounds):.1f} to {max(rounds):.1f}"
            print(f"{module}: {medians[module]} KiB per idle connection ({spread})")
    if arguments.json:
        print(json.dumps(medians))


if __name__ == "__main__":
    main()
