"""The programs that the client meets here, each started once for the whole run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication

from interop.certificates import Certificates, make_certificates
from support.beyond import pytest_collection_modifyitems, pytest_configure
from support.process import Program, find_program, start_on_free_port

pytest.register_assert_rewrite("interop.client")

from interop import programs  # noqa: E402
from interop.client import Client  # noqa: E402 - after the line above, so that asserts explain

__all__ = ["pytest_collection_modifyitems", "pytest_configure"]

HERE = Path(__file__).parent
Start = Callable[..., Program]


@pytest.fixture(scope="session")
def qapp_cls() -> type[QCoreApplication]:
    """Nothing here needs a screen."""
    return QCoreApplication


@pytest.fixture
def client(qapp: QCoreApplication) -> Iterator[Client]:
    """A client that records what happens to it, ended at the end of the test."""
    client = Client()
    yield client
    client.socket.abort()


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """A directory for configurations that a server may read after it gave up root's rights."""
    path = Path(tempfile.mkdtemp(prefix="interop-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def certificates(directory: Path) -> Certificates:
    """One authority, and certificates for a server and a client."""
    return make_certificates(directory)


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Start a program on a free port; it is ended with the session."""
    programs: list[Program] = []

    def start_program(command_for: Callable[[int], Sequence[str | Path]], **options) -> Program:
        programs.append(start_on_free_port(command_for, **options))
        return programs[-1]

    yield start_program
    for program in programs:
        program.stop()


def websockets_command(*arguments: str | Path) -> list[str | Path]:
    """The command of the server on the ``websockets`` library."""
    return [sys.executable, HERE / "servers" / "with_websockets.py", *arguments]


@pytest.fixture(scope="session")
def websockets_server() -> Iterator[Program]:
    """The test server on the ``websockets`` library."""
    program = Program(websockets_command())
    yield program
    program.stop()


@pytest.fixture(scope="session")
def secure_websockets_server(certificates: Certificates) -> Iterator[Program]:
    """The same over TLS."""
    server = certificates.server
    program = Program(websockets_command("--certificate", server.certificate, "--key", server.key))
    yield program
    program.stop()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Node's ``ws`` in the version of package-lock.json, fetched by npm unless it is there."""
    folder = HERE / "node"
    wanted = json.loads((folder / "package-lock.json").read_text())["packages"]["node_modules/ws"]
    installed = folder / "node_modules" / "ws" / "package.json"
    if installed.exists() and json.loads(installed.read_text())["version"] == wanted["version"]:
        return folder
    npm = find_program("npm", package="npm")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}"
    return folder


@pytest.fixture(scope="session")
def node_command(node_modules: Path) -> list[str | Path]:
    """The command of the server on Node's ``ws``."""
    return [find_program("node", package="nodejs"), node_modules / "server.mjs"]


@pytest.fixture(scope="session")
def node_server(node_command: list[str | Path]) -> Iterator[Program]:
    """The test server on Node's ``ws``."""
    program = Program(node_command)
    yield program
    program.stop()


@pytest.fixture(scope="session")
def secure_node_server(
    node_command: list[str | Path], certificates: Certificates
) -> Iterator[Program]:
    """The same over TLS."""
    server = certificates.server
    program = Program([*node_command, "127.0.0.1", server.certificate, server.key])
    yield program
    program.stop()


@pytest.fixture(scope="session")
def ipv6_node_server(node_command: list[str | Path]) -> Iterator[Program]:
    """The same on ``::1``."""
    program = Program([*node_command, "::1"], host="::1")
    yield program
    program.stop()


@pytest.fixture(scope="session")
def aiohttp_server() -> Iterator[Program]:
    """The test server on Debian's aiohttp, run by Debian's Python."""
    python = "/usr/bin/python3"
    look = subprocess.run([python, "-c", "import aiohttp"], capture_output=True, check=False)
    assert look.returncode == 0, "aiohttp is not installed: apt-get install python3-aiohttp"
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    program = Program([python, HERE / "servers" / "with_aiohttp.py"], env=environment)
    yield program
    program.stop()


@pytest.fixture(scope="session", params=["websockets", "node", "aiohttp"])
def server(request: pytest.FixtureRequest) -> Program:
    """Each of the test servers in turn."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture(scope="session", params=["websockets", "node"])
def secure_server(request: pytest.FixtureRequest) -> Program:
    """Each of those that were set up for TLS."""
    return request.getfixturevalue(f"secure_{request.param}_server")


@pytest.fixture(scope="session")
def nginx(start: Start, directory: Path, websockets_server: Program) -> Program:
    """Nginx without TLS in front of the ``websockets`` library."""
    backend = websockets_server.port
    return start(lambda port: programs.nginx(directory, port, backend, None, mutual=False))
