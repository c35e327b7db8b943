"""The servers among the examples, each run in a process of its own, and the chat window."""

import functools
import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from interop.conftest import Start
from interop.server_programs import commands
from support.process import Program

TIMEOUT = 30

StartExample = Callable[..., Program]


@pytest.fixture
def start_example(start: Start) -> StartExample:
    """Start an example that takes a port as its first argument."""

    def start_it(name: str, *arguments: str | Path) -> Program:
        return start(
            lambda port: commands.example(name, port, *arguments), env=commands.environment()
        )

    return start_it


def run(name: str | Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        commands.example(name, *arguments),
        env=commands.environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )


meet = functools.partial(connect, open_timeout=TIMEOUT, close_timeout=TIMEOUT, proxy=None)


def hear(connection: ClientConnection) -> str | bytes:
    """The next message."""
    return connection.recv(timeout=TIMEOUT)


def test_echoserver_echoes_text_and_binary(start_example: StartExample):
    program = start_example("echoserver.py")
    with meet(f"ws://127.0.0.1:{program.port}/") as connection:
        for message in ["Grüße", b"\0\xff" * 100_000, ""]:
            connection.send(message)
            assert hear(connection) == message
    program.wait_for_output("disconnected with code 1000")
    assert f"listening on ws://127.0.0.1:{program.port}" in program.output()


def test_echoclient_talks_to_echoserver(start_example: StartExample):
    program = start_example("echoserver.py")
    result = run("echoclient.py", f"ws://127.0.0.1:{program.port}/", "Hello, server!")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "received: Hello, server!" in result.stdout.splitlines()


def test_sslechoclient_trusts_the_certificate_that_sslechoserver_made(
    start_example: StartExample, tmp_path: Path
):
    certificate = tmp_path / "certificate.pem"
    program = start_example("sslechoserver.py", certificate)
    result = run("sslechoclient.py", f"wss://localhost:{program.port}/", certificate)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "received: Hello, secure world!" in result.stdout.splitlines()
    program.wait_for_output("connected with TLS")


def test_others_trust_the_certificate_of_sslechoserver_too(
    start_example: StartExample, tmp_path: Path
):
    certificate = tmp_path / "certificate.pem"
    program = start_example("sslechoserver.py", certificate)
    context = ssl.create_default_context(cafile=certificate)
    with meet(f"wss://127.0.0.1:{program.port}/", ssl=context) as connection:
        connection.send(b"binary")
        assert hear(connection) == b"binary"


def test_chatserver_passes_on_who_comes_what_is_said_and_who_goes(start_example: StartExample):
    program = start_example("chatserver.py")
    url = f"ws://127.0.0.1:{program.port}/"
    with meet(url) as first:
        assert hear(first) == "* guest 1 has come"
        with meet(url) as second:
            assert hear(first) == hear(second) == "* guest 2 has come"
            second.send("hello, world")
            assert hear(first) == hear(second) == "guest 2: hello, world"
        assert hear(first) == "* guest 2 has gone"


def test_chatserver_throws_out_who_says_too_much(start_example: StartExample):
    program = start_example("chatserver.py")
    url = f"ws://127.0.0.1:{program.port}/"
    with meet(url) as first, meet(url) as second:
        assert [hear(first), hear(first)] == ["* guest 1 has come", "* guest 2 has come"]
        second.send("x" * 5000)
        assert hear(first) == "* guest 2 has gone"
        first.send("quiet at last")
        assert hear(first) == "guest 1: quiet at last"


def test_what_is_typed_into_one_chatwindow_is_seen_in_another(
    start_example: StartExample, tmp_path: Path
):
    program = start_example("chatserver.py")
    url = f"ws://127.0.0.1:{program.port}/"
    picture = tmp_path / "chatwindow.png"
    windows = commands.HERE / "two_windows.py"
    result = run(windows, commands.EXAMPLES, url, picture)
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout) == {
        "line": "",
        "shown": ["* guest 2 has come", "guest 1: Hello, is anybody there?"],
        "button": "&Connect",
        "enabled": False,
    }
    assert picture.stat().st_size > 1000


@pytest.mark.parametrize("name", ["echoserver.py", "chatserver.py", "sharedport.py"])
def test_a_server_whose_port_is_taken_says_so_and_ends(start_example: StartExample, name: str):
    taken = start_example("echoserver.py").port
    result = run(name, str(taken))
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "in use" in result.stderr


@pytest.mark.parametrize(
    "name", ["echoserver.py", "sslechoserver.py", "chatserver.py", "fanout.py", "sharedport.py"]
)
def test_a_server_without_its_arguments_explains_itself(name: str):
    result = run(name)
    assert result.returncode == 1
    assert result.stderr.startswith("usage: ")
