"""A chat server: sockets as the keys of a dictionary, a message for everybody else."""

import json
import sys

import PySide6.QtWebSockets
from PySide6.QtCore import QCoreApplication, QObject, Slot
from PySide6.QtNetwork import QHostAddress


class ChatServer(QObject):
    def __init__(self, parent=None):
        super().__init__(parent)
        self.names = {}
        self.gone = set()
        self.server = PySide6.QtWebSockets.QWebSocketServer(
            "Chat Server", PySide6.QtWebSockets.QWebSocketServer.SslMode.NonSecureMode, parent=self
        )
        self.server.newConnection.connect(self.on_new_connection)
        if not self.server.listen(address=QHostAddress("127.0.0.1"), port=0):
            raise SystemExit(self.server.errorString())
        print(f"PORT {self.server.serverPort()}", flush=True)

    @Slot()
    def on_new_connection(self):
        while self.server.hasPendingConnections():
            socket = self.server.nextPendingConnection()
            self.names[socket] = None
            socket.textMessageReceived.connect(self.on_text_message)
            socket.disconnected.connect(self.on_disconnected)

    @Slot(str)
    def on_text_message(self, text):
        socket = self.sender()
        message = json.loads(text)
        if message["type"] == "join":
            self.names[socket] = message["name"]
            self.tell(socket, "joined", names=sorted(filter(None, self.names.values())))
            self.tell_others(socket, "came", name=message["name"])
        else:
            self.tell_others(socket, "says", name=self.names[socket], text=message["text"])

    @Slot()
    def on_disconnected(self):
        socket = self.sender()
        name = self.names.pop(socket)
        self.gone.add(socket)
        self.tell_others(socket, "left", name=name)
        print(name, "left with", socket.closeCode().value, socket.closeReason(), flush=True)
        self.gone.discard(socket)
        socket.deleteLater()
        if not self.names:
            self.server.closed.connect(QCoreApplication.quit)
            self.server.close()

    def tell(self, socket, kind, **items):
        socket.sendTextMessage(json.dumps({"type": kind, **items}))

    def tell_others(self, socket, kind, **items):
        for other in self.names:
            if other != socket:
                self.tell(other, kind, **items)


app = QCoreApplication(sys.argv)
chat = ChatServer()
code = app.exec()
print("ended with", code, "and", len(chat.names), "names")
sys.exit(code)
