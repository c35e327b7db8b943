"""That these tests run on the package that tox built and installed, and not on the source tree."""

import os
import sys
from pathlib import Path

import pytest

import pyqwebsocket


@pytest.mark.skipif(
    not os.environ.get("PYQWEBSOCKET_EXPECT_INSTALLED"),
    reason="run by hand: PYQWEBSOCKET_EXPECT_INSTALLED, which tox sets, is not set",
)
def test_the_package_under_test_is_the_installed_wheel() -> None:
    location = Path(pyqwebsocket.__file__)

    assert location.is_relative_to(sys.prefix)
    assert "site-packages" in location.parts
