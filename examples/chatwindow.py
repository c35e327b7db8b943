"""A chat window for ``chatserver.py`` or ``fanout.py``.

python examples/chatwindow.py ws://localhost:8080
"""

import sys

from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QAbstractSocket
from PySide6.QtWidgets import (
    QApplication,
    QGridLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QWidget,
)

from pyqwebsocket.QtWebSockets import QWebSocket


class ChatWindow(QWidget):
    """An address with a button to connect, what was said, and a line for what to say."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.setWindowTitle("Chat")
        self.address = QLineEdit(address)
        self.connect_button = QPushButton("&Connect")
        self.messages = QListWidget()
        self.line = QLineEdit(placeholderText="Say something")
        self.line.setEnabled(False)
        layout = QGridLayout(self)
        layout.addWidget(self.address, 0, 0)
        layout.addWidget(self.connect_button, 0, 1)
        layout.addWidget(self.messages, 1, 0, 1, 2)
        layout.addWidget(self.line, 2, 0, 1, 2)

        self._socket = QWebSocket(parent=self)
        self._socket.stateChanged.connect(self._on_state_changed)
        self._socket.connected.connect(self._on_connected)
        self._socket.textMessageReceived.connect(self._show)
        self._socket.errorOccurred.connect(self._on_error)
        self.connect_button.clicked.connect(self._on_button)
        self.line.returnPressed.connect(self._on_return)

    def _on_button(self) -> None:
        if self._socket.state() is QAbstractSocket.SocketState.UnconnectedState:
            self._socket.open(QUrl.fromUserInput(self.address.text()))
        else:
            self._socket.close()

    def _on_state_changed(self, state: QAbstractSocket.SocketState) -> None:
        is_idle = state is QAbstractSocket.SocketState.UnconnectedState
        self.connect_button.setText("&Connect" if is_idle else "Dis&connect")
        self.address.setEnabled(is_idle)
        self.line.setEnabled(state is QAbstractSocket.SocketState.ConnectedState)

    def _on_connected(self) -> None:
        self.line.setFocus()

    def _on_return(self) -> None:
        if text := self.line.text().strip():
            self._socket.sendTextMessage(text)
            self.line.clear()

    def _on_error(self) -> None:
        self._show(f"* {self._socket.errorString()}")

    def _show(self, message: str) -> None:
        self.messages.addItem(message)
        self.messages.scrollToBottom()


if __name__ == "__main__":
    application = QApplication(sys.argv)
    window = ChatWindow(sys.argv[1] if sys.argv[1:] else "ws://localhost:8080")
    window.resize(420, 320)
    window.show()
    sys.exit(application.exec())
