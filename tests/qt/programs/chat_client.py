"""Two people who talk: several sockets in one program, QNetworkRequest, partial, close reasons."""

import importlib
import json
import sys
from functools import partial

from PySide6.QtCore import QCoreApplication, QObject, QUrl
from PySide6.QtNetwork import QAbstractSocket, QNetworkRequest

QtWebSockets = importlib.import_module("PySide6.QtWebSockets")


class Person(QObject):
    def __init__(self, name, url, on_message):
        super().__init__()
        self.name = name
        self.heard = []
        self.socket = QtWebSockets.QWebSocket(origin="http://chat.example", parent=self)
        self.socket.connected.connect(self.join)
        self.socket.textMessageReceived.connect(partial(on_message, self))
        self.socket.errorOccurred.connect(self.fail)
        request = QNetworkRequest(QUrl(url))
        request.setRawHeader(b"Authorization", b"Bearer " + name.encode())
        self.socket.open(request)

    def say(self, **items):
        assert self.socket.state() == QAbstractSocket.ConnectedState
        self.socket.sendTextMessage(json.dumps(items))

    def join(self):
        self.say(type="join", name=self.name)

    def fail(self, error):
        sys.exit(f"{self.name}: {error.name} {self.socket.errorString()}")


def on_message(person, text):
    message = json.loads(text)
    person.heard.append(json.dumps(message, sort_keys=True))
    kind = message["type"]
    if kind == "joined" and person.name == "Ada":
        people["Bob"] = Person("Bob", sys.argv[1], on_message)
    elif kind == "came":
        person.say(type="say", text="Hello, Bob")
    elif kind == "says" and person.name == "Bob":
        person.say(type="say", text="Hello, " + message["name"])
    elif kind == "says":
        person.socket.close(QtWebSockets.QWebSocketProtocol.CloseCodeGoingAway, "bye")
    elif kind == "left":
        person.socket.disconnected.connect(app.quit)
        person.socket.close()


app = QCoreApplication(sys.argv)
people = {"Ada": Person("Ada", sys.argv[1], on_message)}
app.exec()
for person in people.values():
    print(person.name, *person.heard, sep="\n")
