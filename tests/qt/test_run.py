"""``python -m pyqwebsocket run``: programs written for Qt's module, unchanged.

Those in ``programs/`` are in the style of public ones. They exchange messages with each other on
this package and, where Qt's own module is there, on that and across both, and print the same.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pyqwebsocket import __version__
from support.process import Program, free_port

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 60
"""Seconds that a program may take on a busy machine."""

RUN = ["-m", "pyqwebsocket", "run"]
HAS_QTS = find_spec("PySide6.QtWebSockets") is not None
needs_qts = pytest.mark.skipif(
    not HAS_QTS, reason="Qt's own QtWebSockets (PySide6-Addons) is not installed"
)
ON_OURS = pytest.param([*RUN, "--prefer"], id="ours")
ON_QTS = pytest.param([], id="qts", marks=needs_qts)


def environment() -> dict[str, str]:
    """Crashes print a traceback, and everything comes in UTF-8 and at once."""
    added = {"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    return os.environ | added | {"QT_QPA_PLATFORM": "offscreen"}


def python(*words: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Python with these words to its end."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


@dataclass(frozen=True)
class Pair:
    """A server program and a client program, and what they print."""

    server: str
    client: str
    client_prints: str
    server_prints: str
    client_ends_with: int = 0
    server_ends: bool = True


ECHO = Pair(
    server="echo_server.py",
    client="echo_client.py",
    client_prints="""\
connected True Version13
pong True b'foo'
sent 20
text: Grüße, 世界 \U0001f600
binary: 100000 True
disconnected CloseCodeNormal UnconnectedState
""",
    server_prints="""\
client without origin /some/where
text: Grüße, 世界 \U0001f600
binary: 100000
text: quit
disconnected: True CloseCodeNormal
""",
)
CHAT = Pair(
    server="chat_server.py",
    client="chat_client.py",
    client_prints="""\
Ada
{"names": ["Ada"], "type": "joined"}
{"name": "Bob", "type": "came"}
{"name": "Bob", "text": "Hello, Ada", "type": "says"}
Bob
{"names": ["Ada", "Bob"], "type": "joined"}
{"name": "Ada", "text": "Hello, Bob", "type": "says"}
{"name": "Ada", "type": "left"}
""",
    server_prints="""\
Ada left with 1001 bye
Bob left with 1000
ended with 0 and 0 names
""",
)
RECONNECTING = Pair(
    server="rude_server.py",
    client="reconnecting_client.py",
    client_prints="""\
attempt 1 connected to 127.0.0.1 True
attempt 1 over UnconnectedState
attempt 2 over UnconnectedState
attempt 3 connected to 127.0.0.1 True
message: LET ME IN
attempt 3 over UnconnectedState
""",
    server_prints="""\
call 1 is over
call 2 is over
call 3 is over
""",
    client_ends_with=3,
    server_ends=False,
)


@pytest.mark.parametrize("server_on", [ON_OURS, ON_QTS])
@pytest.mark.parametrize("client_on", [ON_OURS, ON_QTS])
@pytest.mark.parametrize("pair", [ECHO, CHAT, RECONNECTING], ids=["echo", "chat", "reconnecting"])
def test_a_server_program_and_a_client_program_understand_each_other(
    pair: Pair, client_on: list[str], server_on: list[str], qtbot: Any
) -> None:
    command = [sys.executable, *server_on, PROGRAMS / pair.server, "0"]
    server = Program(command, env=environment())
    try:
        url = f"ws://127.0.0.1:{server.port}/some/where"
        client = python(*client_on, PROGRAMS / pair.client, url)

        assert (client.stdout, client.stderr) == (pair.client_prints, "")
        assert client.returncode == pair.client_ends_with
        if pair.server_ends:
            qtbot.waitUntil(lambda: not server.is_running(), timeout=PATIENCE * 1000)
        else:
            server.wait_for_output(pair.server_prints, PATIENCE)
        printed = [line.rstrip() for line in server.output().splitlines()]
        assert printed == [f"PORT {server.port}", *pair.server_prints.splitlines()]
    finally:
        server.stop()


@pytest.mark.parametrize("client_on", [ON_OURS, ON_QTS])
def test_a_client_program_hears_of_a_refusal_by_error(client_on: list[str]) -> None:
    client = python(*client_on, PROGRAMS / "echo_client.py", f"ws://127.0.0.1:{free_port()}")

    assert client.stdout.splitlines() == [
        "disconnected CloseCodeNormal UnconnectedState",
        "error: ConnectionRefusedError Connection refused",
    ]
    assert (client.returncode, client.stderr) == (3, "")


# Which module a program gets.

WHICH = "from PySide6.QtWebSockets import QWebSocket; print(QWebSocket.__module__)"


@pytest.fixture
def which(tmp_path: Path) -> Path:
    """A program that tells whose QWebSocket it got."""
    program = tmp_path / "which.py"
    program.write_text(WHICH)
    return program


def test_a_program_gets_this_package_where_it_is_preferred(which: Path) -> None:
    assert python(*RUN, "--prefer", which).stdout == "pyqwebsocket.qwebsocket\n"


@pytest.mark.skipif(HAS_QTS, reason="Qt's own QtWebSockets is installed")
def test_a_program_gets_this_package_where_qts_module_is_missing(which: Path) -> None:
    assert python(which).returncode == 1
    assert python(*RUN, which).stdout == "pyqwebsocket.qwebsocket\n"


@needs_qts
def test_a_program_gets_qts_module_where_it_is_there(which: Path) -> None:
    assert python(*RUN, which).stdout == "PySide6.QtWebSockets\n"


def test_a_module_is_run_by_its_name(which: Path) -> None:
    done = python(*RUN, "--prefer", "-m", "which", cwd=which.parent)

    assert done.stdout == "pyqwebsocket.qwebsocket\n"


# A program is run as Python itself runs it.

TELL = """
import sys
import neighbour
print(__name__, __file__, __package__, __spec__, sys.argv, sys.path[0])
print(sys.modules["__main__"].__dict__ is globals())
"""
RAISE = """
def function():
    raise ValueError("what a program lets go")
