"""An echo server after Qt's own example: a list of clients, sender(), unscoped enums."""

import sys

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtNetwork import QHostAddress
from PySide6.QtWebSockets import QWebSocketServer


class EchoServer(QObject):
    closed = Signal()

    def __init__(self, port, parent=None):
        super().__init__(parent)
        self.clients = []
        self.server = QWebSocketServer("Echo Server", QWebSocketServer.NonSecureMode, self)
        if self.server.listen(QHostAddress.LocalHost, port):
            print("PORT", self.server.serverPort(), flush=True)
            self.server.newConnection.connect(self.onNewConnection)
            self.server.closed.connect(self.closed)
        else:
            sys.exit(self.server.errorString())

    def onNewConnection(self):
        client = self.server.nextPendingConnection()
        client.textMessageReceived.connect(self.processTextMessage)
        client.binaryMessageReceived.connect(self.processBinaryMessage)
        client.disconnected.connect(self.socketDisconnected)
        self.clients.append(client)
        print("client", client.origin() or "without origin", client.requestUrl().path())

    def processTextMessage(self, message):
        client = self.sender()
        print("text:", message)
        if message == "quit":
            self.server.close()
        elif client:
            client.sendTextMessage(message)

    def processBinaryMessage(self, message):
        client = self.sender()
        print("binary:", message.size())
        if client:
            client.sendBinaryMessage(message)

    def socketDisconnected(self):
        client = self.sender()
        print("disconnected:", client in self.clients, client.closeCode().name)
        if client:
            self.clients.remove(client)
            client.deleteLater()


if __name__ == "__main__":
    app = QCoreApplication(sys.argv)
    server = EchoServer(int(sys.argv[1]))
    server.closed.connect(app.quit)
    sys.exit(app.exec())
