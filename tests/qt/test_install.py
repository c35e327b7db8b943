"""``pyqwebsocket.install()``: what each form of importing ``PySide6.QtWebSockets`` then gives.

All of it happens in processes of their own, for an import happens once in a process.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HAS_QTS = find_spec("PySide6.QtWebSockets") is not None
needs_qts = pytest.mark.skipif(
    not HAS_QTS, reason="Qt's own QtWebSockets (PySide6-Addons) is not installed"
)

FORMS = [
    "from PySide6.QtWebSockets import QWebSocket",
    "from PySide6.QtWebSockets import *",
    "import PySide6.QtWebSockets; QWebSocket = PySide6.QtWebSockets.QWebSocket",
    "import PySide6.QtWebSockets as module; QWebSocket = module.QWebSocket",
    "from PySide6 import QtWebSockets; QWebSocket = QtWebSockets.QWebSocket",
    "import importlib; QWebSocket = importlib.import_module('PySide6.QtWebSockets').QWebSocket",
    "import PySide6; QWebSocket = getattr(PySide6, 'QtWebSockets').QWebSocket",
]
OURS = "pyqwebsocket.QtWebSockets"
QTS = "PySide6.QtWebSockets"

FAILING_FINDER = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "PySide6.QtWebSockets":
            raise {error}
sys.meta_path.insert(0, Finder())
"""
BROKEN = FAILING_FINDER.format(error="ImportError('libQt6WebSockets.so.6: cannot open')")
# Where Qt's module is missing, it is simply missing.
MISSING = FAILING_FINDER.format(error="ModuleNotFoundError(name)") if HAS_QTS else ""


def run(tmp_path: Path, *code: str) -> list[str]:
    """Run the code in a process of its own and return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_import_gives_this_package_where_qts_module_is_missing(
    form: str, tmp_path: Path
) -> None:
    printed = run(
        tmp_path,
        MISSING,
        "import pyqwebsocket",
        "print(pyqwebsocket.install())",
        form,
        "print(QWebSocket is pyqwebsocket.QWebSocket)",
    )

    assert printed == [OURS, "True"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_import_gives_this_package_where_it_is_preferred(
    form: str, tmp_path: Path
) -> None:
    printed = run(
        tmp_path,
        "import pyqwebsocket",
        "print(pyqwebsocket.install(prefer=True))",
        form,
        "print(QWebSocket is pyqwebsocket.QWebSocket)",
    )

    assert printed == [OURS, "True"]


@needs_qts
@pytest.mark.parametrize("form", FORMS)
def test_qts_module_stays_in_use_where_it_is_there(form: str, tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import pyqwebsocket, sys",
        "print(pyqwebsocket.install())",
        f"print({OURS!r} in sys.modules)",
        form,
        "print(QWebSocket.__module__)",
    )

    assert printed == [QTS, "False", QTS]


def test_a_module_of_qts_that_cannot_be_loaded_counts_as_missing(tmp_path: Path) -> None:
    assert run(tmp_path, BROKEN, "import pyqwebsocket; print(pyqwebsocket.install())") == [OURS]


def test_the_name_given_back_is_that_of_the_module_in_use(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import importlib, pyqwebsocket",
        "name = pyqwebsocket.install()",
        "import PySide6.QtWebSockets",
        "print(importlib.import_module(name) is PySide6.QtWebSockets)",
        "print(PySide6.QtWebSockets.__name__ == name)",
    )

    assert printed == ["True", "True"]


@pytest.mark.parametrize("again", ["", "prefer=True", "prefer=False"])
def test_installing_again_changes_nothing(again: str, tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import pyqwebsocket",
        "print(pyqwebsocket.install(prefer=True))",
        "from PySide6 import QtWebSockets as before",
        f"print(pyqwebsocket.install({again}))",
        "from PySide6 import QtWebSockets as after",
        "import PySide6.QtWebSockets",
        "print(before is after is PySide6.QtWebSockets)",
    )

    assert printed == [OURS, OURS, "True"]


@needs_qts
def test_installing_again_says_that_qts_module_is_in_use(tmp_path: Path) -> None:
    install = "print(pyqwebsocket.install())"

    assert run(tmp_path, "import pyqwebsocket", install, install) == [QTS, QTS]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("import PySide6.QtWebSockets", marks=needs_qts),
        pytest.param("pyqwebsocket.install()", marks=needs_qts),
        f"import types; sys.modules[{QTS!r}] = types.ModuleType('a stand-in')",
    ],
)
def test_preferring_this_package_after_another_was_imported_is_an_error(
    first: str, tmp_path: Path
) -> None:
    printed = run(
        tmp_path,
        "import pyqwebsocket, sys",
        first,
        f"before = sys.modules[{QTS!r}]",
        "try: pyqwebsocket.install(prefer=True)",
        "except RuntimeError as error: print(error)",
        f"print(sys.modules[{QTS!r}] is before)",
    )

    assert printed[0].startswith(f"install(prefer=True) came too late: {QTS} was imported before")
    assert printed[1:] == ["True"]


def test_the_specification_is_the_true_one(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import importlib, pathlib, pyqwebsocket",
        "from importlib.util import find_spec",
        "pyqwebsocket.install(prefer=True)",
        "import PySide6.QtWebSockets as module",
        "print(find_spec('PySide6.QtWebSockets') is module.__spec__, module.__spec__.name)",
        "package = pathlib.Path(pyqwebsocket.__file__).parent",
        "print(pathlib.Path(module.__spec__.origin) == package / 'QtWebSockets.py')",
        "print(importlib.reload(module) is module)",
    )

    assert printed == [f"True {OURS}", "True", "True"]


def test_the_list_of_pysides_modules_stays_as_it_is(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import PySide6, pyqwebsocket",
        "before = list(PySide6.__all__)",
        "pyqwebsocket.install(prefer=True)",
        "print(PySide6.__all__ == before)",
    )

    assert printed == ["True"]


def test_importing_the_package_alone_installs_nothing_and_loads_no_qt(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import pyqwebsocket, sys",
        "print('install' in pyqwebsocket.__all__, 'install' in dir(pyqwebsocket))",
        "print([name for name in sys.modules if name.startswith('PySide6')])",
    )

    assert printed == ["True True", "[]"]


@pytest.mark.parametrize("arguments", ["", "prefer=True"])
def test_threads_that_install_at_once_get_the_same_module(arguments: str, tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import threading, pyqwebsocket",
        "from concurrent.futures import ThreadPoolExecutor",
        "barrier = threading.Barrier(8)",
        "def install():",
        "    barrier.wait(30)",
        f"    name = pyqwebsocket.install({arguments})",
        "    import PySide6.QtWebSockets",
        "    return name, id(PySide6.QtWebSockets)",
        "with ThreadPoolExecutor(8) as pool:",
        "    futures = [pool.submit(install) for _ in range(8)]",
        "print(len({future.result() for future in futures}))",
    )

    assert printed == ["1"]


def test_installing_takes_no_positional_argument(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "import pyqwebsocket",
        "try: pyqwebsocket.install(True)",
        "except TypeError: print('TypeError')",
    )

    assert printed == ["TypeError"]
