"""Masking of payloads (RFC 6455 section 5.3), and where masking keys come from."""

import secrets
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

Payload: TypeAlias = bytes | bytearray | memoryview
Xor: TypeAlias = Callable[[Payload, bytes], bytes]

# One int of a whole large message would fall out of the processor's cache twice over.
_CHUNK: Final = 1 << 15


def new_key() -> bytes:
    """Four bytes from the operating system: RFC 6455 section 10.3 wants keys nobody can predict."""
    return secrets.token_bytes(4)


def rotated(key: bytes, offset: int) -> bytes:
    """The key as it applies to payload that begins ``offset`` bytes into the frame."""
    offset &= 3
    return key[offset:] + key[:offset]


def _xor_small(data: Payload, key: bytes) -> bytes:
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, sys.byteorder) ^ int.from_bytes(mask, sys.byteorder)).to_bytes(
        size, sys.byteorder
    )


def xor_with_int(data: Payload, key: bytes) -> bytes:
    """XOR ``data`` with the repeated four-byte ``key``, in pure Python."""
    if len(data) <= _CHUNK:
        return _xor_small(data, key)
    view = memoryview(data)
    return b"".join(
        [_xor_small(view[start : start + _CHUNK], key) for start in range(0, len(view), _CHUNK)]
    )


class _Masking:
    """The XOR in use: the one of this module until a faster one is handed in."""

    xor: Xor = staticmethod(xor_with_int)


def set_xor(xor: Xor) -> None:
    """Use ``xor(data, key)`` from now on, in place of ``xor_with_int``."""
    _Masking.xor = staticmethod(xor)


def apply_mask(data: Payload, key: bytes) -> bytes:
    """Mask or unmask ``data``: the same XOR does both (RFC 6455 section 5.3)."""
    return _Masking.xor(data, key)
