"""The numbers of RFC 6455."""

from pyqwebsocket._engine import codes
from pyqwebsocket._engine.errors import ProtocolError


def test_opcodes_are_those_of_section_5_2():
    assert sorted(codes.OPCODES) == [0x0, 0x1, 0x2, 0x8, 0x9, 0xA]
    assert sorted(codes.DATA_OPCODES) == [codes.CONTINUATION, codes.TEXT, codes.BINARY] == [0, 1, 2]
    assert [codes.CLOSE, codes.PING, codes.PONG] == [8, 9, 10]


def test_close_codes_that_may_be_received_are_those_that_qt_takes():
    low = sorted(code for code in codes.CLOSE_CODES if code < 3000)
    assert low == [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011]
    assert {3000, 3999, 4000, 4999} <= codes.CLOSE_CODES
    assert not {0, 999, 1004, 1005, 1006, 1012, 1013, 1014, 1015, 1016, 2000, 2999, 5000} & (
        codes.CLOSE_CODES
    )


def test_close_codes_registered_later_may_be_sent():
    assert {1012, 1013, 1014} == codes.SENDABLE_CLOSE_CODES - codes.CLOSE_CODES
    assert not {1004, 1005, 1006, 1015} & codes.SENDABLE_CLOSE_CODES


def test_a_protocol_error_is_1002_unless_it_says_otherwise():
    error = ProtocolError("why")
    assert (error.close_code, error.reason, str(error)) == (1002, "why", "why")
    assert ProtocolError("large", codes.MESSAGE_TOO_BIG).close_code == 1009
