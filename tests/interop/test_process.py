"""What ``support.process`` promises to the tests here."""

import socket
import subprocess
import sys

import pytest

from support.process import (
    Program,
    ProgramError,
    ProgramMissingError,
    find_program,
    free_port,
    start_on_free_port,
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_missing_program_is_a_failure_that_names_its_package():
    with pytest.raises(ProgramMissingError, match="apt-get install the-package"):
        find_program("no-such-program", package="the-package")
    assert issubclass(ProgramMissingError, AssertionError)


def test_a_program_that_ends_at_once_is_reported_with_what_it_printed():
    with pytest.raises(ProgramError, match=r"(?s)ended with 3; it printed:.*out of luck"):
        Program(python("import sys; print('out of luck'); sys.exit(3)"))


def test_a_program_is_started_again_where_its_port_was_taken():
    ports = []

    def command_for(port: int) -> list[str]:
        ports.append(port)
        if len(ports) < 3:
            return python("import sys; sys.exit('Address already in use')")
        return python(
            f"import socket, time; s = socket.create_server(('', {port})); time.sleep(60)"
        )

    program = start_on_free_port(command_for)
    try:
        assert program.port == ports[2]
    finally:
        program.stop()


def test_a_program_that_fails_for_another_reason_is_not_started_again():
    ports = []

    def command_for(port: int) -> list[str]:
        ports.append(port)
        return python("import sys; sys.exit('bad configuration')")

    with pytest.raises(ProgramError, match="bad configuration"):
        start_on_free_port(command_for)
    assert len(ports) == 1


def test_stop_ends_a_program_and_its_children():
    child = "import socket, time; s = socket.create_connection(('127.0.0.1', {})); time.sleep(60)"
    parent = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {!r}])
print("PORT 1", flush=True)
time.sleep(60)
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        program = Program(python(parent.format(child.format(listener.getsockname()[1]))))
        connection, _ = listener.accept()
        program.stop()
    with connection:
        connection.settimeout(10)
        assert connection.recv(1) == b""
    assert not program.is_running()


def test_a_program_ends_with_the_process_that_started_it():
    """Also when that gets no chance to end it."""
    child = (
        "import socket; s = socket.create_connection({}); print('PORT 1', flush=True); s.recv(1)"
    )
    parent = """
import os, sys
sys.path[:] = {!r}
from support.process import Program
Program([sys.executable, "-c", {!r}])
os.kill(os.getpid(), 9)
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        code = parent.format(sys.path, child.format(listener.getsockname()))
        subprocess.run(python(code), check=False)
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(10)
        assert connection.recv(1) == b""


def test_a_free_port_can_be_bound():
    assert 0 < free_port() < 65536
