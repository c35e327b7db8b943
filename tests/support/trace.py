"""A recorder of everything that a socket says, in the order in which it says it."""

from typing import Any

from PySide6.QtCore import QObject

# Not recorded unless asked for: how many writes a socket makes is its own affair.
QUIET = ("bytesWritten",)


class Trace(QObject):
    """Writes each signal of a QWebSocket into ``lines``: ``"state:Connecting"``, ``"connected"``.

    The handlers are methods of a QObject, so that a trace of a socket in another thread is made
    in the thread of the trace.
    """

    def __init__(self, socket: Any, *, written: bool = False) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.written = 0
        socket.stateChanged.connect(self._on_state_changed)
        socket.connected.connect(self._on_connected)
        socket.disconnected.connect(self._on_disconnected)
        socket.aboutToClose.connect(self._on_about_to_close)
        socket.readChannelFinished.connect(self._on_read_channel_finished)
        socket.errorOccurred.connect(self._on_error_occurred)
        socket.error.connect(self._on_error)
        socket.textFrameReceived.connect(self._on_text_frame)
        socket.binaryFrameReceived.connect(self._on_binary_frame)
        socket.textMessageReceived.connect(self._on_text_message)
        socket.binaryMessageReceived.connect(self._on_binary_message)
        socket.pong.connect(self._on_pong)
        socket.bytesWritten.connect(self._on_bytes_written)
        socket.authenticationRequired.connect(self._on_authentication_required)
        socket.proxyAuthenticationRequired.connect(self._on_proxy_authentication_required)
        socket.preSharedKeyAuthenticationRequired.connect(self._on_pre_shared_key)
        socket.sslErrors.connect(self._on_ssl_errors)
        socket.peerVerifyError.connect(self._on_peer_verify_error)
        socket.alertSent.connect(self._on_alert_sent)
        socket.alertReceived.connect(self._on_alert_received)
        socket.handshakeInterruptedOnError.connect(self._on_handshake_interrupted)
        self._show_written = written

    def take(self) -> list[str]:
        """Give back the lines and begin a new list."""
        lines, self.lines = self.lines, []
        return lines

    def only(self, *starts: str) -> list[str]:
        """The lines that begin with one of these."""
        return [line for line in self.lines if line.startswith(starts)]

    def without(self, *starts: str) -> list[str]:
        """The lines that begin with none of these."""
        return [line for line in self.lines if not line.startswith(starts)]

    def _on_state_changed(self, state: Any) -> None:
        self.lines.append(f"state:{state.name.removesuffix('State')}")

    def _on_connected(self) -> None:
        self.lines.append("connected")

    def _on_disconnected(self) -> None:
        self.lines.append("disconnected")

    def _on_about_to_close(self) -> None:
        self.lines.append("aboutToClose")

    def _on_read_channel_finished(self) -> None:
        self.lines.append("readChannelFinished")

    def _on_error_occurred(self, error: Any) -> None:
        self.lines.append(f"errorOccurred:{error.name}")

    def _on_error(self, error: Any) -> None:
        self.lines.append(f"error:{error.name}")

    def _on_text_frame(self, text: str, last: bool) -> None:
        self.lines.append(f"textFrame:{text}:{'last' if last else 'more'}")

    def _on_binary_frame(self, data: Any, last: bool) -> None:
        self.lines.append(f"binaryFrame:{data.data()!r}:{'last' if last else 'more'}")

    def _on_text_message(self, text: str) -> None:
        self.lines.append(f"text:{text}")

    def _on_binary_message(self, data: Any) -> None:
        self.lines.append(f"binary:{data.data()!r}")

    def _on_pong(self, elapsed: int, payload: Any) -> None:
        self.lines.append(f"pong:{payload.data()!r}")

    def _on_bytes_written(self, count: int) -> None:
        self.written += count
        if self._show_written:
            self.lines.append(f"bytesWritten:{count}")

    def _on_authentication_required(self, authenticator: Any) -> None:
        self.lines.append(f"authenticationRequired:{authenticator.realm()}")

    def _on_proxy_authentication_required(self, proxy: Any, authenticator: Any) -> None:
        self.lines.append(f"proxyAuthenticationRequired:{authenticator.realm()}")

    def _on_pre_shared_key(self, authenticator: Any) -> None:
        self.lines.append(f"preSharedKey:{authenticator.identityHint().data().decode()}")

    def _on_ssl_errors(self, errors: Any) -> None:
        self.lines.append("sslErrors:" + ",".join(error.error().name for error in errors))

    def _on_peer_verify_error(self, error: Any) -> None:
        self.lines.append(f"peerVerifyError:{error.error().name}")

    def _on_alert_sent(self, level: Any, kind: Any, description: str) -> None:
        self.lines.append(f"alertSent:{level.name}:{kind.name}:{description}")

    def _on_alert_received(self, level: Any, kind: Any, description: str) -> None:
        self.lines.append(f"alertReceived:{level.name}:{kind.name}:{description}")

    def _on_handshake_interrupted(self, error: Any) -> None:
        self.lines.append(f"handshakeInterrupted:{error.error().name}")
