"""Run Autobahn's ``wstest`` and read its report."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from conformance.expected import Result
from support.process import start_on_free_port

TESTS = Path(__file__).resolve().parents[1]
REPORTS = TESTS / "conformance" / "reports"
CLIENT_TIMEOUT = 3600
"""Seconds for one whole run of the client; its own watchdog ends a single stalled case."""

Mode = Literal["fuzzingserver", "fuzzingclient"]


class ConformanceError(AssertionError):
    """The program under test ended early, or the suite wrote no report."""


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
            env=_client_environment(module),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_TIMEOUT,
            check=False,
        )
    print(done.stdout, done.stderr, sep="", end="", flush=True)
    if done.returncode:
        raise ConformanceError(
            f"the client on {module} ended with {done.returncode}:\n{done.stderr}"
        )
    return read_report(folder, agent)


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


def _client_environment(module: str) -> dict[str, str]:
    """Return an environment in which the client finds the very packages that this process has."""
    return os.environ | {
        "PYQWEBSOCKET_TEST_MODULE": module,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "QT_QPA_PLATFORM": "offscreen",
    }


def _plain_environment() -> dict[str, str]:
    """Return an environment that keeps today's Python out of the one of 2.7."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
