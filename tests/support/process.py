"""Start a program, wait until it serves, keep its output, end it by its id; measure this one."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

START_TIMEOUT = 30.0
"""Seconds that a program may take until it serves; a busy machine needs many."""
STOP_TIMEOUT = 10.0
"""Seconds between the polite and the final signal."""
_POLL = 0.02
_T = TypeVar("_T")


def resident_mib() -> float:
    """The resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_descriptors() -> int:
    """How many file descriptors this process has open (Linux)."""
    return len(list(Path("/proc/self/fd").iterdir()))


class ProgramMissingError(AssertionError):
    """A program that the tests need is not installed: a failure, never a skip."""


class ProgramError(AssertionError):
    """A program ended, or did not begin to serve; the message holds what it printed."""


def find_program(name: str, *, package: str) -> str:
    """Return the path of the program *name*; *package* is the Debian package that brings it."""
    search_path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which(name, path=search_path)
    if found is None:
        raise ProgramMissingError(f"{name} is not installed: apt-get install {package}")
    return found


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port of *host* that nobody has at this moment.

    It lies below the ports that the system gives to those who do not choose (32768 and more on
    Linux), so that it stays free but for the bad luck of two who draw the same number.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(100):
        port = 15_000 + secrets.randbelow(17_000)
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise ProgramError(f"no free port found on {host}")


_GUARD = 'read -r _ || { kill -s TERM -- "-$1"; sleep 5; kill -s KILL -- "-$1"; }'
"""Ends the process group $1 when its standard input ends without a line."""


class Program:
    """A running program in a process group of its own, which also ends with this process.

    Args:
        command: The program and its arguments.
        cwd: The directory to run in; this process's own by default.
        env: The whole environment; this process's own by default.
        port: The port it will serve on. Without one, it prints ``PORT <number>`` when it serves.
        host: The address it serves on.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.command = [str(word) for word in command]
        self.host = host
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.port = self._announced_port() if port is None else self._answering(port)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def output(self) -> str:
        """Return everything printed so far, on both streams."""
        if self._printed.closed:
            return ""
        size = os.fstat(self._printed.fileno()).st_size
        return os.pread(self._printed.fileno(), size, 0).decode(errors="replace")

    def is_running(self) -> bool:
        """Tell whether the process is still there."""
        return self._process.poll() is None

    def wait_for_output(self, text: str, timeout: float = START_TIMEOUT) -> None:
        """Wait until *text* was printed, for *timeout* seconds."""
        self._wait(lambda: text in self.output() or None, f"print {text!r}", timeout)

    def kill(self) -> None:
        """End the process and its children at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT)

    def stop(self) -> None:
        """End the process and its children: politely, then for certain."""
        if self.is_running():
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        self._signal(signal.SIGKILL)  # children that outlived their parent
        self._process.wait(STOP_TIMEOUT)
        with contextlib.suppress(ValueError, subprocess.TimeoutExpired):  # stopped before
            self._guard.communicate(b"\n", STOP_TIMEOUT)
        self._printed.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _announced_port(self) -> int:
        def announced() -> int | None:
            for line in self.output().splitlines(keepends=True):
                if line.startswith("PORT ") and line.endswith("\n"):
                    return int(line.split()[1])
            return None

        return self._wait(announced, "print its port", START_TIMEOUT)

    def _answering(self, port: int) -> int:
        def answers() -> int | None:
            try:
                socket.create_connection((self.host, port), timeout=1).close()
            except OSError:
                return None
            return port if self.is_running() else None

        return self._wait(answers, f"answer on {self.host}:{port}", START_TIMEOUT)

    def _wait(self, look: Callable[[], _T | None], what: str, timeout: float) -> _T:
        deadline = time.monotonic() + timeout
        while (found := look()) is None:
            if not self._pause():
                raise ProgramError(self._report(f"ended with {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise ProgramError(self._report(f"did not {what} within {timeout:.0f} s"))
        return found

    def _pause(self) -> bool:
        """Wait a moment, or until the process ends; return whether it still runs."""
        try:
            self._process.wait(_POLL)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _report(self, what: str) -> str:
        return f"{' '.join(self.command)}\n{what}; it printed:\n{self.output() or '(nothing)'}"


def start_on_free_port(
    command_for: Callable[[int], Sequence[str | Path]],
    *,
    host: str = "127.0.0.1",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Program:
    """Start a program that cannot choose a port by itself.

    *command_for* writes what configuration the program needs for a port and returns the command.
    Somebody else may take the port before the program does, so it is tried three times.
    """
    for _ in range(2):
        port = free_port(host)
        try:
            return Program(command_for(port), cwd=cwd, env=env, port=port, host=host)
        except ProgramError as error:
            if "in use" not in str(error).lower():
                raise
    port = free_port(host)
    return Program(command_for(port), cwd=cwd, env=env, port=port, host=host)
