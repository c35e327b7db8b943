"""Opens again from inside ``disconnected`` until it is let in; a script of globals."""

import sys

from PySide6.QtCore import QCoreApplication, QTimer, QUrl
from PySide6.QtWebSockets import QWebSocket

url = QUrl(sys.argv[1])
app = QCoreApplication(sys.argv)
ws = QWebSocket()
attempts = 0


def connect():
    global attempts  # noqa: PLW0603 - as scripts do
    attempts += 1
    ws.open(url)


def on_connected():
    print("attempt", attempts, "connected to", ws.peerName(), ws.requestUrl() == url)
    if attempts == 3:
        QTimer.singleShot(0, lambda: ws.sendTextMessage("let me in"))


def on_disconnected():
    print("attempt", attempts, "over", ws.state().name)
    if attempts < 3:
        connect()
    else:
        app.exit(attempts)


def on_message(text):
    print("message:", text)
    ws.close()


ws.connected.connect(on_connected)
ws.disconnected.connect(on_disconnected)
ws.textMessageReceived.connect(on_message)
connect()
sys.exit(app.exec())
