"""The names of ``PySide6.QtWebSockets``, from this package."""

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
]
