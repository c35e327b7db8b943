"""XOR of large data on QBitArray, which does in C++ what Python has only for int.

QtCore's ``QBitArray`` has ``^=`` on whole words and can be made from bytes: ten times as fast as
int. ``fromBits()`` takes bytes only in some versions of PySide6 (6.12.0 does, 6.11.2 does not), so
that is tried once, at import.
"""

from typing import Final

from PySide6.QtCore import QBitArray

from pyqwebsocket._engine import masking
from pyqwebsocket._engine.masking import Payload

_SMALL: Final = 2048  # bytes; below it the int of the engine is faster
_CHUNK: Final = 128 * 1024  # bytes; what fits the processor's cache three times


def _xor_chunk(data: Payload, key: bytes) -> bytes:
    size = len(data)
    mask = QBitArray.fromBits(key * (size // 4 + 1), size * 8)
    mask ^= QBitArray.fromBits(data, size * 8)
    return mask.bits()[:size]  # type: ignore[return-value]


def xor_with_qbitarray(data: Payload, key: bytes) -> bytes:
    """XOR ``data`` with the repeated four-byte ``key``."""
    if len(data) < _SMALL:
        return masking.xor_with_int(data, key)
    if len(data) <= _CHUNK:
        return _xor_chunk(data, key)
    view = memoryview(data)
    return b"".join(
        [_xor_chunk(view[start : start + _CHUNK], key) for start in range(0, len(view), _CHUNK)]
    )


def install() -> bool:
    """Hand the faster XOR to the engine if this PySide6 can do it; whether it can."""
    sample, key = bytes(range(256)) * 16, b"\x01\x80\xfe\x7f"
    try:
        usable = _xor_chunk(sample, key) == masking.xor_with_int(sample, key)
    except (TypeError, ValueError):
        usable = False
    if usable:
        masking.set_xor(xor_with_qbitarray)
    return usable
