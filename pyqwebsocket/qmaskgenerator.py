"""``QMaskGenerator``: where the masks of a client's frames come from."""

import secrets
import sys

from PySide6.QtCore import QObject

from pyqwebsocket._engine import masking


class QMaskGenerator(QObject):
    """The base of generators of masks (RFC 6455 section 5.3); subclasses give ``nextMask()``.

    Sockets use the operating system's random source unless ``QWebSocket.setMaskGenerator()`` gives
    them another. A mask that a peer can predict lets a page smuggle bytes past proxies (RFC 6455
    section 10.3): replace the default in tests only.

    Args:
        parent: the QObject that owns the generator.

    Qt: https://doc.qt.io/qt-6/qmaskgenerator.html
    """

    def __init__(self, parent: QObject | None = None) -> None:
        if type(self) is QMaskGenerator:
            raise NotImplementedError(
                "QMaskGenerator is abstract: subclass it and give nextMask() and seed()"
            )
        super().__init__(parent)

    def nextMask(self) -> int:
        """The next mask: 0 to 2**32 - 1."""
        raise NotImplementedError("a mask generator needs nextMask()")

    def seed(self) -> bool:
        """Prepare the generator; True if that succeeded."""
        raise NotImplementedError("a mask generator needs seed()")


class SystemMaskGenerator(QMaskGenerator):
    """The default: masks from the operating system's random source."""

    def nextMask(self) -> int:
        """A mask that nobody can predict."""
        return secrets.randbits(32)

    def seed(self) -> bool:
        """True: the operating system seeds itself."""
        return True


class MaskKeys:
    """Masking keys for the engine, from the generator that is set at the time.

    A plain object, so that the engine's reference to it keeps no socket alive.

    Attributes:
        generator: the generator set by the program, or None for the default.
    """

    def __init__(self) -> None:
        self.generator: QMaskGenerator | None = None

    def new_key(self) -> bytes:
        """The masking key of the next frame."""
        if self.generator is None:
            return masking.new_key()
        return self._next_mask(self.generator).to_bytes(4, "big")

    def new_nonce(self) -> bytes:
        """Sixteen bytes for ``Sec-WebSocket-Key``: four masks in the machine's byte order."""
        if self.generator is None:
            return secrets.token_bytes(16)
        masks = [self._next_mask(self.generator) for _ in range(4)]
        return b"".join(mask.to_bytes(4, sys.byteorder) for mask in masks)

    @staticmethod
    def _next_mask(generator: QMaskGenerator) -> int:
        """A mask of the program's generator; its mistakes are told, and a safe mask stands in."""
        try:
            mask = generator.nextMask()
            if not 0 <= mask < 1 << 32:
                raise ValueError(f"nextMask() gave {mask}, not a number of 32 bits")
        except Exception:  # noqa: BLE001 - the program's code, called from our slots
            sys.excepthook(*sys.exc_info())
            mask = secrets.randbits(32)
        return mask
