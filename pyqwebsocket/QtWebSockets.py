"""The names of ``PySide6.QtWebSockets``, from this package."""

from pyqwebsocket.qmaskgenerator import QMaskGenerator
from pyqwebsocket.qwebsocket import QWebSocket
from pyqwebsocket.qwebsockethandshakeoptions import QWebSocketHandshakeOptions
from pyqwebsocket.qwebsocketprotocol import QWebSocketProtocol

__all__ = [
    "QMaskGenerator",
    "QWebSocket",
    "QWebSocketHandshakeOptions",
    "QWebSocketProtocol",
]