function()
"""
HOOK = "import sys; sys.excepthook = lambda kind, error, tb: print(error, tb.tb_lineno); 1 / 0"


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        (TELL, []),
        (TELL, ["one", "--prefer", "-m", "--", "--version", "-h"]),
        (TELL, ["--", "one"]),
        ("import sys; sys.exit()", []),
        ("import sys; sys.exit(7)", []),
        ("import sys; sys.exit('in words')", []),
        ("import os; os._exit(9)", []),
        (RAISE, []),
        (HOOK, []),
        ("import no_such_module", []),
        ("open('no such file')", []),
        ("not python (", []),
        ("import atexit; there = 1; atexit.register(lambda: print(there))", []),
    ],
)
def test_a_program_runs_as_it_does_without_this_package(
    source: str, arguments: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "neighbour.py").touch()
    (folder / "program.py").write_text(source)
    words = ["folder/program.py", *arguments]

    alone = python(*words, cwd=tmp_path)
    done = python(*RUN, "--prefer", *words, cwd=tmp_path)

    assert done.stdout == alone.stdout
    assert done.stderr == alone.stderr
    assert done.returncode == alone.returncode


def test_a_module_runs_as_it_does_without_this_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys; print(__name__, __file__, __package__, __spec__.name, sys.argv, sys.path[0])"
    )
    words = ["-m", "package", "-x", "--", "two"]

    assert python(*RUN, *words, cwd=tmp_path).stdout == python(*words, cwd=tmp_path).stdout


def test_a_program_in_its_own_folder_does_not_see_the_folder_it_is_started_from(
    tmp_path: Path,
) -> None:
    (tmp_path / "neighbour.py").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "program.py").write_text("import neighbour")

    assert python(*RUN, "folder/program.py", cwd=tmp_path).returncode == 1


def test_after_two_dashes_comes_the_program(which: Path) -> None:
    done = python(*RUN, "--prefer", "--", which)

    assert (done.returncode, done.stdout) == (0, "pyqwebsocket.qwebsocket\n")


# What cannot be run.


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["no-such-program.py"], "cannot run no-such-program.py: [Errno 2] No such file"),
        (["."], "cannot run .: [Errno 21] Is a directory"),
        (["-m", "no_such_module"], "cannot run no_such_module: No module named no_such_module"),
        (["-m", "xml"], "cannot run xml: No module named xml.__main__"),
        (["-m"], "the following arguments are required: PROGRAM"),
        ([], "the following arguments are required: PROGRAM"),
        (["--no-such-option", "program.py"], "unrecognized arguments: --no-such-option"),
        (["--pref", "program.py"], "unrecognized arguments: --pref"),
    ],
)
def test_what_cannot_be_run_ends_with_two_and_a_readable_line(
    words: list[str], reason: str, tmp_path: Path
) -> None:
    done = python(*RUN, *words, cwd=tmp_path)

    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["walk"]])
def test_without_a_command_the_usage_is_shown(words: list[str]) -> None:
    done = python("-m", "pyqwebsocket", *words)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m pyqwebsocket")


def test_the_version_is_told() -> None:
    done = python("-m", "pyqwebsocket", "--version")

    assert (done.returncode, done.stdout) == (0, f"pyqwebsocket {__version__}\n")


def test_help_shows_how_to_run_a_program() -> None:
    done = python(*RUN, "--help")

    assert done.returncode == 0
    assert "run [-h] [--prefer] (PROGRAM | -m MODULE) [ARGS ...]" in done.stdout
