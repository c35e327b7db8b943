"""``QWebSocketCorsAuthenticator``: whether a server lets an origin in."""

from pyqwebsocket import _arguments


class QWebSocketCorsAuthenticator:
    """A value that says of an origin whether it may connect; it may until told otherwise.

    Args:
        origin: the value of the client's ``Origin`` field (RFC 6454), or an authenticator to copy.

    Qt: https://doc.qt.io/qt-6/qwebsocketcorsauthenticator.html
    """

    def __init__(self, origin: "str | QWebSocketCorsAuthenticator | None", /) -> None:
        self._origin = ""
        self._allowed = True
        if isinstance(origin, QWebSocketCorsAuthenticator):
            self._origin, self._allowed = origin._origin, origin._allowed
        else:
            _arguments.check("QWebSocketCorsAuthenticator", origin, str, type(None))
            self._origin = origin or ""

    def origin(self) -> str:
        """The origin, as the client gave it."""
        return self._origin

    def setAllowed(self, allowed: bool, /) -> None:
        """Say whether the origin may connect."""
        _arguments.check("setAllowed", allowed, bool, int)
        self._allowed = bool(allowed)

    def allowed(self) -> bool:
        """Whether the origin may connect."""
        return self._allowed

    def swap(self, other: "QWebSocketCorsAuthenticator", /) -> None:
        """Exchange origin and permission with those of ``other``."""
        _arguments.check("swap", other, QWebSocketCorsAuthenticator)
        self._origin, other._origin = other._origin, self._origin
        self._allowed, other._allowed = other._allowed, self._allowed
