"""``QWebSocketProtocol``: the numbers of the protocol under Qt's names."""

import enum
from typing import Final

from PySide6.QtCore import QEnum, QObject


class _OpenEnum(enum.Enum):
    """An enum that, as PySide6's do, has a member for every number."""

    @classmethod
    def _missing_(cls, value: object) -> "_OpenEnum | None":
        if not isinstance(value, int):
            return None
        member = object.__new__(cls)
        member._name_ = str(value)
        member._value_ = value
        # dict.setdefault: two threads that ask at once get the same member.
        known = cls._value2member_map_.setdefault(value, member)
        return known if isinstance(known, cls) else None


class QWebSocketProtocol(QObject):
    """The namespace of the protocol's enums; it has no instances.

    A QObject only in name: that is how PySide6 gives the enums their C++ names in signals.

    Qt: https://doc.qt.io/qt-6/qwebsocketprotocol.html
    """

    class Version(_OpenEnum):
        """The versions of the WebSocket protocol; only 13 (RFC 6455) is spoken."""

        VersionUnknown = -1
        Version0 = 0
        Version4 = 4
        Version5 = 5
        Version6 = 6
        Version7 = 7
        Version8 = 8
        Version13 = 13
        VersionLatest = 13

    class CloseCode(_OpenEnum):
        """Why a connection was closed (RFC 6455 section 7.4.1).

        ``CloseCode(number)`` gives a member for any other number: 3000 to 4999 are free for use by
        libraries and programs.
        """

        CloseCodeNormal = 1000
        CloseCodeGoingAway = 1001
        CloseCodeProtocolError = 1002
        CloseCodeDatatypeNotSupported = 1003
        CloseCodeReserved1004 = 1004
        CloseCodeMissingStatusCode = 1005
        CloseCodeAbnormalDisconnection = 1006
        CloseCodeWrongDatatype = 1007
        CloseCodePolicyViolated = 1008
        CloseCodeTooMuchData = 1009
        CloseCodeMissingExtension = 1010
        CloseCodeBadOperation = 1011
        CloseCodeTlsHandshakeFailed = 1015

    QEnum(Version)
    QEnum(CloseCode)

    # Qt for Python lets the members be used without the name of their enum.
    VersionUnknown: Final = Version.VersionUnknown
    Version0: Final = Version.Version0
    Version4: Final = Version.Version4
    Version5: Final = Version.Version5
    Version6: Final = Version.Version6
    Version7: Final = Version.Version7
    Version8: Final = Version.Version8
    Version13: Final = Version.Version13
    VersionLatest: Final = Version.VersionLatest
    CloseCodeNormal: Final = CloseCode.CloseCodeNormal
    CloseCodeGoingAway: Final = CloseCode.CloseCodeGoingAway
    CloseCodeProtocolError: Final = CloseCode.CloseCodeProtocolError
    CloseCodeDatatypeNotSupported: Final = CloseCode.CloseCodeDatatypeNotSupported
    CloseCodeReserved1004: Final = CloseCode.CloseCodeReserved1004
    CloseCodeMissingStatusCode: Final = CloseCode.CloseCodeMissingStatusCode
    CloseCodeAbnormalDisconnection: Final = CloseCode.CloseCodeAbnormalDisconnection
    CloseCodeWrongDatatype: Final = CloseCode.CloseCodeWrongDatatype
    CloseCodePolicyViolated: Final = CloseCode.CloseCodePolicyViolated
    CloseCodeTooMuchData: Final = CloseCode.CloseCodeTooMuchData
    CloseCodeMissingExtension: Final = CloseCode.CloseCodeMissingExtension
    CloseCodeBadOperation: Final = CloseCode.CloseCodeBadOperation
    CloseCodeTlsHandshakeFailed: Final = CloseCode.CloseCodeTlsHandshakeFailed

    def __init__(self) -> None:
        raise NotImplementedError("QWebSocketProtocol is a namespace and has no instances")
