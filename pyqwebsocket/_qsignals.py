"""What PySide6 needs to be told before Qt's signals can be declared and emitted from Python."""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from PySide6.QtCore import QMetaMethod, QMetaObject, QObject, Signal, SignalInstance
from PySide6.QtNetwork import QNetworkAccessManager, QSslSocket


def _register_parameter_types(meta_object: QMetaObject) -> None:
    for index in range(meta_object.methodCount()):
        method = meta_object.method(index)
        for parameter in range(method.parameterCount()):
            method.parameterMetaType(parameter).id()


def register_types() -> None:
    """Make ``QList<QSslError>``, ``QAuthenticator*`` and their like usable in our signals.

    WORKAROUND: PySide6 looks such a type up by name when a signal is emitted; before Qt has
    registered it, that is a TypeError for the list, and a crash for the pointer (6.12.0). Asking
    for the id of a type registers it.
    """
    classes: Sequence[Any] = (QNetworkAccessManager, QSslSocket)
    for qt_class in classes:
        _register_parameter_types(qt_class.staticMetaObject)


def settle(sender: QObject) -> None:
    """Make an object that was made in Python safe to have receivers in other threads.

    WORKAROUND: PySide asks for the GIL when Qt first calls an object's ``disconnectNotify()``, to
    look whether Python overrides it, and remembers the answer. Qt calls it with a lock held when a
    receiver is destroyed; a thread that has the GIL and waits for that lock, because it connects
    something, then waits for ever. Asked once here, with no lock held, it is never asked again.
    """
    sender.objectNameChanged.connect(sender.objectNameChanged)
    sender.objectNameChanged.disconnect(sender.objectNameChanged)


def signal(*types: str, name: str = "", arguments: Sequence[str] = ()) -> Signal:
    """Declare a signal by the names of its C++ types, which PySide6's own stub does not know.

    Args:
        types: C++ types; unlike Python's enums they give the same signature in every version.
        name: the signal's name in the meta-object, where it is not the attribute's.
        arguments: the names of the parameters, as QML handlers see them.
    """
    declare: Any = Signal
    named = {"name": name} if name else {}
    return cast("Signal", declare(*types, arguments=list(arguments), **named))


def enum_signal(python_type: type, *, arguments: Sequence[str]) -> Signal:
    """Declare a signal that carries a Python class: an enum of ours, or a value class.

    In the meta-object an enum that Qt knows has its name from PySide6 6.11 on; everything else is
    ``PyObject``.
    """
    return Signal(python_type, arguments=list(arguments))


def meta_signal(qt_class: Any, signature: str) -> QMetaMethod:
    """A signal of a class, for ``isSignalConnected()``.

    WORKAROUND: ``QMetaMethod.fromSignal()`` keeps the object alive whose signal it is given.
    """
    meta_object: QMetaObject = qt_class.staticMetaObject
    return meta_object.method(meta_object.indexOfSignal(signature))


class SignalAndMethod:
    """A bound signal that can be called: ``socket.error.connect(f)`` and ``socket.error()``."""

    def __init__(self, signal: SignalInstance, method: Callable[[], Any]) -> None:
        self._signal = signal
        self._method = method

    def __call__(self) -> Any:
        return self._method()

    def __getitem__(self, signature: Any) -> SignalInstance:
        return self._signal  # there is one signature, whichever of its names is asked for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signal, name)


class SignalAndMethodMember:
    """The class's side of it: gives each object its ``SignalAndMethod``.

    Args:
        signal: the name of the attribute that holds the signal.
        method: the name of the method that a call goes to.
    """

    def __init__(self, signal: str, method: str) -> None:
        self._signal = signal
        self._method = method

    def __get__(self, instance: QObject | None, owner: type) -> Any:
        if instance is None:
            return getattr(owner, self._signal)
        return SignalAndMethod(getattr(instance, self._signal), getattr(instance, self._method))


_MISREAD_STARTS: Final = ("\ufeff", "\ufffe")


def _drops_byte_order_marks() -> bool:
    probe = QObject()
    probe.setObjectName("\ufeffx")
    return probe.objectName() == "x"


def _guarded(text: str) -> str:
    return "\ufeff" + text if text.startswith(_MISREAD_STARTS) else text


def _unchanged(text: str) -> str:
    return text


# WORKAROUND: PySide6 takes U+FEFF or U+FFFE at the start of a str for a byte order mark when it
# makes a QString of it; one more U+FEFF in front is dropped in its place, and the text is whole.
to_qstring: Final = _guarded if _drops_byte_order_marks() else _unchanged
