"""Autobahn's program, ready to run; without Python 2.7 the tests that want it are skipped."""

from pathlib import Path

import pytest

from conformance.setup_autobahn import NO_PYTHON_27, ensure_wstest


@pytest.fixture(scope="session")
def wstest() -> Path:
    """The path of ``wstest``; making its environment takes about a minute, once."""
    program = ensure_wstest()
    if program is None:
        pytest.skip(NO_PYTHON_27)
    return program
