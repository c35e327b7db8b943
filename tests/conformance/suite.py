"""Run Autobahn's ``wstest`` and read its report."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from conformance.expected import Result
from support.process import Program, start_on_free_port

TESTS = Path(__file__).resolve().parents[1]
REPORTS = TESTS / "conformance" / "reports"
RUN_TIMEOUT = 3600
"""Seconds for one whole run of a client, ours or the fuzzing one; a single stalled case ends
sooner, by the watchdog of ours and by the time limits of the suite."""

Mode = Literal["fuzzingserver", "fuzzingclient"]
Role = Literal["client", "server"]
"""What the program under test is; the suite is the other."""


class ConformanceError(AssertionError):
    """The program under test ended early, or the suite wrote no report."""


def run(
    role: Role, module: str, wstest: Path, cases: Sequence[str], label: str = ""
) -> dict[str, Result]:
    """Run the client or the server on *module* through *cases*; see :func:`run_client`."""
    runner = run_client if role == "client" else run_server
    return runner(module, wstest, cases, label)


def run_client(
    module: str, wstest: Path, cases: Sequence[str], label: str = ""
) -> dict[str, Result]:
    """Run the client on *module* through *cases*; return what Autobahn says of each.

    Args:
        module: ``pyqwebsocket.QtWebSockets`` or ``PySide6.QtWebSockets``.
        wstest: Autobahn's program.
        cases: The numbers of the cases, such as "1.1.1".
        label: Keeps the report of this run apart from those of other runs on the same module.
    """
    agent = module.partition(".")[0] + label
    folder = _empty_folder(REPORTS / f"client-{agent}")
    with fuzzing_server(wstest, cases, folder) as url:
        done = subprocess.run(
            [sys.executable, "-m", "conformance.client", url, agent],
            cwd=TESTS,
            env=_tested_environment(module),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT,
            check=False,
        )
    print(done.stdout, done.stderr, sep="", end="", flush=True)
    if done.returncode:
        raise ConformanceError(
            f"the client on {module} ended with {done.returncode}:\n{done.stderr}"
        )
    return read_report(folder, agent)


def run_server(
    module: str, wstest: Path, cases: Sequence[str], label: str = ""
) -> dict[str, Result]:
    """Run the server on *module* through *cases*; return what Autobahn says of each.

    The arguments are those of :func:`run_client`.
    """
    agent = module.partition(".")[0] + label
    folder = _empty_folder(REPORTS / f"server-{agent}")
    command = [sys.executable, "-m", "conformance.server", agent]
    server = Program(command, cwd=TESTS, env=_tested_environment(module))
    try:
        started = time.monotonic()
        _run_fuzzing_client(wstest, f"ws://127.0.0.1:{server.port}", agent, cases, folder)
        seconds = time.monotonic() - started
        if not server.is_running():
            raise ConformanceError(f"the server on {module} ended:\n{server.output()}")
        print(f"{module}: {len(cases)} cases in {seconds:.1f} s")
    finally:
        print(server.output().partition("\n")[2], end="", flush=True)  # without its port
        server.stop()
    return read_report(folder, agent)


def _run_fuzzing_client(
    wstest: Path, url: str, agent: str, cases: Sequence[str], folder: Path
) -> None:
    """Run the fuzzing client through *cases* of the server at *url*, to its end."""
    servers = [{"agent": agent, "url": url}]
    spec = {"servers": servers, "outdir": str(folder), "cases": list(cases)}
    done = subprocess.run(
        wstest_command(wstest, "fuzzingclient", spec, folder),
        cwd=folder,
        env=_plain_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise ConformanceError(f"wstest ended with {done.returncode}:\n{done.stdout}")


@contextmanager
def fuzzing_server(wstest: Path, cases: Sequence[str], folder: Path) -> Iterator[str]:
    """Run the fuzzing server for *cases* while the block runs; give its URL."""

    def command(port: int) -> list[str | Path]:
        spec = {"url": f"ws://127.0.0.1:{port}", "outdir": str(folder), "cases": list(cases)}
        return wstest_command(wstest, "fuzzingserver", spec, folder)

    program = start_on_free_port(command, cwd=folder, env=_plain_environment())
    try:
        yield f"ws://127.0.0.1:{program.port}"
    finally:
        program.stop()


def wstest_command(
    wstest: Path, mode: Mode, spec: Mapping[str, object], folder: Path
) -> list[str | Path]:
    """Write *spec* into *folder* and return the command that runs it in *mode*."""
    path = folder / f"{mode}.json"
    path.write_text(json.dumps(spec))
    return [wstest, "--mode", mode, "--spec", path, "--webport", "0"]


def read_report(folder: Path, agent: str) -> dict[str, Result]:
    """Read the index that wstest wrote into *folder*: number of the case to its result."""
    index = folder / "index.json"
    if not index.exists():
        raise ConformanceError(f"wstest wrote no report: {index} is missing")
    results = json.loads(index.read_text()).get(agent, {})
    return {
        case: Result(entry["behavior"], entry["behaviorClose"], entry["duration"])
        for case, entry in results.items()
    }


def _empty_folder(folder: Path) -> Path:
    """Return *folder*, emptied, so that an old report is never taken for a new one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _tested_environment(module: str) -> dict[str, str]:
    """Return an environment in which our program finds the very packages of this process."""
    return os.environ | {
        "PYQWEBSOCKET_TEST_MODULE": module,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "QT_QPA_PLATFORM": "offscreen",
    }


def _plain_environment() -> dict[str, str]:
    """Return an environment that keeps today's Python out of the one of 2.7."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
