"""Hangs up on the first call, drops the second, answers the third; a script of globals."""

import sys

from PySide6.QtCore import QCoreApplication
from PySide6.QtNetwork import QHostAddress
from PySide6.QtWebSockets import QWebSocketProtocol, QWebSocketServer

app = QCoreApplication(sys.argv)
sockets = []
server = QWebSocketServer("rude", QWebSocketServer.NonSecureMode)


def welcome():
    socket = server.nextPendingConnection()
    sockets.append(socket)
    number = len(sockets)
    socket.disconnected.connect(lambda: print("call", number, "is over", flush=True))
    if number == 1:
        socket.close(QWebSocketProtocol.CloseCode.CloseCodeTooMuchData, "not now")
    elif number == 2:
        socket.abort()
    else:
        socket.textMessageReceived.connect(lambda text: socket.sendTextMessage(text.upper()))


server.newConnection.connect(welcome)
server.listen(QHostAddress.LocalHost)
print("PORT", server.serverPort(), flush=True)
app.exec()
