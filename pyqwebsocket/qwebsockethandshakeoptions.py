"""``QWebSocketHandshakeOptions``: what a client asks for in its opening handshake."""

from collections.abc import Sequence


class QWebSocketHandshakeOptions:
    """A value that holds the options of an opening handshake: the subprotocols.

    Args:
        other: options to copy.

    Qt: https://doc.qt.io/qt-6/qwebsockethandshakeoptions.html
    """

    def __init__(self, other: "QWebSocketHandshakeOptions | None" = None, /) -> None:
        if other is not None and not isinstance(other, QWebSocketHandshakeOptions):
            raise TypeError(f"QWebSocketHandshakeOptions expected, not {type(other).__name__}")
        self._subprotocols: list[str] = [] if other is None else other.subprotocols()

    def subprotocols(self) -> list[str]:
        """The names of the subprotocols, the preferred one first (RFC 6455 section 1.9)."""
        return list(self._subprotocols)

    def setSubprotocols(self, protocols: Sequence[str], /) -> None:
        """Set the names of the subprotocols to offer, the preferred one first.

        Names that are no HTTP token are left out of the request with a warning.

        Raises:
            TypeError: ``protocols`` is not a sequence of str.
        """
        if isinstance(protocols, str) or not all(isinstance(name, str) for name in protocols):
            raise TypeError("setSubprotocols() takes a sequence of str")
        self._subprotocols = list(protocols)

    def swap(self, other: "QWebSocketHandshakeOptions", /) -> None:
        """Exchange the options with those of ``other``."""
        self._subprotocols, other._subprotocols = other._subprotocols, self._subprotocols

    def __copy__(self) -> "QWebSocketHandshakeOptions":
        return QWebSocketHandshakeOptions(self)

    def __eq__(self, rhs: object) -> bool:
        if not isinstance(rhs, QWebSocketHandshakeOptions):
            return NotImplemented
        return self._subprotocols == rhs._subprotocols

    __hash__ = None  # type: ignore[assignment] # a value that can change
