"""What can go wrong, each with what the peer or the program has to be told."""

from pyqwebsocket._engine import codes


class ProtocolError(Exception):
    """The peer broke RFC 6455: the connection is failed with this close code (section 7.1.7).

    Args:
        reason: what the peer is told in the Close frame, at most 123 bytes.
        close_code: the code of the Close frame.
    """

    def __init__(self, reason: str, close_code: int = codes.PROTOCOL_ERROR) -> None:
        super().__init__(reason)
        self.reason = reason
        self.close_code = close_code


class HandshakeError(Exception):
    """The peer's half of the opening handshake cannot be accepted; the text is for the program."""


class InvalidRequestError(Exception):
    """The program asked for an opening handshake that may not be sent (a line break in it, say)."""
