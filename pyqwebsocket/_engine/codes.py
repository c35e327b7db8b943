"""The numbers of RFC 6455: opcodes and close codes, and the sets that say which may be used."""

from typing import Final

# Opcodes, RFC 6455 section 5.2
CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

DATA_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY})
OPCODES: Final = DATA_OPCODES | {CLOSE, PING, PONG}

# Close codes, RFC 6455 section 7.4.1
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005  # never on the wire: it stands for a Close frame without a code
INVALID_DATA: Final = 1007
MESSAGE_TOO_BIG: Final = 1009

# What a Close frame may carry when it is received. 1004, 1005, 1006 and 1015 are reserved (7.4.1),
# 1012 to 1014 are refused because Qt refuses them, and below 3000 the rest is not defined (7.4.2).
CLOSE_CODES: Final = (
    frozenset(range(1000, 1004)) | frozenset(range(1007, 1012)) | frozenset(range(3000, 5000))
)
# What may be sent besides: registered with IANA after the RFC.
SENDABLE_CLOSE_CODES: Final = CLOSE_CODES | {1012, 1013, 1014}

MAX_CONTROL_PAYLOAD: Final = 125  # RFC 6455 section 5.5
MAX_CLOSE_REASON: Final = MAX_CONTROL_PAYLOAD - 2
