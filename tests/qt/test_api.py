"""The names, signatures and enum values of the classes, and their meta-objects."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import PySide6
import pytest
from PySide6.QtCore import QMetaMethod, QObject

from support import qtmodule
from support.qtmodule import ON_QT, QWebSocketProtocol

API = json.loads((Path(__file__).parent / "api-6.12.json").read_text())["classes"]
CLIENT_CLASSES = [
    "QMaskGenerator",
    "QWebSocket",
    "QWebSocketHandshakeOptions",
    "QWebSocketProtocol",
]
CLASSES = [name for name in API if hasattr(qtmodule.QtWebSockets, name)]
SIGNALS = [(name, signal) for name in CLASSES for signal in API[name]["signals"]]
SLOTS = [(name, slot) for name in CLASSES for slot in API[name]["slots"]]
ENUMS = [(name, enum) for name in CLASSES for enum in API[name]["enums"]]
# PySide6 lets Python declare no signal with a pointer to a Python class, and before 6.11 none with
# a Python enum: these are PyObject in the meta-object (docs/differences.md).
PYOBJECTS = set() if ON_QT else {"originAuthenticationRequired(QWebSocketCorsAuthenticator*)"}
if not ON_QT and PySide6.__version_info__ < (6, 11):
    PYOBJECTS.add("serverError(QWebSocketProtocol::CloseCode)")


def class_of(name: str) -> Any:
    return getattr(qtmodule.QtWebSockets, name)


def own_methods(cls: Any, kind: QMetaMethod.MethodType) -> list[QMetaMethod]:
    meta = cls.staticMetaObject
    first = QObject.staticMetaObject.methodCount()
    methods = [meta.method(index) for index in range(first, meta.methodCount())]
    return [method for method in methods if method.methodType() == kind]


def signature_of(method: QMetaMethod) -> str:
    return bytes(method.methodSignature().data()).decode()


def softened(signature: str) -> str:
    """The signature with its one parameter as PyObject."""
    return f"{signature.split('(', maxsplit=1)[0]}(PyObject)"


def find(name: str, signature: str, kind: QMetaMethod.MethodType) -> QMetaMethod | None:
    wanted = softened(signature) if signature in PYOBJECTS else signature
    methods = own_methods(class_of(name), kind)
    return next((method for method in methods if signature_of(method) == wanted), None)


@pytest.mark.parametrize("name", CLIENT_CLASSES)
def test_the_module_has_the_class(name: str) -> None:
    assert isinstance(class_of(name), type)
    assert class_of(name).__name__ == name


@pytest.mark.parametrize("name", CLASSES)
def test_the_class_has_all_methods(name: str) -> None:
    missing = [item for item in API[name]["methods"] if not callable(getattr(class_of(name), item))]
    assert missing == []


@pytest.mark.parametrize("name", CLASSES)
def test_the_class_has_the_base(name: str) -> None:
    if API[name]["bases"] == ["QObject"] and name != "QMaskGenerator":  # Qt's says QObject
        assert issubclass(class_of(name), QObject)
        assert class_of(name).staticMetaObject.className() == name


@pytest.mark.parametrize(("name", "signature"), SIGNALS)
def test_the_signal_is_in_the_meta_object(name: str, signature: str) -> None:
    assert find(name, signature, QMetaMethod.MethodType.Signal) is not None


@pytest.mark.parametrize(("name", "signature"), SIGNALS)
def test_the_signal_has_the_parameter_names(name: str, signature: str) -> None:
    method = find(name, signature, QMetaMethod.MethodType.Signal)
    assert method is not None
    names = [item.data().decode() for item in method.parameterNames()]
    assert names == API[name]["signals"][signature]


@pytest.mark.parametrize(("name", "signature"), SLOTS)
def test_the_slot_is_in_the_meta_object(name: str, signature: str) -> None:
    assert find(name, signature, QMetaMethod.MethodType.Slot) is not None


@pytest.mark.parametrize("name", [name for name in CLASSES if API[name]["signals"]])
def test_there_are_no_signals_more_under_the_names_of_qt(name: str) -> None:
    found = {
        signature_of(item) for item in own_methods(class_of(name), QMetaMethod.MethodType.Signal)
    }
    names = {signature.split("(")[0] for signature in API[name]["signals"]}
    doubled = [item for item in found if item.split("(")[0] in names]
    assert len(doubled) == len(API[name]["signals"])


@pytest.mark.parametrize("method", ["sendTextMessage", "sendBinaryMessage", "abort", "resume"])
def test_what_is_no_slot_in_qt_is_none_here(method: str) -> None:
    found = own_methods(qtmodule.QWebSocket, QMetaMethod.MethodType.Slot)
    assert method not in [item.name().data().decode() for item in found]


@pytest.mark.parametrize(("name", "enum"), ENUMS)
def test_the_enum_has_the_values(name: str, enum: str) -> None:
    found = {member.name: member.value for member in getattr(class_of(name), enum)}
    assert found == API[name]["enums"][enum]


@pytest.mark.parametrize(("name", "enum"), ENUMS)
def test_the_members_are_also_reached_without_the_name_of_the_enum(name: str, enum: str) -> None:
    for member in getattr(class_of(name), enum):
        assert getattr(class_of(name), member.name) is member


def test_the_latest_version_is_13() -> None:
    assert QWebSocketProtocol.Version.VersionLatest is QWebSocketProtocol.Version.Version13
    assert QWebSocketProtocol.VersionLatest is QWebSocketProtocol.Version.Version13


@pytest.mark.parametrize("enum", ["CloseCode", "Version"])
def test_enum_members_are_not_numbers(enum: str) -> None:
    member = next(iter(getattr(QWebSocketProtocol, enum)))
    assert not isinstance(member, int)
    assert member != member.value


@pytest.mark.parametrize("number", [4001, 3000, 0, 999, 1012, 70000])
def test_any_number_is_a_close_code(number: int) -> None:
    code = QWebSocketProtocol.CloseCode(number)
    assert isinstance(code, QWebSocketProtocol.CloseCode)
    assert (code.name, code.value) == (str(number), number)
    assert code is QWebSocketProtocol.CloseCode(number)
    assert code not in list(QWebSocketProtocol.CloseCode)


def test_a_close_code_is_found_by_its_number() -> None:
    assert QWebSocketProtocol.CloseCode(1001) is QWebSocketProtocol.CloseCode.CloseCodeGoingAway


@pytest.mark.parametrize("name", ["QWebSocketProtocol", "QMaskGenerator"])
def test_what_is_abstract_cannot_be_made(name: str) -> None:
    with pytest.raises(NotImplementedError):
        class_of(name)()


# Signatures


def parameters_of(signature: str) -> tuple[int, list[str]]:
    """How many parameters are positional only, and the names of the others; without self."""
    inside = signature[1 : signature.rindex(") ->")]
    names = [part.split(":")[0].strip() for part in re.split(r", (?![^\[]*\])", inside)]
    names = [name for name in names if name not in ("", "self")]
    place = names.index("/") if "/" in names else 0
    return place, [name for name in names[place:] if name != "/"]


METHODS = [
    (name, method, signatures)
    for name in CLASSES
    for method, signatures in API[name]["methods"].items()
    if method == "__init__" or not method.startswith("__")
]


@pytest.mark.skipif(ON_QT, reason="Qt's own methods are in C++ and have no Python signature")
@pytest.mark.parametrize(("name", "method", "signatures"), METHODS)
def test_the_method_has_the_parameters(name: str, method: str, signatures: list[str]) -> None:
    found = inspect.signature(getattr(class_of(name), method)).parameters.values()
    by_place = [item.name for item in found if item.kind is item.POSITIONAL_ONLY]
    by_name = [item.name for item in found if item.kind is item.POSITIONAL_OR_KEYWORD]
    wanted = [parameters_of(signature) for signature in signatures]
    if by_name[:1] == ["self"]:
        by_name = by_name[1:]
    assert max(count for count, _ in wanted) == len([it for it in by_place if it != "self"])
    assert max((names for _, names in wanted), key=len) == by_name
