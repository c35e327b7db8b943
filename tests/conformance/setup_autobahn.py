"""Make the environment that Autobahn's test suite runs in: Python 2.7, pinned packages.

``python tests/conformance/setup_autobahn.py`` makes it once and prints the path of ``wstest``.
It ends with 77, and says why, where there is no Python 2.7: that is no success and no failure.

Nothing but the standard library is imported here, for tox's own process reads this file too.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements-py27.txt"
LAST_VIRTUALENV_FOR_PYTHON_2 = "virtualenv<20.22"
NO_PYTHON_27 = (
    "Autobahn's test suite needs Python 2.7 and none was found: neither a python2.7 on PATH that "
    "runs, nor one of pyenv's. 'pyenv install 2.7.18' makes one."
)
EXIT_SKIPPED = 77
_PROBE = "import ctypes, ssl, sys, zlib; print('%d.%d' % sys.version_info[:2])"


class SetupError(Exception):
    """The environment could not be made; the message holds what the failing command printed."""


def cache_folder() -> Path:
    """Return where the environment is kept: PYQWEBSOCKET_AUTOBAHN, or a folder beside tox's."""
    named = os.environ.get("PYQWEBSOCKET_AUTOBAHN")
    return Path(named) if named else HERE.parents[1] / ".tox" / "autobahn-25.10.1"


def find_python27() -> Path | None:
    """Return a Python 2.7 that really runs (a pyenv shim may be there and not run), or None."""
    return next((python for python in _candidates() if _is_python27(python)), None)


def ensure_wstest() -> Path | None:
    """Return the path of a ready ``wstest``, made if need be; None where Python 2.7 is missing.

    Raises:
        SetupError: There is a Python 2.7, but the environment could not be made.
    """
    folder = cache_folder()
    wstest = folder / "bin" / "wstest"
    stamp = folder / "complete.txt"
    wanted = REQUIREMENTS.read_text()
    if wstest.exists() and stamp.exists() and stamp.read_text() == wanted:
        return wstest
    python = find_python27()
    if python is None:
        return None
    _make(folder, python)
    stamp.write_text(wanted)
    return wstest


def _candidates() -> Iterator[Path]:
    for folder in os.get_exec_path():
        found = shutil.which("python2.7", path=folder)
        if found:
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/2.7*/bin/python2.7"), reverse=True)


def _is_python27(python: Path) -> bool:
    try:
        answer = subprocess.run(
            [python, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "2.7"


def _make(folder: Path, python: Path) -> None:
    """Make the environment in two steps: today's Python makes the tool that still knows 2.7."""
    helper = folder.with_name(folder.name + "-helper")
    venv.create(helper, clear=True, with_pip=True)
    _run(helper / "bin" / "pip", "install", "--quiet", LAST_VIRTUALENV_FOR_PYTHON_2)
    _run(helper / "bin" / "virtualenv", "--clear", "--python", python, folder)
    _run(folder / "bin" / "pip", "install", "--quiet", "--requirement", REQUIREMENTS)


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )


def main() -> int:
    """Make the environment and print where it is."""
    try:
        wstest = ensure_wstest()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    print(wstest or f"SKIPPED: {NO_PYTHON_27}")
    return 0 if wstest else EXIT_SKIPPED


if __name__ == "__main__":
    sys.exit(main())
