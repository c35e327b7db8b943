"""Masking: the XOR of section 5.3, and its keys."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.transcript import xor
from pyqwebsocket._engine import masking

keys = st.binary(min_size=4, max_size=4)


@pytest.fixture
def own_xor() -> Iterator[None]:
    former = masking._Masking.xor
    yield
    masking.set_xor(former)


def test_the_hello_of_section_5_7_is_masked_as_written_there():
    assert masking.apply_mask(b"Hello", b"\x37\xfa\x21\x3d") == b"\x7f\x9f\x4d\x51\x58"


@given(st.binary(max_size=100), keys)
def test_each_byte_meets_its_byte_of_the_key(data: bytes, key: bytes):
    assert masking.xor_with_int(data, key) == xor(data, key)


@pytest.mark.parametrize("size", [2**15 - 1, 2**15, 2**15 + 1, 2**16 + 3, 3 * 2**15])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_large_data_is_masked_as_if_in_one_piece(size: int, kind: type):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    assert masking.xor_with_int(kind(data), b"\x01\x80\xfe\x7f") == xor(data, b"\x01\x80\xfe\x7f")


def test_nothing_masked_is_nothing():
    assert masking.apply_mask(b"", b"abcd") == b""


@given(st.binary(max_size=40), keys, st.integers(0, 40))
def test_a_rotated_key_goes_on_where_the_first_piece_ended(data: bytes, key: bytes, cut: int):
    second = masking.rotated(key, len(data[:cut]))
    assert xor(data[:cut], key) + xor(data[cut:], second) == xor(data, key)


@pytest.mark.parametrize(
    ("offset", "key"),
    [(0, b"abcd"), (1, b"bcda"), (2, b"cdab"), (3, b"dabc"), (4, b"abcd"), (2**40 + 1, b"bcda")],
)
def test_a_key_is_rotated_by_what_was_masked(offset: int, key: bytes):
    assert masking.rotated(b"abcd", offset) == key


def test_new_keys_are_four_bytes_and_differ():
    made = {masking.new_key() for _ in range(100)}
    assert {len(key) for key in made} == {4}
    assert len(made) > 90


@pytest.mark.usefixtures("own_xor")
def test_another_xor_can_be_handed_in():
    masking.set_xor(lambda data, key: b"handed in " + bytes(data) + key)
    assert masking.apply_mask(b"data", b"-key") == b"handed in data-key"
