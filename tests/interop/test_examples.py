"""The example programs, run as a reader would run them, each in a process of its own."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interop.certificates import Certificates
from support.process import Program, free_port
from support.qtmodule import MODULE_NAME, ON_QT

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT = 60

# Runs an example on the module under test, whose name is the first argument.
RUNNER = """
import importlib, runpy, sys, types
module, sys.argv = sys.argv[1], sys.argv[2:]
if not module.startswith("pyqwebsocket."):
    sys.modules["pyqwebsocket"] = types.ModuleType("pyqwebsocket")
    sys.modules["pyqwebsocket.QtWebSockets"] = importlib.import_module(module)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(example: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run *example* to its end and return what it printed."""
    environment = dict(os.environ, PYTHONUTF8="1", PYTHONFAULTHANDLER="1")
    if not ON_QT:  # the very package that is under test here
        package = Path(importlib.import_module("pyqwebsocket").__file__).parent
        environment["PYTHONPATH"] = str(package.parent)
    return subprocess.run(
        [sys.executable, "-P", "-c", RUNNER, MODULE_NAME, EXAMPLES / example, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )


def test_exchange_sends_everything_and_gets_everything_back():
    result = run("exchange.py")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    outgoing = [line.split("-->")[1] for line in result.stdout.splitlines() if "-->" in line]
    incoming = [line.split("<--")[1] for line in result.stdout.splitlines() if "<--" in line]
    messages = [line for line in outgoing if line.split()[0] in {"text", "binary"}]
    assert len(messages) == 2 * 6  # with our own server, and with a foreign one
    assert [line for line in incoming if line.split()[0] != "pong"] == messages
    assert [line.split()[0] for line in incoming].count("pong") == 2
    assert result.stdout.count("disconnected, close code 1000") == 2


def test_echoclient_prints_the_answer(websockets_server: Program):
    url = f"ws://127.0.0.1:{websockets_server.port}/echo"
    result = run("echoclient.py", url, "Grüße \U0001f600")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines() == [
        f"connected to {url}",
        "received: Grüße \U0001f600",
        "closed with code 1000",
    ]


@pytest.mark.parametrize("url", ["ws://127.0.0.1:{port}/", "http://127.0.0.1:{port}/", "ws:"])
def test_echoclient_says_why_it_cannot_connect(url: str):
    result = run("echoclient.py", url.format(port=free_port()), "hello")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")


def test_sslechoclient_trusts_the_given_authority(
    secure_websockets_server: Program, certificates: Certificates
):
    url = f"wss://localhost:{secure_websockets_server.port}/echo"
    result = run("sslechoclient.py", url, certificates.ca)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[0].startswith("connected with TLS")
    assert result.stdout.splitlines()[1] == "received: Hello, secure world!"


def test_sslechoclient_trusts_nobody_else(
    secure_websockets_server: Program, certificates: Certificates
):
    url = f"wss://localhost:{secure_websockets_server.port}/echo"
    result = run("sslechoclient.py", url, certificates.stranger.certificate)
    assert result.returncode == 1
    assert "not trusted: " in result.stderr
    assert "connected" not in result.stdout


@pytest.mark.parametrize("example", ["echoclient.py", "sslechoclient.py"])
def test_an_example_without_its_arguments_explains_itself(example: str):
    result = run(example)
    assert result.returncode == 1
    assert result.stderr.startswith("usage: ")
