"""Arguments of the Qt-facing classes: PySide6 refuses wrong types with TypeError, and so do we."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from PySide6.QtCore import QByteArray
from PySide6.QtNetwork import QSslError

from pyqwebsocket._engine.masking import Payload

Bytes: TypeAlias = QByteArray | bytes | bytearray | memoryview


def check(function: str, value: object, *types: type) -> None:
    """Raise TypeError unless ``value`` is of one of the types."""
    if not isinstance(value, types):
        expected = " or ".join("None" if it is type(None) else it.__name__ for it in types)
        raise TypeError(f"{function}() takes {expected}, not {type(value).__name__}")


def to_int(function: str, value: object, lowest: int, highest: int) -> int:
    """A number in a range; PySide6 cuts a float to its int."""
    if not isinstance(value, int | float):
        raise TypeError(f"{function}() takes int, not {type(value).__name__}")
    if not lowest <= value <= highest:
        raise OverflowError(f"{function}() takes {lowest} to {highest}, not {value}")
    return int(value)


def to_int32(function: str, value: object) -> int:
    """A number that fits C++'s int."""
    return to_int(function, value, -(1 << 31), (1 << 31) - 1)


def to_port(function: str, value: object) -> int:
    """A TCP port; None stands for 0."""
    return 0 if value is None else to_int(function, value, 0, (1 << 16) - 1)


def to_names(function: str, value: Any) -> list[str]:
    """A list of str from whatever can be iterated."""
    names = list(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{function}() takes a sequence of str")
    return names


def to_uint64(function: str, value: object) -> int:
    """A size: an int that fits C++'s quint64."""
    if not isinstance(value, int):
        raise TypeError(f"{function}() takes int, not {type(value).__name__}")
    if not 0 <= value < 1 << 64:
        raise OverflowError(f"{function}() takes 0 to 2**64 - 1, not {value}")
    return value


def to_bytes(function: str, data: Any) -> Payload:
    """What PySide6 takes for a QByteArray, as an object that can be sliced without a copy."""
    if isinstance(data, bytes | bytearray):
        return data
    if isinstance(data, QByteArray):
        return data.data()
    if isinstance(data, memoryview):
        return data.cast("B") if data.c_contiguous else data.tobytes()
    if data is None:
        return b""
    raise TypeError(
        f"{function}() takes QByteArray, bytes, bytearray or memoryview, not {type(data).__name__}"
    )


def to_utf8(text: str) -> bytes:
    """UTF-8 of any str: pairs of surrogates are joined, and lone ones become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def to_ssl_errors(errors: Any) -> list[QSslError]:
    """A list of TLS errors from a sequence of them."""
    if not isinstance(errors, Sequence) or not all(isinstance(it, QSslError) for it in errors):
        raise TypeError("ignoreSslErrors() takes a sequence of QSslError")
    return list(errors)
