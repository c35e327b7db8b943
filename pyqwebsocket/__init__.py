"""PySide6.QtWebSockets from PySide6-Essentials alone, in Python.

``from pyqwebsocket.QtWebSockets import QWebSocket`` is the drop-in for
``from PySide6.QtWebSockets import QWebSocket``. The public names are here too, each loaded when it
is first used, so that ``import pyqwebsocket`` costs nothing and needs no Qt.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pyqwebsocket._version import __version__

if TYPE_CHECKING:
    from pyqwebsocket.qmaskgenerator import QMaskGenerator
    from pyqwebsocket.qwebsocket import QWebSocket
    from pyqwebsocket.qwebsockethandshakeoptions import QWebSocketHandshakeOptions
    from pyqwebsocket.qwebsocketprotocol import QWebSocketProtocol

__all__ = [
    "QMaskGenerator",
    "QWebSocket",
    "QWebSocketHandshakeOptions",
    "QWebSocketProtocol",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load a public class on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{name.lower()}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
