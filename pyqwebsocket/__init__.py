"""PySide6.QtWebSockets from PySide6-Essentials alone, in Python.

``from pyqwebsocket.QtWebSockets import QWebSocket`` is the drop-in for
``from PySide6.QtWebSockets import QWebSocket``. The public names are here too, each loaded when it
is first used, so that ``import pyqwebsocket`` costs nothing and needs no Qt.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pyqwebsocket._version import __version__

if TYPE_CHECKING:
    from pyqwebsocket._install import install
    from pyqwebsocket.qmaskgenerator import QMaskGenerator
    from pyqwebsocket.qwebsocket import QWebSocket
    from pyqwebsocket.qwebsocketcorsauthenticator import QWebSocketCorsAuthenticator
    from pyqwebsocket.qwebsockethandshakeoptions import QWebSocketHandshakeOptions
    from pyqwebsocket.qwebsocketprotocol import QWebSocketProtocol
    from pyqwebsocket.qwebsocketserver import QWebSocketServer

__all__ = [
    "QMaskGenerator",
    "QWebSocket",
    "QWebSocketCorsAuthenticator",
    "QWebSocketHandshakeOptions",
    "QWebSocketProtocol",
    "QWebSocketServer",
    "__version__",
    "install",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "_install" if name == "install" else name.lower()
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
