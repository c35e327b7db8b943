"""``install()``: lets ``import PySide6.QtWebSockets`` give this package's classes."""

import importlib
import sys
import threading
from types import ModuleType
from typing import Final

_QTS: Final = "PySide6.QtWebSockets"
_OURS: Final = "pyqwebsocket.QtWebSockets"

_lock = threading.Lock()


def install(*, prefer: bool = False) -> str:
    """Let every form of importing ``PySide6.QtWebSockets`` give ``pyqwebsocket.QtWebSockets``.

    Call it before the first of those imports, in each process. Where Qt's own module can be
    imported, that stays in use, unless this package is preferred. What was decided once holds for
    the process, and further calls only say what it was. ``PySide6.__all__`` stays as it is.

    Args:
        prefer: use this package also where Qt's own module is there.

    Returns:
        The name of the module in use, which is also its ``__name__``:
        "pyqwebsocket.QtWebSockets" or "PySide6.QtWebSockets".

    Raises:
        RuntimeError: this package is preferred, but another module was imported as
            ``PySide6.QtWebSockets`` before: names already taken from it would stay in use beside
            those of this package, and their objects do not mix.
    """
    with _lock:
        module = sys.modules.get(_QTS)
        if module is None:
            module = (None if prefer else _import_qts()) or _put_ours()
        elif prefer and module is not sys.modules.get(_OURS):
            raise RuntimeError(
                f"install(prefer=True) came too late: {_QTS} was imported before, from "
                f"{getattr(module, '__file__', None) or module!r}"
            )
        return module.__name__


def _import_qts() -> ModuleType | None:
    """Import Qt's own module; None where it is missing, or cannot be loaded (half an install)."""
    try:
        return importlib.import_module(_QTS)
    except ImportError:
        return None


def _put_ours() -> ModuleType:
    """Put this package's module where ``import`` looks, under the name of Qt's."""
    from pyqwebsocket import QtWebSockets  # noqa: PLC0415 - it is not loaded where Qt's is used

    package, _, name = _QTS.rpartition(".")
    setattr(importlib.import_module(package), name, QtWebSockets)
    sys.modules[_QTS] = QtWebSockets
    return QtWebSockets
