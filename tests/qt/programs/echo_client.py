"""A client as it is found in many forum threads: three arguments, error.connect, a ping."""

import sys

from PySide6 import QtCore, QtWebSockets
from PySide6.QtCore import QByteArray, QUrl
from PySide6.QtWebSockets import QWebSocketProtocol


class Client(QtCore.QObject):
    def __init__(self, parent, url):
        super().__init__(parent)
        self.client = QtWebSockets.QWebSocket("", QWebSocketProtocol.Version13, None)
        self.client.error.connect(self.error)
        self.client.connected.connect(self.onConnected)
        self.client.disconnected.connect(self.onDisconnected)
        self.client.textMessageReceived.connect(self.onText)
        self.client.binaryMessageReceived.connect(self.onBinary)
        self.client.pong.connect(self.onPong)
        self.client.open(QUrl(url))

    def onConnected(self):
        print("connected", self.client.isValid(), self.client.version().name)
        self.client.ping(b"foo")

    def onPong(self, elapsedTime, payload):
        print("pong", elapsedTime >= 0, payload)
        print("sent", self.client.sendTextMessage("Grüße, \u4e16\u754c \U0001f600"))

    def onText(self, message):
        print("text:", message)
        self.client.sendBinaryMessage(QByteArray(b"\x00\xff" * 50000))

    def onBinary(self, message):
        print("binary:", message.size(), message == QByteArray(b"\x00\xff" * 50000))
        self.client.sendTextMessage("quit")
        self.client.close()

    def onDisconnected(self):
        print("disconnected", self.client.closeCode().name, self.client.state().name)
        self.client.deleteLater()
        QtCore.QCoreApplication.quit()

    def error(self, error_code):
        print("error:", error_code.name, self.client.errorString())
        QtCore.QCoreApplication.exit(3)


if __name__ == "__main__":
    app = QtCore.QCoreApplication(sys.argv)
    client = Client(app, sys.argv[1])
    sys.exit(app.exec())
