"""The module under test: this package, or Qt's own when PYQWEBSOCKET_TEST_MODULE names it.

``PYQWEBSOCKET_TEST_MODULE=PySide6.QtWebSockets pytest tests/qt`` runs the behaviour tests on Qt's
module (tox environment ``parity``); without the variable they run on ``pyqwebsocket``.
"""

import importlib
import os

MODULE_NAME = os.environ.get("PYQWEBSOCKET_TEST_MODULE", "pyqwebsocket.QtWebSockets")
ON_QT = MODULE_NAME.startswith("PySide6.")

QtWebSockets = importlib.import_module(MODULE_NAME)
QWebSocketProtocol = QtWebSockets.QWebSocketProtocol  # first: PySide6 makes the enums only now
QWebSocket = QtWebSockets.QWebSocket
QMaskGenerator = QtWebSockets.QMaskGenerator
QWebSocketHandshakeOptions = QtWebSockets.QWebSocketHandshakeOptions
# These two are None while the package has no server.
QWebSocketServer = getattr(QtWebSockets, "QWebSocketServer", None)
QWebSocketCorsAuthenticator = getattr(QtWebSockets, "QWebSocketCorsAuthenticator", None)
